package dev.kvcapsule.bench;

import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.kernel.RansContexts;
import dev.kvcapsule.engine.kernel.RansTables;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** The bytes that codecs entropy-code, in streams as long as in a tile of 1,024 tokens; from the real sample, without repetition. */
public enum SymbolSource {
    /** Packed pairs of 4-bit {@code kivi} codes: one table. A stream is from two layers. */
    CODES {
        @Override
        List<MemorySegment> streams(Workload workload, Arena arena) {
            List<MemorySegment> streams = new ArrayList<>();
            for (int pair = 0; pair < workload.layers() / 2; pair++) {
                for (int part = 0; part < 2; part++) {
                    QuantShape shape = new QuantShape(QuantShape.Grouping.values()[part], 4, 32, ElementType.F16, ElementType.F16, workload.sampleTokens(), workload.width());
                    MemorySegment codes = arena.allocate(2 * shape.codeBytes(), 64);
                    MemorySegment parameters = arena.allocate(2 * Short.BYTES * shape.parameters(), 64);
                    for (int half = 0; half < 2; half++) {
                        Kernels.scalar().quant().quantize(shape, workload.sampleTensor(2 * (2 * pair + half) + part), 0, codes, half * shape.codeBytes(), parameters, 0,
                                parameters, Short.BYTES * shape.parameters());
                    }
                    streams.add(codes);
                }
            }
            return streams;
        }

        @Override
        int period(Workload workload) {
            return 1;
        }
    },

    /** Upper bytes of 16-bit floats, as {@code lossless} codes them: 16 tables, chosen by the channel. */
    HIGH_BYTES {
        @Override
        List<MemorySegment> streams(Workload workload, Arena arena) {
            List<MemorySegment> streams = new ArrayList<>();
            for (int t = 0; t < 2 * workload.layers(); t++) {
                MemorySegment tensor = workload.sampleTensor(t);
                long count = tensor.byteSize() / Short.BYTES;
                MemorySegment planes = arena.allocate(tensor.byteSize(), 64);
                Kernels.scalar().bytePlane().split(tensor, Short.BYTES, count, planes);
                streams.add(planes.asSlice(count, count));
            }
            return streams;
        }

        @Override
        int period(Workload workload) {
            return workload.width();
        }
    };

    private static final int CLASSES = 16;

    /** All streams. */
    abstract List<MemorySegment> streams(Workload workload, Arena arena);

    /** After how many symbols the choice of tables repeats. */
    abstract int period(Workload workload);

    /**
     * A stream with what models it.
     *
     * @param symbols the stream
     * @param tables tables that fit it
     * @param contexts which one models which symbol
     */
    record Model(MemorySegment symbols, RansTables tables, RansContexts contexts) {
        /** Positions of the period are ranked by their mean symbol without its sign, and shared out evenly. */
        static Model of(MemorySegment symbols, int period) {
            long[][] positions = new long[period][RansTables.SYMBOLS];
            long[] sums = new long[period];
            for (long i = 0; i < symbols.byteSize(); i++) {
                int symbol = symbols.get(ValueLayout.JAVA_BYTE, i) & 0xff;
                positions[(int) (i % period)][symbol]++;
                sums[(int) (i % period)] += symbol & 0x7f;
            }
            int[] order = IntStream.range(0, period).boxed().sorted(Comparator.comparingLong(p -> sums[p])).mapToInt(Integer::intValue).toArray();
            int classes = Math.min(CLASSES, period);
            byte[] map = new byte[period];
            long[][] histograms = new long[classes][RansTables.SYMBOLS];
            for (int rank = 0; rank < period; rank++) {
                int group = rank * classes / period;
                map[order[rank]] = (byte) group;
                for (int s = 0; s < RansTables.SYMBOLS; s++) {
                    histograms[group][s] += positions[order[rank]][s];
                }
            }
            return new Model(symbols, RansTables.fromHistograms(histograms), RansContexts.of(map));
        }
    }
}
