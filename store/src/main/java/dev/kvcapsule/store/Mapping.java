package dev.kvcapsule.store;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import net.openhft.chronicle.bytes.MappedBytes;
import net.openhft.chronicle.bytes.MappedFile;
import net.openhft.chronicle.core.io.IORuntimeException;

/** A file in memory, through Chronicle Bytes: the one place that knows of it. Pages of a file whose name is gone stay until this is closed. */
final class Mapping implements AutoCloseable {
    private final MappedBytes mapped;
    private final MemorySegment memory;

    @SuppressWarnings("restricted") // the mapping is of that length, and outlives the segment that is made of it
    private Mapping(MappedBytes mapped, long bytes) {
        this.mapped = mapped;
        mapped.singleThreadedCheckDisabled(true);
        this.memory = MemorySegment.ofAddress(mapped.addressForRead(0)).reinterpret(bytes);
    }

    /** Maps a whole file. @param writable else memory is read-only by promise: it is the system that keeps it */
    static Mapping open(Path file, long bytes, boolean writable) throws IOException {
        try {
            return new Mapping(MappedBytes.mappedBytes(MappedFile.ofSingle(file.toFile(), bytes, !writable)), bytes);
        } catch (IORuntimeException e) {
            throw new IOException(file + " cannot be mapped: " + e.getMessage(), e);
        } catch (AssertionError | IllegalAccessError e) {
            throw new IOException(file + " cannot be mapped: the JVM must be started with --add-opens=java.base/sun.nio.ch=ALL-UNNAMED"
                    + " --add-opens=java.base/java.lang.reflect=ALL-UNNAMED --add-exports=java.base/jdk.internal.ref=ALL-UNNAMED", e);
        }
    }

    MemorySegment memory() {
        return memory;
    }

    /** Writes a number that others, processes too, see only after everything that was written before. */
    void writeLast(long offset, int value) {
        mapped.writeOrderedInt(offset, value);
    }

    @Override
    public void close() {
        mapped.releaseLast();
    }
}
