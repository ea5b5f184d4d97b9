-- What hangs off calls as entities of their own. Written with their call, and only where it has
-- any: nothing here costs a call without recording or voicemail.

CREATE TABLE recordings (
    -- Made of connection and platform's id.
    id              BLOB PRIMARY KEY,
    app             INTEGER NOT NULL,
    call_id         BLOB NOT NULL,
    state           TEXT NOT NULL,
    sort_at         INTEGER NOT NULL,
    -- engine::store::RecordingRecord.
    record          TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    -- When the platform last answered about it, and when it should be asked again.
    checked_at      INTEGER,
    due_at          INTEGER,
    failures        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX recordings_list ON recordings (app, sort_at, id);
CREATE INDEX recordings_call ON recordings (app, call_id);
CREATE INDEX recordings_due ON recordings (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE voicemails (
    id              BLOB PRIMARY KEY,
    app             INTEGER NOT NULL,
    call_id         BLOB NOT NULL,
    agent_extension TEXT,
    agent_user      TEXT,
    sort_at         INTEGER NOT NULL,
    -- engine::store::VoicemailRecord; empty once somebody deleted it, and then it stays so.
    record          TEXT,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX voicemails_list ON voicemails (app, sort_at, id) WHERE record IS NOT NULL;

-- Empty for messages that older versions stored, until they are opened by this one.
ALTER TABLE messages ADD COLUMN id BLOB;
ALTER TABLE messages ADD COLUMN direction TEXT;

CREATE INDEX messages_id ON messages (app, id);
CREATE INDEX messages_unnamed ON messages (connection_id) WHERE id IS NULL;
