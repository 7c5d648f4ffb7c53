package dev.kvcapsule.sessions.compaction;

import dev.kvcapsule.sessions.row.Message;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** Writes summaries. */
public interface Summarizer {
    /** How long a token is where none is counted, roughly. */
    int CHARACTERS_A_TOKEN = 4;

    /**
     * What is to be summarized.
     *
     * @param previous the summary so far, which the new one replaces
     * @param originalGoal what the conversation began with
     * @param messages in order, the previous summary's not among them
     */
    record Request(Optional<String> previous, Optional<String> originalGoal, List<Message> messages) {}

    /**
     * Writes one.
     *
     * @return a text that stands for the previous summary and the messages; an empty one is rejected
     * @throws IOException if it cannot: the conversation stays as it is
     */
    String summarize(Request request) throws IOException;

    /** Who wrote the last one, for events. */
    default String writer() {
        return "custom";
    }

    /** What went otherwise than wanted with the last one; empty for nothing. */
    default Optional<String> note() {
        return Optional.empty();
    }
}
