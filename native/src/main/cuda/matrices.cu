// Products of matrices whose sums are chains of fused multiply-adds in a fixed order: ScalarGemm and ScalarTransform. Tensor cores add in an order of their own, and would change bits.
#include "floats.cuh"

enum { TILE = 64, DEPTH = 16, SPAN = 4, RUN = 64 };

// Which b is: a matrix of floats, or a basis u[k][w] = scale[k][w / 64] * code[k][w].
enum Operand { FLOATS = 0, BASIS = 1, BASIS_TRANSPOSED = 2 };

struct Product {
    const float* a;
    const float* b;
    const int8_t* codes;
    const uint16_t* scales;
    float* c;
    int64_t a_stride;
    int64_t b_stride;
    int64_t c_stride;
    int32_t m;
    int32_t n;
    int32_t k;
    int32_t a_transposed;
    int32_t b_transposed;
    int32_t operand;
    int32_t width; // of a basis
    int32_t from_zero; // c is written over, not added to
};

DEVICE float value_of_b(const Product& p, int32_t depth, int32_t column) {
    if (p.operand == FLOATS) {
        return p.b_transposed ? p.b[column * p.b_stride + depth] : p.b[depth * p.b_stride + column];
    }
    int64_t component = p.operand == BASIS ? depth : column;
    int32_t w = p.operand == BASIS ? column : depth;
    float scale = from_half(p.scales[component * ((p.width + RUN - 1) / RUN) + w / RUN]);
    return scale * (float) p.codes[component * p.width + w];
}

// A block makes 64 x 64 sums, a thread 4 x 4 of them: grid (ceil(n / 64), ceil(m / 64)), 256 threads. c[i][j] = fma(a[i][q], b[q][j], c[i][j]) for q = 0, 1, ... in turn; a zero is +0.
KERNEL(chained_product, Product) {
    __shared__ float left[DEPTH][TILE + 1];
    __shared__ float right[DEPTH][TILE];
    int32_t row = threadIdx.x / 16;
    int32_t column = threadIdx.x % 16;
    int32_t top = blockIdx.y * TILE;
    int32_t start = blockIdx.x * TILE;
    float sums[SPAN][SPAN];
    for (int32_t i = 0; i < SPAN; i++) {
        for (int32_t j = 0; j < SPAN; j++) {
            int64_t r = top + row + 16 * i;
            int64_t c = start + column + 16 * j;
            sums[i][j] = p.from_zero || r >= p.m || c >= p.n ? 0.0f : p.c[r * p.c_stride + c];
        }
    }
    for (int32_t depth = 0; depth < p.k; depth += DEPTH) {
        int32_t count = p.k - depth < DEPTH ? p.k - depth : DEPTH;
        for (int32_t i = threadIdx.x; i < TILE * DEPTH; i += blockDim.x) {
            int32_t q = p.a_transposed ? i / TILE : i % DEPTH;
            int32_t r = p.a_transposed ? i % TILE : i / DEPTH;
            bool inside = q < count && top + r < p.m;
            int64_t at = p.a_transposed ? (depth + q) * p.a_stride + top + r : (top + r) * p.a_stride + depth + q;
            left[q][r] = inside ? p.a[at] : 0.0f;
        }
        for (int32_t i = threadIdx.x; i < TILE * DEPTH; i += blockDim.x) {
            int32_t q = i / TILE;
            int32_t c = i % TILE;
            right[q][c] = q < count && start + c < p.n ? value_of_b(p, depth + q, start + c) : 0.0f;
        }
        __syncthreads();
        for (int32_t q = 0; q < count; q++) {
            for (int32_t i = 0; i < SPAN; i++) {
                for (int32_t j = 0; j < SPAN; j++) {
                    sums[i][j] = fmaf(left[q][row + 16 * i], right[q][column + 16 * j], sums[i][j]);
                }
            }
        }
        __syncthreads();
    }
    for (int32_t i = 0; i < SPAN; i++) {
        for (int32_t j = 0; j < SPAN; j++) {
            int64_t r = top + row + 16 * i;
            int64_t c = start + column + 16 * j;
            if (r < p.m && c < p.n) {
                p.c[r * p.c_stride + c] = sums[i][j] + 0.0f;
            }
        }
    }
}
