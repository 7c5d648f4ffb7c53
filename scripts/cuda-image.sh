#!/usr/bin/env bash
# Compiles the CUDA kernels into native/src/main/resources/dev/kvcapsule/cuda/kernels.fatbin.gz: machine code for the architectures below, PTX for later ones, and beside it the digest of the
# sources. No GPU and no CUDA toolkit is needed: nvcc comes from PyPI, pinned, and is kept in $CAPSULE_CUDA_CACHE (default: kvcapsule/nvcc-VERSION in the user's cache folder).
# "mvn -Pcuda" runs it; what it makes is committed.
set -euo pipefail

# A driver refuses PTX that is newer than itself: not beyond 13.0 without need.
packages=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-nvvm==13.0.88)
architectures=(80 86 89 90 100)
oldest_ptx=75

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sources=$root/native/src/main/cuda
image=$root/native/src/main/resources/dev/kvcapsule/cuda
cache=${CAPSULE_CUDA_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/kvcapsule/nvcc-13.0.88}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || { echo "cuda-image: nvcc is fetched for Linux on x86-64 only" >&2; exit 69; }
command -v g++ >/dev/null || { echo "cuda-image: nvcc needs a g++ on the PATH" >&2; exit 69; }
if [ ! -f "$cache/complete" ]; then
  rm -rf "$cache"
  mkdir -p "$cache"
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/python" -m pip --disable-pip-version-check -q install --no-deps --only-binary :all: --target "$cache/packages" "${packages[@]}"
  touch "$cache/complete"
fi
nvcc=$cache/packages/nvidia/cu13/bin/nvcc
chmod +x "$cache"/packages/nvidia/cu13/bin/* "$cache"/packages/nvidia/cu13/nvvm/bin/* 2>/dev/null || true

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
targets=(-gencode "arch=compute_$oldest_ptx,code=compute_$oldest_ptx")
for architecture in "${architectures[@]}"; do
  targets+=(-gencode "arch=compute_$architecture,code=sm_$architecture")
done
# Not compressed by nvcc, which older drivers could not undo, but by gzip. Every product is rounded before it is added, as on the processor; fused multiply-adds are written out where the format has them.
"$nvcc" -std=c++17 -O3 -fmad=false --compress-mode=none "${targets[@]}" -fatbin -o "$work/kernels.fatbin" "$sources/kernels.cu"
mkdir -p "$image"
gzip -9 -n -c "$work/kernels.fatbin" >"$image/kernels.fatbin.gz"
"$root/scripts/cuda-digest.sh" >"$image/kernels.digest"
echo "cuda-image: $(stat -c %s "$work/kernels.fatbin") bytes, $(stat -c %s "$image/kernels.fatbin.gz") compressed"
