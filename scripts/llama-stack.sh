#!/usr/bin/env bash
# Fetches Llama Stack 0.7.3, once, for tests with the real server; prints how to start it: CAPSULE_LLAMA_STACK=...     fit for eval
# Everything is pinned and checked (scripts/llama-stack.txt), and kept in $CAPSULE_TEST_CACHE (default: kvcapsule in the user's cache folder): 133 MB. Works offline once it is there.
# Left out of its dependencies is what a shield does not need: clients of databases and of a cloud, 600 MB.
# Exit code 69: it cannot be had here; the last line on standard error says what is missing.
set -euo pipefail

unavailable() {
  echo "llama-stack: $1" >&2
  exit 69
}

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || unavailable "its pinned parts are for Linux on x86-64, this is $(uname -s) on $(uname -m)"
cache=${CAPSULE_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/kvcapsule}
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || unavailable "$cache cannot be written"
digest=$(sha256sum "$root/scripts/llama-stack.txt" | cut -c1-12)
home=$cache/llama-stack-$digest
if command -v flock >/dev/null; then
  exec 9>"$cache/llama-stack.lock"
  flock 9
fi
if [ ! -f "$home/complete" ]; then
  python=
  for candidate in python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12.*/bin/python3.12; do
    if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then
      python=$candidate
      break
    fi
  done
  [ -n "$python" ] || unavailable "no Python 3.12 on the PATH"
  rm -rf "$home"
  "$python" -m venv "$home" >"$home.log" 2>&1 || unavailable "$python cannot make a virtual environment"
  "$home/bin/python" -m pip --disable-pip-version-check -q install --retries 1 --timeout 20 --no-deps --no-compile --only-binary :all: --require-hashes -r "$root/scripts/llama-stack.txt" \
    >"$home.log" 2>&1 || unavailable "pip cannot install it: $(tail -n 1 "$home.log")"
  rm -f "$home.log"
  touch "$home/complete"
fi
printf 'CAPSULE_LLAMA_STACK=%q\n' "$home/bin/llama"
