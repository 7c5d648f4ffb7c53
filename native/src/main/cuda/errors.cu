// What coding did to a tensor, in the order of sums of ErrorMeter: the trailer of a capsule holds them, and must not depend on the device.
#include "rows.cuh"

enum { STAGE = 1024, ERROR_CHAINS = 8, SQUARE_CHAINS = 4, SQUARES_FROM = 32 };

struct Errors {
    const void* x;
    const void* y;
    double* sums; // [piece]: squared error, square
    int64_t count; // elements
    int32_t piece; // elements of a piece, the last one possibly shorter
    int32_t type;
};

// A block measures a piece: grid (pieces), 128 threads. Differences and values go through shared memory; eight threads add errors, four of the next warp squares.
KERNEL(measure_errors, Errors) {
    __shared__ float value[STAGE];
    __shared__ float difference[STAGE];
    __shared__ float chains[ERROR_CHAINS + SQUARE_CHAINS];
    int64_t first = (int64_t) blockIdx.x * p.piece;
    int32_t count = p.count - first < p.piece ? (int32_t) (p.count - first) : p.piece;
    int32_t errors = count / ERROR_CHAINS * ERROR_CHAINS;
    int32_t squares = count / SQUARE_CHAINS * SQUARE_CHAINS;
    float sum = 0;
    for (int32_t from = 0; from < count; from += STAGE) {
        int32_t here = count - from < STAGE ? count - from : STAGE;
        for (int32_t i = threadIdx.x; i < here; i += blockDim.x) {
            float x = load_as(p.x, p.type, first + from + i);
            value[i] = x;
            difference[i] = x - load_as(p.y, p.type, first + from + i);
        }
        __syncthreads();
        if (threadIdx.x < ERROR_CHAINS) {
            for (int32_t i = threadIdx.x; i < here && from + i < errors; i += ERROR_CHAINS) {
                sum += difference[i] * difference[i];
            }
        } else if (threadIdx.x >= SQUARES_FROM && threadIdx.x < SQUARES_FROM + SQUARE_CHAINS) {
            for (int32_t i = threadIdx.x - SQUARES_FROM; i < here && from + i < squares; i += SQUARE_CHAINS) {
                sum += value[i] * value[i];
            }
        }
        __syncthreads();
    }
    if (threadIdx.x < ERROR_CHAINS) {
        chains[threadIdx.x] = sum;
    } else if (threadIdx.x >= SQUARES_FROM && threadIdx.x < SQUARES_FROM + SQUARE_CHAINS) {
        chains[ERROR_CHAINS + threadIdx.x - SQUARES_FROM] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        const float* s = chains;
        double error = ((double) s[0] + s[1]) + ((double) s[2] + s[3]) + ((double) s[4] + s[5]) + ((double) s[6] + s[7]);
        for (int32_t i = errors; i < count; i++) {
            float d = load_as(p.x, p.type, first + i) - load_as(p.y, p.type, first + i);
            error += (double) d * d;
        }
        s = chains + ERROR_CHAINS;
        double square = ((double) s[0] + s[1]) + ((double) s[2] + s[3]);
        for (int32_t i = squares; i < count; i++) {
            float x = load_as(p.x, p.type, first + i);
            square += (double) x * x;
        }
        p.sums[2 * (int64_t) blockIdx.x] = error;
        p.sums[2 * (int64_t) blockIdx.x + 1] = square;
    }
}
