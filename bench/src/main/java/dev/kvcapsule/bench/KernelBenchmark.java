package dev.kvcapsule.bench;

import dev.kvcapsule.engine.kernel.Devices;
import dev.kvcapsule.engine.kernel.Kernels;
import org.openjdk.jmh.annotations.Param;

/** A benchmark of one group of kernels, in the form that a parameter names. */
public abstract class KernelBenchmark extends TileBenchmark {
    /** Which kernels run. */
    @Param({"panama", "scalar"})
    public String kernels = "panama";

    private Kernels engine;

    /** For subclasses. */
    protected KernelBenchmark() {}

    /** Sets kernels that have no name; to be called before {@link #setup}. */
    final KernelBenchmark with(Kernels other) {
        engine = other;
        return this;
    }

    final Kernels engine() {
        if (engine == null) {
            engine = byName(kernels);
        }
        return engine;
    }

    /** @throws IllegalArgumentException if there are none of that name; IllegalStateException if its device cannot be had */
    static Kernels byName(String name) {
        return switch (name) {
            case "panama" -> Kernels.panama();
            case "scalar" -> Kernels.scalar();
            case "cuda" -> Devices.named(name, Kernels.best());
            default -> throw new IllegalArgumentException("kernels '" + name + "' are none of panama, scalar, cuda");
        };
    }
}
