package dev.kvcapsule.gateway;

import java.io.IOException;
import java.util.Arrays;

/**
 * Measures what a llama-server reuses of a restored slot. It evaluates the slot's own tokens and one more, as a conversation goes on: what is recurrent cannot go back by a single token,
 * so that the very same prompt would be evaluated from its beginning, and say nothing of the next one. The slot holds that token afterwards: what was restored has to be put back.
 */
final class ReuseProbe {
    private final LlamaServer server;

    ReuseProbe(LlamaServer server) {
        this.server = server;
    }

    /**
     * Measures.
     *
     * @param tokens that the slot holds, at least one
     * @return by the server's own timings; one token of those that were evaluated is the probe's
     */
    LlamaServer.Evaluation measure(int slot, int[] tokens) throws IOException, InterruptedException {
        int[] longer = Arrays.copyOf(tokens, tokens.length + 1);
        longer[tokens.length] = tokens[tokens.length - 1];
        try {
            return server.evaluate(slot, longer);
        } catch (LlamaServer.ServerRefusedException e) {
            // No cell is left for one more. The last token is evaluated anew, then.
            return server.evaluate(slot, tokens);
        }
    }
}
