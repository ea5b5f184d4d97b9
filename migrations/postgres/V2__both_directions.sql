-- What asking a platform needs: dials, and what is held at vendors. Ids, times and JSON as in V1.
-- Nothing here is on the path of a notification.

CREATE TABLE dials (
    id              UUID PRIMARY KEY,
    app_id          UUID NOT NULL REFERENCES apps (id),
    -- The connection may be deleted; its dials stay.
    connection_id   UUID NOT NULL,
    call_id         UUID NOT NULL,
    idempotency_key TEXT COLLATE "C",
    request_digest  BYTEA NOT NULL,
    agent_extension TEXT COLLATE "C",
    agent_user_id   TEXT COLLATE "C",
    target          TEXT NOT NULL,
    caller_id       TEXT,
    requested_by    TEXT NOT NULL,
    state           TEXT NOT NULL,
    failure_cause   TEXT,
    failure_detail  TEXT,
    -- JSON list of texts.
    platform_keys   TEXT NOT NULL,
    requested_at    TIMESTAMPTZ NOT NULL,
    placed_at       TIMESTAMPTZ,
    settled_at      TIMESTAMPTZ,
    -- When it should be looked at again.
    due_at          TIMESTAMPTZ
);

-- Of several requests with the same key one is stored.
CREATE UNIQUE INDEX dials_idempotency ON dials (app_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX dials_call ON dials (app_id, call_id);
CREATE INDEX dials_recent ON dials (app_id, requested_at);
CREATE INDEX dials_open ON dials (connection_id, requested_at)
    WHERE state IN ('requested', 'placed');
CREATE INDEX dials_due ON dials (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE dial_policies (
    app_id  UUID PRIMARY KEY REFERENCES apps (id),
    -- engine::store::DialPolicy.
    policy  TEXT NOT NULL
);

-- One row per connection; it goes with the connection, as those of the next two tables do.
CREATE TABLE oauth_tokens (
    connection_id   UUID PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    app_id          UUID NOT NULL,
    sealed          TEXT NOT NULL,
    expires_at      TIMESTAMPTZ,
    -- Tokens are replaced only by whoever saw the last version.
    version         BIGINT NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    fault           TEXT
);

CREATE INDEX oauth_tokens_expiring ON oauth_tokens (expires_at)
    WHERE expires_at IS NOT NULL AND fault IS NULL;

CREATE TABLE subscriptions (
    connection_id   UUID PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    app_id          UUID NOT NULL,
    -- The vendor's ids, as the adapter wrote them.
    state           TEXT NOT NULL,
    due_at          TIMESTAMPTZ NOT NULL,
    confirmed_at    TIMESTAMPTZ,
    fault           TEXT,
    failures        BIGINT NOT NULL
);

CREATE INDEX subscriptions_due ON subscriptions (due_at);

CREATE TABLE oauth_starts (
    state_hash      BYTEA PRIMARY KEY,
    app_id          UUID NOT NULL,
    connection_id   UUID NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    browser_hash    BYTEA NOT NULL,
    sealed_verifier TEXT NOT NULL,
    redirect_uri    TEXT NOT NULL,
    return_to       TEXT,
    expires_at      TIMESTAMPTZ NOT NULL
);

-- Without these, deleting a connection would read the whole table.
CREATE INDEX oauth_starts_connection ON oauth_starts (connection_id);
CREATE INDEX oauth_starts_expiry ON oauth_starts (expires_at);

-- Who does a piece of work that several nodes could do.
CREATE TABLE leases (
    name        TEXT COLLATE "C" PRIMARY KEY,
    owner       UUID NOT NULL,
    held_until  TIMESTAMPTZ NOT NULL
);

-- Platforms without Rust. Of the whole server, not of an app.
CREATE TABLE mappings (
    platform    TEXT COLLATE "C" PRIMARY KEY,
    text        TEXT NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL
);
