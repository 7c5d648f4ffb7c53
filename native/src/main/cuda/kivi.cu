// Asymmetric group quantization (KIVI, arXiv 2402.02750): ScalarQuant, with conversion and RoPE on the way in and out. Rows of any type and shape; kivi_runs.cu is faster where it can be used.
#include "kivi.cuh"

enum { KEY_ROWS = 128, VALUE_ROWS = 32, VALUE_CHANNELS = 128, SLOTS_A_ROW = VALUE_CHANNELS / 32 };

// A block codes a group of tokens by 64 channels: grid (units of a row, groups of tokens), 256 threads.
KERNEL(kivi_quantize_keys, Kivi) {
    __shared__ float tile[KEY_ROWS * UNIT];
    __shared__ Extent parts[4 * UNIT];
    __shared__ Group fitted[UNIT];
    int32_t channels = p.rows.channels;
    int64_t first = (int64_t) blockIdx.y * p.group;
    int32_t count = p.tokens - first < p.group ? (int32_t) (p.tokens - first) : p.group;
    int32_t from = blockIdx.x * UNIT;
    int32_t width = channels - from < UNIT ? channels - from : UNIT;
    int32_t channel = threadIdx.x % UNIT;
    int32_t part = threadIdx.x / UNIT;
    Extent extent = nothing();
    if (channel < width) {
        for (int32_t t = part; t < count; t += 4) {
            float value = row_value(p.rows, first + t, from + channel);
            tile[t * UNIT + channel] = value;
            widen(extent, value);
        }
    }
    parts[threadIdx.x] = extent;
    __syncthreads();
    if ((int32_t) threadIdx.x < width) {
        for (int32_t i = 1; i < 4; i++) {
            Extent other = parts[i * UNIT + threadIdx.x];
            extent.finite = extent.finite && other.finite;
            extent.least = other.least < extent.least ? other.least : extent.least;
            extent.most = other.most > extent.most ? other.most : extent.most;
        }
        Group group = fit_extent(p, extent);
        fitted[threadIdx.x] = group;
        int64_t at = (int64_t) blockIdx.y * channels + from + threadIdx.x;
        p.zeros[at] = group.zero_bits;
        p.steps[at] = group.step_bits;
        if (!group.representable) {
            atomicAdd(p.refused, 1u);
        }
    }
    __syncthreads();
    int32_t bytes = unit_bytes(p.bits);
    int64_t row_bytes = (int64_t) units_of(channels) * bytes;
    for (int32_t i = threadIdx.x; i < count * bytes; i += blockDim.x) {
        int32_t t = i / bytes;
        int32_t packed = 0;
        for (int32_t c = i % bytes, shift = 0; c < width; c += bytes, shift += p.bits) {
            packed |= group_code(fitted[c], (1 << p.bits) - 1, tile[t * UNIT + c]) << shift;
        }
        p.codes[(first + t) * row_bytes + (int64_t) blockIdx.x * bytes + i % bytes] = (uint8_t) packed;
    }
}

// A block codes 32 tokens by 128 channels, which whole groups and whole units fit: grid (ceil(channels / 128), ceil(tokens / 32)), 256 threads.
KERNEL(kivi_quantize_values, Kivi) {
    // One more than 128, so that threads that read a column each meet other banks.
    __shared__ float tile[VALUE_ROWS * (VALUE_CHANNELS + 1)];
    __shared__ Group fitted[VALUE_ROWS * SLOTS_A_ROW];
    int32_t channels = p.rows.channels;
    int64_t first = (int64_t) blockIdx.y * VALUE_ROWS;
    int32_t count = p.tokens - first < VALUE_ROWS ? (int32_t) (p.tokens - first) : VALUE_ROWS;
    int32_t from = blockIdx.x * VALUE_CHANNELS;
    int32_t width = channels - from < VALUE_CHANNELS ? channels - from : VALUE_CHANNELS;
    for (int32_t i = threadIdx.x; i < count * VALUE_CHANNELS; i += blockDim.x) {
        int32_t c = i % VALUE_CHANNELS;
        if (c < width) {
            tile[i / VALUE_CHANNELS * (VALUE_CHANNELS + 1) + c] = row_value(p.rows, first + i / VALUE_CHANNELS, from + c);
        }
    }
    __syncthreads();
    int32_t groups = (channels + p.group - 1) >> p.group_shift;
    int32_t here = (width + p.group - 1) >> p.group_shift;
    for (int32_t i = threadIdx.x; i < VALUE_ROWS * here; i += blockDim.x) {
        int32_t t = i % VALUE_ROWS;
        int32_t g = i / VALUE_ROWS;
        if (t < count) {
            Extent extent = nothing();
            int32_t end = (g + 1) * p.group < width ? (g + 1) * p.group : width;
            for (int32_t c = g * p.group; c < end; c++) {
                widen(extent, tile[t * (VALUE_CHANNELS + 1) + c]);
            }
            Group group = fit_extent(p, extent);
            fitted[t * SLOTS_A_ROW + g] = group;
            int64_t at = (first + t) * groups + (from >> p.group_shift) + g;
            p.zeros[at] = group.zero_bits;
            p.steps[at] = group.step_bits;
            if (!group.representable) {
                atomicAdd(p.refused, 1u);
            }
        }
    }
    __syncthreads();
    int32_t bytes = unit_bytes(p.bits);
    int32_t row_here = units_of(width) * bytes;
    int64_t row_bytes = (int64_t) units_of(channels) * bytes;
    for (int32_t i = threadIdx.x; i < count * row_here; i += blockDim.x) {
        int32_t t = i / row_here;
        int32_t b = i % row_here;
        int32_t packed = 0;
        int32_t c = b / bytes * UNIT + b % bytes;
        for (int32_t shift = 0; shift < 8 && c < width && c < (b / bytes + 1) * UNIT; c += bytes, shift += p.bits) {
            packed |= group_code(fitted[t * SLOTS_A_ROW + (c >> p.group_shift)], (1 << p.bits) - 1, tile[t * (VALUE_CHANNELS + 1) + c]) << shift;
        }
        p.codes[(first + t) * row_bytes + (int64_t) (from / UNIT) * bytes + b] = (uint8_t) packed;
    }
}

DEVICE float kivi_value(const Kivi& p, int64_t token, int32_t c) {
    int32_t channels = p.rows.channels;
    int64_t row_bytes = (int64_t) units_of(channels) << unit_shift(p.bits);
    int32_t code = code_at(p.codes + token * row_bytes, p.bits, c);
    int64_t at = p.by_token ? token * ((channels + p.group - 1) >> p.group_shift) + (c >> p.group_shift) : (token >> p.group_shift) * channels + c;
    return from16(p.parameter, p.zeros[at]) + from16(p.parameter, p.steps[at]) * (float) code;
}

// The codes of a byte lie as far apart as a unit has bytes: threads that read neighbouring bytes write neighbouring elements, and share what finding a byte takes among its codes.
template <int TYPE>
DEVICE void restore_row(const Kivi& p, int64_t token) {
    int32_t channels = p.rows.channels;
    int32_t shift = unit_shift(p.bits);
    int32_t mask = (1 << p.bits) - 1;
    int32_t row_bytes = units_of(channels) << shift;
    const uint8_t* codes = p.codes + token * row_bytes;
    int64_t parameters = p.by_token ? token * ((channels + p.group - 1) >> p.group_shift) : (token >> p.group_shift) * channels;
    for (int32_t b = (int32_t) grid_thread(); b < row_bytes; b += (int32_t) grid_threads()) {
        int32_t packed = codes[b];
        int32_t end = ((b >> shift) + 1) << 6;
        end = end < channels ? end : channels;
        for (int32_t c = ((b >> shift) << 6) + (b & ((1 << shift) - 1)); c < end; c += 1 << shift, packed >>= p.bits) {
            int64_t at = parameters + (p.by_token ? c >> p.group_shift : c);
            store_as(p.rows.data, TYPE, token * channels + c, from16(p.parameter, p.zeros[at]) + from16(p.parameter, p.steps[at]) * (float) (packed & mask));
        }
    }
}

// Any grid (parts of a row, rows).
KERNEL(kivi_dequantize, Kivi) {
    for (int64_t token = blockIdx.y; token < p.tokens; token += gridDim.y) {
        if (p.rows.pairs == 0) {
            if (p.rows.type == F16) {
                restore_row<F16>(p, token);
            } else if (p.rows.type == BF16) {
                restore_row<BF16>(p, token);
            } else {
                restore_row<F32>(p, token);
            }
            continue;
        }
        for (int32_t c = (int32_t) grid_thread(); c < p.rows.channels; c += (int32_t) grid_threads()) {
            float value = kivi_value(p, token, c);
            Pair pair = pair_of(p.rows, c);
            if (pair.turned) {
                value = turn(p.rows, token, pair, value, kivi_value(p, token, pair.other), 1);
            }
            store_as(p.rows.data, p.rows.type, token * p.rows.channels + c, value);
        }
    }
}
