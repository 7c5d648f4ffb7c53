package dev.kvcapsule.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Rows widened to whole code units for the vector encoder, each padded with its last value so that no range changes. */
final class RowPadding {
    private RowPadding() {}

    static QuantShape widen(QuantShape shape) {
        return new QuantShape(shape.grouping(), shape.bits(), shape.group(), shape.rows(), shape.parameter(), shape.tokens(),
                CodeUnits.unitsPerRow(shape.channels()) * CodeUnits.CODES);
    }

    static MemorySegment pad(QuantShape shape, MemorySegment rows, long offset, Arena arena) {
        int size = shape.rows().bytes();
        long bytes = (long) shape.channels() * size;
        long wide = (long) CodeUnits.unitsPerRow(shape.channels()) * CodeUnits.CODES * size;
        MemorySegment target = arena.allocate(Math.max(1, shape.tokens() * wide), 64);
        for (long t = 0; t < shape.tokens(); t++) {
            MemorySegment.copy(rows, offset + t * bytes, target, t * wide, bytes);
            for (long at = bytes; at < wide; at += size) {
                MemorySegment.copy(target, t * wide + bytes - size, target, t * wide + at, size);
            }
        }
        return target;
    }

    /** Sets the codes of the padding to 0. */
    static void clearCodes(QuantShape shape, MemorySegment codes, long offset) {
        int perByte = CodeUnits.codesPerByte(shape.bits());
        int width = CodeUnits.CODES / perByte;
        int codeRow = CodeUnits.rowBytes(shape.bits(), shape.channels());
        int used = shape.channels() % CodeUnits.CODES;
        byte[] keep = new byte[width];
        for (int i = 0; i < used; i++) {
            keep[i % width] |= (byte) (shape.levels() << (i / width * shape.bits()));
        }
        for (long end = offset + codeRow; end <= offset + shape.codeBytes(); end += codeRow) {
            for (int j = 0; j < width; j++) {
                long at = end - width + j;
                codes.set(ValueLayout.JAVA_BYTE, at, (byte) (codes.get(ValueLayout.JAVA_BYTE, at) & keep[j]));
            }
        }
    }
}
