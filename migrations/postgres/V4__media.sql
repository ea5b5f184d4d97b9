-- What hangs off calls as entities of their own. Written with their call, and only where it has
-- any: nothing here costs a call without recording or voicemail.

CREATE TABLE recordings (
    -- Made of connection and platform's id.
    id              UUID PRIMARY KEY,
    app_id          UUID NOT NULL,
    call_id         UUID NOT NULL,
    state           TEXT COLLATE "C" NOT NULL,
    sort_at         TIMESTAMPTZ NOT NULL,
    -- engine::store::RecordingRecord.
    record          TEXT NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    -- When the platform last answered about it, and when it should be asked again.
    checked_at      TIMESTAMPTZ,
    due_at          TIMESTAMPTZ,
    failures        BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX recordings_list ON recordings (app_id, sort_at, id);
CREATE INDEX recordings_call ON recordings (app_id, call_id);
CREATE INDEX recordings_due ON recordings (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE voicemails (
    id              UUID PRIMARY KEY,
    app_id          UUID NOT NULL,
    call_id         UUID NOT NULL,
    agent_extension TEXT COLLATE "C",
    agent_user      TEXT COLLATE "C",
    sort_at         TIMESTAMPTZ NOT NULL,
    -- engine::store::VoicemailRecord; empty once somebody deleted it, and then it stays so.
    record          TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL
);

CREATE INDEX voicemails_list ON voicemails (app_id, sort_at, id) WHERE record IS NOT NULL;

-- Empty for messages that older versions stored, until they are opened by this one.
ALTER TABLE messages ADD COLUMN id UUID;
ALTER TABLE messages ADD COLUMN direction TEXT COLLATE "C";

CREATE INDEX messages_id ON messages (app_id, id);
CREATE INDEX messages_unnamed ON messages (connection_id) WHERE id IS NULL;
