package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;

/**
 * A parse that failed at a known offset. Kept apart from {@link MalformedDataException} because several parses of one file are tried and the
 * one that got furthest is reported; without a stack trace, since most of them are expected.
 */
final class Broken extends Exception {
    private static final long serialVersionUID = 1L;

    final long offset;
    final String field;
    final String reason;

    Broken(long offset, String field, String reason) {
        super(field, null, false, false);
        this.offset = offset;
        this.field = field;
        this.reason = reason;
    }

    MalformedDataException malformed() {
        return MalformedDataException.at(offset, field, reason);
    }
}
