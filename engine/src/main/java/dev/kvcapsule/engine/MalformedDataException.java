package dev.kvcapsule.engine;

import java.io.IOException;

/**
 * Bytes that do not follow their format. The message says which field at which offset holds what, and what was expected; it never carries
 * the data itself. Parsers throw nothing else for any input, however hostile.
 */
public final class MalformedDataException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param message what is wrong, where, and what was expected, in one line */
    public MalformedDataException(String message) {
        super(message);
    }

    /**
     * @param offset byte offset in the file or stream at which the field begins
     * @param field the field's name in the format's specification
     * @param reason what was found and what was expected
     */
    public static MalformedDataException at(long offset, String field, String reason) {
        return new MalformedDataException("offset " + offset + ", " + field + ": " + reason);
    }
}
