// What a kernel is, for nvcc and for a host compiler: the same sources run on a device and, in tests, on a processor.
#pragma once
#include <stdint.h>

#ifdef __CUDACC__

#define DEVICE static __device__ __forceinline__
// Every kernel takes one structure by value, named p, and at most 256 threads a block.
#define KERNEL(name, Parameters) extern "C" __global__ void __launch_bounds__(256) name(const __grid_constant__ Parameters p)
// One of 128 threads a block, of which a processor is to have so many at the same time: what they share out is registers.
#define KERNEL_OF_128(name, Parameters, blocks) extern "C" __global__ void __launch_bounds__(128, blocks) name(const __grid_constant__ Parameters p)
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
// In front of loops whose arrays are to stay in registers.
#define UNROLL _Pragma("unroll")
#define PRAGMA(text) _Pragma(#text)
#define UNROLL_BY(times) PRAGMA(unroll times)

#else

#define UNROLL
#define UNROLL_BY(times)

#include "host_target.h"

#endif

#define ALL_LANES 0xffffffffu

// Threads of the whole grid and this one's number among them, for loops over elements.
DEVICE int64_t grid_threads() {
    return (int64_t) gridDim.x * blockDim.x;
}

DEVICE int64_t grid_thread() {
    return (int64_t) blockIdx.x * blockDim.x + threadIdx.x;
}

// The lanes of a warp before one, as a ballot has them.
DEVICE uint32_t lanes_below(int32_t lane) {
    return (1u << lane) - 1;
}
