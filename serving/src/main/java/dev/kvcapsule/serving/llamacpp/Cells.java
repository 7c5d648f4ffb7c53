package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.Positions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The cell records of one stream: position (i32), n_seq_id (u32), 0, 8 or 12 bytes of M-RoPE position and token, and n_seq_id sequence ids (i32).
 */
final class Cells {
    /** A record without extension, of one sequence. */
    static final int PLAIN_BYTES = 12;

    /** How many runs of consecutive positions are believed: a heap of 64 MiB. A cache of one sequence has a handful. */
    private static final int MAX_RUNS = 1 << 22;

    private Cells() {}

    /**
     * What the records of a stream say.
     *
     * @param positions in cell order
     * @param sequence the sequence of every cell; -1 if they differ or a cell has several
     * @param plain whether every record is a position and that one sequence, so that nothing else needs to be kept
     * @param spatial whether an extension holds another position than the cell's (the cells of an image)
     */
    record Summary(Positions positions, int sequence, boolean plain, boolean spatial) {}

    /** @param records of exactly {@code count} cells, already checked against the file's end */
    static Summary summarize(MemorySegment records, int count, int extBytes) throws Broken {
        long[] runs = new long[16];
        int used = 0;
        boolean spatial = false;
        int sequence = 0;
        boolean oneSequence = true;
        long at = 0;
        for (int i = 0; i < count; i++) {
            int position = records.get(Input.I32, at);
            int sequences = records.get(Input.I32, at + 4);
            if (extBytes != 0) {
                spatial |= records.get(Input.I32, at + 8) != position || records.get(Input.I32, at + 12) != position;
            }
            int first = records.get(Input.I32, at + 8 + extBytes);
            sequence = i == 0 ? first : sequence;
            oneSequence &= sequences == 1 && first == sequence;
            if (used > 0 && runs[used - 2] + runs[used - 1] == position) {
                runs[used - 1]++;
            } else {
                if (used == 2 * MAX_RUNS) {
                    throw new Broken(at, "cell positions", "more than " + MAX_RUNS + " runs of consecutive positions");
                }
                if (used == runs.length) {
                    runs = Arrays.copyOf(runs, 2 * used);
                }
                runs[used++] = position;
                runs[used++] = 1;
            }
            at += 8 + extBytes + 4L * sequences;
        }
        Positions positions = Positions.ofRuns(Arrays.copyOf(runs, used));
        return new Summary(positions, oneSequence ? sequence : -1, extBytes == 0 && oneSequence, spatial);
    }

    /**
     * Checks records that come from a capsule, where nothing has looked at them yet.
     *
     * @return the sequence of every cell; -1 if they differ or a cell has several
     * @throws MalformedDataException if they are not {@code positions}' records to the last byte
     */
    static int check(MemorySegment records, Positions positions, int extBytes, String blob) throws MalformedDataException {
        Input in = new Input(records, 0);
        int sequence = -2;
        try {
            for (int i = 0; i < positions.cells(); i++) {
                long at = in.offset();
                int position = in.u32(blob + ": cell position", 0, Integer.MAX_VALUE);
                if (position != positions.get(i)) {
                    throw new Broken(at, blob + ": cell position", "is " + position + ", expected " + positions.get(i));
                }
                int sequences = in.u32(blob + ": n_seq_id", 1, 256);
                in.skip(extBytes, blob + ": cell extension");
                int first = in.i32(blob + ": sequence id");
                in.skip(4L * (sequences - 1), blob + ": sequence ids");
                sequence = sequences == 1 && (sequence == -2 || sequence == first) ? first : -1;
            }
            if (in.remaining() != 0) {
                throw new Broken(in.offset(), blob, in.remaining() + " bytes too many");
            }
            return sequence;
        } catch (Broken e) {
            throw e.malformed();
        }
    }

    /** The records of the cells below a position, in native memory. */
    static MemorySegment prefix(MemorySegment records, int extBytes, int tokens) {
        MemorySegment kept = Arena.ofAuto().allocate(records.byteSize());
        long to = 0;
        long at = 0;
        while (at < records.byteSize()) {
            long bytes = 8 + extBytes + 4L * records.get(Input.I32, at + 4);
            if (records.get(Input.I32, at) < tokens) {
                MemorySegment.copy(records, at, kept, to, bytes);
                to += bytes;
            }
            at += bytes;
        }
        return kept.asSlice(0, to);
    }

    /** Writes plain records. */
    static void writePlain(MemorySegment out, Positions positions, int sequence) {
        long[] runs = positions.runs();
        long at = 0;
        for (int r = 0; r < runs.length; r += 2) {
            for (long i = 0; i < runs[r + 1]; i++) {
                out.set(Input.I32, at, (int) (runs[r] + i));
                out.set(Input.I32, at + 4, 1);
                out.set(Input.I32, at + 8, sequence);
                at += PLAIN_BYTES;
            }
        }
    }
}
