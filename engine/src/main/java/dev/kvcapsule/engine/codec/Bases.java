package dev.kvcapsule.engine.codec;

import dev.kvcapsule.engine.CapsuleRefusedException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Where the bases are found that capsules share and name by their digest. */
public interface Bases {
    /** There are none. */
    Bases NONE = digest -> {
        throw new CapsuleRefusedException("the capsule needs basis " + digest + ", and no place to look for bases was given");
    };

    /**
     * @param digest SHA-256 of the basis, 64 lower-case hexadecimal digits
     * @return the basis file, mapped for reading; whoever opened this keeps it open
     * @throws CapsuleRefusedException if there is none; says where it was looked for
     */
    MemorySegment find(String digest) throws IOException;
}
