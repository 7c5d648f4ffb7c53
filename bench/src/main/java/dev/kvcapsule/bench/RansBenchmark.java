package dev.kvcapsule.bench;

import dev.kvcapsule.bench.SymbolSource.Model;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.RansKernel;
import dev.kvcapsule.engine.kernel.RansTables;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Entropy coding of real symbols from and to a scratch buffer; {@link CompressorBenchmark} has zstd and LZ4 on the same. */
public class RansBenchmark extends KernelBenchmark {
    /** Which symbols. */
    @Param({"CODES", "HIGH_BYTES"})
    public SymbolSource data = SymbolSource.CODES;

    private final List<Model> models = new ArrayList<>();
    private final List<MemorySegment> coded = new ArrayList<>();
    private final List<MemorySegment> storedTables = new ArrayList<>();
    private MemorySegment out;
    private long outBytes;
    private MemorySegment symbols;
    private MemorySegment symbolsWithTables;
    private long symbolBytes;
    private long codedBytes;
    private final Cursor encoded = new Cursor();
    private final Cursor decoded = new Cursor();
    private final Cursor decodedWithTables = new Cursor();

    /** With its parameters at their defaults. */
    public RansBenchmark() {}

    @Override
    void prepare(Arena arena) throws MalformedDataException {
        for (MemorySegment stream : data.streams(workload(), arena)) {
            Model model = Model.of(stream, data.period(workload()));
            models.add(model);
            symbolBytes += stream.byteSize();
        }
        long longest = models.getFirst().symbols().byteSize();
        out = arena.allocate(RansKernel.maxEncodedBytes(longest), 64);
        symbols = arena.allocate(longest, 64);
        symbolsWithTables = arena.allocate(longest, 64);
        for (Model model : models) {
            long bytes = engine().rans().encode(model.symbols(), model.symbols().byteSize(), model.tables(), model.contexts(), out);
            coded.add(arena.allocate(bytes).copyFrom(out.asSlice(0, bytes)));
            MemorySegment tables = arena.allocate(model.tables().storedBytes());
            model.tables().writeTo(tables, 0);
            storedTables.add(tables);
            codedBytes += bytes + tables.byteSize();
        }
    }

    /** Symbols to a stream, with tables at hand. */
    @Benchmark
    public void encode(Amount amount) {
        Model model = models.get(encoded.next(models.size()));
        outBytes = engine().rans().encode(model.symbols(), model.symbols().byteSize(), model.tables(), model.contexts(), out);
        amount.bytes += model.symbols().byteSize();
    }

    /**
     * A stream to symbols, with tables at hand.
     *
     * @throws MalformedDataException if the stream is damaged
     */
    @Benchmark
    public void decode(Amount amount) throws MalformedDataException {
        int stream = decoded.next(models.size());
        Model model = models.get(stream);
        engine().rans().decode(coded.get(stream), symbols, model.symbols().byteSize(), model.tables(), model.contexts());
        amount.bytes += model.symbols().byteSize();
    }

    /**
     * A stream to symbols, after reading its tables: what a decoder of capsules does, and zstd too.
     *
     * @throws MalformedDataException if stream or tables are damaged
     */
    @Benchmark
    public void decodeWithTables(Amount amount) throws MalformedDataException {
        int stream = decodedWithTables.next(models.size());
        Model model = models.get(stream);
        MemorySegment stored = storedTables.get(stream);
        engine().rans().decode(coded.get(stream), symbolsWithTables, model.symbols().byteSize(), RansTables.read(stored, 0, stored.byteSize()), model.contexts());
        amount.bytes += model.symbols().byteSize();
    }

    /** Bytes of all symbols over those of all streams and their tables. */
    double ratio() {
        return (double) symbolBytes / codedBytes;
    }

    @Override
    void runAll(Amount amount) throws MalformedDataException {
        encode(amount);
        decode(amount);
        decodeWithTables(amount);
    }

    @Override
    void verify() {
        Checks.same("the stream", coded.get(encoded.last()), out.asSlice(0, outBytes));
        Checks.same("the decoded symbols", models.get(decoded.last()).symbols(), symbols);
        Checks.same("the symbols decoded with their tables", models.get(decodedWithTables.last()).symbols(), symbolsWithTables);
    }
}
