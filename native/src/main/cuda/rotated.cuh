// Random signs, Walsh-Hadamard transform on 16-bit integers, Lloyd-Max codes and a gain a head (TurboQuant, arXiv 2504.19874): what its kernels share.
#pragma once
#include "groups.cuh"
#include "rows.cuh"

enum { WARPS = 4, LANES = 32, SUMS = 16, MOST_CODES = 16 };

struct Rotated {
    Rows rows;
    uint8_t* codes;
    uint16_t* gains;
    uint16_t* means; // read if centered
    uint32_t* refused; // heads whose energy cannot be used are added to it
    const uint64_t* signs; // a bit a channel, set for -1
    double gain_scale;
    float decode_scale;
    float energy_limit;
    int32_t tokens;
    int32_t bits;
    int32_t head; // channels that are rotated together
    int32_t block; // channels of a transform, a power of two that divides head
    int32_t unit; // what stands for a head's root mean square
    int32_t parameter;
    int32_t centered;
    int32_t unused;
    int16_t centroids[MOST_CODES];
    int16_t thresholds[MOST_CODES];
};

DEVICE int32_t sign_of(const Rotated& p, int32_t c) {
    return 1 - 2 * (int32_t) (p.signs[c >> 6] >> (c & 63) & 1);
}
