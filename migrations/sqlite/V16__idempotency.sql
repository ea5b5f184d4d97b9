-- Requests that came with an Idempotency-Key: one that is being carried out, or its answer, sealed
-- under the master key. What operators ask belongs to no app: its
-- app_id is all zeros.

CREATE TABLE idempotency (
    app_id      BLOB NOT NULL,
    -- Hash of caller, operation and key.
    id          BLOB NOT NULL,
    -- Keyed hash of the request.
    digest      BLOB NOT NULL,
    -- Who carries it out.
    owner       BLOB NOT NULL,
    -- While there is none it is being carried out.
    answer      TEXT,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (app_id, id)
) STRICT;

CREATE INDEX idempotency_expiry ON idempotency (expires_at);
