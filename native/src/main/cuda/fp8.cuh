// 8-bit floats with a scale for 32 channels (OCP MX 1.0, arXiv 2209.05433): what their kernels share.
#pragma once
#include "rows.cuh"

enum { BLOCK = 32, BIAS = 127, TOP_EXPONENT = 8, MAX_CODE = 0x7e };

struct Mx {
    Rows rows;
    uint8_t* scales; // [token][block]
    uint8_t* elements; // [token][channel]
    uint32_t* refused; // not 0 where a value, scale or element is none
    int32_t tokens;
    int32_t unused;
};
