package dev.kvcapsule.codecs.coefficients;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.CoefficientKernel;
import dev.kvcapsule.engine.kernel.CoefficientScratch;
import java.lang.foreign.MemorySegment;

/** A {@link CoefficientKernel} with scratch of its own. For one thread. */
public final class CoefficientCoder {
    /** Largest magnitude of a coefficient. */
    public static final int MAX_MAGNITUDE = CoefficientKernel.MAX_MAGNITUDE;

    private final CoefficientKernel kernel;
    private final CoefficientScratch scratch = new CoefficientScratch();

    /** A coder. */
    public CoefficientCoder(CoefficientKernel kernel) {
        this.kernel = kernel;
    }

    /** An upper bound of what {@link #encode} writes. */
    public static long maxBytes(int rows, int components) {
        return CoefficientKernel.maxEncodedBytes(rows, components);
    }

    /**
     * As {@link CoefficientKernel#encode}.
     *
     * @param coefficients int32 {@code [rows][stride]}
     * @param statistics what was coded in which context is added here; may be null
     * @return bytes written
     */
    public long encode(MemorySegment coefficients, int rows, int components, int stride, float[] priors, float[] scales, CoefficientTables tables, MemorySegment out,
            CoefficientStatistics statistics) {
        return kernel.encode(coefficients, rows, components, stride, priors, scales, tables.symbols(), out, statistics == null ? null : statistics.counted(), scratch);
    }

    /** The same of a matrix on the heap, for kernels of the processor. */
    public long encode(int[] coefficients, int rows, int components, int stride, float[] priors, float[] scales, CoefficientTables tables, MemorySegment out,
            CoefficientStatistics statistics) {
        return encode(MemorySegment.ofArray(coefficients), rows, components, stride, priors, scales, tables, out, statistics);
    }

    /**
     * As {@link CoefficientKernel#decode}.
     *
     * @param coefficients receives int32 {@code [rows][stride]}; those past {@code components} in a row are left alone
     * @throws MalformedDataException if {@code in} is not a coding of such a matrix; {@code coefficients} then hold anything
     */
    public void decode(MemorySegment in, MemorySegment coefficients, int rows, int components, int stride, float[] priors, float[] scales, CoefficientTables tables)
            throws MalformedDataException {
        kernel.decode(in, coefficients, rows, components, stride, priors, scales, tables.symbols(), scratch);
    }

    /** The same to a matrix on the heap, for kernels of the processor. */
    public void decode(MemorySegment in, int[] coefficients, int rows, int components, int stride, float[] priors, float[] scales, CoefficientTables tables)
            throws MalformedDataException {
        decode(in, MemorySegment.ofArray(coefficients), rows, components, stride, priors, scales, tables);
    }
}
