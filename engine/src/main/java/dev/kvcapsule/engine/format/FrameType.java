package dev.kvcapsule.engine.format;

/** What a frame carries. */
public enum FrameType {
    /** Deterministic CBOR: {@link Manifest}. */
    MANIFEST(1),
    /** A piece of a blob. */
    BLOB(2),
    /** A coded tile. */
    TILE(3),
    /** Offsets of all frames before it. */
    INDEX(4),
    /** Deterministic CBOR: {@link Trailer}. */
    TRAILER(5),
    /** A piece of what the codec shares between tiles. */
    BASIS(6);

    private final int code;

    FrameType(int code) {
        this.code = code;
    }

    /** The byte in a frame header. */
    public int code() {
        return code;
    }

    /** @return null if there is none with that code */
    static FrameType ofCode(int code) {
        for (FrameType type : values()) {
            if (type.code == code) {
                return type;
            }
        }
        return null;
    }
}
