// Asymmetric group quantization (KIVI, arXiv 2402.02750): what its kernels share.
#pragma once
#include "groups.cuh"
#include "rows.cuh"

struct Kivi {
    Rows rows;
    uint8_t* codes;
    uint16_t* zeros;
    uint16_t* steps;
    uint32_t* refused; // groups that cannot be represented are added to it
    int32_t tokens;
    int32_t bits;
    int32_t group; // 1 << group_shift
    int32_t group_shift;
    int32_t parameter;
    int32_t by_token; // groups run along a row (values), not along tokens (keys)
};

struct Extent {
    float least;
    float most;
    bool finite;
};

DEVICE Extent nothing() {
    Extent extent = {float_of(0x7f800000), float_of(0xff800000), true};
    return extent;
}

DEVICE void widen(Extent& extent, float value) {
    extent.finite = extent.finite && is_finite(value);
    extent.least = value < extent.least ? value : extent.least;
    extent.most = value > extent.most ? value : extent.most;
}

DEVICE Group fit_extent(const Kivi& p, const Extent& extent) {
    return extent.finite ? fit_group(p.parameter, (1 << p.bits) - 1, extent.least, extent.most) : no_group();
}

