// kivi.cu for 16-bit rows whose channels are whole units: what a cache has. A warp has a unit's 64 channels of some tokens, four lanes a token: lane q of the four has channels 8q .. 8q + 7 and
// 8q + 32 .. 8q + 39, whose codes lie in the same bytes. Rows are read twice, the second time out of the cache. Blocks of 128 threads, a row of them.
#include "kivi.cuh"
#include "runs.cuh"

enum { BLOCK_WARPS = 4, WARP_TOKENS = 32, PASSES = WARP_TOKENS / PASS, HALF_UNIT = UNIT / 2, THREAD_VALUES = 2 * RUN };

// What a thread of a warp has to do.
struct Place {
    int64_t first; // token
    int64_t group; // of tokens
    int32_t tokens; // how many there are from the first on, most often more than the warp's
    int32_t unit;
    int32_t channel; // of the first run; the second is 32 behind it
    int32_t quarter; // of a unit
    int32_t row; // of the eight that a pass has
    bool none;
};

DEVICE Place place_of(const Kivi& p, int32_t warp_tokens) {
    int32_t lane = threadIdx.x % 32;
    int32_t units = p.rows.channels / UNIT;
    int64_t warp = (int64_t) blockIdx.x * BLOCK_WARPS + threadIdx.x / 32;
    Place place;
    place.group = warp / units;
    place.first = place.group * warp_tokens;
    place.none = place.first >= p.tokens;
    place.tokens = p.tokens - place.first < warp_tokens ? (int32_t) (p.tokens - place.first) : warp_tokens;
    place.unit = (int32_t) (warp % units);
    place.quarter = lane % 4;
    place.row = lane / 4;
    place.channel = place.unit * UNIT + RUN * place.quarter;
    return place;
}

template <int TYPE, bool TURNED>
DEVICE void thread_values(const Kivi& p, const Place& place, int32_t t, float* v) {
    // Behind the last token there is the last token: it changes no extent.
    int64_t token = place.first + (t < place.tokens ? t : place.tokens - 1);
    run_values<TYPE, TURNED>(p.rows, token, place.channel, v);
    run_values<TYPE, TURNED>(p.rows, token, place.channel + HALF_UNIT, v + RUN);
}

// Of N extents a lane keeps half, the upper ones if it has this bit, and puts the other lane's to them.
template <int N>
DEVICE void fold(float* least, float* most, uint32_t& infinite, int32_t lane, int32_t bit) {
    bool upper = (lane & bit) != 0;
    infinite |= __shfl_xor_sync(ALL_LANES, infinite, bit);
    infinite = upper ? infinite >> N / 2 : infinite & ((1u << N / 2) - 1);
UNROLL
    for (int i = 0; i < N / 2; i++) {
        float low = upper ? least[i] : least[i + N / 2];
        float high = upper ? most[i] : most[i + N / 2];
        low = __shfl_xor_sync(ALL_LANES, low, bit);
        high = __shfl_xor_sync(ALL_LANES, high, bit);
        float kept = upper ? least[i + N / 2] : least[i];
        least[i] = fminf(kept, low);
        kept = upper ? most[i + N / 2] : most[i];
        most[i] = fmaxf(kept, high);
    }
}

// Codes are the low bits; 23 bits above them are those of 2^23.
template <bool DIVIDED>
DEVICE uint32_t code_bits(float value, float zero, float inverse, float step, float levels) {
    float scaled = DIVIDED && !is_finite(inverse) ? (value - zero) / step : (value - zero) * inverse;
    // Adding 2^23 rounds half to even; what is not a number becomes 0.
    return bits_of(fminf(fmaxf(scaled + 0x1p23f, 0x1p23f), 0x1p23f + levels));
}

DEVICE uint32_t bytes_of(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    return (a & 255) | (b & 255) << 8 | (c & 255) << 16 | d << 24;
}

// A thread's sixteen codes into its bytes of a row. All lanes of the warp.
DEVICE void store_codes(const Kivi& p, const Place& place, int32_t t, const uint32_t* code) {
    bool inside = t < place.tokens;
    uint8_t* unit = p.codes + ((place.first + t) * (p.rows.channels / UNIT) + place.unit) * unit_bytes(p.bits);
    Words2 words;
    if (p.bits == 8) {
UNROLL
        for (int run = 0; run < 2; run++) {
            const uint32_t* c = code + RUN * run;
            words.w[0] = bytes_of(c[0], c[1], c[2], c[3]);
            words.w[1] = bytes_of(c[4], c[5], c[6], c[7]);
            if (inside) {
                *(Words2*) (unit + RUN * place.quarter + HALF_UNIT * run) = words;
            }
        }
        return;
    }
    // The second run's codes are above those of the first: by their bits, or, with four codes a byte, by two codes.
    int32_t shift = p.bits == 2 ? 4 : p.bits;
UNROLL
    for (int w = 0; w < 2; w++) {
        const uint32_t* c = code + QUAD * w;
        words.w[w] = bytes_of(c[0] | c[8] << shift, c[1] | c[9] << shift, c[2] | c[10] << shift, c[3] | c[11] << shift);
    }
    if (p.bits == 2) {
UNROLL
        for (int w = 0; w < 2; w++) {
            uint32_t mine = place.quarter >= 2 ? words.w[w] << 2 : words.w[w];
            words.w[w] = mine | __shfl_xor_sync(ALL_LANES, mine, 2);
        }
        inside = inside && place.quarter < 2;
    }
    if (inside) {
        *(Words2*) (unit + RUN * place.quarter) = words;
    }
}

DEVICE uint32_t infinite_bits(const float* v) {
    uint32_t bits = 0;
UNROLL
    for (int i = 0; i < THREAD_VALUES; i++) {
        bits |= (uint32_t) !is_finite(v[i]) << i;
    }
    return bits;
}

// 0, or not a number: a sum that infinities and what is no number leave their mark on.
DEVICE float widened(const float* v, float* least, float* most, float mark) {
UNROLL
    for (int i = 0; i < THREAD_VALUES; i++) {
        least[i] = fminf(least[i], v[i]);
        most[i] = fmaxf(most[i], v[i]);
        mark = fmaf(v[i], 0.0f, mark);
    }
    return mark;
}

DEVICE void refuse(const Kivi& p, const Group& group) {
    if (!group.representable) {
        atomicAdd(p.refused, 1u);
    }
}

DEVICE Group fit_marked(const Kivi& p, float least, float most, bool infinite) {
    Extent extent = {least, most, !infinite};
    return fit_extent(p, extent);
}

// Values of four passes that turning took long to make, each thread's own.
struct Kept {
    Floats4 floats[PASSES][THREAD_VALUES / QUAD][32 * BLOCK_WARPS];
};

DEVICE void keep(Kept* kept, int32_t pass, const float* v) {
UNROLL
    for (int i = 0; i < THREAD_VALUES / QUAD; i++) {
        Floats4 floats = {{v[QUAD * i], v[QUAD * i + 1], v[QUAD * i + 2], v[QUAD * i + 3]}};
        kept->floats[pass][i][threadIdx.x] = floats;
    }
}

DEVICE void recall(const Kept* kept, int32_t pass, float* v) {
UNROLL
    for (int i = 0; i < THREAD_VALUES / QUAD; i++) {
        const Floats4 floats = kept->floats[pass][i][threadIdx.x];
UNROLL
        for (int j = 0; j < QUAD; j++) {
            v[QUAD * i + j] = floats.f[j];
        }
    }
}

// Codes of a group of tokens, each channel with its own zero point and step, of which lane 4r + q has those of values 2r and 2r + 1 of the q-th lanes.
template <int TYPE, bool TURNED, bool DIVIDED>
DEVICE void code_keys(const Kivi& p, const Place& place, const Group* fitted, const Kept* kept) {
    float zero[THREAD_VALUES], inverse[THREAD_VALUES], step[THREAD_VALUES];
    float levels = (float) ((1 << p.bits) - 1);
UNROLL
    for (int e = 0; e < THREAD_VALUES; e++) {
        int32_t source = e / 2 * 4 + place.quarter;
        zero[e] = __shfl_sync(ALL_LANES, fitted[e % 2].zero, source);
        inverse[e] = __shfl_sync(ALL_LANES, fitted[e % 2].inverse, source);
        step[e] = DIVIDED ? __shfl_sync(ALL_LANES, fitted[e % 2].step, source) : 0;
    }
UNROLL_BY(1)
    for (int32_t t = place.row; t - place.row < place.tokens; t += PASS) {
        float v[THREAD_VALUES];
        if (TURNED && kept) {
            recall(kept, t / PASS, v);
        } else {
            thread_values<TYPE, TURNED>(p, place, t, v);
        }
        uint32_t code[THREAD_VALUES];
UNROLL
        for (int i = 0; i < THREAD_VALUES; i++) {
            code[i] = code_bits<DIVIDED>(v[i], zero[i], inverse[i], step[i], levels);
        }
        store_codes(p, place, t, code);
    }
}

// Whether a step is so small that its inverse is none, which only bfloat16 has.
DEVICE bool divides(const Group& group) {
    return !is_finite(group.inverse);
}

template <int TYPE, bool TURNED>
DEVICE void quantize_keys(const Kivi& p, Kept* kept) {
    const Place place = place_of(p, p.group);
    if (place.none) {
        return;
    }
    int32_t lane = threadIdx.x % 32;
    float least[THREAD_VALUES], most[THREAD_VALUES];
UNROLL
    for (int i = 0; i < THREAD_VALUES; i++) {
        least[i] = nothing().least;
        most[i] = nothing().most;
    }
    float mark = 0;
UNROLL_BY(1)
    for (int32_t t = place.row; t - place.row < place.tokens; t += PASS) {
        float v[THREAD_VALUES];
        thread_values<TYPE, TURNED>(p, place, t, v);
        if (TURNED && kept) {
            keep(kept, t / PASS, v);
        }
        mark = widened(v, least, most, mark);
    }
    uint32_t infinite = 0;
    if (__ballot_sync(ALL_LANES, mark != 0)) {
UNROLL_BY(1)
        for (int32_t t = place.row; t - place.row < place.tokens; t += PASS) {
            float v[THREAD_VALUES];
            thread_values<TYPE, TURNED>(p, place, t, v);
            infinite |= infinite_bits(v);
        }
    }
    fold<16>(least, most, infinite, lane, 16);
    fold<8>(least, most, infinite, lane, 8);
    fold<4>(least, most, infinite, lane, 4);
    Group fitted[2];
    int32_t channel = place.unit * UNIT + RUN * place.quarter + (place.row * 2 < RUN ? place.row * 2 : HALF_UNIT - RUN + place.row * 2);
    uint32_t zeros = 0, steps = 0;
UNROLL
    for (int i = 0; i < 2; i++) {
        fitted[i] = fit_marked(p, least[i], most[i], infinite >> i & 1);
        refuse(p, fitted[i]);
        zeros |= (uint32_t) fitted[i].zero_bits << 16 * i;
        steps |= (uint32_t) fitted[i].step_bits << 16 * i;
    }
    int64_t at = place.group * p.rows.channels + channel;
    *(uint32_t*) (p.zeros + at) = zeros;
    *(uint32_t*) (p.steps + at) = steps;
    if (TYPE == BF16 && __ballot_sync(ALL_LANES, divides(fitted[0]) || divides(fitted[1]))) {
        code_keys<TYPE, TURNED, true>(p, place, fitted, kept);
    } else {
        code_keys<TYPE, TURNED, false>(p, place, fitted, kept);
    }
}

// Codes of 32 tokens, whose pass i has its zero points and steps in the i-th lane of each four.
template <int TYPE, bool TURNED, bool DIVIDED>
DEVICE void code_values(const Kivi& p, const Place& place, const Group* fitted) {
    float levels = (float) ((1 << p.bits) - 1);
    int32_t second = p.group < UNIT ? 1 : 0;
UNROLL_BY(2)
    for (int32_t pass = 0; pass < PASSES && pass * PASS < place.tokens; pass++) {
        int32_t t = pass * PASS + place.row;
        int32_t source = place.row * 4 + pass;
        float v[THREAD_VALUES];
        thread_values<TYPE, TURNED>(p, place, t, v);
        uint32_t code[THREAD_VALUES];
UNROLL
        for (int run = 0; run < 2; run++) {
            // No element of `fitted` is reached by a number that is only known at run time.
            float zero = __shfl_sync(ALL_LANES, run * second == 0 ? fitted[0].zero : fitted[1].zero, source);
            float inverse = __shfl_sync(ALL_LANES, run * second == 0 ? fitted[0].inverse : fitted[1].inverse, source);
            float step = DIVIDED ? __shfl_sync(ALL_LANES, run * second == 0 ? fitted[0].step : fitted[1].step, source) : 0;
UNROLL
            for (int i = 0; i < RUN; i++) {
                code[RUN * run + i] = code_bits<DIVIDED>(v[RUN * run + i], zero, inverse, step, levels);
            }
        }
        store_codes(p, place, t, code);
    }
}

template <int TYPE, bool TURNED>
DEVICE void quantize_values(const Kivi& p) {
    const Place place = place_of(p, WARP_TOKENS);
    if (place.none) {
        return;
    }
    int32_t lane = threadIdx.x % 32;
    bool whole = p.group == UNIT; // a group is a unit, else half of one
    float least[2 * PASSES], most[2 * PASSES];
    float mark = 0;
UNROLL
    for (int pass = 0; pass < PASSES; pass++) {
        float v[THREAD_VALUES];
        thread_values<TYPE, TURNED>(p, place, pass * PASS + place.row, v);
UNROLL
        for (int run = 0; run < 2; run++) {
            float low = v[RUN * run], high = v[RUN * run];
UNROLL
            for (int i = 0; i < RUN; i++) {
                low = fminf(low, v[RUN * run + i]);
                high = fmaxf(high, v[RUN * run + i]);
                mark = fmaf(v[RUN * run + i], 0.0f, mark);
            }
            least[2 * pass + run] = low;
            most[2 * pass + run] = high;
        }
    }
    uint32_t infinite = 0;
    if (__ballot_sync(ALL_LANES, mark != 0)) {
UNROLL_BY(1)
        for (int32_t pass = 0; pass < PASSES; pass++) {
            float v[THREAD_VALUES];
            thread_values<TYPE, TURNED>(p, place, pass * PASS + place.row, v);
            uint32_t bits = infinite_bits(v);
            infinite |= ((bits & 255) != 0 ? 1u : 0u) << 2 * pass | (bits >> RUN != 0 ? 2u : 0u) << 2 * pass;
        }
    }
    if (whole) {
        infinite |= (infinite >> 1 & 0x55) | (infinite & 0x55) << 1;
UNROLL
        for (int pass = 0; pass < PASSES; pass++) {
            least[2 * pass] = least[2 * pass + 1] = fminf(least[2 * pass], least[2 * pass + 1]);
            most[2 * pass] = most[2 * pass + 1] = fmaxf(most[2 * pass], most[2 * pass + 1]);
        }
    }
    fold<8>(least, most, infinite, lane, 2);
    fold<4>(least, most, infinite, lane, 1);
    int32_t t = place.quarter * PASS + place.row;
    bool inside = t < place.tokens;
    Group fitted[2];
    fitted[0] = fit_marked(p, least[0], most[0], infinite & 1);
    fitted[1] = whole ? fitted[0] : fit_marked(p, least[1], most[1], infinite >> 1 & 1);
    if (inside) {
        refuse(p, fitted[0]);
        if (whole) {
            int64_t at = (place.first + t) * (p.rows.channels / UNIT) + place.unit;
            p.zeros[at] = fitted[0].zero_bits;
            p.steps[at] = fitted[0].step_bits;
        } else {
            refuse(p, fitted[1]);
            int64_t at = (place.first + t) * (p.rows.channels / HALF_UNIT) + 2 * place.unit;
            *(uint32_t*) (p.zeros + at) = fitted[0].zero_bits | (uint32_t) fitted[1].zero_bits << 16;
            *(uint32_t*) (p.steps + at) = fitted[0].step_bits | (uint32_t) fitted[1].step_bits << 16;
        }
    }
    if (TYPE == BF16 && __ballot_sync(ALL_LANES, divides(fitted[0]) || divides(fitted[1]))) {
        code_values<TYPE, TURNED, true>(p, place, fitted);
    } else {
        code_values<TYPE, TURNED, false>(p, place, fitted);
    }
}

// A warp a unit and a group of tokens.
KERNEL_OF_128(kivi_quantize_key_runs, Kivi, 5) {
    if (p.rows.type == F16) {
        quantize_keys<F16, false>(p, nullptr);
    } else {
        quantize_keys<BF16, false>(p, nullptr);
    }
}

// Keys that are turned. A warp a unit and a group of tokens.
KERNEL_OF_128(kivi_quantize_turned_runs, Kivi, 4) {
    __shared__ Kept kept;
    Kept* room = p.group <= WARP_TOKENS ? &kept : nullptr;
    if (p.rows.type == F16) {
        quantize_keys<F16, true>(p, room);
    } else {
        quantize_keys<BF16, true>(p, room);
    }
}

// Groups of 32 or 64 channels. A warp a unit and 32 tokens.
KERNEL_OF_128(kivi_quantize_value_runs, Kivi, 8) {
    if (p.rows.type == F16) {
        quantize_values<F16, false>(p);
    } else {
        quantize_values<BF16, false>(p);
    }
}

// Eight codes as numbers: bytes of a word hold them, from a bit on.
DEVICE void unpack_run(const Words2& words, int32_t shift, uint32_t mask, float* code) {
UNROLL
    for (int i = 0; i < RUN; i++) {
        code[i] = float_of(0x4b000000u | (words.w[i / QUAD] >> (8 * (i % QUAD)) >> shift & mask)) - 0x1p23f;
    }
}

template <int TYPE>
DEVICE float from16_as(uint32_t pair, int high) {
    return high ? high_of(TYPE, pair) : low_of(TYPE, pair);
}

// A run of restored values.
template <int TYPE, bool BY_TOKEN>
DEVICE void restored_run(const Kivi& p, int64_t token, int32_t c, float* v) {
    int32_t channels = p.rows.channels;
    int32_t shift = unit_shift(p.bits);
    int32_t place = c & (UNIT - 1);
    const uint8_t* at = p.codes + ((token * (channels / UNIT) + (c >> 6)) << shift) + (place & ((1 << shift) - 1));
    unpack_run(*(const Words2*) at, (place >> shift) * p.bits, (1u << p.bits) - 1, v);
    if (BY_TOKEN) {
        int64_t group = token * ((channels + p.group - 1) >> p.group_shift) + (c >> p.group_shift);
        float zero = from16(TYPE, p.zeros[group]);
        float step = from16(TYPE, p.steps[group]);
UNROLL
        for (int i = 0; i < RUN; i++) {
            v[i] = zero + step * v[i];
        }
    } else {
        int64_t group = (token >> p.group_shift) * channels + c;
        const Words4 zeros = *(const Words4*) (p.zeros + group);
        const Words4 steps = *(const Words4*) (p.steps + group);
UNROLL
        for (int i = 0; i < RUN; i++) {
            v[i] = from16_as<TYPE>(zeros.w[i / 2], i % 2) + from16_as<TYPE>(steps.w[i / 2], i % 2) * v[i];
        }
    }
}

template <int TYPE, bool TURNED, bool BY_TOKEN>
DEVICE void dequantize(const Kivi& p) {
    const Place place = place_of(p, WARP_TOKENS);
    if (place.none) {
        return;
    }
UNROLL_BY(2)
    for (int32_t t = place.row; t < place.tokens; t += PASS) {
        int64_t token = place.first + t;
UNROLL
        for (int run = 0; run < 2; run++) {
            int32_t c = place.channel + HALF_UNIT * run;
            float v[RUN];
            restored_run<TYPE, BY_TOKEN>(p, token, c, v);
            if (TURNED) {
                RunPairs pairs = run_pairs(p.rows, c);
                if (pairs.turned) {
                    float other[RUN];
                    restored_run<TYPE, BY_TOKEN>(p, token, c + pairs.other, other);
                    turn_run(p.rows, token, pairs, v, other, 1);
                    quiet_run(v);
                }
            }
            store_run<TYPE>(p.rows.data, token * p.rows.channels + c, v);
        }
    }
}

template <int TYPE>
DEVICE void dequantize_type(const Kivi& p) {
    if (p.by_token) {
        dequantize<TYPE, false, true>(p);
    } else if (p.rows.pairs == 0) {
        dequantize<TYPE, false, false>(p);
    } else {
        dequantize<TYPE, true, false>(p);
    }
}

// Rows and parameters of one type. Groups of 8 channels or more. A warp a unit and 32 tokens.
KERNEL_OF_128(kivi_dequantize_runs, Kivi, 7) {
    if (p.rows.type == F16) {
        dequantize_type<F16>(p);
    } else {
        dequantize_type<BF16>(p);
    }
}
