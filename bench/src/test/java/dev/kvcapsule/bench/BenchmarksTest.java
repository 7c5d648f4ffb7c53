package dev.kvcapsule.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Every benchmark that JMH knows, with every combination of its parameters, on little data: runs, and does what it should. */
class BenchmarksTest {
    /** Enough to go through all tiles of the small workload, and round once. */
    private static final int CALLS = 6;

    private static Workload workload;

    @BeforeAll
    static void open() throws IOException {
        workload = Workload.load(2, 2);
    }

    @AfterAll
    static void close() {
        workload.close();
    }

    record Variant(String type, Map<String, String> parameters) {
        TileBenchmark create() throws ReflectiveOperationException {
            TileBenchmark benchmark = (TileBenchmark) Class.forName(type).getDeclaredConstructor().newInstance();
            for (Map.Entry<String, String> entry : parameters.entrySet()) {
                Field field = benchmark.getClass().getField(entry.getKey());
                field.set(benchmark, parse(field.getType(), entry.getValue()));
            }
            return benchmark;
        }

        private static Object parse(Class<?> type, String text) {
            if (type.isEnum()) {
                return Arrays.stream(type.getEnumConstants()).filter(c -> ((Enum<?>) c).name().equals(text)).findFirst().orElseThrow();
            }
            return type == int.class ? (Object) Integer.valueOf(text) : text;
        }

        @Override
        public String toString() {
            return type.substring(type.lastIndexOf('.') + 1) + parameters;
        }
    }

    static TreeSet<String> benchmarkClasses() throws IOException {
        TreeSet<String> classes = new TreeSet<>();
        try (InputStream in = BenchmarksTest.class.getResourceAsStream("/META-INF/BenchmarkList")) {
            Matcher names = Pattern.compile("dev\\.kvcapsule\\.bench\\.\\w+Benchmark(?=\\s)").matcher(new String(in.readAllBytes(), StandardCharsets.UTF_8));
            while (names.find()) {
                classes.add(names.group());
            }
        }
        return classes;
    }

    static Stream<Variant> variants() throws IOException, ReflectiveOperationException {
        List<Variant> variants = new ArrayList<>();
        for (String type : benchmarkClasses()) {
            List<Map<String, String>> combinations = List.of(Map.of());
            for (Field field : Class.forName(type).getFields()) {
                Param param = field.getAnnotation(Param.class);
                if (param != null) {
                    combinations = combinations.stream().flatMap(c -> Arrays.stream(param.value()).map(v -> {
                        Map<String, String> more = new LinkedHashMap<>(c);
                        more.put(field.getName(), v);
                        return more;
                    })).toList();
                }
            }
            combinations.forEach(c -> variants.add(new Variant(type, c)));
        }
        return variants.stream();
    }

    private static List<Method> methods(TileBenchmark benchmark) {
        return Arrays.stream(benchmark.getClass().getMethods()).filter(m -> m.isAnnotationPresent(Benchmark.class)).toList();
    }

    @ParameterizedTest
    @MethodSource("variants")
    void everyCallIsRight(Variant variant) throws IOException, ReflectiveOperationException {
        TileBenchmark benchmark = variant.create().on(workload);
        benchmark.setup();
        try {
            assertFalse(methods(benchmark).isEmpty());
            for (int call = 0; call < CALLS; call++) {
                workload.target().fill((byte) 0xff);
                for (Method method : methods(benchmark)) {
                    Amount amount = new Amount();
                    method.invoke(benchmark, amount);
                    assertTrue(amount.bytes > 0, method.getName() + " counts nothing");
                    assertTrue(amount.bytes <= workload.bytes(), method.getName() + " counts more than there is");
                }
                benchmark.verify();
            }
        } finally {
            benchmark.tearDown();
        }
    }

    @Test
    void jmhKnowsThemAll() throws IOException {
        assertEquals(12, benchmarkClasses().size(), benchmarkClasses().toString());
    }

    @Test
    void jmhRunsOne() throws RunnerException {
        RunResult result = new Runner(new OptionsBuilder().include("CopyBenchmark.tile").forks(0).warmupIterations(0).measurementIterations(1)
                .measurementTime(TimeValue.milliseconds(20)).verbosity(VerboseMode.SILENT).build()).runSingle();
        double tiles = result.getPrimaryResult().getScore();
        double bytes = result.getSecondaryResults().get("bytes").getScore();
        assertTrue(tiles > 0);
        assertEquals(2.0 * Workload.TILE_TOKENS * 192, bytes / tiles, 1);
    }
}
