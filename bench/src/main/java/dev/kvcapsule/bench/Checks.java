package dev.kvcapsule.bench;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** What a benchmark does with its results before anybody may believe its speed. */
final class Checks {
    private Checks() {}

    /** @throws IllegalStateException unless both hold the same bytes */
    static void same(String what, MemorySegment expected, MemorySegment actual) {
        long at = expected.mismatch(actual);
        if (at >= 0) {
            throw new IllegalStateException(what + " is wrong from byte " + at + " on");
        }
    }

    /** @throws IllegalStateException unless {@code actual}, 16-bit floats, is within {@code most} of {@code expected}, relatively */
    static void near(String what, MemorySegment expected, MemorySegment actual, double most) {
        double error = relativeError(expected, actual);
        if (!(error <= most)) {
            throw new IllegalStateException(what + " has a relative error of " + error + ", more than " + most);
        }
    }

    /** Root of the summed squared differences over the summed squares; NaN if a value is. */
    static double relativeError(MemorySegment expected, MemorySegment actual) {
        if (expected.byteSize() != actual.byteSize()) {
            throw new IllegalStateException(actual.byteSize() + " bytes instead of " + expected.byteSize());
        }
        double squares = 0;
        double differences = 0;
        for (long at = 0; at < expected.byteSize(); at += Short.BYTES) {
            double value = Float.float16ToFloat(expected.get(ValueLayout.JAVA_SHORT_UNALIGNED, at));
            double difference = Float.float16ToFloat(actual.get(ValueLayout.JAVA_SHORT_UNALIGNED, at)) - value;
            squares += value * value;
            differences += difference * difference;
        }
        return Math.sqrt(differences / squares);
    }

    /** The relative error that a code of so many bits may have on real caches; it has about two thirds of it. */
    static double mostError(int bits) {
        return switch (bits) {
            case 8 -> 0.01;
            case 4 -> 0.13;
            case 3 -> 0.27;
            case 2 -> 0.6;
            default -> throw new IllegalArgumentException(bits + " bits");
        };
    }
}
