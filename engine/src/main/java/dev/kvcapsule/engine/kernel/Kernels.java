package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.memory.MemoryPlace;
import java.util.Locale;

/**
 * One implementation of every kernel.
 *
 * @param name "scalar", "panama", or that of a device, such as "cuda"
 * @param convert floats to and from 16 bits
 * @param quant group quantization
 * @param hadamard rotated quantization
 * @param rope rotary position embedding
 * @param bytePlane byte planes
 * @param rans entropy coding
 * @param transform projection on a basis
 * @param gemm products of dense matrices
 * @param coefficients contexts and entropy coding of transform coefficients
 * @param vectors arithmetic on token vectors and their coefficients, element by element
 * @param device what a device does beyond that; null on the processor
 */
public record Kernels(String name, ConvertKernel convert, QuantKernel quant, HadamardKernel hadamard, RopeKernel rope, BytePlaneKernel bytePlane, RansKernel rans,
        TransformKernel transform, GemmKernel gemm, CoefficientKernel coefficients, VectorKernel vectors, DeviceKernel device) {

    /** Kernels of the processor. */
    public Kernels(String name, ConvertKernel convert, QuantKernel quant, HadamardKernel hadamard, RopeKernel rope, BytePlaneKernel bytePlane, RansKernel rans,
            TransformKernel transform, GemmKernel gemm, CoefficientKernel coefficients, VectorKernel vectors) {
        this(name, convert, quant, hadamard, rope, bytePlane, rans, transform, gemm, coefficients, vectors, null);
    }

    /** System property that forces a choice: {@code scalar} or {@code panama}; a choice that cannot be had fails. */
    public static final String PROPERTY = "kvcapsule.kernels";

    /** The readable specification. Runs everywhere and is fast from the first call on where C2 vectorizes plain loops. */
    public static Kernels scalar() {
        return Scalar.KERNELS;
    }

    /**
     * The Vector API; fast once compiled, slow before.
     *
     * @throws IllegalStateException if it cannot be had, with the reason
     */
    public static Kernels panama() {
        String reason = whyNotPanama();
        if (reason != null) {
            throw new IllegalStateException("Panama kernels cannot be used: " + reason);
        }
        try {
            return Panama.KERNELS;
        } catch (ExceptionInInitializerError e) {
            // A forced vector width that cannot be had: VectorWidth says why.
            throw new IllegalStateException("Panama kernels cannot be used: " + e.getCause().getMessage(), e.getCause());
        }
    }

    /** What long-running programs should use: Panama where it can be had, or what {@value #PROPERTY} forces. */
    public static Kernels best() {
        String forced = System.getProperty(PROPERTY, "").toLowerCase(Locale.ROOT);
        return switch (forced) {
            case "scalar" -> scalar();
            case "panama" -> panama();
            case "" -> whyNotPanama() == null ? panama() : scalar();
            default -> throw new IllegalStateException(PROPERTY + "=" + forced + " is neither scalar nor panama");
        };
    }

    /** These kernels with the matrix products of others. */
    public Kernels withMatricesOf(Kernels others) {
        return new Kernels(name + "+" + others.name, convert, quant, hadamard, rope, bytePlane, rans, others.transform, others.gemm, coefficients, vectors, device);
    }

    /** Where intermediate results are best kept. */
    public MemoryPlace memory() {
        return device == null ? MemoryPlace.HOST : device.memory();
    }

    /** Kernels for small pieces of the host's memory, which no device is worth asking for. */
    public Kernels onHost() {
        return device == null ? this : device.host();
    }

    /** Whether {@value #PROPERTY} forces a choice. */
    public static boolean isForced() {
        return System.getProperty(PROPERTY) != null;
    }

    /** Why {@link #panama} would fail; null if it would not. */
    public static String whyNotPanama() {
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
            return "the module jdk.incubator.vector is not there; run java with --add-modules jdk.incubator.vector";
        }
        return null;
    }

    /** Vector width in bits that Panama kernels use; 0 if they cannot be had. */
    public static int vectorBits() {
        return whyNotPanama() == null ? VectorWidth.BITS : 0;
    }

    private static final class Scalar {
        static final Kernels KERNELS = new Kernels("scalar", new ScalarConvert(), new ScalarQuant(), new ScalarHadamard(), new ScalarRope(), new ScalarBytePlane(),
                new ScalarRans(), new ScalarTransform(), new ScalarGemm(), new HostCoefficients(new ScalarCoefficientBlocks()), new ScalarVectors());
    }

    private static final class Panama {
        static final Kernels KERNELS = new Kernels("panama", new PanamaConvert(), new PanamaQuant(), new PanamaHadamard(), new PanamaRope(), new PanamaBytePlane(),
                new PanamaRans(), new PanamaTransform(), new PanamaGemm(), new HostCoefficients(new PanamaCoefficientBlocks()), new ScalarVectors());
    }
}
