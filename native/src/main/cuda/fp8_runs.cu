// fp8.cu for 16-bit rows of whole blocks that are not turned: a thread has eight channels, four lanes a block. Every number here is a power of two times a float, in binary32 as exact as in binary64.
#include "fp8.cuh"
#include "runs.cuh"

enum { BLOCK_LANES = BLOCK / RUN };

// The nearest code, ties to even, beyond 448 the largest.
DEVICE uint32_t nearest_fp8(float value) {
    uint32_t bits = bits_of(value) & 0x7fffffff;
    uint32_t sign = bits_of(value) >> 24 & 0x80;
    // From 2^-6 on three bits of the mantissa stay; below, multiples of 2^-9, which are the low bits of a sum with 2^14.
    uint32_t normal = ((bits + 0x7ffff + (bits >> 20 & 1)) >> 20) - (120 << 3);
    uint32_t small = bits_of(float_of(bits) + 0x1p14f) - 0x46800000;
    uint32_t code = bits >= 0x3c800000 ? normal : small;
    return sign | (bits >= 0x43e00000 ? (uint32_t) MAX_CODE : code);
}

DEVICE float two_to(int32_t exponent) {
    return float_of(exponent < -126 ? 0x400000u : (uint32_t) (exponent + BIAS) << 23);
}

template <int TYPE>
DEVICE void quantize_runs(const Mx& p) {
    int64_t runs = (int64_t) p.tokens * (p.rows.channels / RUN);
    bool refused = false;
    // Whole blocks, hence whole groups of lanes, are inside or not; the warp stays together.
    for (int64_t i = grid_thread(); i - threadIdx.x % 32 < runs; i += grid_threads()) {
        bool inside = i < runs;
        float v[RUN];
        load_run<TYPE>(p.rows.data, RUN * (inside ? i : runs - 1), v);
        float largest = 0;
        float mark = 0;
UNROLL
        for (int k = 0; k < RUN; k++) {
            largest = fmaxf(largest, fabsf(v[k]));
            mark = fmaf(v[k], 0.0f, mark);
        }
        // Not a number where a value is none or infinite.
        mark = mark != 0 ? 1.0f : 0.0f;
UNROLL
        for (int distance = 1; distance < BLOCK_LANES; distance *= 2) {
            largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, distance));
            mark = fmaxf(mark, __shfl_xor_sync(ALL_LANES, mark, distance));
        }
        largest = mark != 0 ? 0 : largest;
        uint32_t bits = bits_of(largest);
        // One more where the largest would be beyond 448 = 1.75 * 2^8.
        int32_t exponent = (int32_t) (bits >> 23) - BIAS - TOP_EXPONENT + ((bits & 0x7fffff) > 0x600000);
        exponent = exponent < -BIAS ? -BIAS : exponent;
        float scale = two_to(-exponent);
        uint32_t word[2] = {0, 0};
UNROLL
        for (int k = 0; k < RUN; k++) {
            word[k / QUAD] |= nearest_fp8(v[k] * scale) << 8 * (k % QUAD);
        }
        Words2 words = {{largest == 0 ? 0 : word[0], largest == 0 ? 0 : word[1]}};
        if (inside) {
            *(Words2*) (p.elements + RUN * i) = words;
            if (i % BLOCK_LANES == 0) {
                p.scales[i / BLOCK_LANES] = (uint8_t) (largest == 0 ? 0 : exponent + BIAS);
            }
            refused = refused || mark != 0;
        }
    }
    if (refused) {
        atomicOr(p.refused, 1u);
    }
}

template <int TYPE>
DEVICE void dequantize_runs(const Mx& p) {
    int64_t runs = (int64_t) p.tokens * (p.rows.channels / RUN);
    bool refused = false;
    for (int64_t i = grid_thread(); i < runs; i += grid_threads()) {
        const Words2 words = *(const Words2*) (p.elements + RUN * i);
        int32_t exponent = p.scales[i / BLOCK_LANES];
        // No number: a scale of 255, an element of 7F or FF.
        refused = refused || exponent == 255 || ((((words.w[0] & 0x7f7f7f7f) + 0x01010101) | ((words.w[1] & 0x7f7f7f7f) + 0x01010101)) & 0x80808080u) != 0;
        float scale = two_to(exponent - BIAS);
        float v[RUN];
UNROLL
        for (int k = 0; k < RUN; k++) {
            uint32_t code = words.w[k / QUAD] >> 8 * (k % QUAD);
            // An element's exponent and mantissa, moved to a float's, are 2^120 too small.
            v[k] = float_of((code & 0x7f) << 20 | (code & 0x80) << 24) * 0x1p120f * scale;
        }
        store_run<TYPE>(p.rows.data, RUN * i, v);
    }
    if (refused) {
        atomicOr(p.refused, 1u);
    }
}

// Any grid.
KERNEL(fp8_quantize_runs, Mx) {
    if (p.rows.type == F16) {
        quantize_runs<F16>(p);
    } else {
        quantize_runs<BF16>(p);
    }
}

// Any grid.
KERNEL(fp8_dequantize_runs, Mx) {
    if (p.rows.type == F16) {
        dequantize_runs<F16>(p);
    } else {
        dequantize_runs<BF16>(p);
    }
}
