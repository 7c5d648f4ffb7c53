package dev.kvcapsule.sessions.permission;

import java.io.IOException;

/** Where records of verdicts go. Safe for use by many threads. */
@FunctionalInterface
public interface AuditSink {
    /** Keeps nothing: the caller takes the record out of the verdict. */
    AuditSink NONE = record -> { };

    /**
     * Keeps a record.
     *
     * @throws IOException if it cannot: where the mode is enforce, the call is denied then
     */
    void keep(AuditRecord record) throws IOException;
}
