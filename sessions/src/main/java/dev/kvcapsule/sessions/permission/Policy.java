package dev.kvcapsule.sessions.permission;

/** What decides on tool calls. Implementations are safe for use by many threads; {@link AuditedSource} turns whatever they throw into a deny. */
public interface Policy extends AutoCloseable {
    /** Decides. */
    Ruling rule(ToolCall call);

    /**
     * A session starts: what has to be looked up once is looked up now.
     *
     * @param claimed who the caller says it is
     * @return who it is, as far as this policy knows better
     */
    default Identity start(Identity claimed) {
        return claimed;
    }

    @Override
    default void close() {}
}
