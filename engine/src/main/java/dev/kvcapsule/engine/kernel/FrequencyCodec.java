package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;

/**
 * The stored form of frequency tables: a bit string, first bit in a byte's lowest place.
 *
 * <p>6 bits: number of tables less one. For each table 4 bits k (0..11), then from symbol 0 on each
 * frequency in an exponential Golomb code of order k; after a frequency of 0, the number of further
 * zeros that follow it in a code of order {@value #ZERO_RUN_ORDER}. A table ends where its sum
 * reaches 4096. Zero bits fill the last byte.
 *
 * <p>Exponential Golomb code of order k of v: with w = v + 2^k and z = floor(log2 w) - k, z zero
 * bits, a one bit, then the lowest k + z bits of w, lowest first.
 */
final class FrequencyCodec {
    private static final int ZERO_RUN_ORDER = 2;
    private static final int MAX_ORDER = 11;

    private final byte[] bytes;
    private long bit;

    private FrequencyCodec(byte[] bytes) {
        this.bytes = bytes;
    }

    /**
     * @param tables 1 to 64 tables of 256 frequencies, each table of sum 4096
     * @return their stored form
     */
    static byte[] write(int[][] tables) {
        long bits = 6;
        int[] orders = new int[tables.length];
        for (int t = 0; t < tables.length; t++) {
            long best = Long.MAX_VALUE;
            for (int k = 0; k <= MAX_ORDER; k++) {
                long cost = tableBits(tables[t], k);
                if (cost < best) {
                    best = cost;
                    orders[t] = k;
                }
            }
            bits += best;
        }
        FrequencyCodec out = new FrequencyCodec(new byte[Math.toIntExact((bits + 7) / 8)]);
        out.putBits(tables.length - 1, 6);
        for (int t = 0; t < tables.length; t++) {
            out.putTable(tables[t], orders[t]);
        }
        return out.bytes;
    }

    /** A parsed table set and the number of bytes it took. */
    record Parsed(int[][] tables, int length) {}

    /**
     * @param bytes the stored form and whatever follows it
     * @return the tables, each valid: 256 frequencies of 0..4095, sum 4096
     * @throws MalformedDataException if the bytes end early or are no tables
     */
    static Parsed read(byte[] bytes) throws MalformedDataException {
        FrequencyCodec in = new FrequencyCodec(bytes);
        int[][] tables = new int[in.getBits(6) + 1][];
        for (int t = 0; t < tables.length; t++) {
            tables[t] = in.getTable();
        }
        int padding = (int) (-in.bit & 7);
        if (in.getBits(padding) != 0) {
            throw new MalformedDataException("frequency tables end in bits that are not zero");
        }
        return new Parsed(tables, Math.toIntExact(in.bit / 8));
    }

    private static long tableBits(int[] freq, int k) {
        long bits = 4;
        int sum = 0;
        for (int s = 0; sum < RansTables.SLOTS; s++) {
            bits += golombBits(freq[s], k);
            sum += freq[s];
            if (freq[s] == 0) {
                int run = zerosAfter(freq, s);
                bits += golombBits(run, ZERO_RUN_ORDER);
                s += run;
            }
        }
        return bits;
    }

    private void putTable(int[] freq, int k) {
        putBits(k, 4);
        int sum = 0;
        for (int s = 0; sum < RansTables.SLOTS; s++) {
            putGolomb(freq[s], k);
            sum += freq[s];
            if (freq[s] == 0) {
                int run = zerosAfter(freq, s);
                putGolomb(run, ZERO_RUN_ORDER);
                s += run;
            }
        }
    }

    private int[] getTable() throws MalformedDataException {
        int k = getBits(4);
        if (k > MAX_ORDER) {
            throw new MalformedDataException("frequency table of Golomb order " + k);
        }
        int[] freq = new int[RansTables.SYMBOLS];
        int sum = 0;
        for (int s = 0; sum < RansTables.SLOTS; s++) {
            if (s >= freq.length) {
                throw new MalformedDataException("frequencies of 256 symbols add up to " + sum);
            }
            int f = getGolomb(k);
            sum += f;
            if (f >= RansTables.SLOTS || sum > RansTables.SLOTS) {
                throw new MalformedDataException("frequency " + f + ", sum " + sum + " of at most 4096");
            }
            freq[s] = f;
            if (f == 0) {
                s += getGolomb(ZERO_RUN_ORDER);
            }
        }
        return freq;
    }

    private static int zerosAfter(int[] freq, int s) {
        int end = s + 1;
        while (freq[end] == 0) {
            end++;
        }
        return end - s - 1;
    }

    private static int golombBits(int v, int k) {
        int w = v + (1 << k);
        int z = 31 - Integer.numberOfLeadingZeros(w) - k;
        return 2 * z + 1 + k;
    }

    private void putGolomb(int v, int k) {
        int w = v + (1 << k);
        int z = 31 - Integer.numberOfLeadingZeros(w) - k;
        putBits(1 << z, z + 1);
        putBits(w & ((1 << (k + z)) - 1), k + z);
    }

    private int getGolomb(int k) throws MalformedDataException {
        int z = 0;
        while (getBits(1) == 0) {
            // 2^13 is beyond every frequency and run; stopping here keeps w in range.
            if (++z + k > 13) {
                throw new MalformedDataException("frequency out of range");
            }
        }
        return (1 << (k + z)) + getBits(k + z) - (1 << k);
    }

    private void putBits(int value, int count) {
        for (int i = 0; i < count; i++, bit++) {
            bytes[(int) (bit >> 3)] |= (byte) ((value >>> i & 1) << (bit & 7));
        }
    }

    private int getBits(int count) throws MalformedDataException {
        if (bit + count > 8L * bytes.length) {
            throw new MalformedDataException("frequency tables end early");
        }
        int value = 0;
        for (int i = 0; i < count; i++, bit++) {
            value |= (bytes[(int) (bit >> 3)] >>> (bit & 7) & 1) << i;
        }
        return value;
    }
}
