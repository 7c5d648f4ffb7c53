package dev.kvcapsule.serving.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class JudgePlanTest {
    private static final int[] PROMPT = IntStream.range(0, 400).toArray();
    private static final int[] TEXT = IntStream.range(0, 600).toArray();
    private static final int[] NONE = {};

    private static JudgePlan plan(int[] prompt, int[] text, Integer wanted, boolean recall, int context) throws CapsuleRefusedException {
        return JudgePlan.of("state", prompt, 400, text, wanted == null ? OptionalInt.empty() : OptionalInt.of(wanted), recall, context, 1000);
    }

    private static void assertRefuses(String message, int[] prompt, int[] text, Integer wanted, boolean recall, int context) {
        String said = assertThrows(IllegalArgumentException.class, () -> plan(prompt, text, wanted, recall, context)).getMessage();
        assertTrue(said.contains(message), said);
    }

    @Test
    void theTextGoesOnWhereTheStateEnds() throws Exception {
        JudgePlan plan = plan(PROMPT, TEXT, 100, false, 2048);
        assertArrayEquals(IntStream.rangeClosed(400, 500).toArray(), plan.continuation());
        assertEquals(0, plan.recall().length);
        assertEquals(501, plan.cells());
        assertEquals("The model is given the 100 tokens that come next in the text. ", plan.description());
    }

    @Test
    void withoutATextTheContextIsSaidAgain() throws Exception {
        JudgePlan plan = plan(PROMPT, null, 100, false, 2048);
        assertArrayEquals(IntStream.rangeClosed(100, 200).toArray(), plan.recall());
        assertEquals(0, plan.continuation().length);
        JudgePlan whole = plan(PROMPT, null, 399, false, 2048);
        assertArrayEquals(PROMPT, whole.recall());
    }

    @Test
    void takesWhatThereIsUnlessToldHowMuch() throws Exception {
        JudgePlan plan = plan(PROMPT, TEXT, null, true, 2048);
        assertEquals(200, plan.continuation().length);
        assertEquals(400, plan.recall().length);
        assertEquals(151, plan(PROMPT, TEXT, null, false, 550).continuation().length);
        assertEquals(201 - 1, plan(NONE, TEXT, null, false, 2048).continuation().length);
    }

    @Test
    void saysWhatIsMissingAndHowMuchWouldDo() {
        assertRefuses("the text has 200 tokens, judging 200 takes 201; --judge 199 would do", PROMPT, TEXT, 200, false, 2048);
        assertRefuses("the text has 0 tokens", PROMPT, PROMPT, null, false, 2048);
        assertRefuses("room for 50 tokens after the state, judging takes 64; --judge 50 would do", PROMPT, TEXT, 64, false, 450);
        assertRefuses("room for 0 tokens after the state, judging takes 32; --judge 0 asks no model", PROMPT, TEXT, null, false, 100);
        assertRefuses("the state has 400 tokens, judging 400 takes 401", PROMPT, null, 400, false, 2048);
        assertRefuses("does not carry its tokens", NONE, null, 10, false, 2048);
        assertRefuses("does not carry its tokens", NONE, TEXT, 10, true, 2048);
        assertRefuses("images", IntStream.range(-1, 399).toArray(), null, 10, false, 2048);
    }

    @Test
    void aTextMustBeTheStatesOwn() {
        int[] other = TEXT.clone();
        other[17] = 3;
        assertRefuses("differ from token 17", PROMPT, other, 10, false, 2048);
    }

    @Test
    void tokensBeyondTheVocabularyAreAnotherModels() {
        assertThrows(CapsuleRefusedException.class, () -> plan(IntStream.range(700, 1100).toArray(), null, 10, false, 2048));
    }
}
