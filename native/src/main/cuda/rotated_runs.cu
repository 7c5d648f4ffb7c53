// rotated.cu for 16-bit rows and heads of 64, 128 or 256 channels. Eight lanes have a head: lane l of them the pairs of channels 2l, 2l + 1, 2l + 16, 2l + 17, ..., so that a chain of the head's
// energy, the codes of a byte and the halves of a turned pair are one lane's. A warp has a head of 32 tokens, four at a time. Any number of blocks of 128 threads.
#include "rotated.cuh"
#include "runs.cuh"

enum { HEAD_LANES = 8, ROUND_TOKENS = LANES / HEAD_LANES, WARP_TOKENS = HEAD_LANES * ROUND_TOKENS, STRIDE = 16, BUCKETS = 256 };

// 1.5 * 2^23: added to what is below 2^22 it rounds half to even and leaves the integer in the low 22 bits, of which 16 are looked at.
#define ROUNDING 12582912.0f

// Codes by the upper byte of a coefficient: as thresholds are more than 256 apart (they are multiples of the spread, 0.25 of it and more; the least spread, of heads of 256, is 2032), at most one is
// among the 256 coefficients of a byte. It and the code up to it stand in the bucket: the threshold in the lower half.
struct Levels {
    uint32_t buckets[BUCKETS];
    int32_t centroids[MOST_CODES];
};

// What a warp has.
struct Task {
    int64_t first; // token
    int32_t head;
    int32_t lane; // of the head's
    int32_t row; // of the four tokens at a time
    bool none;
};

DEVICE Task task_of(const Rotated& p, int32_t head) {
    int32_t lane = threadIdx.x % LANES;
    int32_t heads = p.rows.channels / head;
    int64_t warp = (int64_t) blockIdx.x * WARPS + threadIdx.x / LANES;
    Task task;
    task.head = (int32_t) (warp % heads);
    task.first = warp / heads * WARP_TOKENS;
    task.none = task.first >= p.tokens;
    task.lane = lane % HEAD_LANES;
    task.row = lane / HEAD_LANES;
    return task;
}

// (a, b) becomes (a cos - b sin, b cos + a sin), every product and sum rounded.
template <int COUNT>
DEVICE void turn_head(const Rows& rows, int64_t token, int32_t lane, float* v, float direction) {
    if (rows.pairs == 0) {
        return;
    }
    if (rows.pairing == HALVES) {
UNROLL
        for (int k = 0; k < COUNT / 4; k++) {
            int64_t at = token * rows.pairs + STRIDE * k + 2 * lane;
            const Floats2 cosines = *(const Floats2*) (rows.cosines + at);
            const Floats2 sines = *(const Floats2*) (rows.sines + at);
UNROLL
            for (int b = 0; b < 2; b++) {
                float first = v[2 * k + b];
                float second = v[2 * k + b + COUNT / 2];
                float sine = direction * sines.f[b];
                v[2 * k + b] = first * cosines.f[b] - second * sine;
                v[2 * k + b + COUNT / 2] = second * cosines.f[b] + first * sine;
            }
        }
    } else {
UNROLL
        for (int k = 0; k < COUNT / 2; k++) {
            int32_t number = STRIDE / 2 * k + lane;
            if (number < rows.pairs) {
                float cosine = rows.cosines[token * rows.pairs + number];
                float sine = direction * rows.sines[token * rows.pairs + number];
                float first = v[2 * k];
                float second = v[2 * k + 1];
                v[2 * k] = first * cosine - second * sine;
                v[2 * k + 1] = second * cosine + first * sine;
            }
        }
    }
}

// Sums and differences of integers whose low 16 bits count.
template <int COUNT>
DEVICE void transform_head(int32_t* y, int32_t lane) {
UNROLL
    for (int i = 0; i < COUNT; i += 2) {
        int32_t a = y[i];
        int32_t b = y[i + 1];
        y[i] = a + b;
        y[i + 1] = a - b;
    }
UNROLL
    for (int h = 2; h < COUNT; h *= 2) {
UNROLL
        for (int i = 0; i < COUNT; i++) {
            if ((i & h) == 0) {
                int32_t a = y[i];
                int32_t b = y[i + h];
                y[i] = a + b;
                y[i + h] = a - b;
            }
        }
    }
UNROLL
    for (int distance = 1; distance < HEAD_LANES; distance *= 2) {
        int32_t sign = lane & distance ? -1 : 1;
UNROLL
        for (int i = 0; i < COUNT; i++) {
            y[i] = sign * y[i] + __shfl_xor_sync(ALL_LANES, y[i], distance);
        }
    }
}

DEVICE int32_t channel_of(const Task& task, int32_t head, int i) {
    return task.head * head + STRIDE * (i / 2) + 2 * task.lane + i % 2;
}

template <int TYPE, int HEAD>
DEVICE void head_means(const Rotated& p, const Task& task, float* means) {
UNROLL
    for (int i = 0; i < HEAD / HEAD_LANES; i++) {
        means[i] = p.centered ? from16(TYPE, p.means[channel_of(task, HEAD, i)]) : 0;
    }
}

template <int HEAD, typename T>
DEVICE void head_signs(const Rotated& p, const Task& task, T* signs) {
UNROLL
    for (int i = 0; i < HEAD / HEAD_LANES; i++) {
        int32_t c = channel_of(task, HEAD, i);
        signs[i] = (T) (1 - 2 * (int32_t) (p.signs[c >> 6] >> (c & 63) & 1));
    }
}

// All threads of the block.
DEVICE void load_levels(const Rotated& p, Levels& levels) {
    for (int32_t i = threadIdx.x; i < BUCKETS; i += blockDim.x) {
        int32_t first = (int32_t) (int8_t) i * 256;
        int32_t code = 0;
        // Above all of the bucket where no threshold is in it.
        int32_t threshold = first + 255;
        for (int32_t k = 0; k < (1 << p.bits) - 1; k++) {
            code += first > p.thresholds[k] ? 1 : 0;
            threshold = p.thresholds[k] >= first && p.thresholds[k] < threshold ? p.thresholds[k] : threshold;
        }
        levels.buckets[i] = (uint32_t) code << 16 | (uint16_t) threshold;
    }
    if (threadIdx.x < MOST_CODES) {
        levels.centroids[threadIdx.x] = p.centroids[threadIdx.x];
    }
    __syncthreads();
}

DEVICE int32_t code_of(const uint32_t* buckets, int32_t value) {
    uint32_t bucket = buckets[value >> 8 & (BUCKETS - 1)];
    return (int32_t) (bucket >> 16) + (value > (int16_t) bucket ? 1 : 0);
}

// The two bytes that hold a unit's codes of pairs of channels 2l, 2l + 1, and of those 16 behind them if a unit has 32 bytes.
template <int HEAD>
DEVICE void store_head(const Rotated& p, const Task& task, int64_t token, const int32_t* code) {
    uint8_t* row = p.codes + token * (p.rows.channels / UNIT) * unit_bytes(p.bits);
UNROLL
    for (int u = 0; u < HEAD / UNIT; u++) {
        uint8_t* unit = row + (task.head * (HEAD / UNIT) + u) * unit_bytes(p.bits) + 2 * task.lane;
        const int32_t* c = code + UNIT / HEAD_LANES * u;
        if (p.bits == 2) {
            *(uint16_t*) unit = (uint16_t) (c[0] | c[2] << 2 | c[4] << 4 | c[6] << 6 | (c[1] | c[3] << 2 | c[5] << 4 | c[7] << 6) << 8);
        } else {
            *(uint16_t*) unit = (uint16_t) (c[0] | c[4] << p.bits | (c[1] | c[5] << p.bits) << 8);
            *(uint16_t*) (unit + STRIDE) = (uint16_t) (c[2] | c[6] << p.bits | (c[3] | c[7] << p.bits) << 8);
        }
    }
}

DEVICE int64_t head_sum(int64_t sum) {
    for (int32_t distance = 1; distance < HEAD_LANES; distance *= 2) {
        sum += __shfl_xor_sync(ALL_LANES, sum, distance);
    }
    return sum;
}

template <int TYPE, int HEAD>
DEVICE void encode_head(const Rotated& p, const Levels& levels) {
    enum { COUNT = HEAD / HEAD_LANES };
    const Task task = task_of(p, HEAD);
    if (task.none) {
        return;
    }
    int32_t channels = p.rows.channels;
    float means[COUNT];
    head_means<TYPE, HEAD>(p, task, means);
    float signs[COUNT];
    head_signs<HEAD>(p, task, signs);
    // Of the token that this lane makes the gain of, which takes long and is made for all of the warp's tokens at once.
    float my_root = 0;
    float my_energy = 0;
    int64_t my_product = 0;
    int64_t my_square = 1;
UNROLL_BY(1)
    for (int32_t round = 0; round < HEAD_LANES && task.first + round * ROUND_TOKENS < p.tokens; round++) {
        int64_t token = task.first + round * ROUND_TOKENS + task.row;
        bool inside = token < p.tokens;
        token = inside ? token : p.tokens - 1;
        float x[COUNT];
        const uint32_t* pairs = (const uint32_t*) ((const uint16_t*) p.rows.data + token * channels + task.head * HEAD) + task.lane;
UNROLL
        for (int k = 0; k < COUNT / 2; k++) {
            uint32_t pair = pairs[STRIDE / 2 * k];
            x[2 * k] = low_of(TYPE, pair);
            x[2 * k + 1] = high_of(TYPE, pair);
        }
        turn_head<COUNT>(p.rows, token, task.lane, x, -1);
        float chains[2] = {0, 0};
UNROLL
        for (int i = 0; i < COUNT; i++) {
            x[i] -= means[i];
            chains[i % 2] += x[i] * x[i];
        }
        float energy = chains[0] + chains[1];
UNROLL
        for (int distance = 1; distance < HEAD_LANES; distance *= 2) {
            energy += __shfl_xor_sync(ALL_LANES, energy, distance);
        }
        // Root and factor are of no use where the energy is not, and used nowhere.
        float root = sqrtf(energy / (float) HEAD);
        float factor = (float) p.unit / root;
        int32_t y[COUNT];
UNROLL
        for (int i = 0; i < COUNT; i++) {
            // One rounding, as a product with 1 or -1 has none.
            y[i] = (int32_t) bits_of(fmaf(x[i] * factor, signs[i], ROUNDING));
        }
        transform_head<COUNT>(y, task.lane);
        bool good = energy > 0 && energy < p.energy_limit;
        int64_t product = 0;
        int64_t square = 0;
        int32_t code[COUNT];
UNROLL
        for (int i = 0; i < COUNT; i++) {
            int32_t value = (int16_t) y[i];
            code[i] = good ? code_of(levels.buckets, value) : 1 << (p.bits - 1);
            int32_t centroid = levels.centroids[code[i]];
            product += (int64_t) value * centroid;
            square += (int64_t) centroid * centroid;
        }
        if (inside) {
            store_head<HEAD>(p, task, token, code);
        }
        product = head_sum(product);
        square = head_sum(square);
        if (task.lane == round) {
            my_energy = inside ? energy : 0;
            my_root = root;
            my_product = product;
            my_square = square;
        }
    }
    int64_t token = task.first + task.lane * ROUND_TOKENS + task.row;
    if (token >= p.tokens) {
        return;
    }
    int64_t gain = token * (channels / HEAD) + task.head;
    if (my_energy > 0 && my_energy < p.energy_limit) {
        p.gains[gain] = nearest16(TYPE, (float) ((double) my_root * (double) my_product / (double) my_square * p.gain_scale));
    } else {
        p.gains[gain] = 0;
        if (my_energy != 0) {
            atomicAdd(p.refused, 1u);
        }
    }
}

// The centroids of a thread's codes.
template <int HEAD>
DEVICE void load_head(const Rotated& p, const Task& task, int64_t token, const int32_t* centroids, int32_t* y) {
    const uint8_t* row = p.codes + token * (p.rows.channels / UNIT) * unit_bytes(p.bits);
    uint32_t mask = (1u << p.bits) - 1;
UNROLL
    for (int u = 0; u < HEAD / UNIT; u++) {
        const uint8_t* unit = row + (task.head * (HEAD / UNIT) + u) * unit_bytes(p.bits) + 2 * task.lane;
        int32_t* v = y + UNIT / HEAD_LANES * u;
        uint32_t low = *(const uint16_t*) unit;
        uint32_t high = p.bits == 2 ? low >> 2 : *(const uint16_t*) (unit + STRIDE);
        int32_t shift = p.bits == 2 ? 4 : p.bits;
UNROLL
        for (int b = 0; b < 2; b++) {
            v[b] = centroids[low >> 8 * b & mask];
            v[2 + b] = centroids[high >> 8 * b & mask];
            v[4 + b] = centroids[low >> (8 * b + shift) & mask];
            v[6 + b] = centroids[high >> (8 * b + shift) & mask];
        }
    }
}

template <int TYPE, int HEAD>
DEVICE void decode_head(const Rotated& p, const Levels& levels) {
    enum { COUNT = HEAD / HEAD_LANES };
    const Task task = task_of(p, HEAD);
    if (task.none) {
        return;
    }
    float means[COUNT];
    head_means<TYPE, HEAD>(p, task, means);
    int32_t signs[COUNT];
    head_signs<HEAD>(p, task, signs);
    int32_t channels = p.rows.channels;
UNROLL_BY(1)
    for (int32_t round = 0; round < HEAD_LANES && task.first + round * ROUND_TOKENS < p.tokens; round++) {
        int64_t token = task.first + round * ROUND_TOKENS + task.row;
        bool inside = token < p.tokens;
        token = inside ? token : p.tokens - 1;
        int32_t y[COUNT];
        load_head<HEAD>(p, task, token, levels.centroids, y);
        transform_head<COUNT>(y, task.lane);
        float factor = from16(TYPE, p.gains[token * (channels / HEAD) + task.head]) * p.decode_scale;
        float x[COUNT];
UNROLL
        for (int i = 0; i < COUNT; i++) {
            float value = (float) (int16_t) (y[i] * signs[i]) * factor;
            x[i] = p.centered ? value + means[i] : value;
        }
        turn_head<COUNT>(p.rows, token, task.lane, x, 1);
        if (p.rows.pairs > 0) {
UNROLL
            for (int i = 0; i < COUNT; i++) {
                x[i] = x[i] != x[i] ? float_of(0x7fc00000) : x[i];
            }
        }
        if (inside) {
            uint32_t* pairs = (uint32_t*) ((uint16_t*) p.rows.data + token * channels + task.head * HEAD) + task.lane;
UNROLL
            for (int k = 0; k < COUNT / 2; k++) {
                pairs[STRIDE / 2 * k] = pair16(TYPE, x[2 * k], x[2 * k + 1]);
            }
        }
    }
}

// A kernel a size of head, so that small heads do not take the registers of large ones.
#define HEAD_KERNELS(HEAD, ENCODING_BLOCKS, DECODING_BLOCKS)                  \
    KERNEL_OF_128(rotated_encode_##HEAD, Rotated, ENCODING_BLOCKS) {          \
        __shared__ Levels levels;                                             \
        load_levels(p, levels);                                               \
        if (p.rows.type == F16) {                                             \
            encode_head<F16, HEAD>(p, levels);                                \
        } else {                                                              \
            encode_head<BF16, HEAD>(p, levels);                               \
        }                                                                     \
    }                                                                         \
    KERNEL_OF_128(rotated_decode_##HEAD, Rotated, DECODING_BLOCKS) {          \
        __shared__ Levels levels;                                             \
        load_levels(p, levels);                                               \
        if (p.rows.type == F16) {                                             \
            decode_head<F16, HEAD>(p, levels);                                \
        } else {                                                              \
            decode_head<BF16, HEAD>(p, levels);                               \
        }                                                                     \
    }

HEAD_KERNELS(64, 6, 7)
HEAD_KERNELS(128, 5, 6)
HEAD_KERNELS(256, 4, 4)
