// What nvcc and a device supply, on a processor: kernels compile as they are, and a block's threads are fibers of one thread, or threads of their own under HOST_THREADS (for
// ThreadSanitizer). Blocks run one after the other.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#define DEVICE static inline
#define __align__(n) alignas(n)

struct Index {
    unsigned x, y, z;
};

struct HostThread {
    Index thread_index, block_index, block_size, grid_size;
};

extern thread_local HostThread host_thread;

#define threadIdx (host_thread.thread_index)
#define blockIdx (host_thread.block_index)
#define blockDim (host_thread.block_size)
#define gridDim (host_thread.grid_size)

// Fibers of a block share their thread's copy; threads of a block share the only one.
#ifdef HOST_THREADS
#define __shared__ static
#else
#define __shared__ static thread_local
#endif

unsigned char* host_shared_memory();
#define DYNAMIC_SHARED(name) unsigned char* name = host_shared_memory()

void host_barrier_block();
void host_barrier_warp();
// Where this thread's warp exchanges values next: a place for each of 32 lanes, 8 bytes each. Two such places take turns, so that one barrier an exchange is enough: who writes to the
// first again has met everybody at the second's.
uint64_t* host_exchange();

static inline void __syncthreads() {
    host_barrier_block();
}

static inline void __syncwarp() {
    host_barrier_warp();
}

template <typename T>
static inline T host_shuffle(T value, unsigned from) {
    static_assert(sizeof(T) <= 8, "a lane's place has 8 bytes");
    uint64_t* places = host_exchange();
    memcpy(&places[threadIdx.x % 32], &value, sizeof(T));
    host_barrier_warp();
    T other;
    memcpy(&other, &places[from], sizeof(T));
    return other;
}

template <typename T>
static inline T __shfl_xor_sync(unsigned, T value, int distance) {
    return host_shuffle(value, threadIdx.x % 32 ^ distance);
}

template <typename T>
static inline T __shfl_sync(unsigned, T value, int lane) {
    return host_shuffle(value, lane);
}

template <typename T>
static inline T __shfl_up_sync(unsigned, T value, unsigned distance) {
    unsigned lane = threadIdx.x % 32;
    return host_shuffle(value, lane >= distance ? lane - distance : lane);
}

static inline unsigned __ballot_sync(unsigned, bool vote) {
    uint64_t* places = host_exchange();
    unsigned lane = threadIdx.x % 32;
    unsigned lanes = blockDim.x - threadIdx.x / 32 * 32;
    places[lane] = vote;
    host_barrier_warp();
    unsigned all = 0;
    for (unsigned i = 0; i < 32 && i < lanes; i++) {
        all |= (unsigned) places[i] << i;
    }
    return all;
}

static inline int __popc(unsigned bits) {
    return __builtin_popcount(bits);
}

static inline int __clz(int bits) {
    return bits == 0 ? 32 : __builtin_clz((unsigned) bits);
}

static inline unsigned atomicMax(unsigned* at, unsigned value) {
    unsigned old = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (old < value && !__atomic_compare_exchange_n(at, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}

static inline unsigned atomicAdd(unsigned* at, unsigned value) {
    return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}

static inline unsigned atomicOr(unsigned* at, unsigned value) {
    return __atomic_fetch_or(at, value, __ATOMIC_RELAXED);
}

// A kernel that a launch can find by its name.
struct HostKernel {
    const char* name;
    void (*body)(const void* parameters);
    size_t parameter_bytes;
    HostKernel* next;
    static HostKernel* all;
    HostKernel(const char* name, void (*body)(const void*), size_t parameter_bytes)
        : name(name), body(body), parameter_bytes(parameter_bytes), next(all) {
        all = this;
    }
};

// Runs a grid to its end.
void host_launch(const HostKernel& kernel, const void* parameters, Index grid, Index block, size_t shared_bytes);

#define KERNEL(name, Parameters)                                                                                                       \
    static void name##_body(const Parameters& p);                                                                                     \
    static HostKernel name##_kernel(#name, [](const void* parameters) { name##_body(*(const Parameters*) parameters); }, sizeof(Parameters)); \
    static void name##_body(const Parameters& p)
#define KERNEL_OF_128(name, Parameters, blocks) KERNEL(name, Parameters)
