package dev.kvcapsule.sessions.chunks;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** What a session's capsule says of the chunks that it goes on from. Nothing is verified: the gateway does that. */
public final class CapsuleFile {
    private CapsuleFile() {}

    /**
     * The chunks, in the order of their tokens; none for a whole capsule.
     *
     * @throws MalformedDataException if it is no capsule
     * @throws CapsuleRefusedException if it is one of another kind
     */
    public static List<ChunkRef> chunks(Path capsule) throws IOException {
        try (InputFile in = InputFile.open(capsule); PublicOpening opening = PublicOpening.showing()) {
            CapsuleReader.of(in.bytes(), opening);
            return opening.claims().chunks();
        }
    }
}
