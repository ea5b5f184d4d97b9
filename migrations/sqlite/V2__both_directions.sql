-- What asking a platform needs: dials, and what is held at vendors. Ids, times and JSON as in V1.
-- Nothing here is on the path of a notification.

CREATE TABLE dials (
    id              BLOB PRIMARY KEY,
    app_id          BLOB NOT NULL REFERENCES apps (id),
    -- The connection may be deleted; its dials stay.
    connection_id   BLOB NOT NULL,
    call_id         BLOB NOT NULL,
    idempotency_key TEXT,
    request_digest  BLOB NOT NULL,
    agent_extension TEXT,
    agent_user_id   TEXT,
    target          TEXT NOT NULL,
    caller_id       TEXT,
    requested_by    TEXT NOT NULL,
    state           TEXT NOT NULL,
    failure_cause   TEXT,
    failure_detail  TEXT,
    -- JSON list of texts.
    platform_keys   TEXT NOT NULL,
    requested_at    INTEGER NOT NULL,
    placed_at       INTEGER,
    settled_at      INTEGER,
    -- When it should be looked at again.
    due_at          INTEGER
) STRICT, WITHOUT ROWID;

-- Of several requests with the same key one is stored.
CREATE UNIQUE INDEX dials_idempotency ON dials (app_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX dials_call ON dials (app_id, call_id);
CREATE INDEX dials_recent ON dials (app_id, requested_at);
CREATE INDEX dials_open ON dials (connection_id, requested_at)
    WHERE state IN ('requested', 'placed');
CREATE INDEX dials_due ON dials (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE dial_policies (
    app_id  BLOB PRIMARY KEY REFERENCES apps (id),
    -- engine::store::DialPolicy.
    policy  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per connection; it goes with the connection, as those of the next two tables do.
CREATE TABLE oauth_tokens (
    connection_id   BLOB PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    app_id          BLOB NOT NULL,
    sealed          TEXT NOT NULL,
    expires_at      INTEGER,
    -- Tokens are replaced only by whoever saw the last version.
    version         INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    fault           TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX oauth_tokens_expiring ON oauth_tokens (expires_at)
    WHERE expires_at IS NOT NULL AND fault IS NULL;

CREATE TABLE subscriptions (
    connection_id   BLOB PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    app_id          BLOB NOT NULL,
    -- The vendor's ids, as the adapter wrote them.
    state           TEXT NOT NULL,
    due_at          INTEGER NOT NULL,
    confirmed_at    INTEGER,
    fault           TEXT,
    failures        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX subscriptions_due ON subscriptions (due_at);

CREATE TABLE oauth_starts (
    state_hash      BLOB PRIMARY KEY,
    app_id          BLOB NOT NULL,
    connection_id   BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    browser_hash    BLOB NOT NULL,
    sealed_verifier TEXT NOT NULL,
    redirect_uri    TEXT NOT NULL,
    return_to       TEXT,
    expires_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Without these, deleting a connection would read the whole table.
CREATE INDEX oauth_starts_connection ON oauth_starts (connection_id);
CREATE INDEX oauth_starts_expiry ON oauth_starts (expires_at);

-- Who does a piece of work that several processes could do.
CREATE TABLE leases (
    name        TEXT PRIMARY KEY,
    owner       BLOB NOT NULL,
    held_until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Platforms without Rust. Of the whole server, not of an app.
CREATE TABLE mappings (
    platform    TEXT PRIMARY KEY,
    text        TEXT NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
