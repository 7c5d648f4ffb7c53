package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * One to 64 static models of byte symbols for {@link RansKernel}: per table 256 frequencies of
 * 0..4095 whose sum is 4096. Immutable.
 */
public final class RansTables {
    /** Probabilities are multiples of 1 / SLOTS. */
    public static final int SLOTS = 4096;

    /** Alphabet size. */
    public static final int SYMBOLS = 256;

    /** Most tables in a set. */
    public static final int MAX_TABLES = 64;

    private static final ValueLayout.OfInt ENTRY = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Number of tables in {@link #byteTables}. */
    static final int BYTE_TABLES = 6;

    /** No stored set is longer: 14 bits a symbol at order 11 bound the best order from above. */
    private static final int MAX_STORED_BYTES = 1 + MAX_TABLES * (SYMBOLS * 14 / 8 + 1);

    private final int[][] frequencies;
    private final byte[] stored;
    private final AliasTable[] places;

    // Each is made on first use: a decoder needs one of the two decoding forms, and neither needs what an encoder does.
    private volatile int[] decode;
    private volatile byte[][] bytes;
    private volatile int[] encode;
    private volatile int[] slots;

    private RansTables(int[][] frequencies, byte[] stored) {
        this.frequencies = frequencies;
        this.stored = stored;
        this.places = new AliasTable[frequencies.length];
        Arrays.setAll(places, t -> new AliasTable(frequencies[t]));
    }

    private int[] makeDecode() {
        int[] made = new int[frequencies.length * SLOTS];
        for (int t = 0; t < frequencies.length; t++) {
            AliasTable table = places[t];
            for (int place = 0; place < AliasTable.PLACES; place++) {
                for (int b = 0; b < SYMBOLS; b++) {
                    boolean own = place < table.split[b];
                    int symbol = own ? b : table.alias[b];
                    int rank = own ? place : place + table.shift[b];
                    made[t * SLOTS + place * SYMBOLS + b] = rank << 20 | frequencies[t][symbol] << 8 | symbol;
                }
            }
        }
        return made;
    }

    private byte[][] makeBytes() {
        byte[][] made = new byte[frequencies.length][BYTE_TABLES * SYMBOLS];
        for (int t = 0; t < frequencies.length; t++) {
            AliasTable table = places[t];
            int[] freq = frequencies[t];
            for (int b = 0; b < SYMBOLS; b++) {
                made[t][b] = (byte) table.split[b];
                made[t][SYMBOLS + b] = (byte) table.alias[b];
                made[t][2 * SYMBOLS + b] = (byte) table.shift[b];
                made[t][3 * SYMBOLS + b] = (byte) (table.shift[b] >> 8);
                made[t][4 * SYMBOLS + b] = (byte) freq[b];
                made[t][5 * SYMBOLS + b] = (byte) (freq[b] >> 8);
            }
        }
        return made;
    }

    private int[] makeEncode() {
        int[] made = new int[frequencies.length * SYMBOLS];
        for (int t = 0; t < frequencies.length; t++) {
            int first = t * SLOTS;
            for (int s = 0; s < SYMBOLS; s++) {
                made[t * SYMBOLS + s] = first << 12 | frequencies[t][s];
                first += frequencies[t][s];
            }
        }
        return made;
    }

    private int[] makeSlots() {
        int[] firsts = encodeEntries();
        int[] entries = decodeEntries();
        int[] made = new int[entries.length];
        for (int i = 0; i < entries.length; i++) {
            int table = i / SLOTS;
            int symbol = entries[i] & 0xff;
            made[(firsts[table * SYMBOLS + symbol] >>> 12) + (entries[i] >>> 20)] = i % SLOTS;
        }
        return made;
    }

    /**
     * Builds the tables that code given data best: each is optimal among those of 12-bit precision in
     * which every symbol present has at least one slot.
     *
     * @param histograms 1 to 64 histograms of 256 counts, none negative; one without a count gives a
     *     valid table of little use
     * @return one table for each
     */
    public static RansTables fromHistograms(long[]... histograms) {
        if (histograms.length < 1 || histograms.length > MAX_TABLES) {
            throw new IllegalArgumentException("1 to 64 tables, not " + histograms.length);
        }
        int[][] frequencies = new int[histograms.length][];
        for (int t = 0; t < histograms.length; t++) {
            frequencies[t] = FrequencyNormalizer.normalize(histograms[t]);
        }
        return new RansTables(frequencies, FrequencyCodec.write(frequencies));
    }

    /**
     * Parses a stored set. Total: any bytes give tables that are safe to use, or the exception.
     *
     * @param segment holds the set
     * @param offset its first byte
     * @param limit end of the bytes it may take, at most the segment's size
     * @return the tables; {@link #storedBytes} tells how many bytes they took
     * @throws MalformedDataException if the bytes end early or are no tables
     */
    public static RansTables read(MemorySegment segment, long offset, long limit) throws MalformedDataException {
        long available = limit - offset;
        if (offset < 0 || available < 0 || limit > segment.byteSize()) {
            throw new IndexOutOfBoundsException("no range of the segment: " + offset + " to " + limit);
        }
        byte[] bytes = segment.asSlice(offset, Math.min(available, MAX_STORED_BYTES)).toArray(ValueLayout.JAVA_BYTE);
        FrequencyCodec.Parsed parsed = FrequencyCodec.read(bytes);
        return new RansTables(parsed.tables(), Arrays.copyOf(bytes, parsed.length()));
    }

    /**
     * Stores the set.
     *
     * @param segment has {@link #storedBytes} bytes from {@code offset} on
     * @param offset where the first byte goes
     * @return offset past the last byte
     */
    public long writeTo(MemorySegment segment, long offset) {
        MemorySegment.copy(stored, 0, segment, ValueLayout.JAVA_BYTE, offset, stored.length);
        return offset + stored.length;
    }

    /** {@return the length of the stored set in bytes; about 30 to 250 a table} */
    public int storedBytes() {
        return stored.length;
    }

    /** {@return the number of tables, 1 to 64} */
    public int count() {
        return frequencies.length;
    }

    /**
     * Slots of a symbol.
     *
     * @param table 0 to count() - 1
     * @param symbol 0 to 255
     * @return 0 to 4095; 0 for a symbol that cannot be coded
     */
    public int frequency(int table, int symbol) {
        return frequencies[table][symbol];
    }

    /**
     * Ideal code length of data under a table, to decide whether coding it is worth while. A stream
     * adds {@link RansKernel#STATE_BYTES} less about 120 bytes, and the stored tables.
     *
     * @param table 0 to count() - 1
     * @param histogram 256 counts of the data
     * @return bits; infinite if a symbol present cannot be coded
     */
    public double estimatedBits(int table, long[] histogram) {
        double bits = 0;
        for (int s = 0; s < SYMBOLS; s++) {
            if (histogram[s] > 0) {
                bits += histogram[s] * (12 - Math.log(frequencies[table][s]) / Math.log(2));
            }
        }
        return bits;
    }

    /** Forms of the tables that kernels look things up in. */
    public enum Form {
        /** Rank, frequency and symbol by slot: see {@link RansTables#decodeEntries}. */
        DECODE(SLOTS),
        /** First slot and frequency by symbol: see {@link RansTables#encodeEntries}. */
        ENCODE(SYMBOLS),
        /** Slots by first slot and rank. */
        SLOTS_OF_RANKS(SLOTS);

        private final int entries;

        Form(int entries) {
            this.entries = entries;
        }
    }

    /** {@return the bytes of {@link #write(Form, MemorySegment)}} */
    public long bytes(Form form) {
        return 4L * form.entries * count();
    }

    /**
     * Writes a form of all tables, one after the other, as little-endian u32.
     *
     * @param to segment of at least {@link #bytes} bytes
     */
    public void write(Form form, MemorySegment to) {
        int[] entries = switch (form) {
            case DECODE -> decodeEntries();
            case ENCODE -> encodeEntries();
            case SLOTS_OF_RANKS -> encodeSlots();
        };
        MemorySegment.copy(entries, 0, to, ENTRY, 0, entries.length);
    }

    /**
     * Decoder entries, {@value #SLOTS} a table: symbol in bits 0..7, frequency in 8..19, rank of the
     * slot among the symbol's in 20..31. The symbol lies lowest because bytes are then extracted by
     * masking, the rank highest because one shift extracts it. Not to be written.
     */
    int[] decodeEntries() {
        int[] entries = decode;
        if (entries == null) {
            decode = entries = makeDecode();
        }
        return entries;
    }

    /**
     * Encoder entries, {@value #SYMBOLS} a table: frequency in bits 0..11, in 12..29 the index in
     * {@link #encodeSlots} of the symbol's slot of rank 0. Not to be written.
     */
    int[] encodeEntries() {
        int[] entries = encode;
        if (entries == null) {
            encode = entries = makeEncode();
        }
        return entries;
    }

    /** Slots by symbol, then rank; {@value #SLOTS} a table. Not to be written. */
    int[] encodeSlots() {
        int[] entries = slots;
        if (entries == null) {
            slots = entries = makeSlots();
        }
        return entries;
    }

    /**
     * A table as {@value #BYTE_TABLES} tables of 256 bytes, one after another: split, alias, low and
     * high byte of shift (see {@link AliasTable}), all by bucket; low and high byte of the frequency by
     * symbol. Not to be written.
     */
    byte[] byteTables(int table) {
        byte[][] tables = bytes;
        if (tables == null) {
            bytes = tables = makeBytes();
        }
        return tables[table];
    }
}
