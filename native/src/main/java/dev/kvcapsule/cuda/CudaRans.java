package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.RansContexts;
import dev.kvcapsule.engine.kernel.RansKernel;
import dev.kvcapsule.engine.kernel.RansTables;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@link RansKernel} on the device: a warp a stream. */
final class CudaRans implements RansKernel {
    private static final int STREAM_BYTES = 64;
    private static final int WORDS_AT = 40;
    private static final int STATUS_AT = 60;
    private static final int WARP = 32;
    private static final int DONE = 0;
    private static final int STATE_OUT_OF_RANGE = 1;
    private static final int ENDS_EARLY = 2;
    private static final int WORDS_LEFT = 3;
    private static final int UNCODABLE = 5;

    private final Device device;
    private final MemoryPlace memory;
    private final HostOperands fallback;
    private final RansKernel host;

    CudaRans(Device device, MemoryPlace memory, RansKernel host) {
        this.device = device;
        this.memory = memory;
        this.fallback = new HostOperands(device, memory);
        this.host = host;
    }

    private static void check(MemorySegment symbols, long n, RansTables tables, RansContexts contexts) {
        if (n < 0 || n > Integer.MAX_VALUE - LANES || !symbols.isNative() || symbols.byteSize() < n) {
            throw new IllegalArgumentException("symbols must be native memory of at least " + n + " bytes, and fewer than 2^31");
        }
        if (contexts.largestTable() >= tables.count()) {
            throw new IllegalArgumentException("contexts name table " + contexts.largestTable() + " of " + tables.count());
        }
    }

    private static long table(Operation operation, Arena arena, RansTables tables, RansTables.Form form) {
        MemorySegment entries = arena.allocate(tables.bytes(form), 4);
        tables.write(form, entries);
        return operation.in(entries, 0, entries.byteSize());
    }

    /** The structure Stream of rans.cu, on the device; comes back at the end. */
    private static long stream(Operation operation, Arena arena, long symbols, long coded, long entries, long slots, long words, long n, RansTables tables,
            RansContexts contexts, MemorySegment stream) {
        byte[] map = contexts.map();
        // One table is one table, whatever the period.
        int used = contexts.largestTable() == 0 ? 1 : tables.count();
        long maps = used == 1 ? 0 : operation.in(arena.allocateFrom(ValueLayout.JAVA_BYTE, map), 0, map.length);
        describe(stream, symbols, coded, entries, slots, maps, words, (int) n, map.length, used);
        return operation.inOut(stream, 0, STREAM_BYTES);
    }

    private static void describe(MemorySegment stream, long symbols, long coded, long entries, long slots, long maps, long words, int n, int period, int tables) {
        stream.set(ValueLayout.JAVA_LONG, 0, symbols);
        stream.set(ValueLayout.JAVA_LONG, 8, coded);
        stream.set(ValueLayout.JAVA_LONG, 16, entries);
        stream.set(ValueLayout.JAVA_LONG, 24, slots);
        stream.set(ValueLayout.JAVA_LONG, 32, maps);
        stream.set(ValueLayout.JAVA_LONG, WORDS_AT, words);
        stream.set(ValueLayout.JAVA_INT, 48, n);
        stream.set(ValueLayout.JAVA_INT, 52, period);
        stream.set(ValueLayout.JAVA_INT, 56, tables);
    }

    @Override
    public long encode(MemorySegment symbols, long n, RansTables tables, RansContexts contexts, MemorySegment out) {
        if (!out.isNative() || out.byteSize() < RansKernel.maxEncodedBytes(n)) {
            throw new IllegalArgumentException("the output must be native and of at least maxEncodedBytes(" + n + ")");
        }
        check(symbols, n, tables, contexts);
        long states = (long) STATE_BYTES * RansKernel.laneSets(n);
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            MemorySegment stream = arena.allocate(STREAM_BYTES, 8);
            // Room for a word a symbol, which the kernel fills from its end, then the states.
            long coded = operation.scratch(2 * n + states);
            long at = stream(operation, arena, n == 0 ? coded : operation.in(symbols, 0, n), coded, table(operation, arena, tables, RansTables.Form.ENCODE),
                    table(operation, arena, tables, RansTables.Form.SLOTS_OF_RANKS), 0, n, tables, contexts, stream);
            operation.launch(Kernel.RANS_ENCODE, 1, 1, WARP, 0, operation.parameters().put(at));
            operation.finish();
            if (stream.get(ValueLayout.JAVA_INT, STATUS_AT) == UNCODABLE) {
                throw new IllegalArgumentException("a symbol has frequency 0 in its table");
            }
            long words = stream.get(ValueLayout.JAVA_LONG, WORDS_AT);
            long bytes = 2 * words + states;
            operation.fetchOnly(coded + 2 * (n - words), out.asSlice(0, bytes));
            return bytes;
        } catch (CudaOutOfMemoryException e) {
            long[] bytes = new long[1];
            fallback.run(symbols.asSlice(0, n), out, (in, to) -> bytes[0] = host.encode(in, n, tables, contexts, to));
            return bytes[0];
        }
    }

    @Override
    public void decode(MemorySegment in, MemorySegment symbols, long n, RansTables tables, RansContexts contexts) throws MalformedDataException {
        if (!in.isNative()) {
            throw new IllegalArgumentException("kernels take native memory only");
        }
        check(symbols, n, tables, contexts);
        long bytes = in.byteSize() - (long) RansKernel.laneSets(n) * STATE_BYTES;
        if (bytes < 0 || bytes % 2 != 0 || bytes / 2 > n) {
            throw new MalformedDataException("no rANS stream of " + n + " symbols has " + in.byteSize() + " bytes");
        }
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            MemorySegment stream = arena.allocate(STREAM_BYTES, 8);
            long coded = operation.in(in, 0, in.byteSize());
            long at = stream(operation, arena, n == 0 ? coded : operation.out(symbols, 0, n), coded, table(operation, arena, tables, RansTables.Form.DECODE), 0, bytes / 2, n, tables,
                    contexts, stream);
            operation.launch(Kernel.RANS_DECODE, 1, 1, WARP, 0, operation.parameters().put(at));
            operation.finish();
            check(stream.get(ValueLayout.JAVA_INT, STATUS_AT), stream.get(ValueLayout.JAVA_LONG, WORDS_AT), bytes);
        } catch (CudaOutOfMemoryException e) {
            device.lane().shrink();
            decodeOnHost(in, symbols, n, tables, contexts);
        }
    }

    /** Seconds that decoding many copies of a stream takes, all in one launch. */
    double secondsOfMany(MemorySegment in, int n, RansTables tables, int copies, int rounds) {
        long words = (in.byteSize() - (long) RansKernel.laneSets(n) * STATE_BYTES) / 2;
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            MemorySegment streams = arena.allocate((long) copies * STREAM_BYTES, 8);
            long coded = operation.in(in, 0, in.byteSize());
            long entries = table(operation, arena, tables, RansTables.Form.DECODE);
            long symbols = operation.scratch((long) copies * n);
            for (int i = 0; i < copies; i++) {
                describe(streams.asSlice((long) i * STREAM_BYTES, STREAM_BYTES), symbols + (long) i * n, coded, entries, 0, 0, words, n, 1, 1);
            }
            long fresh = operation.in(streams, 0, streams.byteSize());
            long used = operation.scratch(streams.byteSize());
            CudaStream stream = device.lane().stream();
            return GpuSpeed.seconds(stream, rounds, () -> {
                // A stream's words are counted in place.
                stream.copy(fresh, used, streams.byteSize());
                operation.launch(Kernel.RANS_DECODE, copies, 1, WARP, 0, operation.parameters().put(used));
            });
        }
    }

    private void decodeOnHost(MemorySegment in, MemorySegment symbols, long n, RansTables tables, RansContexts contexts) throws MalformedDataException {
        MalformedDataException[] malformed = new MalformedDataException[1];
        fallback.run(in, symbols.asSlice(0, n), (from, to) -> {
            try {
                host.decode(from, to, n, tables, contexts);
            } catch (MalformedDataException e) {
                malformed[0] = e;
            }
        });
        if (malformed[0] != null) {
            throw malformed[0];
        }
    }

    private static void check(int status, long words, long bytes) throws MalformedDataException {
        switch (status) {
            case DONE -> {}
            case STATE_OUT_OF_RANGE -> throw new MalformedDataException("rANS state out of range");
            case ENDS_EARLY -> throw new MalformedDataException("rANS stream ends early");
            case WORDS_LEFT -> throw new MalformedDataException("rANS decoder ends at byte " + 2 * words + " of " + bytes);
            default -> throw new MalformedDataException("rANS stream ends in a wrong state");
        }
    }
}
