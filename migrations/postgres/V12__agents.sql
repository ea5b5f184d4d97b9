-- Agents: the people who take calls, with the names platforms have for them, and the tokens of
-- their embedded panels. The roster of an app is read as a whole and kept in memory; it is
-- replaced only by whoever saw its last version, and that keeps e-mail addresses, ids and names
-- at platforms unique.

CREATE TABLE rosters (
    app_id      UUID PRIMARY KEY REFERENCES apps (id),
    version     BIGINT NOT NULL
);

CREATE TABLE agents (
    app_id      UUID NOT NULL REFERENCES apps (id),
    id          UUID NOT NULL,
    name        TEXT NOT NULL,
    email       TEXT,
    -- Their id in the app's business software.
    crm_user_id TEXT,
    -- Their account.
    user_id     UUID,
    active      BOOLEAN NOT NULL,
    -- JSON list of domain::agent::Identity.
    identities  TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (app_id, id)
);

CREATE TABLE agent_tokens (
    token_hash  BYTEA PRIMARY KEY,
    app_id      UUID NOT NULL,
    id          UUID NOT NULL,
    agent_id    UUID NOT NULL,
    -- The key that minted it, and with which it ends.
    key_id      UUID,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    FOREIGN KEY (app_id, agent_id) REFERENCES agents (app_id, id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX agent_tokens_id ON agent_tokens (app_id, id);
CREATE INDEX agent_tokens_agent ON agent_tokens (app_id, agent_id);

SELECT switchhook_guard('rosters');
SELECT switchhook_guard('agents');
SELECT switchhook_guard('agent_tokens');
