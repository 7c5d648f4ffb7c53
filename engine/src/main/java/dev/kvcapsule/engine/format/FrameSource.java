package dev.kvcapsule.engine.format;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Where a capsule's bytes come from, front to back. */
interface FrameSource {
    /** Offset of the next byte. */
    long position();

    /** Total bytes, or -1 if only the end will tell. */
    long size();

    /**
     * The next bytes, all of them or an exception.
     *
     * @param length how many
     * @param field what they are, for the message if they are not there
     * @return memory that stays valid until the next call, or longer where the source is mapped
     */
    MemorySegment take(int length, String field) throws IOException;

    /** Whether no byte is left. */
    boolean atEnd() throws IOException;
}
