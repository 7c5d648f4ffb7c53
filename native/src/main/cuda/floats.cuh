// Floats bit by bit, as Java computes them. Nothing here may be contracted or relaxed: build with -fmad=false (-ffp-contract=off).
#pragma once
#include "target.cuh"

enum ElementType { F16 = 0, BF16 = 1, F32 = 2 };

DEVICE uint32_t bits_of(float value) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(value);
#else
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
#endif
}

DEVICE float float_of(uint32_t bits) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#else
    float value;
    memcpy(&value, &bits, 4);
    return value;
#endif
}

DEVICE bool is_finite(float value) {
    return (bits_of(value) & 0x7f800000u) != 0x7f800000u;
}

// binary16 to binary32, exact; NaNs become quiet and keep their payload.
DEVICE float from_half(uint16_t half) {
#ifdef __CUDA_ARCH__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
#else
    uint32_t sign = (uint32_t) (half & 0x8000) << 16;
    uint32_t size = half & 0x7fff;
    if (size >= 0x7c00) {
        return float_of(sign | 0x7f800000u | (size & 0x3ff) << 13 | (size > 0x7c00 ? 0x400000u : 0));
    }
    if (size >= 0x400) {
        return float_of(sign | ((size << 13) + (112u << 23)));
    }
    float magnitude = (float) size * 0x1p-24f;
    return float_of(sign | bits_of(magnitude));
#endif
}

// Rounds half to even. The payload of a NaN is the machine's choice.
DEVICE uint16_t to_half(float value) {
#ifdef __CUDA_ARCH__
    uint16_t half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
#else
    uint32_t bits = bits_of(value);
    uint16_t sign = bits >> 16 & 0x8000;
    uint32_t size = bits & 0x7fffffff;
    if (size > 0x7f800000) {
        return sign | 0x7e00 | (size >> 13 & 0x1ff);
    }
    if (size >= 0x477ff000) { // 65520 and more
        return sign | 0x7c00;
    }
    if (size < 0x38800000) { // below 2^-14: multiples of 2^-24; adding 2^23 of them rounds
        float rounded = float_of(size) * 0x1p24f + 0x1p23f;
        return sign | (bits_of(rounded) - 0x4b000000);
    }
    return sign | ((size + 0xfff + (size >> 13 & 1) - (112u << 23)) >> 13);
#endif
}

DEVICE float from_bfloat(uint16_t bits) {
    return float_of((uint32_t) bits << 16);
}

// Rounds half to even; a NaN stays one, quiet, with its upper payload.
DEVICE uint16_t to_bfloat(float value) {
    uint32_t bits = bits_of(value);
    if (value != value) {
        return bits >> 16 | 0x40;
    }
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

DEVICE float from16(int type, uint16_t bits) {
    return type == F16 ? from_half(bits) : from_bfloat(bits);
}

// FloatBits.nearest16: half to even, beyond the range the largest finite value.
DEVICE uint16_t nearest16(int type, float value) {
    uint16_t bits = type == F16 ? to_half(value) : to_bfloat(value);
    uint16_t most = type == F16 ? 0x7bff : 0x7f7f;
    return (bits & 0x7fff) > most ? (bits & 0x8000) | most : bits;
}

// FloatBits.down16: the largest 16-bit value that is not above a finite one; below the range the lowest finite value.
DEVICE uint16_t down16(int type, float value) {
    if (type == BF16) {
        uint32_t bits = bits_of(value);
        if (!(bits >> 31)) {
            return bits >> 16;
        }
        uint32_t size = ((bits & 0x7fffffff) + 0xffff) >> 16;
        return 0x8000 | (size < 0x7f7f ? size : 0x7f7f);
    }
    uint32_t half = to_half(value);
    if (from_half(half) > value) {
        half = half == 0 ? 0x8001 : half < 0x8000 ? half - 1 : half + 1;
    }
    return half == 0xfc00 ? 0xfbff : half;
}

// FloatBits.up16: the smallest 16-bit value that is not below a finite, not negative one; above the range the largest finite value.
DEVICE uint16_t up16(int type, float value) {
    if (type == BF16) {
        uint32_t size = (bits_of(value) + 0xffff) >> 16;
        return size < 0x7f7f ? size : 0x7f7f;
    }
    uint32_t half = to_half(value);
    if (from_half(half) < value) {
        half++;
    }
    return half < 0x7bff ? half : 0x7bff;
}

// Java's (int): towards zero, saturating, 0 for NaN.
DEVICE int32_t to_int(float value) {
    if (value != value) {
        return 0;
    }
    if (value >= 0x1p31f) {
        return 0x7fffffff;
    }
    return value < -0x1p31f ? (int32_t) 0x80000000u : (int32_t) value;
}

// 2^exponent for -1022..1023.
DEVICE double power_of_two(int exponent) {
    uint64_t bits = (uint64_t) (exponent + 1023) << 52;
#ifdef __CUDA_ARCH__
    return __longlong_as_double((int64_t) bits);
#else
    double value;
    memcpy(&value, &bits, 8);
    return value;
#endif
}
