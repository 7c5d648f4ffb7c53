// Rows of a tensor in memory, and what turns keys: how every kernel reads and writes them, once and without a step in between.
#pragma once
#include "floats.cuh"

enum Pairing { INTERLEAVED = 0, HALVES = 1 };

// [tokens][channels] of one type. pairs > 0: keys, of which the first 2 * pairs channels of every head of `head` channels are turned by a row of cosines and sines a token.
struct Rows {
    void* data;
    const float* cosines;
    const float* sines;
    int32_t type;
    int32_t channels;
    int32_t pairs;
    int32_t pairing;
    int32_t head;
    int32_t unused;
};

DEVICE float load_as(const void* data, int type, int64_t index) {
    if (type == F16) {
        return from_half(((const uint16_t*) data)[index]);
    }
    return type == BF16 ? from_bfloat(((const uint16_t*) data)[index]) : ((const float*) data)[index];
}

DEVICE void store_as(void* data, int type, int64_t index, float value) {
    if (type == F16) {
        ((uint16_t*) data)[index] = to_half(value);
    } else if (type == BF16) {
        ((uint16_t*) data)[index] = to_bfloat(value);
    } else {
        ((float*) data)[index] = value;
    }
}

// Where the other channel of a pair is.
struct Pair {
    int32_t number;
    int32_t other;
    bool first;
    bool turned;
};

DEVICE Pair pair_of(const Rows& rows, int32_t c) {
    Pair pair = {0, c, false, false};
    if (rows.pairs > 0) {
        int32_t within = c % rows.head;
        pair.turned = within < 2 * rows.pairs;
        if (rows.pairing == INTERLEAVED) {
            pair.first = (within & 1) == 0;
            pair.number = within >> 1;
            pair.other = pair.first ? c + 1 : c - 1;
        } else {
            pair.first = within < rows.pairs;
            pair.number = pair.first ? within : within - rows.pairs;
            pair.other = pair.first ? c + rows.pairs : c - rows.pairs;
        }
    }
    return pair;
}

// (a, b) becomes (a cos - b sin, b cos + a sin), every product and sum rounded; one NaN for all. `mine` is a if the channel is the pair's first, else b.
DEVICE float turn(const Rows& rows, int64_t token, const Pair& pair, float mine, float other, float direction) {
    float cosine = rows.cosines[token * rows.pairs + pair.number];
    float sine = direction * rows.sines[token * rows.pairs + pair.number];
    float value = pair.first ? mine * cosine - other * sine : mine * cosine + other * sine;
    return value != value ? float_of(0x7fc00000) : value;
}

// A value as a quantizer wants it: binary32, RoPE undone.
DEVICE float row_value(const Rows& rows, int64_t token, int32_t c) {
    int64_t row = token * rows.channels;
    float value = load_as(rows.data, rows.type, row + c);
    Pair pair = pair_of(rows, c);
    return pair.turned ? turn(rows, token, pair, value, load_as(rows.data, rows.type, row + pair.other), -1) : value;
}
