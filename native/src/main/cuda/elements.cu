// Element by element: conversions, byte planes, histograms.
#include "floats.cuh"

struct Convert {
    const void* from;
    void* to;
    uint32_t* flag;
    int64_t count;
    int32_t type;
    int32_t element_bytes;
};

// Any grid of blocks, as everything in this file.
KERNEL(convert_to_f32, Convert) {
    for (int64_t i = grid_thread(); i < p.count; i += grid_threads()) {
        ((float*) p.to)[i] = p.type == F16 ? from_half(((const uint16_t*) p.from)[i]) : from_bfloat(((const uint16_t*) p.from)[i]);
    }
}

KERNEL(convert_from_f32, Convert) {
    for (int64_t i = grid_thread(); i < p.count; i += grid_threads()) {
        float value = ((const float*) p.from)[i];
        ((uint16_t*) p.to)[i] = p.type == F16 ? to_half(value) : to_bfloat(value);
    }
}

// Sets the flag if a value is an infinity or NaN.
KERNEL(convert_find_infinite, Convert) {
    bool found = false;
    for (int64_t i = grid_thread(); i < p.count; i += grid_threads()) {
        if (p.type == F32) {
            found = found || (((const uint32_t*) p.from)[i] & 0x7f800000u) == 0x7f800000u;
        } else {
            uint32_t exponent = p.type == F16 ? 0x7c00 : 0x7f80;
            found = found || (((const uint16_t*) p.from)[i] & exponent) == exponent;
        }
    }
    if (found) {
        atomicOr(p.flag, 1u);
    }
}

KERNEL(planes_split, Convert) {
    for (int64_t i = grid_thread(); i < p.count; i += grid_threads()) {
        for (int32_t plane = 0; plane < p.element_bytes; plane++) {
            ((uint8_t*) p.to)[plane * p.count + i] = ((const uint8_t*) p.from)[i * p.element_bytes + plane];
        }
    }
}

KERNEL(planes_join, Convert) {
    for (int64_t i = grid_thread(); i < p.count; i += grid_threads()) {
        for (int32_t plane = 0; plane < p.element_bytes; plane++) {
            ((uint8_t*) p.to)[i * p.element_bytes + plane] = ((const uint8_t*) p.from)[plane * p.count + i];
        }
    }
}

struct Histogram {
    const uint8_t* symbols;
    uint32_t* counts; // [period][256], added to
    int64_t count; // below 2^31
    int32_t period;
    int32_t unused;
};

// 256 threads a block. With one class, blocks count in shared memory first.
KERNEL(histogram, Histogram) {
    __shared__ uint32_t bins[256];
    for (int32_t s = threadIdx.x; s < 256; s += blockDim.x) {
        bins[s] = 0;
    }
    __syncthreads();
    for (int64_t i = grid_thread(); i < p.count; i += grid_threads()) {
        if (p.period == 1) {
            atomicAdd(&bins[p.symbols[i]], 1u);
        } else {
            atomicAdd(&p.counts[(uint32_t) i % (uint32_t) p.period * 256 + p.symbols[i]], 1u);
        }
    }
    __syncthreads();
    for (int32_t s = threadIdx.x; s < 256; s += blockDim.x) {
        if (bins[s] > 0) {
            atomicAdd(&p.counts[s], bins[s]);
        }
    }
}
