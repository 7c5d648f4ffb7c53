package dev.kvcapsule.gateway;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.vertx.core.buffer.Buffer;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class TimingsTapTest {
    /** The end of a stream of llama-server build 10068. */
    private static final String RECORDED = "data: {\"choices\":[{\"finish_reason\":\"length\",\"index\":0,\"delta\":{}}],\"created\":1795353055,\"id\":\"chatcmpl-uRJYN0hlF51C5LHTMViYBbmDUdgLi449\","
            + "\"object\":\"chat.completion.chunk\",\"timings\":{\"cache_n\":5,\"prompt_n\":31,\"prompt_ms\":3087.605,\"prompt_per_token_ms\":99.60016129032257,"
            + "\"prompt_per_second\":10.04014438375375,\"predicted_n\":3,\"predicted_ms\":6071.999}}\n\ndata: [DONE]\n\n";

    private static Optional<LlamaServer.Evaluation> heard(String text, int piece) {
        TimingsTap tap = new TimingsTap();
        for (int at = 0; at < text.length(); at += piece) {
            tap.add(Buffer.buffer(text.substring(at, Math.min(text.length(), at + piece))));
        }
        return tap.timings();
    }

    @Test
    void timingsAreHeardHoweverTheyArrive() {
        Optional<LlamaServer.Evaluation> expected = Optional.of(new LlamaServer.Evaluation(31, 5, 3.087605));
        for (int piece : new int[] {1, 7, 100, 100_000}) {
            assertEquals(expected, heard(RECORDED, piece));
            assertEquals(expected, heard("data: x\n\n".repeat(40_000) + RECORDED, Math.max(piece, 100)));
        }
    }

    @Test
    void whatOnlyLooksLikeTimingsIsNone() {
        for (String text : new String[] {"", "{\"content\":\"hello\"}", "\"timings\":", "\"timings\":{", "\"timings\":{x}", "\"timings\":{\"prompt_n\":\"1\"}", "\"timings\":{}"}) {
            assertEquals(Optional.empty(), heard(text, 3), text);
        }
    }

    @Test
    void theRateFollowsLongPromptsOnly() {
        PrefillRate rate = new PrefillRate();
        rate.add(new LlamaServer.Evaluation(1, 4000, 1));
        assertEquals(false, rate.tokensPerSecond().isPresent());
        rate.add(new LlamaServer.Evaluation(1000, 0, 10));
        assertEquals(100, rate.tokensPerSecond().getAsDouble(), 1e-9);
        for (int i = 0; i < 100; i++) {
            rate.add(new LlamaServer.Evaluation(4000, 0, 80));
        }
        assertEquals(50, rate.tokensPerSecond().getAsDouble(), 0.1);
    }
}
