-- The audit log holds against INSERT OR REPLACE too (which fires no trigger for the row it takes
-- away), and is read by action and by time without a scan.

CREATE TRIGGER audit_holds BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE chain = NEW.chain AND no = NEW.no)
BEGIN
    -- The place is taken: nothing is written, as with ON CONFLICT DO NOTHING.
    SELECT RAISE(IGNORE);
END;

CREATE INDEX audit_by_action ON audit (chain, action, no);
CREATE INDEX audit_by_time ON audit (chain, at);
