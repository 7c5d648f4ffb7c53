package dev.kvcapsule.bench;

import dev.kvcapsule.bench.CompressorBenchmark.Data;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What the short benchmark measures, in two stages that do not hold their memory at the same time. */
final class ShortSuite {
    private static final double DECODE_OF_COPY = 0.8;
    private static final double ENCODE_OF_COPY = 0.25;
    private static final double RANS_RATE = 1.5;
    private static final double RANS_OVER_ZSTD = 2;
    private static final double SEAL_RATE = 3;
    private static final int RANS_RATE_BITS = 512;
    private static final double LOSSLESS_RATIO = 1.18;
    private static final double LOSSLESS_OVER_ZSTD19 = 10;
    private static final double LOSSLESS_DECODE_RATE = 1;
    private static final List<String> CODECS = List.of("raw", "lossless", "fp8", "kivi:bits=4,entropy=off", "kivi:bits=4", "rotated:bits=4,entropy=off",
            "rotated:bits=4", "klt:basis=none,group=1");

    private final List<String> kernelNames;
    private final String host;

    /** @param kernelNames panama and scalar, or one of them, after that of a device if there is one; the first of the processor has to reach the targets */
    ShortSuite(List<String> kernelNames) {
        this.kernelNames = List.copyOf(kernelNames);
        this.host = kernelNames.stream().filter(name -> !name.equals("cuda")).findFirst().orElseThrow();
    }

    /** Single kernels, and what compares with them. */
    List<ShortCase> kernels() {
        List<ShortCase> cases = new ArrayList<>();
        CopyBenchmark copy = new CopyBenchmark();
        cases.add(ShortCase.of("copy, tile by tile", copy, copy::tile));
        cases.add(ShortCase.of("copy, 94 MB at once", copy, copy::whole));
        for (String kernels : kernelNames) {
            boolean fast = kernels.equals(host);
            for (int bits : fast ? new int[] {4, 2} : new int[] {4}) {
                for (Part part : Part.values()) {
                    quant(cases, kernels, bits, part, fast);
                }
            }
            for (int bits : fast ? new int[] {4, 3, 2} : new int[] {4}) {
                hadamard(cases, kernels, bits, fast);
            }
            for (SymbolSource data : SymbolSource.values()) {
                rans(cases, kernels, data, fast);
            }
            staging(cases, kernels);
        }
        for (String provider : List.of("best", "jdk")) {
            seal(cases, provider);
        }
        for (String compressor : List.of("zstd-3", "lz4")) {
            for (Data data : List.of(Data.CODES, Data.HIGH_BYTES)) {
                CompressorBenchmark benchmark = new CompressorBenchmark();
                benchmark.compressor = compressor;
                benchmark.data = data;
                cases.add(ShortCase.ofSymbols(compressor + " decode " + text(data), benchmark, benchmark::decompress, benchmark::ratio));
            }
        }
        return cases;
    }

    private static String text(Enum<?> data) {
        return data.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }

    private static Target[] targets(boolean apply, Target... targets) {
        return apply ? targets : new Target[0];
    }

    private static void quant(List<ShortCase> cases, String kernels, int bits, Part part, boolean fast) {
        QuantBenchmark benchmark = new QuantBenchmark();
        benchmark.kernels = kernels;
        benchmark.bits = bits;
        benchmark.part = part;
        boolean apply = fast && bits == 4;
        cases.add(ShortCase.of("kivi-" + bits + " decode " + part.letter() + ", " + kernels, benchmark, benchmark::decode, targets(apply, Target.ofCopy(DECODE_OF_COPY))));
        cases.add(ShortCase.of("kivi-" + bits + " encode " + part.letter() + ", " + kernels, benchmark, benchmark::encode, targets(apply, Target.ofCopy(ENCODE_OF_COPY))));
    }

    private static void hadamard(List<ShortCase> cases, String kernels, int bits, boolean fast) {
        HadamardBenchmark benchmark = new HadamardBenchmark();
        benchmark.kernels = kernels;
        benchmark.bits = bits;
        boolean apply = fast && bits == 4;
        cases.add(ShortCase.of("rotated-" + bits + " decode, " + kernels, benchmark, benchmark::decode, targets(apply, Target.ofCopy(DECODE_OF_COPY))));
        cases.add(ShortCase.of("rotated-" + bits + " encode, " + kernels, benchmark, benchmark::encode, targets(apply, Target.ofCopy(ENCODE_OF_COPY))));
    }

    private static void seal(List<ShortCase> cases, String provider) {
        for (AeadAlgorithm algorithm : AeadAlgorithm.values()) {
            SealBenchmark benchmark = new SealBenchmark();
            benchmark.provider = provider;
            benchmark.algorithm = algorithm;
            String what = algorithm.label() + ", " + provider;
            Target[] targets = targets(algorithm == AeadAlgorithm.AES_256_GCM && provider.equals("best"), Target.rate(SEAL_RATE));
            cases.add(ShortCase.of("seal " + what, benchmark, benchmark::seal, targets));
            cases.add(ShortCase.of("unseal " + what, benchmark, benchmark::open, targets));
            if (algorithm == AeadAlgorithm.AES_256_GCM) {
                cases.add(ShortCase.of("seal: sha-256, " + provider, benchmark, benchmark::hash));
            }
        }
    }

    private static void rans(List<ShortCase> cases, String kernels, SymbolSource data, boolean fast) {
        RansBenchmark benchmark = new RansBenchmark();
        benchmark.kernels = kernels;
        benchmark.data = data;
        String what = text(data) + ", " + kernels;
        boolean wide = fast && kernels.equals("panama") && Kernels.vectorBits() == RANS_RATE_BITS;
        cases.add(ShortCase.ofSymbols("rans decode " + what, benchmark, benchmark::decode, benchmark::ratio, targets(wide, Target.rate(RANS_RATE))));
        cases.add(ShortCase.ofSymbols("rans decode with tables " + what, benchmark, benchmark::decodeWithTables, benchmark::ratio,
                targets(fast, Target.times(RANS_OVER_ZSTD, "zstd-3 decode " + text(data)))));
        cases.add(ShortCase.ofSymbols("rans encode " + what, benchmark, benchmark::encode, benchmark::ratio));
    }

    private static void staging(List<ShortCase> cases, String kernels) {
        ConvertBenchmark convert = new ConvertBenchmark();
        convert.kernels = kernels;
        cases.add(ShortCase.of("f16 to f32, " + kernels, convert, convert::toF32));
        cases.add(ShortCase.of("f32 to f16, " + kernels, convert, convert::fromF32));
        RopeBenchmark rope = new RopeBenchmark();
        rope.kernels = kernels;
        cases.add(ShortCase.of("rope f32, " + kernels, rope, rope::rotate));
        BytePlaneBenchmark planes = new BytePlaneBenchmark();
        planes.kernels = kernels;
        cases.add(ShortCase.of("byte planes split, " + kernels, planes, planes::split));
        cases.add(ShortCase.of("byte planes join, " + kernels, planes, planes::join));
    }

    /** Whole caches, and what compares with them. */
    List<ShortCase> wholeCaches() {
        List<ShortCase> cases = new ArrayList<>();
        for (String codec : CODECS) {
            EndToEndBenchmark benchmark = new EndToEndBenchmark();
            benchmark.kernels = kernelNames.getFirst();
            benchmark.codec = codec;
            boolean onHost = host.equals(kernelNames.getFirst());
            boolean plain4 = onHost && codec.endsWith("bits=4,entropy=off");
            boolean lossless = onHost && codec.equals("lossless");
            for (int threads = 1; threads <= (codec.equals("raw") || codec.equals("fp8") ? 1 : 2); threads++) {
                int count = threads;
                String suffix = ", " + threads + (threads == 1 ? " thread" : " threads");
                Target[] encode = targets(threads == 1 && plain4, Target.ofCopy(ENCODE_OF_COPY));
                Target[] decode = targets(threads == 1 && plain4, Target.ofCopy(DECODE_OF_COPY));
                if (threads == 1 && lossless) {
                    encode = new Target[] {Target.ratio(LOSSLESS_RATIO), Target.times(LOSSLESS_OVER_ZSTD19, "zstd-19 encode state")};
                    decode = new Target[] {Target.rate(LOSSLESS_DECODE_RATE)};
                }
                cases.add(ShortCase.of(codec + " encode capsule" + suffix, benchmark, amount -> {
                    benchmark.threads = count;
                    benchmark.encode(amount);
                }, encode).withRatio(benchmark::ratio));
                cases.add(ShortCase.of(codec + " decode capsule" + suffix, benchmark, amount -> {
                    benchmark.threads = count;
                    benchmark.decode(amount);
                }, decode).withRatio(benchmark::ratio));
            }
        }
        for (String codec : List.of("kivi:bits=4,entropy=off", "rotated:bits=4", "lossless", "raw")) {
            SealedDecodeBenchmark benchmark = new SealedDecodeBenchmark();
            benchmark.kernels = kernelNames.getFirst();
            benchmark.codec = codec;
            for (int threads = 1; threads <= 2; threads++) {
                int count = threads;
                String suffix = ", " + threads + (threads == 1 ? " thread" : " threads");
                cases.add(ShortCase.of("seal: " + codec + " decode, unsealed" + suffix, benchmark, amount -> {
                    benchmark.threads = count;
                    benchmark.unsealed(amount);
                }));
                cases.add(ShortCase.of("seal: " + codec + " decode, sealed" + suffix, benchmark, amount -> {
                    benchmark.threads = count;
                    benchmark.sealed(amount);
                }));
            }
        }
        for (String compressor : List.of("lz4", "zstd-1", "zstd-3", "zstd-19")) {
            CompressorBenchmark benchmark = new CompressorBenchmark();
            benchmark.compressor = compressor;
            cases.add(ShortCase.of(compressor + " encode state", benchmark, benchmark::compress).withRatio(benchmark::ratio));
            cases.add(ShortCase.of(compressor + " decode state", benchmark, benchmark::decompress).withRatio(benchmark::ratio));
        }
        return cases;
    }
}
