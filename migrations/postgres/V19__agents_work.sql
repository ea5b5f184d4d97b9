-- The agent's work: what is left to do after a call, how an app's agents work, and the columns of
-- calls that lists of contact moments filter by.

CREATE TABLE tasks (
    app_id      UUID NOT NULL,
    id          UUID NOT NULL,
    -- Counts the changes: nobody overwrites what they have not seen.
    version     BIGINT NOT NULL,
    status      TEXT NOT NULL,
    -- True while something is left to do, which the status says too.
    open        BOOLEAN NOT NULL,
    kind        TEXT NOT NULL,
    assignee    UUID,
    queue       TEXT COLLATE "C",
    contact_id  UUID,
    call_id     UUID,
    number      TEXT COLLATE "C",
    -- The end of time where there is none, so that those come last.
    deadline    TIMESTAMPTZ NOT NULL,
    -- The higher, the more it matters.
    priority    BIGINT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    -- When it should be looked at again.
    due_at      TIMESTAMPTZ,
    -- domain::task::Task, as it is sent.
    record      TEXT NOT NULL,
    PRIMARY KEY (app_id, id)
);

CREATE INDEX tasks_open ON tasks (app_id, deadline, priority DESC, id DESC) WHERE open;
CREATE INDEX tasks_newest ON tasks (app_id, created_at, id);
CREATE INDEX tasks_due ON tasks (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE work_settings (
    app_id      UUID PRIMARY KEY REFERENCES apps (id),
    -- engine::store::WorkSettings.
    settings    TEXT NOT NULL
);

SELECT switchhook_guard('tasks');
SELECT switchhook_guard('work_settings');

-- Where the contact moment of a call stands, what came of it, and whose call it was. Calls that
-- were over before have no contact moment.
ALTER TABLE calls ADD COLUMN moment TEXT;
ALTER TABLE calls ADD COLUMN outcome TEXT;
ALTER TABLE calls ADD COLUMN contact_id UUID;

-- Read as a text: PostgreSQL takes no JSON apart that has a NUL somewhere in it. Inside a text
-- there would be a backslash before the quotes.
UPDATE calls c SET
    contact_id = substring(b.record FROM '"contact":{"id":"([0-9a-f-]{36})"')::uuid
    FROM call_bodies b
    WHERE b.app_id = c.app_id AND b.id = c.id
    AND position('"contact":{"id":' IN b.record) > 0;

-- What waits for somebody to say what came of it. A call is in it from its end until its
-- disposition, so this index stays small, and costs nothing until a call ends.
CREATE INDEX calls_waiting ON calls (app_id, sort_at, id)
    WHERE visible AND moment = 'disposition-pending';
