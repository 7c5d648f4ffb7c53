package dev.kvcapsule.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.bench.ShortRunner.Series;
import dev.kvcapsule.serving.report.Processor;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class ShortBenchTest {
    private record Run(int code, String out, String err) {}

    private static Run run(String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        CommandLine line = ShortBench.commandLine(() -> Workload.load(2, 2));
        line.setOut(new PrintWriter(out));
        line.setErr(new PrintWriter(err));
        int code = line.execute(args);
        return new Run(code, out.toString(), err.toString());
    }

    private static List<String> names(String... args) {
        return run(args).out().lines().toList();
    }

    @Test
    void listsAndSelects() {
        List<String> all = names("--list");
        assertTrue(all.size() > 60, all.size() + " cases");
        assertEquals(all.size(), all.stream().distinct().count(), "two cases have one name");
        List<String> some = names("--list", "--only", "^kivi-4 .*scalar");
        assertEquals(List.of("kivi-4 decode K, scalar", "kivi-4 encode K, scalar", "kivi-4 decode V, scalar", "kivi-4 encode V, scalar"), some);
    }

    @Test
    void everyTargetComparesWithACaseThereIs() {
        ShortSuite suite = new ShortSuite(List.of("panama", "scalar"));
        for (List<ShortCase> stage : List.of(suite.kernels(), suite.wholeCaches())) {
            List<String> names = stage.stream().map(ShortCase::name).toList();
            stage.forEach(one -> one.targets().stream().filter(t -> t.kind() == Target.Kind.TIMES).forEach(t -> assertTrue(names.contains(t.other()), t.other())));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"--only=nothing like it", "--only=(", "--device=cuda", "--device=tpu", "--seconds=-1", "--nonsense", "stray"})
    void refusesWrongUsage(String arg) {
        Run run = run(arg);
        assertEquals(2, run.code());
        assertEquals("", run.out());
        assertTrue(run.err().startsWith("capsule: ") && run.err().lines().count() == 1, run.err());
    }

    @Test
    void jsonHasEveryResult() throws IOException {
        Run run = run("--seconds=0", "--json", "--device=cpu");
        assertEquals(0, run.code(), run.err());
        assertEquals(1, run.out().lines().count());
        Map<String, Object> json = Json.readObject(run.out());
        assertEquals(1024L, json.get("tokens"));
        assertEquals(2L, json.get("layers"));
        assertEquals(2L * 2 * 1024 * 192 * 2, json.get("raw_bytes"));
        assertTrue((Double) json.get("ratio") > 3, json.toString());
        assertTrue(((String) json.get("codec")).startsWith("klt"));
        assertTrue((Long) json.get("capsule_bytes") > 0);
        List<Object> names = new ArrayList<>();
        for (Object result : (List<?>) json.get("results")) {
            Map<?, ?> fields = (Map<?, ?>) result;
            names.add(fields.get("name"));
            assertTrue((Double) fields.get("speed") > 0, fields.toString());
            assertTrue((Double) fields.get("of_copy") > 0, fields.toString());
        }
        assertEquals(names("--list"), names);
        assertFalse(((List<?>) json.get("targets")).isEmpty());
    }

    @Test
    void tableHasVerdicts() {
        Run run = run("--seconds=0", "--only=zstd-3 decode codes|rans decode.* codes, scalar|f16 to f32");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("f16 to f32, scalar"), run.out());
        assertTrue(run.out().contains("Gsym/s"), run.out());
        assertFalse(run.out().contains("NaN"), run.out());
    }

    @Test
    void mediansAndQuotients() {
        Series series = new Series(new double[] {4, 1, 2}, new double[] {8, 1, 1}, Double.NaN);
        assertEquals(2, series.rate());
        assertEquals(1, series.ofCopy());
        assertEquals(0.5, new Series(new double[] {1, 2}, new double[] {2, 4}, 1).ofCopy());
    }

    @Test
    void verdicts() {
        ShortCase slow = ShortCase.of("slow", null, null, Target.ofCopy(0.5), Target.rate(2), Target.times(2, "other"), Target.ratio(1.5), Target.times(2, "absent"));
        ShortCase other = ShortCase.of("other", null, null);
        Map<ShortCase, Series> measured = new LinkedHashMap<>();
        measured.put(slow, new Series(new double[] {1}, new double[] {2}, 1.25));
        measured.put(other, new Series(new double[] {0.25}, new double[] {2}, Double.NaN));
        List<Verdict> verdicts = Verdict.of(measured);
        assertEquals(List.of(0.5, 1.0, 4.0, 1.25), verdicts.stream().map(Verdict::value).toList());
        assertEquals(List.of(true, false, true, false), verdicts.stream().map(Verdict::reached).toList());
    }

    @Test
    void processorsName() {
        assertEquals("AMD EPYC", Processor.nameIn(List.of("processor\t: 0", "model name\t: AMD EPYC", "stepping\t: 1")));
        assertFalse(Processor.nameIn(List.of()).isEmpty());
    }

    @Test
    void compilerReports() {
        assertTrue(Compiler.isQuiet("Current compiles: \n\nC1 compile queue:\nEmpty\n\nC2 compile queue:\nEmpty\n"));
        assertFalse(Compiler.isQuiet("Current compiles: \nC2 CompilerThread0  4242   4   java.util.Arrays::fill (21 bytes)\n\nC1 compile queue:\nEmpty\n"));
        assertFalse(Compiler.isQuiet("Current compiles: \n\nC1 compile queue:\n  17   3   java.lang.String::length (11 bytes)\n"));
    }
}
