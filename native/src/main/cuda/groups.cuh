// Groups of values that share a zero point and a step, and the packing of codes: GroupCode and CodeUnits.
#pragma once
#include "floats.cuh"

enum { UNIT = 64 };

// Bytes of a unit, a power of two, as its logarithm.
DEVICE int32_t unit_shift(int32_t bits) {
    return bits == 2 ? 4 : bits == 8 ? 6 : 5;
}

DEVICE int32_t unit_bytes(int32_t bits) {
    return 1 << unit_shift(bits);
}

DEVICE int32_t units_of(int32_t channels) {
    return (channels + UNIT - 1) / UNIT;
}

// The code of channel c in a row of packed codes.
DEVICE int32_t code_at(const uint8_t* row, int32_t bits, int32_t c) {
    int32_t shift = unit_shift(bits);
    int32_t place = c & (UNIT - 1);
    return row[(c >> 6 << shift) + (place & ((1 << shift) - 1))] >> ((place >> shift) * bits) & ((1 << bits) - 1);
}

struct Group {
    float zero;
    float step;
    float inverse;
    uint16_t zero_bits;
    uint16_t step_bits;
    bool representable;
};

DEVICE Group no_group() {
    Group group = {0, 0, 0, 0, 0, false};
    return group;
}

DEVICE Group fit_group(int type, int32_t levels, float least, float most) {
    Group group = no_group();
    float zero = from16(type, down16(type, least + 0.0f));
    if (zero > least) { // the group lies below the parameter format
        return group;
    }
    group.zero_bits = down16(type, least + 0.0f);
    group.zero = zero;
    float range = most + 0.0f - zero;
    float exact = is_finite(range) ? range / (float) levels : most / (float) levels - zero / (float) levels;
    group.step_bits = up16(type, exact);
    group.step = from16(type, group.step_bits);
    group.inverse = group.step == 0 ? 0 : 1.0f / group.step;
    float top = zero + group.step * (float) levels;
    // As a signed number: what is below 0 cannot be too large.
    group.representable = type == F16 ? top < 65520.0f : (int16_t) to_bfloat(top) < 0x7f80;
    return group;
}

DEVICE int32_t group_code(const Group& group, int32_t levels, float value) {
    if (group.step_bits == 0) {
        return 0;
    }
    float scaled = is_finite(group.inverse) ? (value - group.zero) * group.inverse : (value - group.zero) / group.step;
    // Adding 2^23 rounds half to even and leaves the integer in the low bits.
    float rounded = scaled + 0x1p23f;
    if (!(rounded > 0x1p23f)) {
        return 0;
    }
    return rounded >= 0x1p23f + (float) levels ? levels : (int32_t) rounded - (1 << 23);
}
