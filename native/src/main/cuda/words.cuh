// Words of memory: several at once, at addresses of as many bytes, and single ones at any address.
#pragma once
#include "target.cuh"

struct __align__(8) Words2 {
    uint32_t w[2];
};

struct __align__(16) Words4 {
    uint32_t w[4];
};

struct __align__(8) Floats2 {
    float f[2];
};

struct __align__(16) Floats4 {
    float f[4];
};

DEVICE uint32_t load32(const uint8_t* at) {
    return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t) at[3] << 24;
}

DEVICE void store32(uint8_t* at, uint32_t word) {
    at[0] = (uint8_t) word;
    at[1] = (uint8_t) (word >> 8);
    at[2] = (uint8_t) (word >> 16);
    at[3] = (uint8_t) (word >> 24);
}
