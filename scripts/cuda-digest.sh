#!/usr/bin/env bash
# Prints the SHA-256 of the CUDA kernels' sources, file by file in the order of their names: a name, a zero byte, the length in decimal, a zero byte, the contents.
set -euo pipefail
export LC_ALL=C
cd -P "$(dirname "${BASH_SOURCE[0]}")/../native/src/main/cuda"
printf '%s\n' * | sort | while read -r file; do
  printf '%s\0%s\0' "$file" "$(stat -c %s "$file")"
  cat "$file"
done | sha256sum | cut -d' ' -f1
