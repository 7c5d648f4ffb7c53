// Coding of quantized transform coefficients: HostCoefficients. Lane i codes component i of each block of 64; a warp has two lanes a thread, lane and lane + 32. What is known of a component is known to
// its thread alone, what a block was like is summed by shuffles: no barrier is needed. A launch takes any number of matrices.
//
// Decoding is one chain over a matrix's rows and blocks, since a block's contexts depend on the block before: a warp a matrix. Of encoding only rANS is such a chain: all values are known, so that
// blocks of components go side by side, then rows.
#include "floats.cuh"
#include "words.cuh"

enum {
    LANES = 64, HALF = 32, SYMBOLS = 32, ESCAPE = 31, SCALES = 32, ENERGIES = 9, CONTEXTS = SCALES * ENERGIES, BUCKETS = 64, BUCKET_SHIFT = 8, SLOT_BITS = 14, SLOTS = 1 << SLOT_BITS,
    STATE_MIN = 1 << 16, SYMBOL_EXPONENT = 127 + 2, FIRST_SCALE = 2 * (127 - 12), HALF_OCTAVE = 22, MAX_GAMMA_BITS = 24, MAX_MAGNITUDE = 1 << 22
};

#define SECOND_ROW 0.7f
#define OWN_WEIGHT 0.5f
#define DECAY 0.98f
#define PRIOR_WEIGHT 64.0f
#define BLOCKS_WEIGHT 0.1f
#define BLOCKS_DECAY 0.5f

enum Status { DONE = 0, STATE_OUT_OF_RANGE = 1, ENDS_EARLY = 2, LOW_BITS_END = 3, OUT_OF_RANGE = 4, WORDS_LEFT = 5, WRONG_END = 6, BITS_LEFT = 7 };

struct Matrix {
    int32_t* values; // [rows][stride]
    const float* priors; // [components]
    const float* scales; // [rows]
    const uint32_t* entries; // [context][symbol]: first slot, and from bit 16 on how many
    const uint8_t* starts; // [context][bucket]: the symbol that holds its first slot
    uint8_t* coded; // decoding: the number of words, the words, the states, the bit string
    float* memory; // decoding: [3][components]
    float* sums; // encoding: [rows][blocks][2]
    uint16_t* symbols; // encoding: [rows][components], context x 32 + symbol
    uint32_t* bits; // encoding: [rows][blocks] numbers of bits that go as they are, then where they begin, and how many in all
    uint32_t* low; // encoding: the bit string, of zeros
    uint8_t* words; // encoding: room for a word each, filled from its end, then 64 states
    int64_t word_count; // receives how many there are, or were used
    int64_t bit_count; // encoding: receives how many there are; decoding: bytes of the bit string
    int32_t rows;
    int32_t components;
    int32_t stride;
    int32_t status;
};

struct Matrices {
    Matrix* matrices;
};

DEVICE int32_t blocks_of(const Matrix& m) {
    return (m.components + LANES - 1) / LANES;
}

// Of what is kept of a component: past, last, before.
struct Component {
    float prior;
    float past;
    float last;
    float before;
};

// A thread's two components of a block, of which nothing is known but what was expected.
DEVICE void begin_block(const Matrix& m, int32_t block, int32_t* k, Component* c) {
    for (int32_t h = 0; h < 2; h++) {
        k[h] = block * LANES + h * HALF + (int32_t) threadIdx.x;
        float prior = k[h] < m.components ? m.priors[k[h]] : 0.0f;
        c[h] = {prior, 0, prior, prior};
    }
}

DEVICE float expected(const Component& c, float share) {
    return (PRIOR_WEIGHT * c.prior + c.past) * share;
}

DEVICE int32_t low_bits(float prior, float row_scale) {
    int32_t low = (int32_t) (bits_of(prior * row_scale) >> 23) - SYMBOL_EXPONENT;
    return low > 0 ? low : 0;
}

DEVICE int32_t clamp_to(int32_t value, int32_t most) {
    return value < 0 ? 0 : value > most ? most : value;
}

// seen and usual are those of the blocks before, times their weight.
DEVICE int32_t context_of(const Component& c, float e, float row_scale, int32_t low, float seen, float usual) {
    float num = seen + c.last + SECOND_ROW * c.before + OWN_WEIGHT * e;
    float den = usual + (1 + SECOND_ROW + OWN_WEIGHT) * e;
    int32_t energy = (((int32_t) bits_of(num) - (int32_t) bits_of(den) + (1 << (HALF_OCTAVE - 1))) >> HALF_OCTAVE) + ENERGIES / 2;
    int32_t scale = (int32_t) (bits_of(e * row_scale) >> HALF_OCTAVE) - 2 * low - FIRST_SCALE;
    return clamp_to(scale, SCALES - 1) * ENERGIES + clamp_to(energy, ENERGIES - 1);
}

// Learns a value. Returns its magnitude as it counts for the blocks after.
DEVICE float learn(Component& c, float e, int32_t value, float per_unit) {
    float magnitude = (float) (value < 0 ? -value : value) * per_unit;
    float most = 4 * e + 2 * per_unit;
    c.past = DECAY * c.past + magnitude;
    c.before = c.last;
    c.last = magnitude;
    return magnitude < most ? magnitude : most;
}

// The sum over a block in 16 stripes, then by pairs: every thread has it. first is lane's, second lane + 32's, 0 where there is none.
DEVICE float block_sum(float first, float second) {
    bool upper = (threadIdx.x & 16) != 0;
    float other_first = __shfl_xor_sync(ALL_LANES, first, 16);
    float other_second = __shfl_xor_sync(ALL_LANES, second, 16);
    float sum = first + other_first;
    sum += upper ? other_second : second;
    sum += upper ? second : other_second;
    sum += __shfl_xor_sync(ALL_LANES, sum, 1);
    sum += __shfl_xor_sync(ALL_LANES, sum, 2);
    sum += __shfl_xor_sync(ALL_LANES, sum, 4);
    sum += __shfl_xor_sync(ALL_LANES, sum, 8);
    return sum;
}

// Encoding, first: what each block of each row adds up to. Grid (blocks, matrices), 32 threads.
KERNEL(coefficient_sums, Matrices) {
    const Matrix m = p.matrices[blockIdx.y];
    int32_t block = blockIdx.x;
    if (block >= blocks_of(m)) {
        return;
    }
    int32_t lane = threadIdx.x;
    int32_t k[2];
    Component c[2];
    begin_block(m, block, k, c);
    float weight = 0;
    for (int32_t row = 0; row < m.rows; row++) {
        float per_unit = 1 / m.scales[row];
        float share = 1 / (PRIOR_WEIGHT + weight);
        float capped[2] = {0, 0};
        float usual[2] = {0, 0};
        for (int32_t h = 0; h < 2; h++) {
            if (k[h] < m.components) {
                usual[h] = expected(c[h], share);
                capped[h] = learn(c[h], usual[h], m.values[(int64_t) row * m.stride + k[h]], per_unit);
            }
        }
        float seen = block_sum(capped[0], capped[1]);
        float all = block_sum(usual[0], usual[1]);
        if (lane == 0) {
            float* sums = m.sums + 2 * ((int64_t) row * blocks_of(m) + block);
            sums[0] = seen;
            sums[1] = all;
        }
        weight = DECAY * weight + 1;
    }
}

// Then: what is known of the blocks before. A thread a row: grid (ceil(rows / 256), matrices), 256 threads.
KERNEL(coefficient_seen, Matrices) {
    const Matrix m = p.matrices[blockIdx.y];
    int64_t row = (int64_t) blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= m.rows) {
        return;
    }
    float seen = 0;
    float usual = 0;
    float* sums = m.sums + 2 * row * blocks_of(m);
    for (int32_t block = 0; block < blocks_of(m); block++, sums += 2) {
        float block_seen = sums[0];
        float block_usual = sums[1];
        sums[0] = BLOCKS_WEIGHT * seen;
        sums[1] = BLOCKS_WEIGHT * usual;
        seen = BLOCKS_DECAY * seen + block_seen;
        usual = BLOCKS_DECAY * usual + block_usual;
    }
}

// What goes as it is of a coefficient: the low bits, then the escape's.
struct Extra {
    int32_t symbol;
    int32_t low;
    uint32_t lowest;
    uint32_t gamma; // 0 if it is no escape
};

DEVICE Extra extra_of(int32_t value, int32_t low) {
    int32_t high = low == 0 ? value : (value + (1 << (low - 1))) >> low;
    int32_t folded = high > 0 ? 2 * high - 1 : -2 * high;
    uint32_t lowest = low == 0 ? 0 : (uint32_t) (value + (1 << (low - 1))) & ((1u << low) - 1);
    return {folded < ESCAPE ? folded : (int32_t) ESCAPE, low, lowest, folded < ESCAPE ? 0u : (uint32_t) (folded - ESCAPE + 1)};
}

DEVICE int32_t gamma_zeros(uint32_t gamma) {
    return 31 - __clz((int32_t) gamma);
}

DEVICE uint32_t extra_bits(const Extra& extra) {
    return (uint32_t) extra.low + (extra.gamma == 0 ? 0 : 2 * gamma_zeros(extra.gamma) + 1);
}

// Then: contexts and symbols. Grid (blocks, matrices), 32 threads.
KERNEL(coefficient_symbols, Matrices) {
    const Matrix m = p.matrices[blockIdx.y];
    int32_t block = blockIdx.x;
    if (block >= blocks_of(m)) {
        return;
    }
    int32_t lane = threadIdx.x;
    int32_t k[2];
    Component c[2];
    begin_block(m, block, k, c);
    float weight = 0;
    for (int32_t row = 0; row < m.rows; row++) {
        float row_scale = m.scales[row];
        float per_unit = 1 / row_scale;
        float share = 1 / (PRIOR_WEIGHT + weight);
        int64_t at = (int64_t) row * blocks_of(m) + block;
        uint32_t bits = 0;
        for (int32_t h = 0; h < 2; h++) {
            if (k[h] < m.components) {
                int32_t value = m.values[(int64_t) row * m.stride + k[h]];
                float e = expected(c[h], share);
                int32_t low = low_bits(c[h].prior, row_scale);
                int32_t context = context_of(c[h], e, row_scale, low, m.sums[2 * at], m.sums[2 * at + 1]);
                Extra extra = extra_of(value, low);
                m.symbols[(int64_t) row * m.components + k[h]] = (uint16_t) (context * SYMBOLS + extra.symbol);
                bits += extra_bits(extra);
                learn(c[h], e, value, per_unit);
            }
        }
        for (int32_t distance = 1; distance < HALF; distance *= 2) {
            bits += __shfl_xor_sync(ALL_LANES, bits, distance);
        }
        if (lane == 0) {
            m.bits[at] = bits;
        }
        weight = DECAY * weight + 1;
    }
}

// Then: where each block's bits begin. A block a matrix: grid (matrices), 256 threads, each with a run of blocks.
KERNEL(coefficient_offsets, Matrices) {
    __shared__ uint32_t starts[256];
    Matrix& matrix = p.matrices[blockIdx.x];
    const Matrix m = matrix;
    int64_t all = (int64_t) m.rows * blocks_of(m);
    int64_t run = (all + blockDim.x - 1) / blockDim.x;
    int64_t from = threadIdx.x * run;
    int64_t end = from + run < all ? from + run : all;
    uint32_t sum = 0;
    for (int64_t i = from; i < end; i++) {
        sum += m.bits[i];
    }
    starts[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        uint32_t next = 0;
        for (uint32_t i = 0; i < blockDim.x; i++) {
            uint32_t bits = starts[i];
            starts[i] = next;
            next += bits;
        }
        m.bits[all] = next;
        matrix.bit_count = next;
    }
    __syncthreads();
    uint32_t next = starts[threadIdx.x];
    for (int64_t i = from; i < end; i++) {
        uint32_t bits = m.bits[i];
        m.bits[i] = next;
        next += bits;
    }
}

DEVICE void put_bits(uint32_t* to, uint32_t at, uint32_t value, int32_t bits) {
    int32_t shift = at & 31;
    if (bits > 0) {
        atomicOr(&to[at >> 5], value << shift);
    }
    if (shift + bits > 32) {
        atomicOr(&to[(at >> 5) + 1], value >> (32 - shift));
    }
}

// Last, beside rANS: the bit string, for which the host has found room. A warp a block of a row: any grid (some, matrices), 32 threads.
KERNEL(coefficient_low_bits, Matrices) {
    const Matrix m = p.matrices[blockIdx.y];
    int64_t all = (int64_t) m.rows * blocks_of(m);
    int32_t lane = threadIdx.x;
    for (int64_t i = blockIdx.x; i < all; i += gridDim.x) {
        uint32_t at = m.bits[i];
        if (m.bits[i + 1] == at) {
            continue;
        }
        int64_t row = i / blocks_of(m);
        for (int32_t h = 0; h < 2; h++) {
            int32_t k = (int32_t) (i % blocks_of(m)) * LANES + h * HALF + lane;
            Extra extra = {0, 0, 0, 0};
            if (k < m.components) {
                extra = extra_of(m.values[row * m.stride + k], low_bits(m.priors[k], m.scales[row]));
            }
            uint32_t bits = extra_bits(extra);
            uint32_t sum = bits; // of this lane and those before
            for (int32_t distance = 1; distance < HALF; distance *= 2) {
                uint32_t before = __shfl_up_sync(ALL_LANES, sum, distance);
                sum += lane >= distance ? before : 0;
            }
            uint32_t start = at + sum - bits;
            put_bits(m.low, start, extra.lowest, extra.low);
            if (extra.gamma > 0) {
                int32_t zeros = gamma_zeros(extra.gamma);
                put_bits(m.low, start + extra.low, 1u << zeros, zeros + 1);
                put_bits(m.low, start + extra.low + zeros + 1, extra.gamma & ((1u << zeros) - 1), zeros);
            }
            at += __shfl_sync(ALL_LANES, sum, HALF - 1);
        }
    }
}

// rANS, backwards over a matrix: grid (matrices), 32 threads.
KERNEL(coefficient_words, Matrices) {
    __shared__ uint32_t table[CONTEXTS * SYMBOLS];
    Matrix& matrix = p.matrices[blockIdx.x];
    const Matrix m = matrix;
    int32_t lane = threadIdx.x;
    for (int32_t i = lane; i < CONTEXTS * SYMBOLS; i += HALF) {
        table[i] = m.entries[i];
    }
    __syncwarp();
    int64_t room = (int64_t) m.rows * m.components;
    int64_t next = room; // words are written downwards: a decoder reads them upwards
    uint16_t* words = (uint16_t*) m.words;
    uint32_t x[2] = {STATE_MIN, STATE_MIN};
    int32_t last = (blocks_of(m) - 1) * LANES;
    int64_t row = m.rows - 1;
    int32_t first = last;
    // What is coded next is fetched while this is coded.
    uint16_t ahead[2] = {0, 0};
    for (int32_t h = 0; h < 2; h++) {
        int32_t k = first + h * HALF + lane;
        ahead[h] = row >= 0 && last >= 0 && k < m.components ? m.symbols[row * m.components + k] : 0;
    }
    while (row >= 0 && last >= 0) {
        uint16_t now[2] = {ahead[0], ahead[1]};
        int32_t block = first;
        row -= first == 0;
        first = first == 0 ? last : first - LANES;
        for (int32_t h = 0; h < 2; h++) {
            int32_t k = first + h * HALF + lane;
            ahead[h] = row >= 0 && k < m.components ? m.symbols[row * m.components + k] : 0;
        }
        for (int32_t h = 1; h >= 0; h--) {
            bool active = block + h * HALF + lane < m.components;
            uint32_t entry = table[now[h]];
            uint32_t frequency = entry >> 16;
            bool large = active && x[h] >= frequency << (32 - SLOT_BITS);
            uint32_t leaving = __ballot_sync(ALL_LANES, large);
            next -= __popc(leaving);
            if (large) {
                words[next + __popc(leaving & lanes_below(lane))] = (uint16_t) x[h];
                x[h] >>= 16;
            }
            if (active) {
                uint32_t quotient = x[h] / frequency;
                x[h] = (quotient << SLOT_BITS) + (x[h] - quotient * frequency) + (entry & 0xffff);
            }
        }
    }
    for (int32_t h = 0; h < 2; h++) {
        // Behind the room for words, which may be an odd number of them.
        store32(m.words + 2 * room + 4 * (h * HALF + lane), x[h]);
    }
    if (lane == 0) {
        matrix.word_count = room - next;
    }
}

// The bit string as it is read: every thread knows where.
struct Bits {
    const uint8_t* bytes;
    int64_t count;
    int64_t next;
};

DEVICE bool has_bits(const Bits& bits, int32_t count) {
    return bits.next + count <= bits.count;
}

DEVICE uint32_t take_bits(Bits& bits, int32_t count) {
    uint32_t value = 0;
    for (int32_t got = 0; got < count; ) {
        int32_t shift = (int32_t) (bits.next & 7);
        int32_t now = 8 - shift < count - got ? 8 - shift : count - got;
        value |= ((uint32_t) bits.bytes[bits.next >> 3] >> shift & ((1u << now) - 1)) << got;
        bits.next += now;
        got += now;
    }
    return value;
}

// A value of which some bits went as they are. Returns a status.
DEVICE int32_t extended_value(Bits& bits, int32_t symbol, int32_t low, int32_t& value) {
    if (!has_bits(bits, low)) {
        return LOW_BITS_END;
    }
    int64_t lowest = take_bits(bits, low);
    int32_t folded = symbol;
    if (symbol == ESCAPE) {
        int32_t zeros = 0;
        for (;;) {
            if (!has_bits(bits, 1)) {
                return LOW_BITS_END;
            }
            if (take_bits(bits, 1)) {
                break;
            }
            if (++zeros == MAX_GAMMA_BITS) {
                return OUT_OF_RANGE;
            }
        }
        if (!has_bits(bits, zeros)) {
            return LOW_BITS_END;
        }
        folded = (int32_t) (1u << zeros | take_bits(bits, zeros)) - 1 + ESCAPE;
    }
    int64_t high = folded & 1 ? (folded + 1) / 2 : -folded / 2;
    int64_t whole = low == 0 ? high : high * ((int64_t) 1 << low) + lowest - ((int64_t) 1 << (low - 1));
    value = (int32_t) whole;
    return whole > MAX_MAGNITUDE || whole < -MAX_MAGNITUDE ? OUT_OF_RANGE : DONE;
}

// A warp a matrix: grid (matrices), 32 threads.
KERNEL(coefficient_decode, Matrices) {
    __shared__ uint16_t slots[CONTEXTS * SYMBOLS];
    __shared__ uint8_t starts[CONTEXTS * BUCKETS];
    Matrix& matrix = p.matrices[blockIdx.x];
    const Matrix m = matrix;
    int32_t lane = threadIdx.x;
    for (int32_t i = lane; i < CONTEXTS * SYMBOLS; i += HALF) {
        slots[i] = (uint16_t) m.entries[i];
    }
    for (int32_t i = lane; i < CONTEXTS * BUCKETS; i += HALF) {
        starts[i] = m.starts[i];
    }
    __syncwarp();
    int64_t word_count = load32(m.coded);
    const uint16_t* words = (const uint16_t*) (m.coded + 4);
    const uint8_t* states = m.coded + 4 + 2 * word_count;
    uint32_t x[2] = {load32(states + 4 * lane), load32(states + 4 * (HALF + lane))};
    Bits bits = {states + 4 * LANES, 8 * m.bit_count, 0};
    int32_t status = __ballot_sync(ALL_LANES, x[0] < STATE_MIN || x[1] < STATE_MIN) ? STATE_OUT_OF_RANGE : DONE;
    // Each thread's own: nothing has to wait for others.
    for (int32_t first = 0; first < m.components; first += HALF) {
        int32_t k = first + lane;
        if (k < m.components) {
            m.memory[k] = 0;
            m.memory[m.components + k] = m.memory[2 * (int64_t) m.components + k] = m.priors[k];
        }
    }
    int64_t next = 0;
    float weight = 0;
    for (int32_t row = 0; row < m.rows && status == DONE; row++) {
        float row_scale = m.scales[row];
        float per_unit = 1 / row_scale;
        float share = 1 / (PRIOR_WEIGHT + weight);
        float seen = 0;
        float usual = 0;
        // What is known of the next block's components is fetched while this one is decoded.
        Component ahead[2] = {};
        for (int32_t first = -LANES; first < m.components; first += LANES) {
            Component c[2] = {ahead[0], ahead[1]};
            for (int32_t h = 0; h < 2; h++) {
                int32_t k = first + LANES + h * HALF + lane;
                bool inside = k < m.components;
                ahead[h].prior = inside ? m.priors[k] : 0.0f;
                ahead[h].past = inside ? m.memory[k] : 0.0f;
                ahead[h].last = inside ? m.memory[m.components + k] : 0.0f;
                ahead[h].before = inside ? m.memory[2 * (int64_t) m.components + k] : 0.0f;
            }
            if (first < 0) {
                continue;
            }
            bool active[2];
            float e[2];
            int32_t low[2];
            int32_t symbol[2];
            int32_t value[2];
            for (int32_t h = 0; h < 2; h++) {
                active[h] = first + h * HALF + lane < m.components;
                e[h] = active[h] ? expected(c[h], share) : 0.0f;
                low[h] = active[h] ? low_bits(c[h].prior, row_scale) : 0;
                symbol[h] = 0;
                if (active[h]) {
                    int32_t context = context_of(c[h], e[h], row_scale, low[h], BLOCKS_WEIGHT * seen, BLOCKS_WEIGHT * usual);
                    uint32_t slot = x[h] & (SLOTS - 1);
                    int32_t at = starts[context * BUCKETS + (slot >> BUCKET_SHIFT)];
                    const uint16_t* table = slots + context * SYMBOLS;
                    uint32_t end = at == SYMBOLS - 1 ? (uint32_t) SLOTS : table[at + 1];
                    while (slot >= end) {
                        at++;
                        end = at == SYMBOLS - 1 ? (uint32_t) SLOTS : table[at + 1];
                    }
                    symbol[h] = at;
                    x[h] = (end - table[at]) * (x[h] >> SLOT_BITS) + slot - table[at];
                }
                int32_t even = (symbol[h] & 1) - 1;
                value[h] = (((symbol[h] + 1) >> 1) ^ even) - even;
            }
            for (int32_t h = 0; h < 2; h++) {
                bool needs = active[h] && x[h] < STATE_MIN;
                uint32_t needing = __ballot_sync(ALL_LANES, needs);
                if (needs && next + __popc(needing & lanes_below(lane)) < word_count) {
                    x[h] = x[h] << 16 | words[next + __popc(needing & lanes_below(lane))];
                }
                next += __popc(needing);
            }
            if (next > word_count) {
                status = ENDS_EARLY;
                break;
            }
            for (int32_t h = 0; h < 2 && status == DONE; h++) {
                uint32_t extended = __ballot_sync(ALL_LANES, low[h] > 0 || symbol[h] == ESCAPE);
                for (; extended != 0 && status == DONE; extended &= extended - 1) {
                    int32_t of = 31 - __clz((int32_t) (extended & (0 - extended)));
                    int32_t its = 0;
                    status = extended_value(bits, __shfl_sync(ALL_LANES, symbol[h], of), __shfl_sync(ALL_LANES, low[h], of), its);
                    value[h] = lane == of ? its : value[h];
                }
            }
            if (status != DONE) {
                break;
            }
            float capped[2] = {0, 0};
            for (int32_t h = 0; h < 2; h++) {
                int32_t k = first + h * HALF + lane;
                if (active[h]) {
                    capped[h] = learn(c[h], e[h], value[h], per_unit);
                    m.values[(int64_t) row * m.stride + k] = value[h];
                    m.memory[k] = c[h].past;
                    m.memory[m.components + k] = c[h].last;
                    m.memory[2 * (int64_t) m.components + k] = c[h].before;
                }
            }
            seen = BLOCKS_DECAY * seen + block_sum(capped[0], capped[1]);
            usual = BLOCKS_DECAY * usual + block_sum(e[0], e[1]);
        }
        weight = DECAY * weight + 1;
    }
    if (status == DONE) {
        uint32_t wrong = __ballot_sync(ALL_LANES, x[0] != STATE_MIN || x[1] != STATE_MIN);
        bool used = (bits.next + 7) / 8 == m.bit_count && (bits.next == bits.count || take_bits(bits, (int32_t) (bits.count - bits.next)) == 0);
        status = next != word_count ? WORDS_LEFT : wrong ? WRONG_END : used ? DONE : BITS_LEFT;
    }
    if (lane == 0) {
        matrix.word_count = next;
        matrix.status = status;
    }
}
