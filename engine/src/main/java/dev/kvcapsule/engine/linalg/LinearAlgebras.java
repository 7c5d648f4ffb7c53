package dev.kvcapsule.engine.linalg;

import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;

/** Who computes. */
public final class LinearAlgebras {
    /** System property that forces a provider by its name, such as {@code java} or {@code openblas}; a choice that cannot be had fails. */
    public static final String PROPERTY = "kvcapsule.linalg";

    private LinearAlgebras() {}

    /**
     * What {@value #PROPERTY} forces, else the first native library that can be had, or that the user has named, else plain Java.
     *
     * @param threads threads it may use, {@code >= 1}
     * @throws IllegalStateException if the forced one is unknown or cannot be had
     */
    public static LinearAlgebra best(int threads) {
        String forced = System.getProperty(PROPERTY, "");
        if (!forced.isEmpty()) {
            return named(forced, threads);
        }
        for (LinearAlgebraProvider provider : natives()) {
            if (provider.isForced() || provider.whyNot() == null) {
                return provider.open(threads);
            }
        }
        return new JavaLinearAlgebra(threads);
    }

    /**
     * One by its name.
     *
     * @throws IllegalStateException if there is none of that name, or it cannot be had
     */
    public static LinearAlgebra named(String name, int threads) {
        if (name.equals(JavaLinearAlgebra.NAME)) {
            return new JavaLinearAlgebra(threads);
        }
        List<String> names = new ArrayList<>(List.of(JavaLinearAlgebra.NAME));
        for (LinearAlgebraProvider provider : natives()) {
            if (provider.name().equals(name)) {
                return provider.open(threads);
            }
            names.add(provider.name());
        }
        throw new IllegalStateException("there is no linear algebra '" + name + "'; there is " + String.join(", ", names));
    }

    /** Why native libraries are not used; null if one is there, whether or not it is forced away. */
    public static String whyNotNative() {
        List<String> reasons = new ArrayList<>();
        for (LinearAlgebraProvider provider : natives()) {
            String why = provider.whyNot();
            if (why == null) {
                return null;
            }
            reasons.add(provider.name() + ": " + why);
        }
        return reasons.isEmpty() ? "no provider is on the class path" : String.join("; ", reasons);
    }

    private static Iterable<LinearAlgebraProvider> natives() {
        return ServiceLoader.load(LinearAlgebraProvider.class, LinearAlgebras.class.getClassLoader());
    }
}
