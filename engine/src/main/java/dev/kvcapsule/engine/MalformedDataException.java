package dev.kvcapsule.engine;

import java.io.IOException;

/**
 * Bytes that do not follow their format. The message says which field at which offset holds what, and what was expected; it never carries
 * the data itself. Parsers throw nothing else for any input, however hostile.
 */
public final class MalformedDataException extends IOException {
    private static final long serialVersionUID = 1L;

    /** Longest message: what a hostile file says of itself may be quoted, not recited. */
    private static final int MAX_LENGTH = 400;

    private final boolean truncated;

    /**
     * @param message what is wrong, where, and what was expected; control characters, which a hostile file could bring in, become question
     *     marks, so that it stays one line on any terminal
     */
    public MalformedDataException(String message) {
        this(message, false);
    }

    private MalformedDataException(String message, boolean truncated) {
        super(oneLine(message));
        this.truncated = truncated;
    }

    /** Text that a file says of itself, made fit for a terminal: control characters become question marks, and it is cut where it is very long. */
    public static String oneLine(String message) {
        String line = message.replaceAll("[\\p{Cc}\\p{Cf}\u2028\u2029]", "?");
        return line.length() <= MAX_LENGTH ? line : line.substring(0, MAX_LENGTH) + "...";
    }

    /**
     * @param offset byte offset in the file or stream at which the field begins
     * @param field the field's name in the format's specification
     * @param reason what was found and what was expected
     */
    public static MalformedDataException at(long offset, String field, String reason) {
        return new MalformedDataException("offset " + offset + ", " + field + ": " + reason);
    }

    /** The same for a field whose bytes end before it does. */
    public static MalformedDataException truncated(long offset, String field, long needed, long left) {
        return new MalformedDataException("offset " + offset + ", " + field + ": needs " + needed + " bytes, " + left + " are left: truncated", true);
    }

    /** Whether the bytes ended too early. */
    public boolean isTruncated() {
        return truncated;
    }
}
