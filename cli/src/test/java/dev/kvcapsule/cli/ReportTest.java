package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.serving.report.CodecSweep;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ReportTest {
    @TempDir
    private Path folder;
    private Path state;
    private Path page;

    @BeforeEach
    void copyState() throws IOException {
        state = sample("llama-f16.ggsq", "a <b> & 'c'.ggsq");
        page = folder.resolve("report.html");
    }

    private Path sample(String name, String as) throws IOException {
        Path path = folder.resolve(as);
        try (InputStream in = Samples.state(name)) {
            Files.copy(in, path);
        }
        return path;
    }

    @Test
    void measuresCodecsAndWritesThePage() throws IOException {
        Run run = Run.of("report", state, "-o", page, "--codec", "rotated:bits=4", "--codec", "lossless", "--codec", "rotated:bits=4", "--threads", "1");
        assertEquals(0, run.exit(), run.err());
        assertTrue(run.out().contains("rotated:bits=4"), run.out());
        assertTrue(run.out().contains("report.html: "), run.out());
        String html = Files.readString(page);
        assertAll(
                () -> assertTrue(html.startsWith("<!DOCTYPE html>")),
                () -> assertTrue(html.contains("<h2>a &lt;b&gt; &amp; &#39;c&#39;.ggsq</h2>")),
                () -> assertFalse(html.contains("a <b>")),
                () -> assertTrue(html.contains("Attention outputs")),
                () -> assertTrue(html.contains("<dt>Command</dt><dd>capsule report ")),
                () -> assertTrue(html.contains("KV Capsule 0.1.0")));
    }

    @Test
    void jsonHasTheSameFiguresAndACapsulesSize() throws IOException {
        Path other = sample("llama-f16.ggsq", "b.ggsq");
        Run run = Run.of("report", state, other, "-o", page, "--codec", "fp8", "--codec", "kivi:bits=2", "--json");
        assertEquals(0, run.exit(), run.err());
        Map<String, Object> json = run.json();
        assertTrue(json.keySet().containsAll(List.of("tokens", "layers", "raw_bytes", "capsule_bytes", "ratio", "seconds", "codec", "states", "means", "origin")));
        List<?> states = (List<?>) json.get("states");
        assertEquals(2, states.size());
        Map<?, ?> first = (Map<?, ?>) states.getFirst();
        assertEquals(List.of(12L, 2L, Files.size(state)), List.of(first.get("tokens"), first.get("layers"), first.get("raw_bytes")));
        Path capsule = folder.resolve("fp8.kvc");
        assertEquals(0, Run.of("encode", "--unsealed", state, "-o", capsule, "--codec", "fp8").exit());
        List<?> codecs = (List<?>) first.get("codecs");
        Map<?, ?> fp8 = codecs.stream().map(c -> (Map<?, ?>) c).filter(c -> c.get("codec").equals("fp8")).findFirst().orElseThrow();
        assertEquals(Files.size(capsule), fp8.get("capsule_bytes"));
        assertEquals(null, fp8.get("recall"));
        assertTrue((Double) fp8.get("k_error") > 0);
        Path decoded = folder.resolve("decoded.ggsq");
        assertEquals(0, Run.of("decode", "--unsealed", capsule, "-o", decoded).exit());
        Map<?, ?> keys = (Map<?, ?>) Run.of("compare", state, decoded, "--json").json().get("k");
        assertEquals(keys.get("relative_error"), fp8.get("k_error"));
    }

    /** Every structure goes through the whole sweep; what a codec cannot do, the report says instead of failing. */
    @ParameterizedTest
    @ValueSource(strings = {"llama-f16.ggsq", "gemma3tiny-f16-20.ggsq", "granitehybrid-f16-session.ggsn", "lfm2-f16.ggsq", "llama-f16-buffer.buf"})
    void theSweepTakesEveryStructure(String name) throws IOException {
        Path input = sample(name, "state");
        Run run = Run.of("report", input, "-o", page, "--json", "--threads", "1");
        assertEquals(0, run.exit(), run.err());
        Map<?, ?> only = (Map<?, ?>) ((List<?>) run.json().get("states")).getFirst();
        assertEquals(CodecSweep.defaults(Map.of()).size(), ((List<?>) only.get("codecs")).size() + ((List<?>) only.get("skipped")).size());
        assertTrue(((List<?>) only.get("codecs")).size() > 4, run.out());
    }

    @Test
    void theSweepNamesEveryInstalledCodec() {
        Set<String> tried = CodecSweep.defaults(Map.of()).stream().map(CodecSpec::name).collect(Collectors.toSet());
        Set<String> installed = Codecs.all().stream().map(CodecFactory::name).collect(Collectors.toSet());
        // One copies, and kvtc cannot do without a basis.
        installed.removeAll(Set.of("raw", "kvtc"));
        assertEquals(installed, tried);
        String digest = "ab".repeat(32);
        assertEquals(4, CodecSweep.defaults(Map.of(digest, "klt")).stream().filter(spec -> digest.equals(spec.parameters().get("basis"))).count());
    }

    @Test
    void standardStreamsAreReadAndWrittenWhereFilesAre() throws IOException {
        Run run = Run.fed(Files.readAllBytes(state), "report", "-", "-o", "-", "--codec", "fp8");
        assertEquals(0, run.exit(), run.err());
        assertTrue(run.out().startsWith("<!DOCTYPE html>"), run.out());
        assertTrue(run.out().contains("<h2>standard input</h2>"));
        assertTrue(run.out().strip().endsWith("</html>"), "something follows the page");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "report STATE -o PAGE --codec nonsense | there is no codec",
        "report STATE -o PAGE --codec kivi:bits=5 | bits=5",
        "report STATE -o PAGE --text TEXT | name it by --model",
        "report STATE -o PAGE --recall | name it by --model",
        "report STATE -o PAGE --judge 64 | name it by --model",
        "report STATE -o PAGE --judge -1 | negative",
        "report STATE -o PAGE --judge 0 --recall | leave --text and --recall out",
        "report STATE STATE -o PAGE --text TEXT | one text for each state",
        "report STATE - -o PAGE | standard input can be the only state",
        "report STATE -o - --json | cannot both go to standard output",
        "report -o PAGE --text TEXT STATE | which states"})
    void wrongUsageIsTold(String line, String message) throws IOException {
        Files.writeString(page, "before");
        Object[] args = Stream.of(line.split(" ")).map(word -> switch (word) {
            case "STATE" -> state;
            case "PAGE" -> page;
            default -> word;
        }).toArray();
        Run run = Run.of(args);
        assertEquals(2, run.exit(), run.toString());
        assertTrue(run.err().contains(message), run.err());
        assertEquals("before", Files.readString(page));
    }

    @Test
    void failuresLeaveTheOldPageAndNoOtherFile() throws IOException {
        Files.writeString(page, "before");
        Path broken = folder.resolve("broken.ggsq");
        Files.write(broken, java.util.Arrays.copyOf(Files.readAllBytes(state), 3000));
        assertEquals(3, Run.of("report", broken, "-o", page, "--codec", "fp8").exit());
        assertEquals(5, Run.of("report", folder.resolve("absent"), "-o", page, "--codec", "fp8").exit());
        assertEquals(5, Run.of("report", state, "-o", folder.resolve("absent/report.html"), "--codec", "fp8").exit());
        Run missing = Run.of("report", state, "-o", page, "--codec", "klt:basis=" + "ab".repeat(32) + ",step=1");
        assertEquals(4, missing.exit(), missing.err());
        assertEquals("before", Files.readString(page));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(Set.of("a <b> & 'c'.ggsq", "broken.ggsq", "report.html"), files.map(file -> file.getFileName().toString()).collect(Collectors.toSet()));
        }
    }
}
