package dev.kvcapsule.bench.sessions;

import dev.kvcapsule.sessions.compaction.CompactionSettings;
import dev.kvcapsule.sessions.compaction.Compactor;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.Ulid;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Sessions of some length in a database: what it costs to load one, to learn what has changed, to add a turn, to fork and to compact. Loading and saving should cost the same
 * whatever the length. In a file of H2's, or the PostgreSQL database that the property {@code kvcapsule.database} names.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 3, time = 2)
@Fork(value = 1, jvmArgsAppend = "-Xmx1g")
public class SessionBenchmark {
    private static final String TEXT = "A tool's result of four hundred characters or so. ".repeat(8);

    /** Messages of the session. */
    @Param({"10", "1000", "10000"})
    public int messages;

    private Path folder;
    private SessionDatabase database;
    private SessionStore store;
    private String id;

    /** A benchmark of sessions. */
    public SessionBenchmark() {
        // JMH makes it.
    }

    /** Makes the session. */
    @Setup
    public void open() throws IOException {
        String url = System.getProperty("kvcapsule.database", "");
        folder = Files.createTempDirectory("kvcapsule-bench");
        database = url.isEmpty() ? SessionDatabase.file(folder.resolve("sessions")) : SessionDatabase.postgres(url);
        store = database.sessions(new SessionOwner("bench", Ulid.next()));
        id = grown();
        // The last version is a turn's, not that of all messages.
        save();
    }

    private String grown() throws IOException {
        Session session = store.create(Session.fresh(Ulid.next()));
        List<Message> all = new ArrayList<>();
        for (int i = 0; i < messages; i += 2) {
            all.add(Message.user(TEXT));
            all.add(Message.assistant(TEXT));
        }
        store.save(session, all);
        return session.id();
    }

    /** The row: what waits, costs, compactions. */
    @Benchmark
    public Session load() throws IOException {
        return store.load(id).orElseThrow();
    }

    /** What a reader learns that knows all but the last turn. */
    @Benchmark
    public SessionStore.Changes refresh() throws IOException {
        return store.changesSince(id, store.load(id).orElseThrow().version() - 1);
    }

    /** All messages: grows with them, of course. */
    @Benchmark
    public List<Message> loadWhole() throws IOException {
        return store.messages(id);
    }

    /** A turn behind the others, with a version that must hold. */
    @Benchmark
    public Session save() throws IOException {
        return store.save(store.load(id).orElseThrow(), List.of(Message.user(TEXT), Message.assistant(TEXT)));
    }

    /** Another session that begins as this one; it is removed again. */
    @Benchmark
    public boolean forkAndDelete() throws IOException {
        return store.delete(store.fork(id, Optional.empty(), Ulid.next()).id());
    }

    /** One that can be compacted. */
    @State(Scope.Thread)
    public static class Fresh {
        private String id;

        /** A state of JMH's. */
        public Fresh() {
            // JMH makes it.
        }

        /** Makes it. */
        @Setup(Level.Invocation)
        public void make(SessionBenchmark benchmark) throws IOException {
            id = benchmark.grown();
        }

        /** Removes it. */
        @TearDown(Level.Invocation)
        public void remove(SessionBenchmark benchmark) throws IOException {
            benchmark.store.delete(id);
        }
    }

    /** All but two turns replaced by a summary, which is there at once. */
    @Benchmark
    public Object compact(Fresh fresh) throws IOException {
        return new Compactor(store, new CompactionSettings(1 << 20, 0, .8, 2), request -> "a summary", event -> { }).compact(fresh.id);
    }

    /** Removes it. */
    @TearDown
    public void close() throws IOException {
        database.close();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
