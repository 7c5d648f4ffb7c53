// Rows of a paged cache ([blocks][tokens of a block][row], as vLLM keeps it) to rows one after the other, and back.
#include "words.cuh"

struct Paged {
    uint8_t* pages;
    const int32_t* table; // block of tokens 0 .. block_tokens - 1, of the next ones, ...
    uint8_t* rows; // [token][row_bytes]
    int64_t block_bytes; // from a block to the next
    int64_t token_bytes; // from a token of a block to the next
    int64_t first; // token of the first row
    int32_t row_bytes;
    int32_t tokens;
    int32_t block_tokens;
    int32_t unit; // bytes moved at once: 16 or 2, which divide all of the above, or 1
    int32_t scatter; // rows to pages
    int32_t unused;
};

template <typename T>
DEVICE void move_row(const uint8_t* from, uint8_t* to, int32_t bytes) {
    for (int32_t i = (int32_t) grid_thread(); i < bytes / (int32_t) sizeof(T); i += (int32_t) grid_threads()) {
        ((T*) to)[i] = ((const T*) from)[i];
    }
}

// Any grid (parts of a row, rows).
KERNEL(move_pages, Paged) {
    for (int64_t t = blockIdx.y; t < p.tokens; t += gridDim.y) {
        int64_t token = p.first + t;
        int64_t block = p.table[token / p.block_tokens];
        uint8_t* page = p.pages + block * p.block_bytes + token % p.block_tokens * p.token_bytes;
        uint8_t* row = p.rows + t * p.row_bytes;
        const uint8_t* from = p.scatter ? row : page;
        uint8_t* to = p.scatter ? page : row;
        if (p.unit == 16) {
            move_row<Words4>(from, to, p.row_bytes);
        } else if (p.unit == 2) {
            move_row<uint16_t>(from, to, p.row_bytes);
        } else {
            move_row<uint8_t>(from, to, p.row_bytes);
        }
    }
}
