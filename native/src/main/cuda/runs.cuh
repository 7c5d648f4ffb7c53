// Rows of 16-bit elements in runs of eight channels, 16 bytes at once: how the fast kernels read and write them. Channels, heads and the turned channels of a head are multiples of eight, addresses of 16.
#pragma once
#include "rows.cuh"
#include "words.cuh"

enum { RUN = 8, QUAD = 4, PASS = 8 };

DEVICE float low_of(int type, uint32_t pair) {
    return type == F16 ? from_half((uint16_t) pair) : float_of(pair << 16);
}

DEVICE float high_of(int type, uint32_t pair) {
    return type == F16 ? from_half((uint16_t) (pair >> 16)) : float_of(pair & 0xffff0000u);
}

DEVICE uint32_t pair16(int type, float low, float high) {
    if (type == BF16) {
        return to_bfloat(low) | (uint32_t) to_bfloat(high) << 16;
    }
#ifdef __CUDA_ARCH__
    uint32_t pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
#else
    return to_half(low) | (uint32_t) to_half(high) << 16;
#endif
}

template <int TYPE>
DEVICE void load_run(const void* data, int64_t index, float* v) {
    const Words4 words = *(const Words4*) ((const uint16_t*) data + index);
UNROLL
    for (int i = 0; i < QUAD; i++) {
        v[2 * i] = low_of(TYPE, words.w[i]);
        v[2 * i + 1] = high_of(TYPE, words.w[i]);
    }
}

template <int TYPE>
DEVICE void store_run(void* data, int64_t index, const float* v) {
    Words4 words;
UNROLL
    for (int i = 0; i < QUAD; i++) {
        words.w[i] = pair16(TYPE, v[2 * i], v[2 * i + 1]);
    }
    *(Words4*) ((uint16_t*) data + index) = words;
}

// Where the other channels of a run's pairs are, and its angles.
struct RunPairs {
    int32_t other; // channels from the run to its partner's; 0 where pairs are neighbours
    int32_t number; // of the first pair
    bool first;
    bool turned;
};

DEVICE RunPairs run_pairs(const Rows& rows, int32_t c) {
    int32_t within = c % rows.head;
    RunPairs pairs = {0, within >> 1, true, within < 2 * rows.pairs};
    if (rows.pairing == HALVES) {
        pairs.first = within < rows.pairs;
        pairs.number = pairs.first ? within : within - rows.pairs;
        pairs.other = pairs.first ? rows.pairs : -rows.pairs;
    }
    return pairs;
}

// Products and sums as `turn` makes them, but that a NaN may be any.
DEVICE void turn_run(const Rows& rows, int64_t token, const RunPairs& pairs, float* v, const float* other, float direction) {
    int64_t at = token * rows.pairs + pairs.number;
    if (rows.pairing == HALVES) {
        float sign = pairs.first ? -direction : direction;
UNROLL
        for (int half = 0; half < 2; half++) {
            const Floats4 cosines = *(const Floats4*) (rows.cosines + at + QUAD * half);
            const Floats4 sines = *(const Floats4*) (rows.sines + at + QUAD * half);
UNROLL
            for (int i = 0; i < QUAD; i++) {
                v[QUAD * half + i] = v[QUAD * half + i] * cosines.f[i] + other[QUAD * half + i] * (sign * sines.f[i]);
            }
        }
    } else {
        const Floats4 cosines = *(const Floats4*) (rows.cosines + at);
        const Floats4 sines = *(const Floats4*) (rows.sines + at);
UNROLL
        for (int i = 0; i < QUAD; i++) {
            float a = v[2 * i];
            float b = v[2 * i + 1];
            float sine = direction * sines.f[i];
            v[2 * i] = a * cosines.f[i] - b * sine;
            v[2 * i + 1] = b * cosines.f[i] + a * sine;
        }
    }
}

// A run as a quantizer wants it: binary32, RoPE undone.
template <int TYPE, bool TURNED>
DEVICE void run_values(const Rows& rows, int64_t token, int32_t c, float* v) {
    int64_t at = token * rows.channels + c;
    load_run<TYPE>(rows.data, at, v);
    if (TURNED) {
        RunPairs pairs = run_pairs(rows, c);
        if (pairs.turned) {
            float other[RUN];
            load_run<TYPE>(rows.data, at + pairs.other, other);
            turn_run(rows, token, pairs, v, other, -1);
        }
    }
}

// One NaN for all, as turned keys have it.
DEVICE void quiet_run(float* v) {
UNROLL
    for (int i = 0; i < RUN; i++) {
        v[i] = v[i] != v[i] ? float_of(0x7fc00000) : v[i];
    }
}
