package dev.kvcapsule.blas;

import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebraProvider;

/** OpenBLAS: the library that comes with the program for Linux on x86-64, or the one that the system property {@code kvcapsule.openblas.library} names. */
public final class OpenBlasProvider implements LinearAlgebraProvider {
    /** What forces it. */
    public static final String NAME = "openblas";

    /** Tried once a process. */
    private static final class Loaded {
        static final OpenBlasFunctions FUNCTIONS;
        static final String WHY_NOT;

        static {
            OpenBlasFunctions functions = null;
            String why = null;
            try {
                functions = new OpenBlasFunctions(OpenBlasLibrary.load());
            } catch (IllegalStateException | IllegalCallerException e) {
                why = e.getMessage();
            }
            FUNCTIONS = functions;
            WHY_NOT = why;
        }
    }

    /** For ServiceLoader. */
    public OpenBlasProvider() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public boolean isForced() {
        return OpenBlasLibrary.forced() != null;
    }

    @Override
    public String whyNot() {
        return Loaded.WHY_NOT;
    }

    @Override
    public LinearAlgebra open(int threads) {
        if (whyNot() != null) {
            throw new IllegalStateException("OpenBLAS cannot be used: " + whyNot());
        }
        return new OpenBlasLinearAlgebra(Loaded.FUNCTIONS, threads);
    }
}
