-- Ids are UUIDs, times are UTC to the microsecond, JSON is text (it is sent as it is stored, and
-- jsonb would refuse \u0000). Texts that decide an order or are looked up use the collation "C",
-- so that SQLite and PostgreSQL agree.
-- Every index on the tables of the call path costs accepted notifications per second: measure
-- (crates/storage/benches/commit.rs) before adding one.

CREATE TABLE apps (
    id          UUID PRIMARY KEY,
    name        TEXT NOT NULL,
    country     TEXT NOT NULL,
    active      BOOLEAN NOT NULL,
    epoch       UUID NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    -- The highest seq given out. The row is locked by every transaction that writes events, so
    -- the order of commits is the order of seq on any number of nodes.
    head_seq    BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE api_keys (
    id          UUID PRIMARY KEY,
    app_id      UUID NOT NULL REFERENCES apps (id),
    name        TEXT NOT NULL,
    lookup      TEXT COLLATE "C" NOT NULL UNIQUE,
    hash        BYTEA NOT NULL,
    hint        TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ,
    revoked_at  TIMESTAMPTZ
);

CREATE INDEX api_keys_app ON api_keys (app_id);

CREATE TABLE sign_in_links (
    token_hash  BYTEA PRIMARY KEY,
    app_id      UUID NOT NULL REFERENCES apps (id),
    role        TEXT NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL
);

CREATE TABLE sessions (
    token_hash  BYTEA PRIMARY KEY,
    app_id      UUID NOT NULL REFERENCES apps (id),
    role        TEXT NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL
);

CREATE TABLE connections (
    id              UUID PRIMARY KEY,
    app_id          UUID NOT NULL REFERENCES apps (id),
    platform        TEXT NOT NULL,
    name            TEXT NOT NULL,
    hook_id         TEXT COLLATE "C" NOT NULL UNIQUE,
    config          TEXT NOT NULL,
    credentials     TEXT NOT NULL,
    webhook_secrets TEXT NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    link            TEXT,
    last_heard_at   TIMESTAMPTZ
) WITH (fillfactor = 50);

CREATE INDEX connections_app ON connections (app_id);

CREATE TABLE contacts (
    app_id      UUID NOT NULL REFERENCES apps (id),
    id          UUID NOT NULL,
    -- The name in lower case, cut at 200 characters: the order of lists.
    sort_name   TEXT COLLATE "C" NOT NULL,
    -- Name, organisation and e-mail in lower case, one a line: what a text search looks in.
    search      TEXT NOT NULL,
    record      TEXT NOT NULL,
    PRIMARY KEY (app_id, id)
);

CREATE INDEX contacts_name ON contacts (app_id, sort_name, id);

CREATE TABLE contact_numbers (
    app_id      UUID NOT NULL,
    contact_id  UUID NOT NULL,
    position    INTEGER NOT NULL,
    e164        TEXT COLLATE "C",
    tail        TEXT COLLATE "C",
    PRIMARY KEY (app_id, contact_id, position),
    FOREIGN KEY (app_id, contact_id) REFERENCES contacts (app_id, id) ON DELETE CASCADE
);

CREATE INDEX contact_numbers_e164 ON contact_numbers (app_id, e164, contact_id)
    WHERE e164 IS NOT NULL;
CREATE INDEX contact_numbers_tail ON contact_numbers (app_id, tail, contact_id)
    WHERE tail IS NOT NULL;

-- What lists filter and sort by. Narrow, so that a filter without an index reads few pages, and
-- apart from what changes with every notification, so that most updates touch no index.
CREATE TABLE calls (
    app_id          UUID NOT NULL,
    id              UUID NOT NULL,
    connection_id   UUID NOT NULL,
    platform        TEXT NOT NULL,
    -- True when lists show it: a conversation, and not part of another one.
    visible         BOOLEAN NOT NULL,
    -- True while no end is known.
    open            BOOLEAN NOT NULL,
    status          TEXT NOT NULL,
    direction       TEXT,
    from_number     TEXT COLLATE "C",
    to_number       TEXT COLLATE "C",
    agent_extension TEXT,
    agent_user      TEXT,
    sort_at         TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (app_id, id)
) WITH (fillfactor = 85);

-- Ascending, although lists go backwards: new calls then come to the end of their part of the
-- index, where inserting is cheap.
CREATE INDEX calls_list ON calls (app_id, sort_at, id) WHERE visible;
CREATE INDEX calls_open ON calls (app_id, sort_at, id) WHERE open;
CREATE INDEX calls_from ON calls (app_id, from_number, sort_at, id)
    WHERE visible AND from_number IS NOT NULL;
CREATE INDEX calls_to ON calls (app_id, to_number, sort_at, id)
    WHERE visible AND to_number IS NOT NULL;

-- The wide half of calls. Kept in the row: moving texts of this size out of it and compressing
-- them took a fifth of the server's time.
CREATE TABLE call_bodies (
    app_id  UUID NOT NULL,
    id      UUID NOT NULL,
    -- When the reaper should look at it.
    due_at  TIMESTAMPTZ,
    -- domain::fold::CallState, the truth.
    state   TEXT NOT NULL,
    -- domain::call::Call, derived, as it is sent.
    record  TEXT NOT NULL,
    PRIMARY KEY (app_id, id)
) WITH (fillfactor = 70, toast_tuple_target = 8160);

CREATE INDEX call_bodies_due ON call_bodies (due_at) WHERE due_at IS NOT NULL;

-- The platform's names of a conversation and the call each leads to.
CREATE TABLE call_keys (
    connection_id   UUID NOT NULL,
    key             TEXT COLLATE "C" NOT NULL,
    app_id          UUID NOT NULL,
    call_id         UUID NOT NULL,
    PRIMARY KEY (connection_id, key)
);

-- The log.
CREATE TABLE events (
    app_id      UUID NOT NULL,
    seq         BIGINT NOT NULL,
    id          UUID NOT NULL,
    kind        TEXT NOT NULL,
    call_id     UUID,
    at          TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    data        TEXT NOT NULL,
    PRIMARY KEY (app_id, seq)
) WITH (toast_tuple_target = 8160);

CREATE TABLE notifications (
    app_id          UUID NOT NULL,
    id              UUID NOT NULL,
    connection_id   UUID NOT NULL,
    received_at     TIMESTAMPTZ NOT NULL,
    verdict         TEXT NOT NULL,
    reason          TEXT,
    event           TEXT,
    content_type    TEXT,
    digest          BYTEA NOT NULL,
    body            BYTEA,
    PRIMARY KEY (app_id, id)
);

CREATE TABLE messages (
    connection_id   UUID NOT NULL,
    external_id     TEXT COLLATE "C" NOT NULL,
    app_id          UUID NOT NULL,
    sent_at         TIMESTAMPTZ NOT NULL,
    -- domain::fold::MessageState.
    state           TEXT NOT NULL,
    -- domain::media::Message, as it is sent.
    record          TEXT NOT NULL,
    PRIMARY KEY (connection_id, external_id)
);

CREATE INDEX messages_list
    ON messages (app_id, sent_at, connection_id, external_id);

CREATE TABLE presence (
    connection_id   UUID NOT NULL,
    key             TEXT COLLATE "C" NOT NULL,
    app_id          UUID NOT NULL,
    -- domain::fold::PresenceState.
    state           TEXT NOT NULL,
    PRIMARY KEY (connection_id, key)
);
