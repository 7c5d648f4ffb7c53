package dev.kvcapsule.engine;

import java.io.IOException;

/** A capsule that must not or cannot be used here: an ordinary prefill does what it would have done. */
public class CapsuleRefusedException extends IOException {
    private static final long serialVersionUID = 1L;

    /** What a capsule that is not there, or not the caller's, is refused with. */
    public static final String NOT_FOUND = "no such capsule for this caller";

    private final RefusalCode code;

    /** @param message what is missing or forbidden, and what to do */
    public CapsuleRefusedException(String message) {
        this(RefusalCode.REFUSED, message);
    }

    /**
     * @param code why
     * @param message what is missing or forbidden, and what to do; never a secret, nor whose the capsule is
     */
    public CapsuleRefusedException(RefusalCode code, String message) {
        super(MalformedDataException.oneLine(message));
        this.code = code;
    }

    /** A sealed capsule that is not as it was sealed. */
    public static CapsuleRefusedException of(MalformedDataException damage) {
        return new CapsuleRefusedException(damage.isTruncated() ? RefusalCode.TRUNCATED : RefusalCode.DAMAGED, damage.getMessage());
    }

    /** What both a missing capsule and another's get. */
    public static CapsuleRefusedException notFound() {
        return new CapsuleRefusedException(RefusalCode.NOT_FOUND, NOT_FOUND);
    }

    /** Why. */
    public RefusalCode code() {
        return code;
    }
}
