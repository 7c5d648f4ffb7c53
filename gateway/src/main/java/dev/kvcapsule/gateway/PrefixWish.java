package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.seal.RefusalLog;
import dev.kvcapsule.serving.PromptTokens;
import java.util.Optional;

/**
 * The first tokens of a capsule, where a caller wants no more of it: since a compaction its conversation goes on otherwise behind them.
 *
 * @param tokens how many, at least 1
 * @param digest that they must have, so that nobody goes on from other tokens than were meant
 */
record PrefixWish(int tokens, String digest) {
    /** @throws RequestException if only one of the two is there, or one is none */
    static Optional<PrefixWish> of(Optional<String> tokens, Optional<String> digest) {
        if (tokens.isEmpty() && digest.isEmpty()) {
            return Optional.empty();
        }
        if (tokens.isEmpty() || digest.isEmpty() || !tokens.get().matches("[1-9][0-9]{0,8}") || !digest.get().matches("[0-9a-f]{64}")) {
            throw new RequestException(400, "usage", "tokens is a whole number of at least 1, prefix the SHA-256 of so many token ids: both or none");
        }
        return Optional.of(new PrefixWish(Integer.parseInt(tokens.get()), digest.get()));
    }

    /**
     * Looks at what was decoded.
     *
     * @param ids of the state; empty if it does not tell them
     * @throws CapsuleRefusedException if they are others
     */
    void check(Optional<int[]> ids, RefusalLog log) throws CapsuleRefusedException {
        if (ids.isEmpty() || ids.get().length != tokens || !PromptTokens.digest(ids.get(), tokens).equals(digest)) {
            String detail = "does not begin with the " + tokens + " tokens that are wanted of it";
            log.refused(RefusalCode.WRONG_PREFIX, detail);
            throw new CapsuleRefusedException(RefusalCode.WRONG_PREFIX, detail);
        }
    }
}
