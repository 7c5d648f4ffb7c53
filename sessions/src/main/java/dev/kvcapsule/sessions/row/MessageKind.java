package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import java.util.Locale;

/** What a message is to this program. It is a field of its own: no text that anybody writes makes a message a sentinel or a summary. */
public enum MessageKind {
    /** Part of the conversation. */
    PLAIN,
    /** Stands for the result of a tool call whose question is open. */
    SENTINEL,
    /** Stands for messages that were compacted. */
    SUMMARY;

    /** The name in JSON. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    static MessageKind ofLabel(String label) throws MalformedDataException {
        for (MessageKind kind : values()) {
            if (kind.label().equals(label)) {
                return kind;
            }
        }
        throw new MalformedDataException("kind: is none of plain, sentinel, summary");
    }
}
