// Interleaved rANS of 64 lanes (arXiv 1311.2540, 1402.3392): ScalarRans. A warp codes a stream, two lanes a thread, so that no barrier is needed; a launch codes many.
#include "target.cuh"

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

DEVICE uint32_t below(int32_t lane) {
    return (1u << lane) - 1;
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

// Grid (streams), 32 threads.
KERNEL(rans_decode, Streams) {
    __shared__ uint32_t table[SLOTS];
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
        const uint8_t* at = states + 4 * (i * HALF + lane);
        x[i] = i < 2 * sets ? at[0] | at[1] << 8 | at[2] << 16 | (uint32_t) at[3] << 24 : (uint32_t) STATE_MIN;
        good = good && (int32_t) x[i] >= STATE_MIN;
    }
    int32_t status = __ballot_sync(ALL_LANES, !good) ? STATE_OUT_OF_RANGE : DONE;
    __syncwarp();
    int64_t next = 0;
    for (int32_t row = 0; row < s.count && status == DONE; row += LANES) {
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
                const uint8_t* at = (const uint8_t*) (words + next + __popc(needing & below(lane)));
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

// Grid (streams), 32 threads.
KERNEL(rans_encode, Streams) {
    Stream& stream = p.streams[blockIdx.x];
    const Stream s = stream;
    int32_t lane = threadIdx.x;
    int32_t sets = s.count < TWO_SETS_FROM ? 1 : 2;
    uint16_t* words = (uint16_t*) s.coded;
    uint32_t x[4] = {STATE_MIN, STATE_MIN, STATE_MIN, STATE_MIN};
    int64_t next = s.count; // words are written downwards: a decoder reads them upwards
    int32_t status = DONE;
    for (int64_t row = ((int64_t) s.count + LANES - 1) / LANES * LANES - LANES; row >= 0 && status == DONE; row -= LANES) {
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
                words[next + __popc(leaving & below(lane))] = (uint16_t) state;
                state >>= 16;
            }
            if (active) {
                state = state / frequency << 12 | s.slots[(entry >> 12) + state % frequency];
            }
            keep(x, set + half, state);
        }
    }
    for (int32_t i = 0; i < 4 && i < 2 * sets; i++) {
        // Behind the room for words, which may be an odd number of them.
        uint8_t* at = s.coded + 2 * (int64_t) s.count + 4 * (i * HALF + lane);
        at[0] = (uint8_t) x[i];
        at[1] = (uint8_t) (x[i] >> 8);
        at[2] = (uint8_t) (x[i] >> 16);
        at[3] = (uint8_t) (x[i] >> 24);
    }
    if (lane == 0) {
        stream.words = s.count - next;
        stream.status = status;
    }
}
