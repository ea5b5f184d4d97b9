-- Ids are 16-byte UUIDs, times are microseconds since 1970 UTC, JSON is text.
-- Every index on the tables of the call path costs accepted notifications per second: measure
-- (crates/storage/benches/commit.rs) before adding one.

CREATE TABLE apps (
    -- Small number: stands for the app in the tables of the call path, where a short key counts,
    -- and makes, with seq, the key of the event log. Never used again for another app.
    no          INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    country     TEXT NOT NULL,
    active      INTEGER NOT NULL,
    epoch       BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    -- The highest seq given out; taken inside the transaction that writes the events.
    head_seq    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE api_keys (
    id          BLOB PRIMARY KEY,
    app_id      BLOB NOT NULL REFERENCES apps (id),
    name        TEXT NOT NULL,
    lookup      TEXT NOT NULL UNIQUE,
    hash        BLOB NOT NULL,
    hint        TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_app ON api_keys (app_id);

CREATE TABLE sign_in_links (
    token_hash  BLOB PRIMARY KEY,
    app_id      BLOB NOT NULL REFERENCES apps (id),
    role        TEXT NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    token_hash  BLOB PRIMARY KEY,
    app_id      BLOB NOT NULL REFERENCES apps (id),
    role        TEXT NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE connections (
    id              BLOB PRIMARY KEY,
    app_id          BLOB NOT NULL REFERENCES apps (id),
    platform        TEXT NOT NULL,
    name            TEXT NOT NULL,
    hook_id         TEXT NOT NULL UNIQUE,
    config          TEXT NOT NULL,
    credentials     TEXT NOT NULL,
    webhook_secrets TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    link            TEXT,
    last_heard_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX connections_app ON connections (app_id);

CREATE TABLE contacts (
    app_id      BLOB NOT NULL REFERENCES apps (id),
    id          BLOB NOT NULL,
    -- The name in lower case, cut at 200 characters: the order of lists.
    sort_name   TEXT NOT NULL,
    -- Name, organisation and e-mail in lower case, one a line: what a text search looks in.
    search      TEXT NOT NULL,
    record      TEXT NOT NULL,
    PRIMARY KEY (app_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX contacts_name ON contacts (app_id, sort_name, id);

CREATE TABLE contact_numbers (
    app_id      BLOB NOT NULL,
    contact_id  BLOB NOT NULL,
    position    INTEGER NOT NULL,
    e164        TEXT,
    tail        TEXT,
    PRIMARY KEY (app_id, contact_id, position),
    FOREIGN KEY (app_id, contact_id) REFERENCES contacts (app_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX contact_numbers_e164 ON contact_numbers (app_id, e164, contact_id)
    WHERE e164 IS NOT NULL;
CREATE INDEX contact_numbers_tail ON contact_numbers (app_id, tail, contact_id)
    WHERE tail IS NOT NULL;

-- What lists filter and sort by. Narrow, so that a filter without an index reads few pages.
CREATE TABLE calls (
    row             INTEGER PRIMARY KEY,
    app             INTEGER NOT NULL,
    id              BLOB NOT NULL,
    connection_id   BLOB NOT NULL,
    platform        TEXT NOT NULL,
    -- 1 when lists show it: a conversation, and not part of another one.
    visible         INTEGER NOT NULL,
    -- 1 while no end is known.
    open            INTEGER NOT NULL,
    status          TEXT NOT NULL,
    direction       TEXT,
    from_number     TEXT,
    to_number       TEXT,
    agent_extension TEXT,
    agent_user      TEXT,
    sort_at         INTEGER NOT NULL,
    -- When the reaper should look at it.
    due_at          INTEGER
) STRICT;

-- Ascending, although lists go backwards: new calls then come to the end of their part of the
-- index, where inserting is cheap.
CREATE UNIQUE INDEX calls_id ON calls (app, id);
CREATE INDEX calls_list ON calls (app, sort_at, id) WHERE visible = 1;
CREATE INDEX calls_open ON calls (app, sort_at, id) WHERE open = 1;
CREATE INDEX calls_from ON calls (app, from_number, sort_at, id)
    WHERE visible = 1 AND from_number IS NOT NULL;
CREATE INDEX calls_to ON calls (app, to_number, sort_at, id)
    WHERE visible = 1 AND to_number IS NOT NULL;
CREATE INDEX calls_due ON calls (due_at) WHERE due_at IS NOT NULL;

-- The wide half of calls, by the same row number.
CREATE TABLE call_bodies (
    row     INTEGER PRIMARY KEY,
    -- domain::fold::CallState, the truth.
    state   TEXT NOT NULL,
    -- domain::call::Call, derived, as it is sent.
    record  TEXT NOT NULL
) STRICT;

-- The platform's names of a conversation and the call each leads to.
CREATE TABLE call_keys (
    connection_id   BLOB NOT NULL,
    key             TEXT NOT NULL,
    call_id         BLOB NOT NULL,
    PRIMARY KEY (connection_id, key)
) STRICT, WITHOUT ROWID;

-- The log. place = apps.no << 40 | seq: one b-tree, appended to at the end of each app's part.
CREATE TABLE events (
    place       INTEGER PRIMARY KEY,
    id          BLOB NOT NULL,
    kind        TEXT NOT NULL,
    call_id     BLOB,
    at          INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    data        TEXT NOT NULL
) STRICT;

CREATE TABLE notifications (
    row             INTEGER PRIMARY KEY,
    app             INTEGER NOT NULL,
    id              BLOB NOT NULL,
    connection_id   BLOB NOT NULL,
    received_at     INTEGER NOT NULL,
    verdict         TEXT NOT NULL,
    reason          TEXT,
    event           TEXT,
    content_type    TEXT,
    digest          BLOB NOT NULL,
    body            BLOB
) STRICT;

CREATE UNIQUE INDEX notifications_id ON notifications (app, id);

CREATE TABLE messages (
    connection_id   BLOB NOT NULL,
    external_id     TEXT NOT NULL,
    app             INTEGER NOT NULL,
    sent_at         INTEGER NOT NULL,
    -- domain::fold::MessageState.
    state           TEXT NOT NULL,
    -- domain::media::Message, as it is sent.
    record          TEXT NOT NULL,
    PRIMARY KEY (connection_id, external_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX messages_list ON messages (app, sent_at, connection_id, external_id);

CREATE TABLE presence (
    connection_id   BLOB NOT NULL,
    key             TEXT NOT NULL,
    -- domain::fold::PresenceState.
    state           TEXT NOT NULL,
    PRIMARY KEY (connection_id, key)
) STRICT, WITHOUT ROWID;
