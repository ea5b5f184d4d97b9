-- Deeds that have begun and whose entry in the audit log is still to come. A row is written before
-- anything is changed, and goes in the transaction that writes the entry; what is still here when
-- its time has come was cut short, and is put on record as that (engine::audit).

CREATE TABLE audit_begun (
    id       uuid PRIMARY KEY,
    -- As in audit: the app's id, the nil UUID for the operators' chain.
    chain    uuid NOT NULL,
    begun_at timestamptz NOT NULL,
    -- When nothing is expected of it any more.
    due_at   timestamptz NOT NULL,
    -- JSON of who, what and from where.
    deed     text NOT NULL
);

CREATE INDEX audit_begun_due ON audit_begun (due_at);

SELECT switchhook_guard('audit_begun', 'chain');
