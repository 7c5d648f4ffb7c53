// Rotary position embedding of binary32 rows in place (RoFormer, arXiv 2104.09864), and its inverse: ScalarRope.
#include "rows.cuh"

struct Turned {
    Rows rows; // type F32
    int32_t tokens;
    float direction; // 1, or -1 to undo
};

// Any grid (parts of a row, rows): the thread of a pair's first channel writes both.
KERNEL(rope_rotate, Turned) {
    float* data = (float*) p.rows.data;
    for (int64_t token = blockIdx.y; token < p.tokens; token += gridDim.y) {
        for (int32_t c = (int32_t) grid_thread(); c < p.rows.channels; c += (int32_t) grid_threads()) {
            Pair pair = pair_of(p.rows, c);
            if (pair.turned && pair.first) {
                int64_t row = token * p.rows.channels;
                float a = data[row + c];
                float b = data[row + pair.other];
                data[row + c] = turn(p.rows, token, pair, a, b, p.direction);
                pair.first = false;
                data[row + pair.other] = turn(p.rows, token, pair, b, a, p.direction);
            }
        }
    }
}
