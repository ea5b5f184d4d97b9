-- The audit log holds against TRUNCATE too, and is read by action and by time without a scan.

CREATE TRIGGER audit_stays_whole BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows();

CREATE INDEX audit_by_action ON audit (chain, action, no);
CREATE INDEX audit_by_time ON audit (chain, at);
