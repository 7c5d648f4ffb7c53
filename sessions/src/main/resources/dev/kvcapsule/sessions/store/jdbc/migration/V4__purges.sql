-- Capsules that were sealed for a session and went out, so that all of them can be revoked with it: those are "purged" that were there when its removal began.
CREATE TABLE IF NOT EXISTS capsule (
    owner_org  VARCHAR(256) NOT NULL,
    owner_user VARCHAR(256) NOT NULL,
    session_id VARCHAR(256) NOT NULL,
    capsule_id CHAR(32) NOT NULL,
    expires_at TIMESTAMP(6) WITH TIME ZONE NOT NULL,
    purged     BOOLEAN DEFAULT FALSE NOT NULL,
    PRIMARY KEY (owner_org, owner_user, session_id, capsule_id)
);

CREATE INDEX IF NOT EXISTS capsule_expires ON capsule (expires_at);

-- Removals that have begun: the session's row is gone, its capsules are to go.
CREATE TABLE IF NOT EXISTS purge (
    owner_org  VARCHAR(256) NOT NULL,
    owner_user VARCHAR(256) NOT NULL,
    session_id VARCHAR(256) NOT NULL,
    begun_at   TIMESTAMP(6) WITH TIME ZONE NOT NULL,
    PRIMARY KEY (owner_org, owner_user, session_id)
);
