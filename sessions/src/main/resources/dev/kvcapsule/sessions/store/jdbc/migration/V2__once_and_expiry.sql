-- What must happen once: answers and requests, noted in the transaction that they happen in.
CREATE TABLE IF NOT EXISTS ledger (
    session_key BIGINT NOT NULL REFERENCES session ON DELETE CASCADE,
    kind        VARCHAR(16) NOT NULL,
    entry_key   VARCHAR(256) NOT NULL,
    entry       TEXT NOT NULL,
    created_at  TIMESTAMP(6) WITH TIME ZONE NOT NULL,
    PRIMARY KEY (session_key, kind, entry_key)
);

ALTER TABLE session ADD COLUMN IF NOT EXISTS expires_at TIMESTAMP(6) WITH TIME ZONE;

CREATE INDEX IF NOT EXISTS session_expires ON session (expires_at);
