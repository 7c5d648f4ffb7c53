// Token vectors of transform codecs and their coefficients, element by element: ScalarVectors, and the joining of tensors' rows. Every operation is rounded, sums are in the order of the processor's.
#include "rows.cuh"

enum { STAGED = 128, WARPS = 4, HEADS_ROWS = 8, HEADS_DEPTH = 64 };

// Rows of a tensor, and where they begin in a vector.
struct Column {
    Rows rows;
    int64_t first;
};

struct Join {
    const Column* columns;
    float* vectors; // [tokens][width]
    uint32_t* flag; // is set if a number is too large, or none
    int64_t width;
    int32_t tokens;
    int32_t too_large; // bits of the least magnitude that is
};

// Grid (some tokens, columns).
KERNEL(join_rows, Join) {
    const Column column = p.columns[blockIdx.y];
    bool found = false;
    for (int64_t token = blockIdx.x; token < p.tokens; token += gridDim.x) {
        for (int32_t c = threadIdx.x; c < column.rows.channels; c += blockDim.x) {
            float plain = load_as(column.rows.data, column.rows.type, token * column.rows.channels + c);
            found = found || (int32_t) (bits_of(plain) & 0x7fffffff) >= p.too_large;
            p.vectors[token * p.width + column.first + c] = row_value(column.rows, token, c);
        }
    }
    if (found) {
        atomicOr(p.flag, 1u);
    }
}

// The inverse: RoPE is done again. Grid (some tokens, columns).
KERNEL(split_rows, Join) {
    const Column column = p.columns[blockIdx.y];
    for (int64_t token = blockIdx.x; token < p.tokens; token += gridDim.x) {
        const float* vector = p.vectors + token * p.width + column.first;
        for (int32_t c = threadIdx.x; c < column.rows.channels; c += blockDim.x) {
            Pair pair = pair_of(column.rows, c);
            float value = pair.turned ? turn(column.rows, token, pair, vector[c], vector[pair.other], 1) : vector[c];
            store_as(column.rows.data, column.rows.type, token * column.rows.channels + c, value);
        }
    }
}

enum Step { ADD = 0, SUBTRACT = 1, MULTIPLY = 2, DIVIDE = 3, SPREAD = 4, SUBTRACT_FROM = 5, NEGATE = 6 };

struct Combine {
    const float* rows; // [tokens][stride]
    const float* operand; // a row; for SUBTRACT_FROM as many rows
    float* out; // [tokens][stride]
    int64_t stride;
    int32_t tokens;
    int32_t count; // of each row
    int32_t step;
    int32_t unused;
};

// Any grid (parts of a row, rows).
KERNEL(combine_rows, Combine) {
    for (int64_t token = blockIdx.y; token < p.tokens; token += gridDim.y) {
        for (int64_t w = grid_thread(); w < p.count; w += grid_threads()) {
            int64_t at = token * p.stride + w;
            float value = p.step == SPREAD ? 0.0f : p.rows[at];
            switch (p.step) {
                case ADD: value = value + p.operand[w]; break;
                case SUBTRACT: value = value - p.operand[w]; break;
                case MULTIPLY: value = value * p.operand[w]; break;
                case DIVIDE: value = value / p.operand[w]; break;
                case SPREAD: value = p.operand[w]; break;
                case SUBTRACT_FROM: value = p.operand[at] - value; break;
                default: value = -value; break;
            }
            p.out[at] = value;
        }
    }
}

struct Squares {
    const float* rows; // [tokens][width]
    double* sums; // [tokens]
    int64_t width;
    int32_t tokens;
    int32_t unused;
};

// A warp a row, 4 rows a block: grid (ceil(tokens / 4)), 128 threads. Four stripes, whose terms the first four lanes add in turn.
KERNEL(square_rows, Squares) {
    __shared__ float staged[WARPS][STAGED];
    int32_t lane = threadIdx.x % 32;
    float* piece = staged[threadIdx.x / 32];
    int64_t token = (int64_t) blockIdx.x * WARPS + threadIdx.x / 32;
    const float* row = p.rows + token * p.width;
    int64_t count = token < p.tokens ? p.width : 0;
    int64_t whole = count & ~(int64_t) 3;
    double sum = 0;
    for (int64_t from = 0; from < whole; from += STAGED) {
        int32_t now = whole - from < STAGED ? (int32_t) (whole - from) : (int32_t) STAGED;
        for (int32_t i = lane; i < now; i += 32) {
            piece[i] = row[from + i];
        }
        __syncwarp();
        if (lane < 4) {
            for (int32_t i = lane; i < now; i += 4) {
                sum += (double) piece[i] * piece[i];
            }
        }
        __syncwarp();
    }
    if (lane == 0) {
        for (int64_t w = whole; w < count; w++) {
            sum += (double) row[w] * row[w];
        }
    }
    sum += __shfl_xor_sync(ALL_LANES, sum, 1);
    sum += __shfl_xor_sync(ALL_LANES, sum, 2);
    if (lane == 0 && token < p.tokens) {
        p.sums[token] = sum;
    }
}

// A block on the diagonal, or a head: its first column, and where its matrix begins.
struct Head {
    int64_t column;
    int64_t block;
    int32_t dim;
    int32_t unused;
};

struct Heads {
    const Head* heads;
    const float* rows; // [tokens][width]
    const float* blocks; // of multiply_blocks
    float* out; // [tokens][width], or [tokens][count] sums
    int64_t width;
    int32_t tokens;
    int32_t count;
};

// A thread a token and head, in any grid. Sums of squares, in turn.
KERNEL(square_heads, Heads) {
    int64_t all = (int64_t) p.tokens * p.count;
    for (int64_t i = grid_thread(); i < all; i += grid_threads()) {
        Head head = p.heads[i % p.count];
        const float* values = p.rows + i / p.count * p.width + head.column;
        float sum = 0;
        for (int32_t c = 0; c < head.dim; c++) {
            sum += values[c] * values[c];
        }
        p.out[i] = sum;
    }
}

// Rows times a block-diagonal matrix, each sum a chain from 0: grid (heads, ceil(tokens / 8)), a thread a column.
KERNEL(multiply_blocks, Heads) {
    __shared__ float staged[HEADS_ROWS][HEADS_DEPTH];
    Head head = p.heads[blockIdx.x];
    const float* matrix = p.blocks + head.block;
    int64_t top = (int64_t) blockIdx.y * HEADS_ROWS;
    for (int32_t from = 0; from < head.dim; from += blockDim.x) {
        int32_t column = from + threadIdx.x;
        float sums[HEADS_ROWS];
        for (int32_t r = 0; r < HEADS_ROWS; r++) {
            sums[r] = 0;
        }
        for (int32_t depth = 0; depth < head.dim; depth += HEADS_DEPTH) {
            int32_t count = head.dim - depth < HEADS_DEPTH ? head.dim - depth : HEADS_DEPTH;
            for (int32_t i = threadIdx.x; i < HEADS_ROWS * HEADS_DEPTH; i += blockDim.x) {
                int32_t r = i / HEADS_DEPTH;
                int32_t q = i % HEADS_DEPTH;
                staged[r][q] = q < count && top + r < p.tokens ? p.rows[(top + r) * p.width + head.column + depth + q] : 0.0f;
            }
            __syncthreads();
            for (int32_t q = 0; q < count && column < head.dim; q++) {
                float b = matrix[(int64_t) (depth + q) * head.dim + column];
                for (int32_t r = 0; r < HEADS_ROWS; r++) {
                    sums[r] = fmaf(staged[r][q], b, sums[r]);
                }
            }
            __syncthreads();
        }
        for (int32_t r = 0; r < HEADS_ROWS; r++) {
            if (column < head.dim && top + r < p.tokens) {
                p.out[(top + r) * p.width + head.column + column] = sums[r] + 0.0f;
            }
        }
    }
}

struct Columns {
    const float* from; // take: [tokens][stride]; add: [tokens][count]
    float* to; // take: [tokens][count]; add: [tokens][stride]
    const int32_t* columns; // [count]
    int64_t stride;
    int32_t tokens;
    int32_t count;
};

// Any grid (parts of a row, rows), as the next.
KERNEL(take_columns, Columns) {
    for (int64_t token = blockIdx.y; token < p.tokens; token += gridDim.y) {
        for (int64_t i = grid_thread(); i < p.count; i += grid_threads()) {
            p.to[token * p.count + i] = p.from[token * p.stride + p.columns[i]];
        }
    }
}

KERNEL(add_to_columns, Columns) {
    for (int64_t token = blockIdx.y; token < p.tokens; token += gridDim.y) {
        for (int64_t i = grid_thread(); i < p.count; i += grid_threads()) {
            p.to[token * p.stride + p.columns[i]] += p.from[token * p.count + i];
        }
    }
}

struct Quantize {
    float* values; // [tokens][components]
    int32_t* codes;
    const float* steps; // [tokens]
    uint32_t* found; // number of the last component that is not 0, plus 1; then whether a product is too large
    int64_t components;
    int32_t tokens;
    float limit; // of magnitudes
};

// Any grid (parts of a row, rows), as the next. Adding 1.5 x 2^23 rounds half to even.
KERNEL(quantize_steps, Quantize) {
    uint32_t last = 0;
    bool wrong = false;
    for (int64_t token = blockIdx.y; token < p.tokens; token += gridDim.y) {
        float per_step = 1.0f / p.steps[token];
        for (int64_t k = grid_thread(); k < p.components; k += grid_threads()) {
            float value = p.values[token * p.components + k] * per_step;
            bool good = fabsf(value) < p.limit;
            wrong = wrong || !good;
            int32_t code = good ? (int32_t) (value + 0x1.8p23f - 0x1.8p23f) : 0;
            p.codes[token * p.components + k] = code;
            last = code != 0 && (uint32_t) k + 1 > last ? (uint32_t) k + 1 : last;
        }
    }
    if (last > 0) {
        atomicMax(&p.found[0], last);
    }
    if (wrong) {
        atomicOr(&p.found[1], 1u);
    }
}

KERNEL(restore_steps, Quantize) {
    for (int64_t token = blockIdx.y; token < p.tokens; token += gridDim.y) {
        for (int64_t k = grid_thread(); k < p.components; k += grid_threads()) {
            p.values[token * p.components + k] = (float) p.codes[token * p.components + k] * p.steps[token];
        }
    }
}
