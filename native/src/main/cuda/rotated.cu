// Random signs, Walsh-Hadamard transform on 16-bit integers, Lloyd-Max codes and a gain a head (TurboQuant, arXiv 2504.19874): ScalarHadamard. Rows and heads of any type and shape; rotated_runs.cu
// is faster where it can be used.
#include "rotated.cuh"

// All lanes of a warp; sums wrap at 16 bits.
DEVICE void transform(int16_t* y, int32_t count, int32_t block, int32_t lane) {
    for (int32_t h = 1; h < block; h *= 2) {
        __syncwarp();
        for (int32_t k = lane; k < count / 2; k += LANES) {
            int32_t i = 2 * k - (k & (h - 1)); // h is a power of two: k / h * 2 * h + k % h
            int32_t a = y[i];
            int32_t b = y[i + h];
            y[i] = (int16_t) (a + b);
            y[i + h] = (int16_t) (a - b);
        }
    }
    __syncwarp();
}

enum { MEAN_TOKENS = 128, MEAN_CHANNELS = 32, MEAN_THREADS = 256, MEAN_VALUES = MEAN_TOKENS * MEAN_CHANNELS / MEAN_THREADS };

// Loads of a thread do not wait for each other: nothing in between is a branch.
template <int TYPE, bool TURNED>
DEVICE void load_mean_values(const Rotated& p, int32_t from, int32_t c, float* next) {
    Pair pair = pair_of(p.rows, c);
    float own[MEAN_VALUES], other[MEAN_VALUES];
UNROLL
    for (int i = 0; i < MEAN_VALUES; i++) {
        int32_t t = from + (threadIdx.x + i * MEAN_THREADS) / MEAN_CHANNELS;
        // Behind the last token nothing is added.
        int64_t row = (int64_t) (t < p.tokens ? t : p.tokens - 1) * p.rows.channels;
        own[i] = load_as(p.rows.data, TYPE, row + c);
        other[i] = TURNED ? load_as(p.rows.data, TYPE, row + pair.other) : 0;
    }
UNROLL
    for (int i = 0; i < MEAN_VALUES; i++) {
        int32_t t = from + (threadIdx.x + i * MEAN_THREADS) / MEAN_CHANNELS;
        next[i] = TURNED && pair.turned ? turn(p.rows, t < p.tokens ? t : p.tokens - 1, pair, own[i], other[i], -1) : own[i];
    }
}

template <int TYPE, bool TURNED>
DEVICE float mean_sum(const Rotated& p, float* tile) {
    int32_t c = blockIdx.x * MEAN_CHANNELS + threadIdx.x % MEAN_CHANNELS;
    c = c < p.rows.channels ? c : p.rows.channels - 1;
    float sum = 0;
    for (int32_t from = -MEAN_TOKENS; from < p.tokens; from += MEAN_TOKENS) {
        float next[MEAN_VALUES];
        load_mean_values<TYPE, TURNED>(p, from + MEAN_TOKENS, c, next);
        if (from >= 0 && threadIdx.x < MEAN_CHANNELS) {
            if (p.tokens - from >= MEAN_TOKENS) {
UNROLL_BY(32)
                for (int32_t t = 0; t < MEAN_TOKENS; t++) {
                    sum += tile[t * MEAN_CHANNELS + threadIdx.x];
                }
            } else {
UNROLL_BY(1)
                for (int32_t t = 0; t < p.tokens - from; t++) {
                    sum += tile[t * MEAN_CHANNELS + threadIdx.x];
                }
            }
        }
        __syncthreads();
UNROLL
        for (int i = 0; i < MEAN_VALUES; i++) {
            tile[threadIdx.x + i * MEAN_THREADS] = next[i];
        }
        __syncthreads();
    }
    return sum;
}

template <int TYPE>
DEVICE float mean_sum_of(const Rotated& p, float* tile) {
    return p.rows.pairs > 0 ? mean_sum<TYPE, true>(p, tile) : mean_sum<TYPE, false>(p, tile);
}

// Means by channel, in token order: a block has 32 channels; 256 threads. While a warp adds the values of 128 tokens, one thread a channel, those of the next 128 come.
KERNEL(rotated_means, Rotated) {
    __shared__ float tile[MEAN_TOKENS * MEAN_CHANNELS];
    int32_t c = blockIdx.x * MEAN_CHANNELS + threadIdx.x;
    float sum = 0;
    if (p.tokens > 0) {
        sum = p.rows.type == F16 ? mean_sum_of<F16>(p, tile) : p.rows.type == BF16 ? mean_sum_of<BF16>(p, tile) : mean_sum_of<F32>(p, tile);
    }
    if (threadIdx.x < MEAN_CHANNELS && c < p.rows.channels) {
        float mean = sum / (float) p.tokens;
        p.means[c] = is_finite(mean) ? nearest16(p.parameter, mean) : 0;
    }
}

// Sum of squares: sixteen interleaved sums, then neighbours added. The same in every lane.
DEVICE float energy_of(const float* x, int32_t count, int32_t lane) {
    float sum = 0;
    for (int32_t i = lane % SUMS; i < count; i += SUMS) {
        sum += x[i] * x[i];
    }
    // Lane l of a distance's pairs adds lane l ^ distance; addition does not care which of the two is first.
    for (int32_t distance = 1; distance < SUMS; distance *= 2) {
        sum += __shfl_xor_sync(ALL_LANES, sum, distance);
    }
    return sum;
}

// A block codes a token, its warps a head each in turn: grid (1, tokens), 128 threads; shared memory: 6 bytes a channel of a head for each of 4 warps, rounded up to 16, then a byte a channel.
KERNEL(rotated_encode, Rotated) {
    DYNAMIC_SHARED(memory);
    int32_t lane = threadIdx.x % LANES;
    int32_t warp = threadIdx.x / LANES;
    int32_t head = p.head;
    int32_t channels = p.rows.channels;
    int32_t padded = units_of(channels) * UNIT;
    float* x = (float*) memory + warp * head;
    int16_t* y = (int16_t*) ((float*) memory + WARPS * head) + warp * head;
    uint8_t* codes = memory + (WARPS * head * 6 + 15) / 16 * 16;
    int64_t token = (int64_t) blockIdx.y;
    for (int32_t c = channels + threadIdx.x; c < padded; c += blockDim.x) {
        codes[c] = 0;
    }
    for (int32_t from = warp * head; from < channels; from += WARPS * head) {
        for (int32_t i = lane; i < head; i += LANES) {
            float value = row_value(p.rows, token, from + i);
            x[i] = p.centered ? value - from16(p.parameter, p.means[from + i]) : value;
        }
        __syncwarp();
        float energy = energy_of(x, head, lane);
        int64_t gain = token * (channels / head) + from / head;
        if (!(energy > 0 && energy < p.energy_limit)) {
            for (int32_t i = lane; i < head; i += LANES) {
                codes[from + i] = (uint8_t) (1 << (p.bits - 1));
            }
            if (lane == 0) {
                p.gains[gain] = 0;
                if (energy != 0) {
                    atomicAdd(p.refused, 1u);
                }
            }
        } else {
            float root = (float) sqrt((double) (energy / (float) head));
            float factor = (float) p.unit / root;
            for (int32_t i = lane; i < head; i += LANES) {
                y[i] = (int16_t) ((uint32_t) to_int(rintf(x[i] * factor)) * (uint32_t) sign_of(p, from + i));
            }
            transform(y, head, p.block, lane);
            int64_t product = 0;
            int64_t square = 0;
            for (int32_t i = lane; i < head; i += LANES) {
                int32_t code = 0;
                for (int32_t k = 0; k < (1 << p.bits) - 1; k++) {
                    code += y[i] > p.thresholds[k];
                }
                int32_t centroid = p.centroids[code];
                codes[from + i] = (uint8_t) code;
                product += y[i] * centroid;
                square += centroid * centroid;
            }
            for (int32_t distance = LANES / 2; distance > 0; distance /= 2) {
                product += __shfl_xor_sync(ALL_LANES, product, distance);
                square += __shfl_xor_sync(ALL_LANES, square, distance);
            }
            if (lane == 0) {
                float slope = (float) ((double) root * (double) product / (double) square * p.gain_scale);
                p.gains[gain] = nearest16(p.parameter, slope);
            }
        }
        __syncwarp();
    }
    __syncthreads();
    int32_t bytes = unit_bytes(p.bits);
    int32_t row_bytes = padded / UNIT * bytes;
    for (int32_t b = threadIdx.x; b < row_bytes; b += blockDim.x) {
        int32_t packed = 0;
        int32_t c = b / bytes * UNIT + b % bytes;
        for (int32_t shift = 0; c < (b / bytes + 1) * UNIT; c += bytes, shift += p.bits) {
            packed |= codes[c] << shift;
        }
        p.codes[token * row_bytes + b] = (uint8_t) packed;
    }
}

DEVICE float rotated_value(const Rotated& p, int16_t v, int32_t c, float factor) {
    float value = (float) (int16_t) (v * sign_of(p, c)) * factor;
    return p.centered ? value + from16(p.parameter, p.means[c]) : value;
}

// A warp restores a head: any grid of blocks of 128 threads; shared memory: 2 bytes a channel of a head for each of 4 warps.
KERNEL(rotated_decode, Rotated) {
    DYNAMIC_SHARED(memory);
    int32_t lane = threadIdx.x % LANES;
    int32_t warp = threadIdx.x / LANES;
    int32_t head = p.head;
    int32_t channels = p.rows.channels;
    int32_t heads = channels / head;
    int64_t row_bytes = (int64_t) units_of(channels) * unit_bytes(p.bits);
    int16_t* v = (int16_t*) memory + warp * head;
    for (int64_t i = (int64_t) blockIdx.x * WARPS + warp; i < (int64_t) p.tokens * heads; i += (int64_t) gridDim.x * WARPS) {
        int64_t token = i / heads;
        int32_t from = (int32_t) (i % heads) * head;
        for (int32_t k = lane; k < head; k += LANES) {
            v[k] = p.centroids[code_at(p.codes + token * row_bytes, p.bits, from + k)];
        }
        transform(v, head, p.block, lane);
        float factor = from16(p.parameter, p.gains[i]) * p.decode_scale;
        for (int32_t k = lane; k < head; k += LANES) {
            int32_t c = from + k;
            float value = rotated_value(p, v[k], c, factor);
            Pair pair = pair_of(p.rows, c);
            if (pair.turned) {
                value = turn(p.rows, token, pair, value, rotated_value(p, v[pair.other - from], pair.other, factor), 1);
            }
            store_as(p.rows.data, p.rows.type, token * channels + c, value);
        }
        __syncwarp();
    }
}
