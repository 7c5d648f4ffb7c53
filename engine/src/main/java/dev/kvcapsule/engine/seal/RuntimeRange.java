package dev.kvcapsule.engine.seal;

/**
 * The program that a cache is for. Versions are numbers with dots between them, compared number by number.
 *
 * @param name its name
 * @param min the first version
 * @param max the last version
 */
public record RuntimeRange(String name, String min, String max) {
    /** @throws IllegalArgumentException if a version is none, or the last is before the first */
    public RuntimeRange {
        if (name.isBlank() || compare(min, max) > 0) {
            throw new IllegalArgumentException("a runtime is NAME:VERSION or NAME:FIRST..LAST");
        }
    }

    /** @throws IllegalArgumentException if it is not {@code NAME:VERSION} or {@code NAME:FIRST..LAST} */
    public static RuntimeRange parse(String text) {
        int colon = text.indexOf(':');
        if (colon < 1) {
            throw new IllegalArgumentException("a runtime is NAME:VERSION or NAME:FIRST..LAST");
        }
        String versions = text.substring(colon + 1);
        int dots = versions.indexOf("..");
        String name = text.substring(0, colon);
        return dots < 0 ? new RuntimeRange(name, versions, versions) : new RuntimeRange(name, versions.substring(0, dots), versions.substring(dots + 2));
    }

    /** Whether that program, in all versions of its range, is one that this is for. */
    public boolean contains(RuntimeRange other) {
        return name.equals(other.name) && compare(min, other.min) <= 0 && compare(other.max, max) <= 0;
    }

    private static int compare(String a, String b) {
        String[] left = numbers(a);
        String[] right = numbers(b);
        for (int i = 0; i < Math.max(left.length, right.length); i++) {
            long l = i < left.length ? Long.parseLong(left[i]) : 0;
            long r = i < right.length ? Long.parseLong(right[i]) : 0;
            if (l != r) {
                return Long.compare(l, r);
            }
        }
        return 0;
    }

    private static String[] numbers(String version) {
        if (!version.matches("[0-9]{1,9}(\\.[0-9]{1,9}){0,7}")) {
            throw new IllegalArgumentException("a version is numbers with dots between them, such as 1.20.3");
        }
        return version.split("\\.");
    }

    @Override
    public String toString() {
        return name + ":" + (min.equals(max) ? min : min + ".." + max);
    }
}
