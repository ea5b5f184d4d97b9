-- Who changed what. Rows are only ever added; each carries a keyed hash over itself and the one
-- before (engine::audit). Ids and times as in V1.

CREATE TABLE audit (
    -- The app's id; the nil UUID for the operators' chain.
    chain       uuid NOT NULL,
    -- Its place in the chain, from 1.
    no          bigint NOT NULL,
    at          timestamptz NOT NULL,
    -- engine::store::Actor.
    actor       text NOT NULL,
    address     text,
    request_id  text,
    action      text NOT NULL,
    target      text NOT NULL,
    status      integer NOT NULL,
    before      text,
    after       text,
    hash        bytea NOT NULL,
    PRIMARY KEY (chain, no)
);

CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows';
END
$$;

CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows();
