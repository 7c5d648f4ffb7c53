package dev.kvcapsule.sessions.compaction;

import dev.kvcapsule.sessions.row.Message;
import java.io.IOException;
import java.util.List;

/** Knows the tokens that a model reads of a conversation. */
@FunctionalInterface
public interface PromptTokenizer {
    /** Nobody is there to be asked. */
    PromptTokenizer NONE = messages -> {
        throw new IOException("no gateway is known that could count tokens");
    };

    /**
     * The prompt of a conversation.
     *
     * @return token ids, from the first one on
     * @throws IOException if they cannot be had
     */
    int[] tokens(List<Message> messages) throws IOException;
}
