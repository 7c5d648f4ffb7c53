package dev.kvcapsule.bench.sessions;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.sessions.compaction.CompactionEvent;
import org.junit.jupiter.api.Test;

/** That the benchmarks do what they measure. */
class SessionBenchmarkTest {
    @Test
    void eachDoesItsWork() throws Exception {
        SessionBenchmark benchmark = new SessionBenchmark();
        benchmark.messages = 10;
        benchmark.open();
        try {
            assertEquals(12, benchmark.loadWhole().size());
            assertEquals(14, benchmark.save().messageCount());
            assertEquals(14, benchmark.load().messageCount());
            assertEquals(2, benchmark.refresh().messages().size());
            assertTrue(benchmark.forkAndDelete());
            SessionBenchmark.Fresh fresh = new SessionBenchmark.Fresh();
            fresh.make(benchmark);
            assertInstanceOf(CompactionEvent.Completed.class, benchmark.compact(fresh));
            fresh.remove(benchmark);
        } finally {
            benchmark.close();
        }
    }
}
