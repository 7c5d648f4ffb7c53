package dev.kvcapsule.engine.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector shapes of this process, fixed at class initialisation: the machine's preferred width, or the one forced by the system
 * property {@value #PROPERTY} (128, 256 or 512).
 */
final class VectorWidth {
    static final String PROPERTY = "kvcapsule.vector.bits";
    static final String SHUFFLE_PROPERTY = "kvcapsule.vector.byteshuffles";
    static final int BITS = bits();

    static final VectorSpecies<Short> SHORT = species(short.class, BITS);
    static final VectorSpecies<Integer> INT = species(int.class, BITS);
    static final VectorSpecies<Float> FLOAT = species(float.class, BITS);
    static final VectorSpecies<Double> DOUBLE = species(double.class, BITS);
    /** As many floats as {@link #DOUBLE} has lanes. */
    static final VectorSpecies<Float> FLOAT_FOR_DOUBLE = species(float.class, BITS / 2);
    /** As many ints as {@link #DOUBLE} has lanes. */
    static final VectorSpecies<Integer> INT_FOR_DOUBLE = species(int.class, BITS / 2);
    /** As many bytes as {@link #SHORT} has lanes. */
    static final VectorSpecies<Byte> BYTE_FOR_SHORT = species(byte.class, BITS / 2);
    /** As many shorts as {@link #INT} has lanes. */
    static final VectorSpecies<Short> SHORT_FOR_INT = species(short.class, BITS / 2);
    /** As many bytes as {@link #INT} has lanes, but at 128 bits twice as many: there are no vectors of 32 bits. */
    static final VectorSpecies<Byte> BYTE_FOR_INT = species(byte.class, Math.max(64, BITS / 4));
    /** At most 16 shorts: a sub-block of codes that lies in one group, whatever the width. */
    static final VectorSpecies<Short> CODE_SHORT = species(short.class, Math.min(256, BITS));
    /** As many bytes as {@link #CODE_SHORT} has lanes. */
    static final VectorSpecies<Byte> CODE_BYTE = species(byte.class, Math.min(128, BITS / 2));
    /** Float vectors that hold one {@link #CODE_SHORT}: 1 at 512 bits, else 2. */
    static final int CODE_PARTS = CODE_SHORT.length() / FLOAT.length();

    /**
     * Whether 512-bit vectors look 64 bytes up in 128 by one instruction (AVX-512 VBMI). Java runs the operation on every machine, but a
     * hundred times slower where the instruction is missing, and has no query for it. The system property {@value #SHUFFLE_PROPERTY}
     * overrides what Linux tells.
     */
    static final boolean BYTE_SHUFFLES = BITS == 512 && byteShuffles(System.getProperty(SHUFFLE_PROPERTY));

    private VectorWidth() {}

    private static int bits() {
        int preferred = ByteVector.SPECIES_PREFERRED.vectorBitSize();
        String forced = System.getProperty(PROPERTY);
        if (forced == null) {
            return Math.min(512, preferred);
        }
        if (!forced.equals("128") && !forced.equals("256") && !forced.equals("512")) {
            throw new IllegalStateException(PROPERTY + "=" + forced + " is not 128, 256 or 512");
        }
        int bits = Integer.parseInt(forced);
        if (bits > preferred) {
            throw new IllegalStateException(PROPERTY + "=" + forced + ", but the widest vector here has " + preferred + " bits");
        }
        return bits;
    }

    private static boolean byteShuffles(String forced) {
        if (forced != null) {
            return Boolean.parseBoolean(forced);
        }
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("flags")).limit(1).anyMatch(line -> (line + " ").contains(" avx512vbmi "));
        } catch (IOException | UncheckedIOException e) {
            // Not Linux: the gather needs no special instruction.
            return false;
        }
    }

    private static <E> VectorSpecies<E> species(Class<E> type, int bits) {
        return VectorSpecies.of(type, VectorShape.forBitSize(bits));
    }
}
