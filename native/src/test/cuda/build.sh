#!/usr/bin/env bash
# Builds the stand-in for libcuda.so.1, and the check for races, from the device's sources: build.sh SOURCES OUT
# Without a g++ it leaves OUT/reason, which the tests that are skipped then give, and succeeds.
set -euo pipefail
here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sources=$1
out=$2
mkdir -p "$out"
inputs=("$sources"/*.cu "$sources"/*.cuh "$here"/*)
digest=$(cat "${inputs[@]}" | cksum)
[ -f "$out/built" ] && [ "$(cat "$out/built")" = "$digest" ] && exit 0
rm -f "$out"/*
if ! command -v g++ >/dev/null; then
  echo "no g++ on the PATH, which the stand-in for libcuda.so.1 is built with" >"$out/reason"
  exit 0
fi
flags=(-std=c++17 -ffp-contract=off -Wall -Wextra -Werror -Wno-unused-function -U_FORTIFY_SOURCE -I"$here" -I"$sources")
g++ "${flags[@]}" -O2 -fPIC -shared -fvisibility=hidden -Wl,-soname,libcuda.so.1 -o "$out/libcuda.so.1" -x c++ "$sources/kernels.cu" "$here/driver.cpp" "$here/host_target.cpp" -pthread &
library=$!
# Not every system's g++ comes with the library of ThreadSanitizer.
if echo 'int main() {}' | g++ -fsanitize=thread -x c++ -o "$out/probe" - 2>/dev/null; then
  g++ "${flags[@]}" -O1 -g -fsanitize=thread -DHOST_THREADS -o "$out/races" -x c++ "$here/races.cpp" "$here/host_target.cpp" -pthread
fi
rm -f "$out/probe"
wait "$library"
echo "$digest" >"$out/built"
