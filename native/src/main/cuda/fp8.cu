// 8-bit floats with a scale for 32 channels (OCP MX 1.0, arXiv 2209.05433): MxBlocks and Fp8. Rows of any type and width; fp8_runs.cu is faster where it can be used.
#include "fp8.cuh"

enum { TILE_ROWS = 32, TILE_CHANNELS = 128 };

DEVICE int32_t exponent_of(double value) {
    uint64_t bits;
#ifdef __CUDA_ARCH__
    bits = (uint64_t) __double_as_longlong(value);
#else
    memcpy(&bits, &value, 8);
#endif
    return (int32_t) (bits >> 52 & 0x7ff) - 1023;
}

// Exponent of a block's scale, less the bias.
DEVICE int32_t block_exponent(float largest) {
    int32_t exponent = exponent_of((double) largest) - TOP_EXPONENT;
    // Zero has the least of all exponents, and is coded without one.
    exponent = exponent < -1000 ? -1000 : exponent;
    if ((double) largest * power_of_two(-exponent) > 448.0) {
        exponent++;
    }
    return exponent < -BIAS ? -BIAS : exponent > BIAS ? BIAS : exponent;
}

// The nearest code, ties to even, beyond 448 the largest.
DEVICE uint8_t to_fp8(float value) {
    uint32_t sign = bits_of(value) >> 24 & 0x80;
    float magnitude = float_of(bits_of(value) & 0x7fffffff);
    if (magnitude >= 448.0f) {
        return (uint8_t) (sign | MAX_CODE);
    }
    int32_t exponent = (int32_t) (bits_of(magnitude) >> 23) - 127;
    exponent = exponent < -6 ? -6 : exponent;
    int32_t steps = (int32_t) rintf((float) ((double) magnitude * power_of_two(3 - exponent)));
    return (uint8_t) ((sign | (uint32_t) (exponent + 6) << 3) + steps);
}

// Not a number for 7F and FF.
DEVICE float from_fp8(uint8_t code) {
    int32_t exponent = code >> 3 & 15;
    int32_t mantissa = code & 7;
    float size = exponent == 0 ? (float) mantissa * 0x1p-9f : (float) ((double) (8 + mantissa) * power_of_two(exponent - 10));
    size = (code & 0x7f) == 0x7f ? float_of(0x7fc00000) : size;
    return code & 0x80 ? -size : size;
}

// A block codes 32 tokens by 128 channels: grid (ceil(channels / 128), ceil(tokens / 32)), 256 threads.
KERNEL(fp8_quantize, Mx) {
    __shared__ float tile[TILE_ROWS * (TILE_CHANNELS + 1)];
    __shared__ int32_t exponents[TILE_ROWS * TILE_CHANNELS / BLOCK];
    int32_t channels = p.rows.channels;
    int64_t first = (int64_t) blockIdx.y * TILE_ROWS;
    int32_t count = p.tokens - first < TILE_ROWS ? (int32_t) (p.tokens - first) : TILE_ROWS;
    int32_t from = blockIdx.x * TILE_CHANNELS;
    int32_t width = channels - from < TILE_CHANNELS ? channels - from : TILE_CHANNELS;
    for (int32_t i = threadIdx.x; i < count * TILE_CHANNELS; i += blockDim.x) {
        int32_t c = i % TILE_CHANNELS;
        if (c < width) {
            tile[i / TILE_CHANNELS * (TILE_CHANNELS + 1) + c] = row_value(p.rows, first + i / TILE_CHANNELS, from + c);
        }
    }
    __syncthreads();
    int32_t blocks = (channels + BLOCK - 1) / BLOCK;
    int32_t here = (width + BLOCK - 1) / BLOCK;
    for (int32_t i = threadIdx.x; i < TILE_ROWS * here; i += blockDim.x) {
        int32_t t = i % TILE_ROWS;
        int32_t b = i / TILE_ROWS;
        if (t < count) {
            float largest = 0;
            bool finite = true;
            for (int32_t c = b * BLOCK; c < width && c < (b + 1) * BLOCK; c++) {
                float value = tile[t * (TILE_CHANNELS + 1) + c];
                finite = finite && is_finite(value);
                float magnitude = value < 0 ? -value : value;
                largest = magnitude > largest ? magnitude : largest;
            }
            if (!finite) {
                atomicOr(p.refused, 1u);
                largest = 0;
            }
            int32_t exponent = block_exponent(largest);
            exponents[t * (TILE_CHANNELS / BLOCK) + b] = largest == 0 ? 1000 : exponent;
            p.scales[(first + t) * blocks + from / BLOCK + b] = (uint8_t) (largest == 0 ? 0 : exponent + BIAS);
        }
    }
    __syncthreads();
    for (int32_t i = threadIdx.x; i < count * TILE_CHANNELS; i += blockDim.x) {
        int32_t t = i / TILE_CHANNELS;
        int32_t c = i % TILE_CHANNELS;
        if (c < width) {
            int32_t exponent = exponents[t * (TILE_CHANNELS / BLOCK) + c / BLOCK];
            float value = tile[t * (TILE_CHANNELS + 1) + c];
            p.elements[(first + t) * channels + from + c] = exponent == 1000 ? 0 : to_fp8((float) ((double) value * power_of_two(-exponent)));
        }
    }
}

// Any grid (parts of a row, rows).
KERNEL(fp8_dequantize, Mx) {
    int32_t blocks = (p.rows.channels + BLOCK - 1) / BLOCK;
    bool refused = false;
    for (int64_t token = blockIdx.y; token < p.tokens; token += gridDim.y) {
        for (int32_t c = (int32_t) grid_thread(); c < p.rows.channels; c += (int32_t) grid_threads()) {
            int32_t scale = p.scales[token * blocks + c / BLOCK];
            float value = (float) ((double) from_fp8(p.elements[token * p.rows.channels + c]) * power_of_two(scale - BIAS));
            refused = refused || scale == 255 || value != value;
            store_as(p.rows.data, p.rows.type, token * p.rows.channels + c, value);
        }
    }
    if (refused) {
        atomicOr(p.refused, 1u);
    }
}
