package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;

/** A capsule in memory, usually a mapped file; frames are slices of it. */
final class MappedSource implements FrameSource {
    private final MemorySegment file;
    private long position;

    MappedSource(MemorySegment file) {
        this.file = file;
    }

    void seek(long position) {
        this.position = position;
    }

    @Override
    public long position() {
        return position;
    }

    @Override
    public long size() {
        return file.byteSize();
    }

    @Override
    public MemorySegment take(int length, String field) throws MalformedDataException {
        if (length > file.byteSize() - position) {
            throw MalformedDataException.truncated(position, field, length, file.byteSize() - position);
        }
        MemorySegment taken = file.asSlice(position, length);
        position += length;
        return taken;
    }

    @Override
    public boolean atEnd() {
        return position == file.byteSize();
    }
}
