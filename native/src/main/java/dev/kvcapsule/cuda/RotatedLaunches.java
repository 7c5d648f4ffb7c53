package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel.Rows;
import dev.kvcapsule.engine.kernel.DeviceKernel.Turn;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RotationConstants;
import dev.kvcapsule.engine.kernel.RotationShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The kernels of rotated.cu and rotated_runs.cu, on some of a slice's tokens. */
final class RotatedLaunches {
    private static final int UNIT = 64;
    private static final int WARPS = 4;
    private static final int WARP_THREADS = 128;
    /** What a block may have without being asked for more. */
    private static final int SHARED_BYTES = 48 << 10;
    private static final int CODEBOOK = 16;
    private static final int RUNS_TOKENS = 32;
    private static final int MEAN_CHANNELS = 32;

    private final Device device;

    RotatedLaunches(Device device) {
        this.device = device;
    }

    /** Whether a block's memory holds what encoding such rows takes. */
    static boolean canEncode(RotationShape shape, Rows rows) {
        return fits(shape, rows, encodeShared(shape));
    }

    /** Whether a block's memory holds what decoding such rows takes. */
    static boolean canDecode(RotationShape shape, Rows rows) {
        return fits(shape, rows, 2 * WARPS * shape.headDim());
    }

    /** Whether a head that is rotated is a head that is turned: a kernel looks for pairs within it. */
    private static boolean fits(RotationShape shape, Rows rows, int sharedBytes) {
        return sharedBytes <= SHARED_BYTES && (rows.turn() == null || rows.turn().headDim() == shape.headDim());
    }

    /** Whether the kernels of rotated_runs.cu can be used. */
    private static boolean inRuns(RotationShape shape, Rows rows, long addresses) {
        int head = shape.headDim();
        boolean known = head == 64 || head == 128 || head == 256;
        // Of turned halves both are a lane's if they are all of the head.
        Turn turn = rows.turn();
        boolean whole = turn == null || turn.pairing() == RopeKernel.Pairing.INTERLEAVED || 2 * turn.table().pairs() == head;
        return known && whole && shape.block() == head && shape.rows() == shape.parameter() && RowParameters.inRuns(rows, addresses);
    }

    private static void runs(Operation operation, RotationShape shape, Kernel of64, Kernel of128, Kernel of256, Parameters parameters) {
        long warps = (long) shape.heads() * Math.ceilDiv(shape.tokens(), RUNS_TOKENS);
        Kernel kernel = shape.headDim() == 64 ? of64 : shape.headDim() == 128 ? of128 : of256;
        operation.launch(kernel, Math.toIntExact(Math.ceilDiv(warps, WARPS)), 1, WARP_THREADS, 0, parameters);
    }

    /** A shape of fewer tokens. */
    static RotationShape part(RotationShape shape, int tokens) {
        return new RotationShape(shape.bits(), shape.headDim(), shape.seed(), shape.centered(), shape.rows(), shape.parameter(), tokens, shape.channels());
    }

    private static int encodeShared(RotationShape shape) {
        return (WARPS * shape.headDim() * 6 + 15) / 16 * 16 + Math.ceilDiv(shape.channels(), UNIT) * UNIT;
    }

    /** Means of all tokens. */
    void means(RotationShape shape, Rows rows, MemorySegment means) {
        long rowBytes = RowParameters.bytes(shape.channels(), rows);
        try (Operation operation = device.begin()) {
            long to = operation.out(means, 0, 2L * shape.channels());
            long from = operation.in(rows.memory(), 0, shape.tokens() * rowBytes);
            Parameters parameters = RowParameters.begin(operation, from, rows, 0, shape.channels());
            // The kernel looks at nothing else of the structure Rotated: what is not put is zero.
            parameters.put(0L).put(0L).put(to).put(0L).put(0L).put(0.0).put(0f).put(0f).put(shape.tokens()).put(0).put(0).put(0).put(0).put(RowParameters.number(shape.parameter()));
            operation.launch(Kernel.ROTATED_MEANS, Math.ceilDiv(shape.channels(), MEAN_CHANNELS), 1, Operation.THREADS, 0, parameters);
            operation.finish();
        }
    }

    /** The structure Rotated of rotated.cu, behind its rows. */
    private static void rotation(Parameters parameters, RotationShape shape, RotationConstants constants, long codes, long gains, long means, long flag, long signs) {
        parameters.put(codes).put(gains).put(means).put(flag).put(signs).put(constants.gainScale()).put(constants.decodeScale()).put(constants.energyLimit()).put(shape.tokens())
                .put(shape.bits()).put(shape.headDim()).put(shape.block()).put(constants.unit()).put(RowParameters.number(shape.parameter())).put(shape.centered()).put(0)
                .put(constants.centroids(), CODEBOOK).put(constants.thresholds(), CODEBOOK);
    }

    private static long signs(Operation operation, RotationConstants constants) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment words = arena.allocateFrom(ValueLayout.JAVA_LONG, constants.signs());
            return operation.in(words, 0, words.byteSize());
        }
    }

    /** Encodes tokens from {@code first} on. @return heads that cannot be represented */
    long encode(RotationShape shape, int first, Rows rows, MemorySegment means, MemorySegment codes, MemorySegment gains) {
        long rowBytes = RowParameters.bytes(shape.channels(), rows);
        long codeRow = shape.codeBytes() / shape.tokens();
        try (Operation operation = device.begin()) {
            long flags = operation.newFlags();
            long mean = shape.centered() ? operation.in(means, 0, 2L * shape.channels()) : 0;
            if (shape.centered()) {
                operation.findInfinite(shape.parameter(), mean, shape.channels(), flags);
            }
            long packed = operation.out(codes, first * codeRow, shape.codeBytes());
            long gain = operation.out(gains, 2L * first * shape.heads(), 2 * shape.gains());
            long from = operation.in(rows.memory(), first * rowBytes, shape.tokens() * rowBytes);
            RotationConstants constants = shape.constants();
            long signs = signs(operation, constants);
            Parameters parameters = RowParameters.begin(operation, from, rows, first, shape.channels());
            rotation(parameters, shape, constants, packed, gain, mean, flags, signs);
            if (inRuns(shape, rows, from | packed)) {
                runs(operation, shape, Kernel.ROTATED_ENCODE_64, Kernel.ROTATED_ENCODE_128, Kernel.ROTATED_ENCODE_256, parameters);
            } else {
                operation.launch(Kernel.ROTATED_ENCODE, 1, RowParameters.blocksOf(shape.tokens(), 1), WARP_THREADS, encodeShared(shape), parameters);
            }
            operation.finish();
            operation.requireFinite("means");
            return operation.count();
        }
    }

    /** Restores tokens from {@code first} on. @return 0 */
    long decode(RotationShape shape, int first, MemorySegment codes, MemorySegment gains, MemorySegment means, Rows rows) {
        long rowBytes = RowParameters.bytes(shape.channels(), rows);
        long codeRow = shape.codeBytes() / shape.tokens();
        try (Operation operation = device.begin()) {
            long flag = operation.newFlags();
            long mean = shape.centered() ? operation.in(means, 0, 2L * shape.channels()) : 0;
            long gain = operation.in(gains, 2L * first * shape.heads(), 2 * shape.gains());
            operation.findInfinite(shape.parameter(), gain, shape.gains(), flag);
            if (shape.centered()) {
                operation.findInfinite(shape.parameter(), mean, shape.channels(), flag);
            }
            long packed = operation.in(codes, first * codeRow, shape.codeBytes());
            long to = operation.out(rows.memory(), first * rowBytes, shape.tokens() * rowBytes);
            RotationConstants constants = shape.constants();
            long signs = signs(operation, constants);
            Parameters parameters = RowParameters.begin(operation, to, rows, first, shape.channels());
            rotation(parameters, shape, constants, packed, gain, mean, 0, signs);
            if (inRuns(shape, rows, to | packed)) {
                runs(operation, shape, Kernel.ROTATED_DECODE_64, Kernel.ROTATED_DECODE_128, Kernel.ROTATED_DECODE_256, parameters);
            } else {
                long blocks = Math.ceilDiv(shape.gains(), WARPS);
                operation.launch(Kernel.ROTATED_DECODE, (int) Math.min(blocks, 1 << 20), 1, WARP_THREADS, 2 * WARPS * shape.headDim(), parameters);
            }
            operation.finish();
            operation.requireFinite("gains or means");
            return 0;
        }
    }
}
