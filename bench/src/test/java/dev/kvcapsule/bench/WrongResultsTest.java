package dev.kvcapsule.bench;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.kernel.BytePlaneKernel;
import dev.kvcapsule.engine.kernel.ConvertKernel;
import dev.kvcapsule.engine.kernel.HadamardKernel;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.QuantKernel;
import dev.kvcapsule.engine.kernel.RansKernel;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.TransformKernel;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A benchmark of kernels that do not do their work fails before it has measured anything. */
class WrongResultsTest {
    private static Workload workload;

    @BeforeAll
    static void open() throws IOException {
        workload = Workload.load(2, 2);
    }

    @AfterAll
    static void close() {
        workload.close();
    }

    /** A kernel whose method of that name does nothing at all. */
    private static <T> T lazy(Class<T> type, T good, String method) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, called, args) -> {
            if (called.getName().equals(method)) {
                return called.getReturnType() == long.class ? (Object) 0L : null;
            }
            try {
                return called.invoke(good, args);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }));
    }

    private static Kernels broken(String kernel, String method) {
        Kernels good = Kernels.scalar();
        return new Kernels("broken",
                kernel.equals("convert") ? lazy(ConvertKernel.class, good.convert(), method) : good.convert(),
                kernel.equals("quant") ? lazy(QuantKernel.class, good.quant(), method) : good.quant(),
                kernel.equals("hadamard") ? lazy(HadamardKernel.class, good.hadamard(), method) : good.hadamard(),
                kernel.equals("rope") ? lazy(RopeKernel.class, good.rope(), method) : good.rope(),
                kernel.equals("bytePlane") ? lazy(BytePlaneKernel.class, good.bytePlane(), method) : good.bytePlane(),
                kernel.equals("rans") ? lazy(RansKernel.class, good.rans(), method) : good.rans(),
                kernel.equals("transform") ? lazy(TransformKernel.class, good.transform(), method) : good.transform(),
                good.gemm(), good.coefficients(), good.vectors());
    }

    record Fault(KernelBenchmark benchmark, String kernel, String method) {
        @Override
        public String toString() {
            return kernel + "." + method;
        }
    }

    static Stream<Fault> faults() {
        return Stream.of(
                new Fault(new QuantBenchmark(), "quant", "quantize"), new Fault(new QuantBenchmark(), "quant", "dequantize"),
                new Fault(new HadamardBenchmark(), "hadamard", "encode"), new Fault(new HadamardBenchmark(), "hadamard", "decode"),
                new Fault(new ConvertBenchmark(), "convert", "toF32"), new Fault(new ConvertBenchmark(), "convert", "fromF32"),
                new Fault(new RopeBenchmark(), "rope", "rotate"),
                new Fault(new BytePlaneBenchmark(), "bytePlane", "split"), new Fault(new BytePlaneBenchmark(), "bytePlane", "join"),
                new Fault(new RansBenchmark(), "rans", "decode"),
                new Fault(new TransformBenchmark(), "transform", "analyze"), new Fault(new TransformBenchmark(), "transform", "synthesize"));
    }

    @ParameterizedTest
    @MethodSource("faults")
    void isFound(Fault fault) {
        TileBenchmark benchmark = fault.benchmark().with(broken(fault.kernel(), fault.method())).on(workload);
        try {
            IllegalStateException e = assertThrows(IllegalStateException.class, benchmark::setup);
            assertTrue(List.of("is wrong", "relative error", "instead of").stream().anyMatch(e.getMessage()::contains), e.getMessage());
        } finally {
            benchmark.tearDown();
        }
    }
}
