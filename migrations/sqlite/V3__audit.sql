-- Who changed what. Rows are only ever added; each carries a keyed hash over itself and the one
-- before (engine::audit). Ids and times as in V1.

CREATE TABLE audit (
    -- The app's id; sixteen zero bytes for the operators' chain.
    chain       BLOB NOT NULL,
    -- Its place in the chain, from 1.
    no          INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    -- engine::store::Actor.
    actor       TEXT NOT NULL,
    address     TEXT,
    request_id  TEXT,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    status      INTEGER NOT NULL,
    before      TEXT,
    after       TEXT,
    hash        BLOB NOT NULL,
    PRIMARY KEY (chain, no)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log only grows');
END;

CREATE TRIGGER audit_stays BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log only grows');
END;
