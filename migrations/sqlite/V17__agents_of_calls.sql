-- The app's own agent who took a call, as its record says: id and id in the business software.
-- Beside the other columns that lists filter by.
ALTER TABLE calls ADD COLUMN agent_id BLOB;
ALTER TABLE calls ADD COLUMN agent_crm TEXT;

-- Only apps that ever had agents have such calls.
UPDATE calls SET
    agent_id = (SELECT unhex(replace(json_extract(b.record, '$.agent.id'), '-', ''))
        FROM call_bodies b WHERE b.row = calls.row),
    agent_crm = (SELECT json_extract(b.record, '$.agent.crm_user_id')
        FROM call_bodies b WHERE b.row = calls.row)
WHERE app IN (SELECT a.no FROM apps a JOIN rosters r ON r.app_id = a.id);
