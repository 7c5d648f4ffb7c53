package dev.kvcapsule.sessions.pending;

import java.util.EnumMap;
import java.util.Map;

/** Which events a phase lets through, all of them written out: what is not let through has one reason. */
public final class Transitions {
    /** What becomes of an event. */
    public enum Verdict {
        /** It happens. */
        LET,
        /** A question is open: whoever asks is shown it. */
        QUESTION_OPEN,
        /** Tool calls have no result. */
        CALLS_OPEN,
        /** There is no such question, call or subagent. */
        NOT_OPEN,
        /** Something waits, so that no message may be moved. */
        PENDING_STATE
    }

    private static final Map<Phase, Map<PendingEvent, Verdict>> TABLE = new EnumMap<>(Phase.class);

    static {
        //                      IDLE                WORKING                ASKING                 ALLOWED
        put(PendingEvent.MESSAGE, Verdict.LET, Verdict.CALLS_OPEN, Verdict.QUESTION_OPEN, Verdict.QUESTION_OPEN);
        put(PendingEvent.REPLY, Verdict.LET, Verdict.CALLS_OPEN, Verdict.QUESTION_OPEN, Verdict.QUESTION_OPEN);
        put(PendingEvent.RESULT, Verdict.NOT_OPEN, Verdict.LET, Verdict.LET, Verdict.LET);
        put(PendingEvent.ASK, Verdict.NOT_OPEN, Verdict.LET, Verdict.QUESTION_OPEN, Verdict.QUESTION_OPEN);
        put(PendingEvent.ANSWER, Verdict.NOT_OPEN, Verdict.NOT_OPEN, Verdict.LET, Verdict.LET);
        put(PendingEvent.OTHER_ANSWER, Verdict.NOT_OPEN, Verdict.NOT_OPEN, Verdict.QUESTION_OPEN, Verdict.QUESTION_OPEN);
        put(PendingEvent.COMPLETE, Verdict.NOT_OPEN, Verdict.NOT_OPEN, Verdict.QUESTION_OPEN, Verdict.LET);
        put(PendingEvent.SUBAGENT, Verdict.NOT_OPEN, Verdict.LET, Verdict.LET, Verdict.LET);
        put(PendingEvent.END_TURN, Verdict.LET, Verdict.CALLS_OPEN, Verdict.QUESTION_OPEN, Verdict.QUESTION_OPEN);
        put(PendingEvent.INTERRUPT, Verdict.LET, Verdict.LET, Verdict.QUESTION_OPEN, Verdict.QUESTION_OPEN);
        put(PendingEvent.COMPACT, Verdict.LET, Verdict.PENDING_STATE, Verdict.PENDING_STATE, Verdict.PENDING_STATE);
    }

    private Transitions() {}

    private static void put(PendingEvent event, Verdict... byPhase) {
        for (Phase phase : Phase.values()) {
            TABLE.computeIfAbsent(phase, p -> new EnumMap<>(PendingEvent.class)).put(event, byPhase[phase.ordinal()]);
        }
    }

    /** What becomes of an event in a phase. */
    public static Verdict of(Phase phase, PendingEvent event) {
        return TABLE.get(phase).get(event);
    }
}
