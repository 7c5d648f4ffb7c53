package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.CodedCoefficients;
import dev.kvcapsule.engine.kernel.CoefficientKernel;
import dev.kvcapsule.engine.kernel.CoefficientScratch;
import dev.kvcapsule.engine.kernel.SymbolTables;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** {@link CoefficientKernel} on the device: a warp decodes a matrix; it is encoded by a warp for each of its blocks of components, but for rANS. */
final class CudaCoefficients implements CoefficientKernel {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** The structure Matrix of coefficients.cu, and what it receives. */
    private static final int MATRIX_BYTES = 128;
    private static final int WORDS_AT = 96;
    private static final int BITS_AT = 104;
    private static final int STATUS_AT = 124;

    private static final int WARP = 32;
    /** Blocks that bits are written by. */
    private static final int MOST_BLOCKS = 1 << 14;

    private static final int DONE = 0;
    private static final int STATE_OUT_OF_RANGE = 1;
    private static final int ENDS_EARLY = 2;
    private static final int LOW_BITS_END = 3;
    private static final int OUT_OF_RANGE = 4;
    private static final int WORDS_LEFT = 5;
    private static final int WRONG_END = 6;

    private final Device device;
    private final MemoryPlace memory;
    private final CoefficientKernel host;

    CudaCoefficients(Device device, MemoryPlace memory, CoefficientKernel host) {
        this.device = device;
        this.memory = memory;
        this.host = host;
    }

    /** Bytes of the values, of which the last row may be cut off. */
    private static long bytes(MemorySegment values, int rows, int components, int stride, float[] priors, float[] scales) {
        if (rows < 0 || components < 0 || stride < components || priors.length < components || scales.length < rows) {
            throw new IllegalArgumentException(rows + " rows of " + components + " coefficients, " + stride + " apart, with " + priors.length + " priors and " + scales.length + " scales");
        }
        long bytes = rows == 0 || components == 0 ? 0 : 4 * ((rows - 1L) * stride + components);
        Operation.check(values, 0, bytes);
        return bytes;
    }

    /** A matrix as the device wants it described, with what goes to it together. */
    private static final class Described {
        private final MemorySegment all;
        private final long at;
        private final int components;

        /** Room for the structure, priors and scales. */
        Described(Operation operation, Arena arena, int rows, int components, int stride, float[] priors, float[] scales, SymbolTables tables) {
            this.components = components;
            all = arena.allocate(MATRIX_BYTES + 4L * components + 4L * rows, 8);
            at = operation.scratch(all.byteSize());
            MemorySegment.copy(priors, 0, all, ValueLayout.JAVA_FLOAT, MATRIX_BYTES, components);
            MemorySegment.copy(scales, 0, all, ValueLayout.JAVA_FLOAT, MATRIX_BYTES + 4L * components, rows);
            MemorySegment table = tables.memory();
            long entries = operation.lasting(table, table);
            put(1, at + MATRIX_BYTES);
            put(2, at + MATRIX_BYTES + 4L * components);
            put(3, entries);
            put(4, entries + 4L * CONTEXTS * SYMBOLS);
            all.set(ValueLayout.JAVA_INT, 112, rows);
            all.set(ValueLayout.JAVA_INT, 116, components);
            all.set(ValueLayout.JAVA_INT, 120, stride);
        }

        /** A pointer of the structure, by its place. */
        void put(int place, long address) {
            all.set(ValueLayout.JAVA_LONG, 8L * place, address);
        }

        void putBits(long bytes) {
            all.set(ValueLayout.JAVA_LONG, BITS_AT, bytes);
        }

        /** Brings it there. */
        void upload(Operation operation) {
            operation.upload(all, at);
        }

        /** The structure as kernels have left it is there after {@link Operation#finish}. */
        void fetch(Operation operation) {
            operation.fetch(at, all.asSlice(0, MATRIX_BYTES));
        }

        long words() {
            return all.get(ValueLayout.JAVA_LONG, WORDS_AT);
        }

        long bits() {
            return all.get(ValueLayout.JAVA_LONG, BITS_AT);
        }

        int status() {
            return all.get(ValueLayout.JAVA_INT, STATUS_AT);
        }
    }

    @Override
    public long encode(MemorySegment values, int rows, int components, int stride, float[] priors, float[] scales, SymbolTables tables, MemorySegment out, long[] counts,
            CoefficientScratch scratch) {
        long bytes = bytes(values, rows, components, stride, priors, scales);
        Operation.check(out, 0, CoefficientKernel.maxEncodedBytes(rows, components));
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            long total = (long) rows * components;
            int blocks = Math.ceilDiv(components, LANES);
            Described matrix = new Described(operation, arena, rows, components, stride, priors, scales, tables);
            long symbols = operation.scratch(2 * total);
            long words = operation.scratch(2 * total + CodedCoefficients.STATE_BYTES);
            matrix.put(0, bytes == 0 ? 0 : operation.in(values, 0, bytes));
            matrix.put(7, operation.scratch(8L * rows * blocks));
            matrix.put(8, symbols);
            matrix.put(9, operation.scratch(4L * rows * blocks + 4));
            matrix.put(11, words);
            matrix.upload(operation);
            launchEncoding(operation, matrix.at, rows, blocks, 1);
            matrix.fetch(operation);
            operation.finish();
            long wordCount = matrix.words();
            out.set(INT, 0, (int) wordCount);
            operation.fetchOnly(words + 2 * (total - wordCount), out.asSlice(CodedCoefficients.HEADER_BYTES, 2 * wordCount + CodedCoefficients.STATE_BYTES));
            long end = CodedCoefficients.HEADER_BYTES + 2 * wordCount + CodedCoefficients.STATE_BYTES;
            long lowBytes = Math.ceilDiv(matrix.bits(), 8L);
            if (lowBytes > 0) {
                // Whole words are written, and one may be looked at behind the last.
                long low = operation.zeros((lowBytes + 7) / 4 * 4);
                matrix.put(10, low);
                matrix.upload(operation);
                operation.launch(Kernel.COEFFICIENT_LOW_BITS, (int) Math.min(MOST_BLOCKS, (long) rows * blocks), 1, WARP, 0, operation.parameters().put(matrix.at));
                operation.fetchOnly(low, out.asSlice(end, lowBytes));
            }
            count(operation, arena, symbols, total, counts);
            return end + lowBytes;
        } catch (CudaOutOfMemoryException e) {
            device.lane().shrink();
            try (Arena arena = Arena.ofConfined()) {
                return host.encode(HostOperands.fetched(memory, arena, values, bytes), rows, components, stride, priors, scales, tables, out, counts, scratch);
            }
        }
    }

    /** All of encoding but the bits that go as they are: how many they are is not known yet. */
    private static void launchEncoding(Operation operation, long matrices, int rows, int blocks, int count) {
        if (rows > 0 && blocks > 0) {
            operation.launch(Kernel.COEFFICIENT_SUMS, blocks, count, WARP, 0, operation.parameters().put(matrices));
            operation.launch(Kernel.COEFFICIENT_SEEN, Math.ceilDiv(rows, Operation.THREADS), count, Operation.THREADS, 0, operation.parameters().put(matrices));
            operation.launch(Kernel.COEFFICIENT_SYMBOLS, blocks, count, WARP, 0, operation.parameters().put(matrices));
            operation.launch(Kernel.COEFFICIENT_OFFSETS, count, 1, Operation.THREADS, 0, operation.parameters().put(matrices));
        }
        operation.launch(Kernel.COEFFICIENT_WORDS, count, 1, WARP, 0, operation.parameters().put(matrices));
    }

    private static void count(Operation operation, Arena arena, long symbols, long total, long[] counts) {
        if (counts == null || total == 0) {
            return;
        }
        MemorySegment coded = arena.allocate(2 * total, 8);
        operation.fetchOnly(symbols, coded);
        for (long i = 0; i < total; i++) {
            counts[Short.toUnsignedInt(coded.getAtIndex(ValueLayout.JAVA_SHORT, i))]++;
        }
    }

    @Override
    public void decode(MemorySegment in, MemorySegment values, int rows, int components, int stride, float[] priors, float[] scales, SymbolTables tables, CoefficientScratch scratch)
            throws MalformedDataException {
        long bytes = bytes(values, rows, components, stride, priors, scales);
        CodedCoefficients coded = CodedCoefficients.of(in, rows, components);
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            Described matrix = new Described(operation, arena, rows, components, stride, priors, scales, tables);
            if (bytes > 0) {
                matrix.put(0, stride == components ? operation.out(values, 0, bytes) : operation.inOut(values, 0, bytes));
            }
            matrix.put(5, operation.in(in, 0, in.byteSize()));
            matrix.put(6, operation.scratch(12L * components));
            matrix.putBits(in.byteSize() - coded.bitsAt());
            matrix.upload(operation);
            operation.launch(Kernel.COEFFICIENT_DECODE, 1, 1, WARP, 0, operation.parameters().put(matrix.at));
            matrix.fetch(operation);
            operation.finish();
            check(matrix.status(), matrix.words(), coded.words());
        } catch (CudaOutOfMemoryException e) {
            device.lane().shrink();
            decodeOnHost(in, values, bytes, rows, components, stride, priors, scales, tables, scratch);
        }
    }

    private void decodeOnHost(MemorySegment in, MemorySegment values, long bytes, int rows, int components, int stride, float[] priors, float[] scales, SymbolTables tables,
            CoefficientScratch scratch) throws MalformedDataException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment here = HostOperands.fetched(memory, arena, values, bytes);
            host.decode(in, here, rows, components, stride, priors, scales, tables, scratch);
            if (memory.isDevice(values)) {
                memory.copy(here, 0, values, 0, bytes);
            }
        }
    }

    /** Seconds that decoding a matrix takes, and as many copies of it as are wanted, all by one launch. */
    double secondsOfDecoding(MemorySegment in, int rows, int components, float[] priors, float[] scales, SymbolTables tables, int copies, int rounds) throws MalformedDataException {
        CodedCoefficients coded = CodedCoefficients.of(in, rows, components);
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            long bytes = operation.in(in, 0, in.byteSize());
            MemorySegment matrices = arena.allocate((long) MATRIX_BYTES * copies, 8);
            Described matrix = new Described(operation, arena, rows, components, components, priors, scales, tables);
            matrix.put(5, bytes);
            matrix.putBits(in.byteSize() - coded.bitsAt());
            matrix.upload(operation);
            for (int i = 0; i < copies; i++) {
                matrix.put(0, operation.scratch(4L * rows * components));
                matrix.put(6, operation.scratch(12L * components));
                MemorySegment.copy(matrix.all, 0, matrices, (long) MATRIX_BYTES * i, MATRIX_BYTES);
            }
            long at = operation.in(matrices, 0, matrices.byteSize());
            return GpuSpeed.seconds(device.lane().stream(), rounds, () -> operation.launch(Kernel.COEFFICIENT_DECODE, copies, 1, WARP, 0, operation.parameters().put(at)));
        }
    }

    /** The same for encoding, without the bits that go as they are. */
    double secondsOfEncoding(MemorySegment values, int rows, int components, float[] priors, float[] scales, SymbolTables tables, int copies, int rounds) {
        int blocks = Math.ceilDiv(components, LANES);
        long total = (long) rows * components;
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            MemorySegment matrices = arena.allocate((long) MATRIX_BYTES * copies, 8);
            Described matrix = new Described(operation, arena, rows, components, components, priors, scales, tables);
            matrix.put(0, operation.in(values, 0, 4 * total));
            matrix.upload(operation);
            for (int i = 0; i < copies; i++) {
                matrix.put(7, operation.scratch(8L * rows * blocks));
                matrix.put(8, operation.scratch(2 * total));
                matrix.put(9, operation.scratch(4L * rows * blocks + 4));
                matrix.put(11, operation.scratch(2 * total + CodedCoefficients.STATE_BYTES));
                MemorySegment.copy(matrix.all, 0, matrices, (long) MATRIX_BYTES * i, MATRIX_BYTES);
            }
            long at = operation.in(matrices, 0, matrices.byteSize());
            return GpuSpeed.seconds(device.lane().stream(), rounds, () -> launchEncoding(operation, at, rows, blocks, copies));
        }
    }

    /** As the processor says it. */
    private static void check(int status, long used, int words) throws MalformedDataException {
        switch (status) {
            case DONE -> {}
            case STATE_OUT_OF_RANGE -> throw new MalformedDataException("coefficient state out of range");
            case ENDS_EARLY, WORDS_LEFT -> throw CodedCoefficients.wrongWords((int) used, words);
            case LOW_BITS_END -> throw new MalformedDataException("low bits of coefficients end early");
            case OUT_OF_RANGE -> throw new MalformedDataException("coefficient out of range");
            case WRONG_END -> throw new MalformedDataException("coefficients end in a wrong state");
            default -> throw new MalformedDataException("bits follow the coefficients' low bits");
        }
    }
}
