-- Agents: the people who take calls, with the names platforms have for them, and the tokens of
-- their embedded panels. The roster of an app is read as a whole and kept in memory; it is
-- replaced only by whoever saw its last version, and that keeps e-mail addresses, ids and names
-- at platforms unique.

CREATE TABLE rosters (
    app_id      BLOB PRIMARY KEY REFERENCES apps (id),
    version     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
    app_id      BLOB NOT NULL REFERENCES apps (id),
    id          BLOB NOT NULL,
    name        TEXT NOT NULL,
    email       TEXT,
    -- Their id in the app's business software.
    crm_user_id TEXT,
    -- Their account.
    user_id     BLOB,
    active      INTEGER NOT NULL,
    -- JSON list of domain::agent::Identity.
    identities  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (app_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_tokens (
    token_hash  BLOB PRIMARY KEY,
    app_id      BLOB NOT NULL,
    id          BLOB NOT NULL,
    agent_id    BLOB NOT NULL,
    -- The key that minted it, and with which it ends.
    key_id      BLOB,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    FOREIGN KEY (app_id, agent_id) REFERENCES agents (app_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX agent_tokens_id ON agent_tokens (app_id, id);
CREATE INDEX agent_tokens_agent ON agent_tokens (app_id, agent_id);
