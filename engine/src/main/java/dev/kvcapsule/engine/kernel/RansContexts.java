package dev.kvcapsule.engine.kernel;

/**
 * Chooses the table that models each symbol by its position: symbol i uses table
 * {@code map[i % map.length]}. A map of one entry is an order-0 model. Immutable.
 */
public final class RansContexts {
    /** Longest period. */
    public static final int MAX_PERIOD = 1 << 20;

    private final byte[] map;
    private final int largest;

    /**
     * Decode-table offsets of positions 0..period + 66, in four sections by position modulo 4: the
     * lanes of one vector lie 4 positions apart.
     */
    private final int[] offsets;

    private final int section;

    private RansContexts(byte[] map) {
        this.map = map;
        section = (map.length + RansKernel.LANES + 3) / 4;
        offsets = new int[4 * section];
        int max = 0;
        for (int i = 0; i < offsets.length; i++) {
            int table = map[i % map.length];
            max = Math.max(max, table);
            offsets[i % 4 * section + i / 4] = table * RansTables.SLOTS;
        }
        largest = max;
    }

    /**
     * One table for every symbol.
     *
     * @param table its number, 0..63
     * @return contexts of period 1
     */
    public static RansContexts constant(int table) {
        return of(new byte[] {(byte) table});
    }

    /**
     * A table for each position of a period.
     *
     * @param map table numbers, each 0..63; 1 to {@value #MAX_PERIOD} entries; copied
     * @return contexts of that period
     */
    public static RansContexts of(byte[] map) {
        if (map.length < 1 || map.length > MAX_PERIOD) {
            throw new IllegalArgumentException("context period out of range: " + map.length);
        }
        for (byte table : map) {
            if (table < 0 || table >= RansTables.MAX_TABLES) {
                throw new IllegalArgumentException("context names table " + table);
            }
        }
        return new RansContexts(map.clone());
    }

    /** {@return the number of positions after which the tables repeat} */
    public int period() {
        return map.length;
    }

    /**
     * The table of a symbol.
     *
     * @param position index of the symbol, not negative
     * @return table number
     */
    public int table(long position) {
        return map[(int) (position % map.length)];
    }

    /** {@return the table of each position of a period; a fresh array} */
    public byte[] map() {
        return map.clone();
    }

    /** {@return the largest table number named} */
    public int largestTable() {
        return largest;
    }

    /** Offsets in the decode table. Not to be written. */
    int[] offsets() {
        return offsets;
    }

    /**
     * Where in {@link #offsets} those of positions p, p + 4, p + 8 .. begin.
     *
     * @param p position, 0 to period + 2
     */
    int offsetIndex(int p) {
        return (p & 3) * section + (p >> 2);
    }
}
