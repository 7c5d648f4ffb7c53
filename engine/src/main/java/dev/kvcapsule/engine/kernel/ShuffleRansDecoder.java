package dev.kvcapsule.engine.kernel;

import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.BITWISE_BLEND;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/**
 * Decodes whole rows of one context on 512-bit vectors by the byte tables of {@link AliasTable}: a
 * gather of 16 entries costs more than looking 64 bytes up in 256 by two {@code vpermi2b}.
 *
 * <p>Everything is in one method on purpose: C2 inlines the Vector API without limit, but near its
 * node limit no longer a helper of ours, and a vector that leaves a method is boxed.
 */
final class ShuffleRansDecoder {
    private static final VectorSpecies<Byte> BYTES = ByteVector.SPECIES_512;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_512;
    private static final VectorSpecies<Short> WORDS = ShortVector.SPECIES_256;

    /** Symbols of a block; a multiple of 64. */
    private static final int BLOCK = 1 << 13;

    private ShuffleRansDecoder() {}

    /**
     * @param words end of the words in {@code in}
     * @param n number of symbols, a multiple of 64
     * @param tables {@link RansTables#byteTables}
     * @param states of the 64 lanes, updated
     * @return byte offset of the next word
     */
    static long decode(MemorySegment in, long words, MemorySegment symbols, long n, byte[] tables, int[] states)
            throws MalformedDataException {
        long position = 0;
        // In blocks, so that C2 soon compiles the method from its entry: vectors that live across an on-stack
        // replacement stay boxed.
        for (long i = 0; i < n; i += BLOCK) {
            position = block(in, words, position, symbols, i, Math.min(n, i + BLOCK), tables, states);
        }
        if (position > words) {
            throw RansChecks.early();
        }
        return position;
    }

    /** Decodes symbols {@code from} to {@code to} by the words from {@code start} on; returns the end of those. */
    private static long block(
            MemorySegment in,
            long words,
            long start,
            MemorySegment symbols,
            long from,
            long to,
            byte[] tables,
            int[] states)
            throws MalformedDataException {
        ByteVector split0 = ByteVector.fromArray(BYTES, tables, 0);
        ByteVector split1 = ByteVector.fromArray(BYTES, tables, 64);
        ByteVector split2 = ByteVector.fromArray(BYTES, tables, 128);
        ByteVector split3 = ByteVector.fromArray(BYTES, tables, 192);
        ByteVector alias0 = ByteVector.fromArray(BYTES, tables, 256);
        ByteVector alias1 = ByteVector.fromArray(BYTES, tables, 320);
        ByteVector alias2 = ByteVector.fromArray(BYTES, tables, 384);
        ByteVector alias3 = ByteVector.fromArray(BYTES, tables, 448);
        ByteVector shiftLow0 = ByteVector.fromArray(BYTES, tables, 512);
        ByteVector shiftLow1 = ByteVector.fromArray(BYTES, tables, 576);
        ByteVector shiftLow2 = ByteVector.fromArray(BYTES, tables, 640);
        ByteVector shiftLow3 = ByteVector.fromArray(BYTES, tables, 704);
        ByteVector shiftHigh0 = ByteVector.fromArray(BYTES, tables, 768);
        ByteVector shiftHigh1 = ByteVector.fromArray(BYTES, tables, 832);
        ByteVector shiftHigh2 = ByteVector.fromArray(BYTES, tables, 896);
        ByteVector shiftHigh3 = ByteVector.fromArray(BYTES, tables, 960);
        ByteVector freqLow0 = ByteVector.fromArray(BYTES, tables, 1024);
        ByteVector freqLow1 = ByteVector.fromArray(BYTES, tables, 1088);
        ByteVector freqLow2 = ByteVector.fromArray(BYTES, tables, 1152);
        ByteVector freqLow3 = ByteVector.fromArray(BYTES, tables, 1216);
        ByteVector freqHigh0 = ByteVector.fromArray(BYTES, tables, 1280);
        ByteVector freqHigh1 = ByteVector.fromArray(BYTES, tables, 1344);
        ByteVector freqHigh2 = ByteVector.fromArray(BYTES, tables, 1408);
        ByteVector freqHigh3 = ByteVector.fromArray(BYTES, tables, 1472);
        long position = start;
        for (long i = from; i < to; i += 64) {
            // A row reads at most 128 bytes; the states behind the words keep that inside the stream.
            if (position > words) {
                throw RansChecks.early();
            }
            // States stay in memory: with two sets in turn, the set is a matter of the address.
            int set = (int) i & (states.length - 1);
            IntVector x0 = IntVector.fromArray(INTS, states, set);
            IntVector x1 = IntVector.fromArray(INTS, states, set + 16);
            IntVector x2 = IntVector.fromArray(INTS, states, set + 32);
            IntVector x3 = IntVector.fromArray(INTS, states, set + 48);
            // Bytes 0 and 1 of the states, in the order of the symbols.
            IntVector even = x0.lanewise(BITWISE_BLEND, x2.lanewise(LSHL, 16), 0xFFFF0000);
            IntVector odd = x1.lanewise(BITWISE_BLEND, x3.lanewise(LSHL, 16), 0xFFFF0000);
            ByteVector bucket = even.lanewise(BITWISE_BLEND, odd.lanewise(LSHL, 8), 0xFF00FF00).reinterpretAsBytes();
            IntVector places = even.lanewise(LSHR, 8).lanewise(BITWISE_BLEND, odd, 0xFF00FF00).and(0x0F0F0F0F);

            VectorMask<Byte> upper = bucket.lt((byte) 0);
            ByteVector split = bucket.selectFrom(split0, split1).blend(bucket.selectFrom(split2, split3), upper);
            VectorMask<Byte> other = places.reinterpretAsBytes().compare(GE, split);
            ByteVector symbol = bucket.blend(
                    bucket.selectFrom(alias0, alias1).blend(bucket.selectFrom(alias2, alias3), upper), other);
            symbol.intoMemorySegment(symbols, i, LITTLE_ENDIAN);
            IntVector shiftLow = ByteVector.zero(BYTES)
                    .blend(
                            bucket.selectFrom(shiftLow0, shiftLow1)
                                    .blend(bucket.selectFrom(shiftLow2, shiftLow3), upper),
                            other)
                    .reinterpretAsInts();
            IntVector shiftHigh = ByteVector.zero(BYTES)
                    .blend(
                            bucket.selectFrom(shiftHigh0, shiftHigh1)
                                    .blend(bucket.selectFrom(shiftHigh2, shiftHigh3), upper),
                            other)
                    .reinterpretAsInts();
            IntVector rankEven = shiftLow.lanewise(BITWISE_BLEND, shiftHigh.lanewise(LSHL, 8), 0xFF00FF00)
                    .reinterpretAsShorts()
                    .add(places.and(0xFF00FF).reinterpretAsShorts())
                    .reinterpretAsInts();
            IntVector rankOdd = shiftLow.lanewise(LSHR, 8).lanewise(BITWISE_BLEND, shiftHigh, 0xFF00FF00)
                    .reinterpretAsShorts()
                    .add(places.lanewise(LSHR, 8).and(0xFF00FF).reinterpretAsShorts())
                    .reinterpretAsInts();
            VectorMask<Byte> upperSymbol = symbol.lt((byte) 0);
            IntVector freqLow = symbol.selectFrom(freqLow0, freqLow1)
                    .blend(symbol.selectFrom(freqLow2, freqLow3), upperSymbol)
                    .reinterpretAsInts();
            IntVector freqHigh = symbol.selectFrom(freqHigh0, freqHigh1)
                    .blend(symbol.selectFrom(freqHigh2, freqHigh3), upperSymbol)
                    .reinterpretAsInts();
            IntVector freqEven = freqLow.lanewise(BITWISE_BLEND, freqHigh.lanewise(LSHL, 8), 0xFF00FF00);
            IntVector freqOdd = freqLow.lanewise(LSHR, 8).lanewise(BITWISE_BLEND, freqHigh, 0xFF00FF00);

            x0 = x0.lanewise(LSHR, 12).mul(freqEven.and(0xFFFF)).add(rankEven.and(0xFFFF));
            x1 = x1.lanewise(LSHR, 12).mul(freqOdd.and(0xFFFF)).add(rankOdd.and(0xFFFF));
            x2 = x2.lanewise(LSHR, 12).mul(freqEven.lanewise(LSHR, 16)).add(rankEven.lanewise(LSHR, 16));
            x3 = x3.lanewise(LSHR, 12).mul(freqOdd.lanewise(LSHR, 16)).add(rankOdd.lanewise(LSHR, 16));

            VectorMask<Integer> small0 = x0.lt(RansKernel.STATE_MIN);
            VectorMask<Integer> small1 = x1.lt(RansKernel.STATE_MIN);
            VectorMask<Integer> small2 = x2.lt(RansKernel.STATE_MIN);
            VectorMask<Integer> small3 = x3.lt(RansKernel.STATE_MIN);
            x0 = x0.lanewise(LSHL, 16, small0)
                    .or(((IntVector) ShortVector.fromMemorySegment(WORDS, in, position, LITTLE_ENDIAN)
                                    .convertShape(ZERO_EXTEND_S2I, INTS, 0))
                            .expand(small0));
            position += 2L * small0.trueCount();
            x1 = x1.lanewise(LSHL, 16, small1)
                    .or(((IntVector) ShortVector.fromMemorySegment(WORDS, in, position, LITTLE_ENDIAN)
                                    .convertShape(ZERO_EXTEND_S2I, INTS, 0))
                            .expand(small1));
            position += 2L * small1.trueCount();
            x2 = x2.lanewise(LSHL, 16, small2)
                    .or(((IntVector) ShortVector.fromMemorySegment(WORDS, in, position, LITTLE_ENDIAN)
                                    .convertShape(ZERO_EXTEND_S2I, INTS, 0))
                            .expand(small2));
            position += 2L * small2.trueCount();
            x3 = x3.lanewise(LSHL, 16, small3)
                    .or(((IntVector) ShortVector.fromMemorySegment(WORDS, in, position, LITTLE_ENDIAN)
                                    .convertShape(ZERO_EXTEND_S2I, INTS, 0))
                            .expand(small3));
            position += 2L * small3.trueCount();
            x0.intoArray(states, set);
            x1.intoArray(states, set + 16);
            x2.intoArray(states, set + 32);
            x3.intoArray(states, set + 48);
        }
        return position;
    }
}
