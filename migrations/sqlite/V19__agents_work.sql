-- The agent's work: what is left to do after a call, how an app's agents work, and the columns of
-- calls that lists of contact moments filter by.

CREATE TABLE tasks (
    app         INTEGER NOT NULL,
    id          BLOB NOT NULL,
    -- Counts the changes: nobody overwrites what they have not seen.
    version     INTEGER NOT NULL,
    status      TEXT NOT NULL,
    -- 1 while something is left to do, which the status says too.
    open        INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    assignee    BLOB,
    queue       TEXT,
    contact_id  BLOB,
    call_id     BLOB,
    number      TEXT,
    -- The end of time where there is none, so that those come last.
    deadline    INTEGER NOT NULL,
    -- The higher, the more it matters.
    priority    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    -- When it should be looked at again.
    due_at      INTEGER,
    -- domain::task::Task, as it is sent.
    record      TEXT NOT NULL,
    PRIMARY KEY (app, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX tasks_open ON tasks (app, deadline, priority DESC, id DESC) WHERE open = 1;
CREATE INDEX tasks_newest ON tasks (app, created_at, id);
CREATE INDEX tasks_due ON tasks (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE work_settings (
    app_id      BLOB PRIMARY KEY REFERENCES apps (id),
    -- engine::store::WorkSettings.
    settings    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Where the contact moment of a call stands, what came of it, and whose call it was. Calls that
-- were over before have no contact moment.
ALTER TABLE calls ADD COLUMN moment TEXT;
ALTER TABLE calls ADD COLUMN outcome TEXT;
ALTER TABLE calls ADD COLUMN contact_id BLOB;

UPDATE calls SET contact_id =
    (SELECT unhex(replace(json_extract(b.record, '$.contact.id'), '-', ''))
        FROM call_bodies b WHERE b.row = calls.row)
WHERE row IN (SELECT b.row FROM call_bodies b WHERE instr(b.record, '"contact":{"id":'));

-- What waits for somebody to say what came of it. A call is in it from its end until its
-- disposition, so this index stays small, and costs nothing until a call ends.
CREATE INDEX calls_waiting ON calls (app, sort_at, id)
    WHERE visible = 1 AND moment = 'disposition-pending';
