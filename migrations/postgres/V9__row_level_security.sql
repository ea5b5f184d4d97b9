-- The second wall between apps: whatever a statement says, it sees and writes only rows of the
-- apps that its transaction has named.
--
-- switchhook.apps holds their ids, separated by commas, or * for all; the server sets it with
-- SET LOCAL at the beginning of each transaction (storage/postgres/scope.rs). Not set, or empty:
-- no rows at all.
--
-- A later migration that makes a table with app_id adds: SELECT switchhook_guard('its_name');

CREATE FUNCTION switchhook_guard(guarded regclass, owner_column name DEFAULT 'app_id')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    -- For the owner of the table too, and that is whom the server connects as.
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
    -- What may be seen is what may be written. Each SELECT is evaluated once a statement, not once
    -- a row.
    EXECUTE format($policy$
        CREATE POLICY apps_named ON %s USING (
            %I = ANY ((SELECT string_to_array(
                nullif(current_setting('switchhook.apps', true), '*'), ',')::uuid[])::uuid[])
            OR (SELECT current_setting('switchhook.apps', true) = '*'))
    $policy$, guarded, owner_column);
END
$$;

SELECT switchhook_guard(c.oid)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'app_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace;

SELECT switchhook_guard('apps', 'id');
-- The nil UUID is the operators' own chain, and no app has that id.
SELECT switchhook_guard('audit', 'chain');
