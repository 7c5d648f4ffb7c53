// What coding did to a tensor, in the order of sums of ErrorMeter: the trailer of a capsule holds them, and must not depend on the device.
#include "rows.cuh"

enum { ERROR_CHAINS = 8, SQUARE_CHAINS = 4, AT_ONCE = 8 };

struct Errors {
    const void* x;
    const void* y;
    double* sums; // [piece]: squared error, square
    int64_t count; // elements
    int32_t piece; // elements of a piece, the last one possibly shorter
    int32_t type;
};

template <int TYPE>
DEVICE void measure(const Errors& p) {
    int32_t lane = threadIdx.x % ERROR_CHAINS;
    int64_t pieces = (p.count + p.piece - 1) / p.piece;
    int64_t number = grid_thread() / ERROR_CHAINS;
    bool none = number >= pieces;
    int64_t first = none ? 0 : number * p.piece;
    int32_t count = none ? 0 : p.count - first < p.piece ? (int32_t) (p.count - first) : p.piece;
    int32_t steps = count / ERROR_CHAINS;
    int32_t most = p.piece / ERROR_CHAINS;
    float error = 0;
    float square = 0;
    // Every lane of a warp takes as many steps: they pass values to each other.
    for (int32_t from = 0; from < most; from += AT_ONCE) {
        float x[AT_ONCE], y[AT_ONCE];
UNROLL
        for (int i = 0; i < AT_ONCE; i++) {
            bool inside = from + i < steps;
            int64_t at = first + (int64_t) (from + i) * ERROR_CHAINS + lane;
            x[i] = inside ? load_as(p.x, TYPE, at) : 0;
            y[i] = inside ? load_as(p.y, TYPE, at) : 0;
        }
UNROLL
        for (int i = 0; i < AT_ONCE; i++) {
            float difference = x[i] - y[i];
            error += difference * difference;
            // Of each eight squares the lower four are this chain's, then the upper four. What is added to the upper lanes is not used; zeros behind the last element change nothing.
            float own = x[i] * x[i];
            float upper = __shfl_xor_sync(ALL_LANES, own, SQUARE_CHAINS);
            square += own;
            square += upper;
        }
    }
    int32_t squares = count / SQUARE_CHAINS * SQUARE_CHAINS;
    if (squares > steps * ERROR_CHAINS && lane < SQUARE_CHAINS) {
        float x = load_as(p.x, TYPE, first + steps * ERROR_CHAINS + lane);
        square += x * x;
    }
    // (e0 + e1) + (e2 + e3) + (e4 + e5) + (e6 + e7), and (s0 + s1) + (s2 + s3).
    double errors = (double) error + (double) __shfl_xor_sync(ALL_LANES, error, 1);
    double sums = (double) square + (double) __shfl_xor_sync(ALL_LANES, square, 1);
    sums += __shfl_xor_sync(ALL_LANES, sums, 2);
    int32_t base = threadIdx.x % 32 - lane;
    double total = __shfl_sync(ALL_LANES, errors, base);
UNROLL
    for (int i = 2; i < ERROR_CHAINS; i += 2) {
        total += __shfl_sync(ALL_LANES, errors, base + i);
    }
    if (!none && lane == 0) {
        for (int32_t i = steps * ERROR_CHAINS; i < count; i++) {
            float difference = load_as(p.x, TYPE, first + i) - load_as(p.y, TYPE, first + i);
            total += (double) difference * difference;
        }
        for (int32_t i = squares; i < count; i++) {
            float x = load_as(p.x, TYPE, first + i);
            sums += (double) x * x;
        }
        p.sums[2 * number] = total;
        p.sums[2 * number + 1] = sums;
    }
}

// Eight lanes measure a piece, each a chain of the errors, four of them a chain of the squares: 128 threads, 16 pieces a block.
KERNEL(measure_errors, Errors) {
    if (p.type == F16) {
        measure<F16>(p);
    } else if (p.type == BF16) {
        measure<BF16>(p);
    } else {
        measure<F32>(p);
    }
}
