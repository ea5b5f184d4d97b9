-- Requests that came with an Idempotency-Key: one that is being carried out, or its answer, sealed
-- under the master key. What operators ask belongs to no app: its
-- app_id is all zeros.

CREATE TABLE idempotency (
    app_id      UUID NOT NULL,
    -- Hash of caller, operation and key.
    id          BYTEA NOT NULL,
    -- Keyed hash of the request.
    digest      BYTEA NOT NULL,
    -- Who carries it out.
    owner       UUID NOT NULL,
    -- While there is none it is being carried out.
    answer      TEXT,
    expires_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (app_id, id)
);

CREATE INDEX idempotency_expiry ON idempotency (expires_at);

SELECT switchhook_guard('idempotency');
