// Interleaved rANS of 64 lanes (arXiv 1311.2540, 1402.3392): ScalarRans. A warp codes a stream, two lanes a thread, so that no barrier is needed; a launch codes many.
#include "words.cuh"

enum { RING_BYTES = 1024, PIECE_BYTES = 256 };
enum { LANES = 64, HALF = 32, STATE_MIN = 1 << 15, SLOTS = 4096, SYMBOLS = 256, TWO_SETS_FROM = 1 << 16 };

enum Status { DONE = 0, STATE_OUT_OF_RANGE = 1, ENDS_EARLY = 2, WORDS_LEFT = 3, WRONG_END = 4, UNCODABLE = 5 };

struct Stream {
    uint8_t* symbols;
    // Words, then 64 states a set. The encoder fills the room for n words from its end.
    uint8_t* coded;
    const uint32_t* entries; // decoding: rank << 20 | frequency << 8 | symbol by slot; encoding: first << 12 | frequency by symbol
    const uint32_t* slots; // encoding: by first + rank
    const uint8_t* map; // table of position i modulo period
    int64_t words; // decoding: how many there are; encoding: receives how many there are
    int32_t count; // symbols
    int32_t period;
    int32_t tables;
    int32_t status; // receives it
};

struct Streams {
    Stream* streams; // one a block
};

DEVICE int32_t position_of(int32_t lane) {
    return lane % 16 * 4 + lane / 16;
}

DEVICE int32_t table_of(const Stream& s, int32_t i) {
    return s.tables == 1 ? 0 : s.map[(uint32_t) i % (uint32_t) s.period];
}

// States stay in registers: no element of x is reached by a number that is only known at run time.
DEVICE uint32_t pick(const uint32_t* x, int32_t i) {
    return i == 0 ? x[0] : i == 1 ? x[1] : i == 2 ? x[2] : x[3];
}

DEVICE void keep(uint32_t* x, int32_t i, uint32_t state) {
    x[0] = i == 0 ? state : x[0];
    x[1] = i == 1 ? state : x[1];
    x[2] = i == 2 ? state : x[2];
    x[3] = i == 3 ? state : x[3];
}

// Words of a stream on their way: a ring in shared memory, and two pieces of it in registers, which the device has asked for long before they are needed.
struct Ring {
    const uint8_t* coded;
    uint8_t* bytes;
    int64_t end; // of what may be read
    int64_t filled;
    Words2 ahead[2];
};

DEVICE Words2 ring_piece(const Ring& ring, int64_t from) {
    int64_t at = from + 8 * (threadIdx.x % HALF);
    // What is behind the words is never used.
    Words2 none = {{0, 0}};
    return at + 8 <= ring.end ? *(const Words2*) (ring.coded + at) : none;
}

// Another piece into the ring, and the next one asked for. All lanes.
DEVICE void advance(Ring& ring) {
    __syncwarp();
    *(Words2*) (ring.bytes + (ring.filled + 8 * (threadIdx.x % HALF)) % RING_BYTES) = ring.ahead[0];
    __syncwarp();
    ring.filled += PIECE_BYTES;
    ring.ahead[0] = ring.ahead[1];
    ring.ahead[1] = ring_piece(ring, ring.filled + PIECE_BYTES);
}

// Whole rows: all lanes of one row, or of two whose sets take turns, at the same time, since only the number of words each takes hangs on another. Returns the row behind them; `next`
// is above the number of words there are where the stream ends early.
template <int SETS, bool MANY>
DEVICE int32_t decode_rows(const Stream& s, const uint32_t* entries, uint8_t* ring_bytes, uint32_t* x, int64_t& next) {
    enum { HALVES = 2 * SETS };
    int32_t lane = threadIdx.x;
    bool upper = lane >= HALF / 2;
    uint32_t before = lanes_below(lane);
    Ring ring = {s.coded, ring_bytes, 2 * s.words + (int64_t) HALVES * HALF * 4, 0, {}};
    ring.ahead[0] = ring_piece(ring, 0);
    ring.ahead[1] = ring_piece(ring, PIECE_BYTES);
    advance(ring);
    int32_t row = 0;
    for (; s.count - row >= LANES * SETS && next <= s.words; row += LANES * SETS) {
        while (ring.filled < 2 * next + 2 * LANES * SETS) {
            advance(ring);
        }
        uint32_t symbols[SETS] = {};
        uint32_t at[HALVES];
        bool needs[HALVES];
        uint32_t position = (uint32_t) next;
UNROLL
        for (int h = 0; h < HALVES; h++) {
            int32_t table = MANY ? table_of(s, row + h / 2 * LANES + position_of(h % 2 * HALF + lane)) : 0;
            uint32_t entry = entries[table * SLOTS + (x[h] & (SLOTS - 1))];
            uint32_t symbol = entry & 255;
            symbols[h / 2] |= symbol << 16 * (h % 2);
            x[h] = (entry >> 8 & 0xfff) * (x[h] >> 12) + (entry >> 20);
            needs[h] = x[h] < STATE_MIN;
        }
UNROLL
        for (int h = 0; h < HALVES; h++) {
            uint32_t needing = __ballot_sync(ALL_LANES, needs[h]);
            at[h] = position + __popc(needing & before);
            position += __popc(needing);
        }
UNROLL
        for (int h = 0; h < HALVES; h++) {
            uint32_t word = *(const uint16_t*) (ring.bytes + 2 * at[h] % RING_BYTES);
            x[h] = needs[h] ? x[h] << 16 | word : x[h];
        }
        next += position - (uint32_t) next;
        // The lower half of the warp stores a row's bytes, four a lane, the upper half the other row's if there are two.
        uint32_t sent = upper ? symbols[0] : symbols[SETS - 1];
        uint32_t got = __shfl_xor_sync(ALL_LANES, sent, HALF / 2);
        if (SETS == 2 || !upper) {
            uint32_t bytes = upper ? got | symbols[SETS - 1] << 8 : symbols[0] | got << 8;
            *(uint32_t*) (s.symbols + row + 4 * lane) = bytes;
        }
    }
    return row;
}

DEVICE bool aligned(const void* a, const void* b) {
    return (((uintptr_t) a | (uintptr_t) b) & 7) == 0;
}

// Grid (streams), 32 threads.
KERNEL(rans_decode, Streams) {
    __shared__ uint32_t table[SLOTS];
    __shared__ Words2 ring[RING_BYTES / 8];
    Stream& stream = p.streams[blockIdx.x];
    const Stream s = stream;
    int32_t lane = threadIdx.x;
    const uint32_t* entries = s.entries;
    if (s.tables == 1) {
        for (int32_t i = lane; i < SLOTS; i += HALF) {
            table[i] = entries[i];
        }
        entries = table;
    }
    int32_t sets = s.count < TWO_SETS_FROM ? 1 : 2;
    const uint16_t* words = (const uint16_t*) s.coded;
    // A stream of an odd address has its states at one, too.
    const uint8_t* states = s.coded + 2 * s.words;
    uint32_t x[4];
    bool good = true;
    for (int32_t i = 0; i < 4; i++) {
        x[i] = i < 2 * sets ? load32(states + 4 * (i * HALF + lane)) : (uint32_t) STATE_MIN;
        good = good && (int32_t) x[i] >= STATE_MIN;
    }
    int32_t status = __ballot_sync(ALL_LANES, !good) ? STATE_OUT_OF_RANGE : DONE;
    __syncwarp();
    int64_t next = 0;
    int32_t first = 0;
    if (status == DONE && aligned(s.coded, s.symbols)) {
        uint8_t* bytes = (uint8_t*) ring;
        if (s.tables == 1) {
            first = sets == 1 ? decode_rows<1, false>(s, entries, bytes, x, next) : decode_rows<2, false>(s, entries, bytes, x, next);
        } else {
            first = sets == 1 ? decode_rows<1, true>(s, entries, bytes, x, next) : decode_rows<2, true>(s, entries, bytes, x, next);
        }
        status = next > s.words ? ENDS_EARLY : DONE;
    }
    for (int32_t row = first; row < s.count && status == DONE; row += LANES) {
        int32_t set = sets == 2 ? row / LANES % 2 * 2 : 0;
        for (int32_t half = 0; half < 2; half++) {
            int32_t i = row + position_of(half * HALF + lane);
            bool active = i < s.count;
            uint32_t state = pick(x, set + half);
            if (active) {
                uint32_t entry = entries[table_of(s, i) * SLOTS + (state & (SLOTS - 1))];
                s.symbols[i] = (uint8_t) entry;
                state = (entry >> 8 & 0xfff) * (state >> 12) + (entry >> 20);
            }
            bool needs = active && state < STATE_MIN;
            uint32_t needing = __ballot_sync(ALL_LANES, needs);
            if (next + __popc(needing) > s.words) {
                status = ENDS_EARLY;
                break;
            }
            if (needs) {
                const uint8_t* at = (const uint8_t*) (words + next + __popc(needing & lanes_below(lane)));
                state = state << 16 | at[0] | at[1] << 8;
            }
            next += __popc(needing);
            keep(x, set + half, state);
        }
    }
    if (status == DONE) {
        bool wrong = false;
        for (int32_t i = 0; i < 4; i++) {
            wrong = wrong || x[i] != STATE_MIN;
        }
        uint32_t any = __ballot_sync(ALL_LANES, wrong);
        status = next != s.words ? WORDS_LEFT : any ? WRONG_END : DONE;
    }
    if (lane == 0) {
        stream.status = status;
        stream.words = next;
    }
}

// A symbol's frequency and first slot, and what divides by its frequency: Granlund and Montgomery, "Division by Invariant Integers using Multiplication", for numerators below 2^31.
struct __align__(16) Coding {
    uint32_t frequency;
    uint32_t first;
    uint32_t reciprocal;
    uint32_t shift;
};

DEVICE Coding coding_of(uint32_t entry) {
    Coding coding = {entry & 0xfff, entry >> 12, 0, 0};
    while ((1u << coding.shift) < coding.frequency) {
        coding.shift++;
    }
    // One more bit for the quotient than for the numerator: shifts are from 32 + (shift - 1) on.
    coding.reciprocal = coding.frequency < 2 ? 0 : (uint32_t) (((1ull << (31 + coding.shift)) + coding.frequency - 1) / coding.frequency);
    return coding;
}

// As decode_rows, from the last row to the first.
template <int SETS, bool MANY>
DEVICE bool encode_rows(const Stream& s, const Coding* codings, const uint16_t* slots, int32_t rows, uint32_t* x, int64_t& next) {
    enum { HALVES = 2 * SETS };
    int32_t lane = threadIdx.x;
    bool upper = lane >= HALF / 2;
    uint32_t before = lanes_below(lane);
    uint16_t* words = (uint16_t*) s.coded;
    bool codable = true;
    int32_t from = 4 * (SETS == 2 ? lane : lane % (HALF / 2));
    uint32_t ahead = rows > 0 ? *(const uint32_t*) (s.symbols + rows - LANES * SETS + from) : 0;
    for (int32_t row = rows - LANES * SETS; row >= 0; row -= LANES * SETS) {
        uint32_t bytes = ahead;
        ahead = row > 0 ? *(const uint32_t*) (s.symbols + row - LANES * SETS + from) : 0;
        // A lane has four bytes of a row, two of them the other half of the warp's.
        uint32_t got = __shfl_xor_sync(ALL_LANES, bytes, HALF / 2);
        uint32_t symbols[SETS];
        symbols[0] = SETS == 1 ? (upper ? bytes >> 8 : bytes) : upper ? got >> 8 : bytes;
        symbols[SETS - 1] = SETS == 1 ? symbols[0] : upper ? bytes >> 8 : got;
UNROLL
        for (int h = HALVES - 1; h >= 0; h--) {
            uint32_t symbol = symbols[h / 2] >> 16 * (h % 2) & 255;
            Coding coding;
            if (MANY) {
                uint32_t entry = s.entries[table_of(s, row + h / 2 * LANES + position_of(h % 2 * HALF + lane)) * SYMBOLS + symbol];
                coding = {entry & 0xfff, entry >> 12, 0, 0};
            } else {
                coding = codings[symbol];
            }
            codable = codable && coding.frequency != 0;
            bool large = x[h] >= coding.frequency << 19;
            uint32_t leaving = __ballot_sync(ALL_LANES, large);
            next -= __popc(leaving);
            if (large) {
                words[next + __popc(leaving & before)] = (uint16_t) x[h];
                x[h] >>= 16;
            }
            uint32_t quotient = x[h];
            if (coding.frequency > 1) {
                quotient = MANY ? x[h] / coding.frequency : (uint32_t) ((uint64_t) x[h] * coding.reciprocal >> 32) >> (coding.shift - 1);
            }
            uint32_t slot = coding.first + (coding.frequency > 1 ? x[h] - quotient * coding.frequency : 0);
            x[h] = quotient << 12 | (MANY ? s.slots[slot] : slots[slot]);
        }
    }
    return codable;
}

// Grid (streams), 32 threads.
KERNEL(rans_encode, Streams) {
    __shared__ Coding codings[SYMBOLS];
    __shared__ uint16_t slots[SLOTS];
    Stream& stream = p.streams[blockIdx.x];
    const Stream s = stream;
    int32_t lane = threadIdx.x;
    int32_t sets = s.count < TWO_SETS_FROM ? 1 : 2;
    uint16_t* words = (uint16_t*) s.coded;
    uint32_t x[4] = {STATE_MIN, STATE_MIN, STATE_MIN, STATE_MIN};
    int64_t next = s.count; // words are written downwards: a decoder reads them upwards
    int32_t status = DONE;
    int32_t whole = aligned(s.coded, s.symbols) ? s.count / (LANES * sets) * (LANES * sets) : 0;
    for (int64_t row = ((int64_t) s.count + LANES - 1) / LANES * LANES - LANES; row >= whole && status == DONE; row -= LANES) {
        int32_t set = sets == 2 ? (int32_t) (row / LANES % 2) * 2 : 0;
        for (int32_t half = 1; half >= 0; half--) {
            int64_t i = row + position_of(half * HALF + lane);
            bool active = i < s.count;
            uint32_t state = pick(x, set + half);
            uint32_t entry = active ? s.entries[table_of(s, (int32_t) i) * SYMBOLS + s.symbols[i]] : 1;
            uint32_t frequency = entry & 0xfff;
            if (__ballot_sync(ALL_LANES, frequency == 0)) {
                status = UNCODABLE;
                break;
            }
            bool large = active && state >= frequency << 19;
            uint32_t leaving = __ballot_sync(ALL_LANES, large);
            next -= __popc(leaving);
            if (large) {
                words[next + __popc(leaving & lanes_below(lane))] = (uint16_t) state;
                state >>= 16;
            }
            if (active) {
                state = state / frequency << 12 | s.slots[(entry >> 12) + state % frequency];
            }
            keep(x, set + half, state);
        }
    }
    if (whole > 0 && status == DONE) {
        bool codable;
        if (s.tables == 1) {
            for (int32_t i = lane; i < SYMBOLS; i += HALF) {
                codings[i] = coding_of(s.entries[i]);
            }
            for (int32_t i = lane; i < SLOTS; i += HALF) {
                slots[i] = (uint16_t) s.slots[i];
            }
            __syncwarp();
            codable = sets == 1 ? encode_rows<1, false>(s, codings, slots, whole, x, next) : encode_rows<2, false>(s, codings, slots, whole, x, next);
        } else {
            codable = sets == 1 ? encode_rows<1, true>(s, codings, slots, whole, x, next) : encode_rows<2, true>(s, codings, slots, whole, x, next);
        }
        status = __ballot_sync(ALL_LANES, !codable) ? UNCODABLE : DONE;
    }
    for (int32_t i = 0; i < 4 && i < 2 * sets; i++) {
        // Behind the room for words, which may be an odd number of them.
        store32(s.coded + 2 * (int64_t) s.count + 4 * (i * HALF + lane), x[i]);
    }
    if (lane == 0) {
        stream.words = s.count - next;
        stream.status = status;
    }
}
