// Runs every kernel with a thread for each of a block's threads, under ThreadSanitizer: a value that passes between threads without a barrier, a shuffle or an atomic is a race. Results are
// compared with those of a second run, and, where a kernel has an inverse, taken back.
#include "host_target.h"
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <vector>

#include "kernels.cu"

static uint32_t seed = 1;

static uint32_t noise() {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static void require(bool good, const char* what) {
    if (!good) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

template <typename P>
static void run(const char* name, const P& parameters, unsigned x, unsigned y, unsigned threads, size_t shared_bytes = 0) {
    for (HostKernel* kernel = HostKernel::all; kernel; kernel = kernel->next) {
        if (strcmp(kernel->name, name) == 0) {
            require(kernel->parameter_bytes == sizeof(P), name);
            host_launch(*kernel, &parameters, {x, y, 1}, {threads, 1, 1}, shared_bytes);
            return;
        }
    }
    require(false, name);
}

static const int TOKENS = 40;
static const int CHANNELS = 160;
static const int HEAD = 32;

static std::vector<float> values() {
    std::vector<float> values(TOKENS * CHANNELS);
    for (float& value : values) {
        value = ((int) (noise() % 2001) - 1000) / 100.0f;
    }
    return values;
}

static Rows rows_of(std::vector<float>& values, const std::vector<float>& cosines, const std::vector<float>& sines, bool turned) {
    return {values.data(), cosines.data(), sines.data(), F32, CHANNELS, turned ? HEAD / 2 : 0, HALVES, HEAD, 0};
}

// What rotates heads, but for its rows: signs, and levels of so many bits, a step apart.
struct Rotation {
    std::vector<uint32_t> codes;
    std::vector<uint16_t> gains, means;
    std::vector<uint64_t> signs;
    rotated::Rotated parameters = {};

    Rotation(int tokens, int channels, int head, int bits, int unit, int centroid_step, int threshold_step, uint32_t* refused)
        : codes(tokens * channels / 4), gains(tokens * channels / head), means(channels), signs(channels / 64 + 1) {
        for (uint64_t& word : signs) {
            word = (uint64_t) noise() << 40 ^ (uint64_t) noise() << 20 ^ noise();
        }
        rotated::Rotated& r = parameters;
        r.codes = (uint8_t*) codes.data();
        r.gains = gains.data();
        r.means = means.data();
        r.signs = signs.data();
        r.refused = refused;
        r.gain_scale = 1e-3;
        r.decode_scale = 1;
        r.energy_limit = 1e30f;
        r.tokens = tokens;
        r.bits = bits;
        r.head = r.block = head;
        r.unit = unit;
        r.centered = 1;
        int half = 1 << (bits - 1);
        for (int k = 0; k < 2 * half; k++) {
            r.centroids[k] = (int16_t) (centroid_step * (2 * k - 2 * half + 1) / 2);
            r.thresholds[k] = (int16_t) (threshold_step * (k - half + 1));
        }
    }
};

static void quantizers(std::vector<float>& in, const std::vector<float>& cosines, const std::vector<float>& sines) {
    std::vector<float> out(in.size());
    for (int by_token = 0; by_token < 2; by_token++) {
        uint32_t refused = 0;
        std::vector<uint8_t> codes(TOKENS * 96);
        std::vector<uint16_t> zeros(TOKENS * CHANNELS), steps(TOKENS * CHANNELS);
        kivi::Kivi p = {rows_of(in, cosines, sines, !by_token), codes.data(), zeros.data(), steps.data(), &refused, TOKENS, 4, 32, 5, F16, by_token};
        run(by_token ? "kivi_quantize_values" : "kivi_quantize_keys", p, by_token ? 2 : 3, 2, 256);
        require(refused == 0, "ordinary groups are refused");
        p.rows = rows_of(out, cosines, sines, !by_token);
        run("kivi_dequantize", p, 1, 3, 256);
        for (size_t i = 0; i < in.size(); i++) {
            require(fabsf(in[i] - out[i]) < 2, "kivi does not give back what it was given");
        }
    }
    uint32_t refused = 0;
    Rotation rotation(TOKENS, CHANNELS, HEAD, 2, 1000, 200, 3000, &refused);
    rotated::Rotated& r = rotation.parameters;
    r.rows = rows_of(in, cosines, sines, true);
    run("rotated_means", r, 5, 1, 256);
    run("rotated_encode", r, 1, TOKENS, 128, (4 * HEAD * 6 + 15) / 16 * 16 + 192);
    r.rows = rows_of(out, cosines, sines, true);
    run("rotated_decode", r, 5, 1, 128, 8 * HEAD);
    std::vector<uint8_t> scales(TOKENS * 5), elements(in.size());
    fp8::Mx mx = {rows_of(in, cosines, sines, false), scales.data(), elements.data(), &refused, TOKENS, 0};
    run("fp8_quantize", mx, 2, 2, 256);
    mx.rows = rows_of(out, cosines, sines, false);
    run("fp8_dequantize", mx, 1, 3, 256);
    require(refused == 0, "ordinary heads or blocks are refused");
    for (size_t i = 0; i < in.size(); i++) {
        require(fabsf(in[i] - out[i]) < 1, "fp8 does not give back what it was given");
    }
    std::vector<double> sums(2 * 3);
    errors::Errors e = {in.data(), out.data(), sums.data(), (int64_t) in.size(), 2500, F32};
    run("measure_errors", e, 1, 1, 128);
    require(sums[1] > 0, "no squares");
}

// What reads rows in runs of channels: heads of 64, halves.
static void runs() {
    const int tokens = 40, channels = 128, head = 64;
    std::vector<uint16_t> in(tokens * channels), out(in.size());
    std::vector<float> cosines(tokens * head / 2), sines(cosines.size());
    for (uint16_t& value : in) {
        value = to_half(((int) (noise() % 2001) - 1000) / 100.0f);
    }
    for (size_t i = 0; i < cosines.size(); i++) {
        cosines[i] = cosf((float) i);
        sines[i] = sinf((float) i);
    }
    auto of = [&](std::vector<uint16_t>& data, bool turned) -> Rows {
        return {data.data(), cosines.data(), sines.data(), F16, channels, turned ? head / 2 : 0, HALVES, head, 0};
    };
    auto near = [&](const char* what) {
        for (size_t i = 0; i < in.size(); i++) {
            require(fabsf(from_half(in[i]) - from_half(out[i])) < 3, what);
        }
    };
    uint32_t refused = 0;
    std::vector<uint32_t> codes(tokens * channels / 8), zeros(tokens * channels / 2), steps(tokens * channels / 2);
    for (int by_token = 0; by_token < 2; by_token++) {
        kivi::Kivi p = {of(in, !by_token), (uint8_t*) codes.data(), (uint16_t*) zeros.data(), (uint16_t*) steps.data(), &refused, tokens, 4, 32, 5, F16, by_token};
        run(by_token ? "kivi_quantize_value_runs" : "kivi_quantize_turned_runs", p, 1, 1, 128);
        p.rows = of(out, !by_token);
        run("kivi_dequantize_runs", p, 1, 1, 128);
        near("kivi does not give back what it was given in runs");
    }
    Rotation rotation(tokens, channels, head, 4, 511, 1000, 1000, &refused);
    rotated::Rotated& r = rotation.parameters;
    r.rows = of(in, true);
    run("rotated_means", r, 4, 1, 256);
    run("rotated_encode_64", r, 1, 1, 128);
    r.rows = of(out, true);
    run("rotated_decode_64", r, 1, 1, 128);
    std::vector<uint32_t> elements(in.size() / 4);
    std::vector<uint8_t> scales(tokens * channels / 32);
    fp8::Mx mx = {of(in, false), scales.data(), (uint8_t*) elements.data(), &refused, tokens, 0};
    run("fp8_quantize_runs", mx, 2, 1, 256);
    mx.rows = of(out, false);
    run("fp8_dequantize_runs", mx, 2, 1, 256);
    near("fp8 does not give back what it was given in runs");
    require(refused == 0, "ordinary runs are refused");
}

static void streams(const int count) {
    // Four symbols with a quarter of the slots each: slot = 256 * place + bucket belongs to symbol bucket / 64.
    std::vector<uint8_t> symbols(count), decoded(count), coded(2 * count + 512);
    std::vector<uint32_t> decode(4096), encode(256), slots(4096);
    for (uint32_t slot = 0; slot < 4096; slot++) {
        uint32_t symbol = slot >> 10;
        decode[slot] = (slot & 1023) << 20 | 1024 << 8 | symbol;
        slots[slot] = slot;
        encode[symbol] = symbol << 22 | 1024;
    }
    for (uint8_t& symbol : symbols) {
        symbol = noise() & 3;
    }
    rans::Stream stream = {symbols.data(), coded.data(), encode.data(), slots.data(), nullptr, 0, count, 1, 1, 0};
    rans::Streams both = {&stream};
    run("rans_encode", both, 1, 1, 32);
    require(stream.status == rans::DONE, "symbols cannot be coded");
    std::vector<uint8_t> moved(coded.begin() + 2 * (count - stream.words), coded.begin() + 2 * count + (count < 1 << 16 ? 256 : 512));
    stream = {decoded.data(), moved.data(), decode.data(), nullptr, nullptr, stream.words, count, 1, 1, 0};
    run("rans_decode", both, 1, 1, 32);
    require(stream.status == rans::DONE && decoded == symbols, "rANS does not give back what it was given");
    std::vector<uint32_t> counts(256);
    elements::Histogram h = {symbols.data(), counts.data(), count, 1, 0};
    run("histogram", h, 2, 1, 256);
    require(counts[0] + counts[1] + counts[2] + counts[3] == (uint32_t) count, "symbols are not all counted");
}

static void others(std::vector<float>& in, const std::vector<float>& cosines, const std::vector<float>& sines) {
    std::vector<uint16_t> halves(in.size());
    std::vector<float> out(in.size());
    uint32_t flag = 0;
    elements::Convert c = {in.data(), halves.data(), &flag, (int64_t) in.size(), F16, 2};
    run("convert_from_f32", c, 2, 1, 256);
    c.from = halves.data();
    c.to = out.data();
    run("convert_find_infinite", c, 2, 1, 256);
    run("convert_to_f32", c, 2, 1, 256);
    require(flag == 0, "an infinity is found where there is none");
    std::vector<uint16_t> planes(in.size()), joined(in.size());
    c.to = planes.data();
    run("planes_split", c, 2, 1, 256);
    c.from = planes.data();
    c.to = joined.data();
    run("planes_join", c, 2, 1, 256);
    require(joined == halves, "planes do not join");
    std::vector<float> turned = in;
    rope::Turned t = {rows_of(turned, cosines, sines, true), TOKENS, 1};
    run("rope_rotate", t, 1, 3, 256);
    t.direction = -1;
    run("rope_rotate", t, 1, 3, 256);
    for (size_t i = 0; i < in.size(); i++) {
        require(fabsf(in[i] - turned[i]) < 1e-3f, "keys are not turned back");
    }
    std::vector<float> product(TOKENS * 70);
    matrices::Product m = {in.data(), out.data(), nullptr, nullptr, product.data(), CHANNELS, CHANNELS, 70, TOKENS, 70, 20, 0, 0, matrices::FLOATS, 0, 1};
    run("chained_product", m, 2, 1, 256);
    std::vector<uint8_t> pages(8 * 16 * 64), rows(TOKENS * 64), back(8 * 16 * 64);
    std::vector<int32_t> table = {5, 2, 7};
    for (uint8_t& byte : pages) {
        byte = (uint8_t) noise();
    }
    pages::Paged paged = {pages.data(), table.data(), rows.data(), 16 * 64, 64, 0, 64, TOKENS, 16, 16, 0, 0};
    run("move_pages", paged, 1, 4, 256);
    require(memcmp(rows.data(), pages.data() + 5 * 16 * 64, 16 * 64) == 0, "pages are not gathered");
    paged.pages = back.data();
    paged.scatter = 1;
    run("move_pages", paged, 1, 4, 256);
    require(memcmp(back.data() + 7 * 16 * 64, pages.data() + 7 * 16 * 64, 8 * 64) == 0, "pages are not scattered");
}

static void transforms(std::vector<float>& in, const std::vector<float>& cosines, const std::vector<float>& sines) {
    std::vector<float> joined(2 * in.size()), out(in.size()), sums(TOKENS * 5), blocks(5 * HEAD * HEAD);
    uint32_t flag = 0;
    vectors::Column columns[2] = {{rows_of(in, cosines, sines, true), 0}, {rows_of(in, cosines, sines, false), CHANNELS}};
    vectors::Join j = {columns, joined.data(), &flag, 2 * CHANNELS, TOKENS, 0x7f800000};
    run("join_rows", j, 7, 2, 64);
    std::vector<float> apart(in.size());
    columns[0].rows = rows_of(out, cosines, sines, true);
    columns[1].rows = rows_of(apart, cosines, sines, false);
    run("split_rows", j, 7, 2, 64);
    for (size_t i = 0; i < in.size(); i++) {
        require(fabsf(in[i] - out[i]) < 1e-3f && in[i] == apart[i], "rows are not split as they were joined");
    }
    for (int step = 0; step <= vectors::NEGATE; step++) {
        vectors::Combine c = {in.data(), apart.data(), out.data(), CHANNELS, TOKENS, CHANNELS, step, 0};
        run("combine_rows", c, 1, 3, 256);
    }
    require(out[5] == -in[5], "numbers are not negated");
    std::vector<double> squares(TOKENS);
    vectors::Squares s = {in.data(), squares.data(), CHANNELS, TOKENS, 0};
    run("square_rows", s, (TOKENS + 3) / 4, 1, 128);
    vectors::Head heads[5];
    for (int h = 0; h < 5; h++) {
        heads[h] = {h * HEAD, h * HEAD * HEAD, HEAD, 0};
        for (int i = 0; i < HEAD; i++) {
            blocks[h * HEAD * HEAD + i * HEAD + i] = 2;
        }
    }
    vectors::Heads h = {heads, in.data(), blocks.data(), sums.data(), CHANNELS, TOKENS, 5};
    run("square_heads", h, 2, 1, 256);
    require(fabs(sums[0] + sums[1] + sums[2] + sums[3] + sums[4] - squares[0]) < 1e-2, "squares of heads are not those of rows");
    h.out = out.data();
    run("multiply_blocks", h, 5, (TOKENS + 7) / 8, 32);
    require(out[77] == 2 * in[77], "blocks are not multiplied by");
    std::vector<int32_t> some = {3, 50, 7}, codes(in.size());
    std::vector<float> taken(3 * TOKENS), steps(TOKENS, 0.5f);
    vectors::Columns t = {in.data(), taken.data(), some.data(), CHANNELS, TOKENS, 3};
    run("take_columns", t, 1, 3, 256);
    require(taken[3 + 1] == in[CHANNELS + 50], "columns are not taken");
    t = {taken.data(), out.data(), some.data(), CHANNELS, TOKENS, 3};
    run("add_to_columns", t, 1, 3, 256);
    uint32_t found[2] = {0, 0};
    vectors::Quantize q = {in.data(), codes.data(), steps.data(), found, CHANNELS, TOKENS, 4194304};
    run("quantize_steps", q, 1, 3, 256);
    require(found[0] > 0 && found[1] == 0, "codes are not found");
    q.values = out.data();
    run("restore_steps", q, 1, 3, 256);
    for (size_t i = 0; i < in.size(); i++) {
        require(fabsf(in[i] - out[i]) < 0.26f, "codes do not give back what they stand for");
    }
}

static void matrix_there_and_back() {
    const int components = 150, blocks = 3;
    std::vector<int32_t> values(TOKENS * components), decoded(TOKENS * components);
    std::vector<float> priors(components, 1), scales(TOKENS, 1), memory(3 * components), sums(2 * TOKENS * blocks);
    std::vector<uint32_t> entries(coefficients::CONTEXTS * 32), bits(TOKENS * blocks + 1);
    std::vector<uint8_t> starts(coefficients::CONTEXTS * 64), words(2 * TOKENS * components + 256);
    std::vector<uint16_t> symbols(TOKENS * components);
    for (size_t i = 0; i < entries.size(); i++) {
        entries[i] = 512 << 16 | i % 32 * 512;
    }
    for (size_t i = 0; i < starts.size(); i++) {
        starts[i] = i % 64 / 2;
    }
    for (int i = 0; i < TOKENS * components; i++) {
        values[i] = (int) (noise() % 7) - 3 + (noise() % 50 == 0 ? 1000 : 0);
        priors[i % components] = i % components < 9 ? 40 : 1;
    }
    coefficients::Matrix matrix = {};
    matrix.values = values.data();
    matrix.priors = priors.data();
    matrix.scales = scales.data();
    matrix.entries = entries.data();
    matrix.starts = starts.data();
    matrix.memory = memory.data();
    matrix.sums = sums.data();
    matrix.symbols = symbols.data();
    matrix.bits = bits.data();
    matrix.words = words.data();
    matrix.rows = TOKENS;
    matrix.components = matrix.stride = components;
    coefficients::Matrices p = {&matrix};
    run("coefficient_sums", p, blocks, 1, 32);
    run("coefficient_seen", p, 1, 1, 256);
    run("coefficient_symbols", p, blocks, 1, 32);
    run("coefficient_offsets", p, 1, 1, 256);
    run("coefficient_words", p, 1, 1, 32);
    std::vector<uint32_t> low(matrix.bit_count / 32 + 2);
    matrix.low = low.data();
    run("coefficient_low_bits", p, 5, 1, 32);
    int64_t count = matrix.word_count, low_bytes = (matrix.bit_count + 7) / 8;
    require(low_bytes > 0, "no bits go as they are");
    std::vector<uint8_t> coded(4);
    for (int i = 0; i < 4; i++) {
        coded[i] = (uint8_t) (count >> 8 * i);
    }
    coded.insert(coded.end(), words.end() - 256 - 2 * count, words.end());
    coded.insert(coded.end(), (uint8_t*) low.data(), (uint8_t*) low.data() + low_bytes);
    matrix.values = decoded.data();
    matrix.coded = coded.data();
    matrix.bit_count = low_bytes;
    run("coefficient_decode", p, 1, 1, 32);
    require(matrix.status == coefficients::DONE && decoded == values, "coefficients do not come back");
}

int main() {
    std::vector<float> in = values();
    std::vector<float> cosines(TOKENS * HEAD / 2), sines(TOKENS * HEAD / 2);
    for (size_t i = 0; i < cosines.size(); i++) {
        cosines[i] = cosf((float) i);
        sines[i] = sinf((float) i);
    }
    quantizers(in, cosines, sines);
    runs();
    streams(3000);
    streams(1 << 16 | 77);
    others(in, cosines, sines);
    transforms(in, cosines, sines);
    matrix_there_and_back();
    puts("no races");
    return 0;
}
