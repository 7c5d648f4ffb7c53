package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.CapsuleRefusedException;
import java.util.Arrays;
import java.util.OptionalInt;

/**
 * What a model is asked after a state: tokens to be given, and one more in each case, which the last of them should predict.
 *
 * @param start tokens in the state
 * @param continuation what comes next in the text; empty if that is not known
 * @param recall a part of the context; empty if it is not asked for
 * @param recallFrom where that part begins
 */
record JudgePlan(int start, int[] continuation, int[] recall, int recallFrom) {
    /** Predictions that are compared unless it is said how many. */
    static final int DEFAULT_TOKENS = 512;

    /** Fewer would be no measurement; who asks for fewer gets them. */
    static final int FEWEST_TOKENS = 32;

    /** Recall starts after this share of the context: neither its beginning, which models attend to anyway, nor what was read last. */
    private static final int RECALL_PART = 4;

    /**
     * What is there to ask.
     *
     * @param wanted predictions; empty for {@value #DEFAULT_TOKENS}, or fewer if there is no more
     * @param room tokens that may follow the state
     */
    private record Available(OptionalInt wanted, int room) {
        /** How many of those there are. */
        int of(int tokens, String what) {
            int most = Math.min(tokens - 1, room);
            int least = wanted.orElse(FEWEST_TOKENS);
            if (most < least) {
                String reason = tokens - 1 <= room ? what + " has " + tokens + " tokens, judging " + least + " takes " + (least + 1)
                        : "the model's context has room for " + Math.max(0, room) + " tokens after the state, judging takes " + least;
                throw new IllegalArgumentException(reason + (most >= 1 ? "; --judge " + most + " would do" : "; --judge 0 asks no model"));
            }
            return Math.min(most, wanted.orElse(DEFAULT_TOKENS));
        }
    }

    /**
     * @param state its name, for messages
     * @param prompt tokens that the state was made from; empty if it does not say
     * @param tokens tokens in its cache
     * @param text tokens of the text it was made from, and more; null if it is not known
     * @param wanted predictions to compare; empty for as many as is usual and there are
     * @param recall whether recall is wanted though the text is known
     * @param context tokens that the model was trained for
     * @param vocabulary the model's
     * @throws IllegalArgumentException if there is too little text, or it is another
     * @throws CapsuleRefusedException if the tokens are not the model's
     */
    static JudgePlan of(String state, int[] prompt, int tokens, int[] text, OptionalInt wanted, boolean recall, int context, int vocabulary)
            throws CapsuleRefusedException {
        if (Arrays.stream(prompt).anyMatch(token -> token >= vocabulary)) {
            throw new CapsuleRefusedException("the state holds tokens beyond the model's vocabulary of " + vocabulary + ": it is of another model");
        }
        int start = prompt.length > 0 ? prompt.length : tokens;
        Available available = new Available(wanted, context - start);
        int[] continuation = new int[0];
        if (text != null) {
            requireSame(state, prompt, text);
            int count = available.of(Math.max(0, text.length - start), "after the state's " + start + " tokens the text");
            continuation = Arrays.copyOfRange(text, start, start + count + 1);
        }
        if (text != null && !recall) {
            return new JudgePlan(start, continuation, new int[0], 0);
        }
        if (prompt.length == 0) {
            throw new IllegalArgumentException("the state does not carry its tokens, so that recall cannot be judged: give its text by --text"
                    + (text == null ? "" : ", without --recall") + ", or --judge 0");
        }
        if (Arrays.stream(prompt).anyMatch(token -> token < 0)) {
            throw new IllegalArgumentException("the state holds images or other media, which cannot be said again; --judge 0 asks no model");
        }
        int count = available.of(prompt.length, "the state");
        int from = Math.min(prompt.length / RECALL_PART, prompt.length - count - 1);
        return new JudgePlan(start, continuation, Arrays.copyOfRange(prompt, from, from + count + 1), from);
    }

    private static void requireSame(String state, int[] prompt, int[] text) {
        int differ = Arrays.mismatch(prompt, 0, Math.min(prompt.length, text.length), text, 0, Math.min(prompt.length, text.length));
        if (differ >= 0) {
            throw new IllegalArgumentException("the text is not the one that " + state + " was made from: they differ from token " + differ
                    + " on; without --text recall is judged");
        }
    }

    /** Tokens that a context must hold. */
    int cells() {
        return start + Math.max(continuation.length, recall.length);
    }

    /** What is asked, in a sentence. */
    String description() {
        String next = continuation.length == 0 ? "" : "The model is given the " + (continuation.length - 1) + " tokens that come next in the text. ";
        return next + (recall.length == 0 ? "" : "For recall it is given " + (recall.length - 1) + " tokens of its own context again, from token " + recallFrom + " on.");
    }
}
