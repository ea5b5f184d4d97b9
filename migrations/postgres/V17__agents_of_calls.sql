-- The app's own agent who took a call, as its record says: id and id in the business software.
-- Beside the other columns that lists filter by.
ALTER TABLE calls ADD COLUMN agent_id UUID;
ALTER TABLE calls ADD COLUMN agent_crm TEXT COLLATE "C";

-- Only apps that ever had agents have such calls. Read as a text: PostgreSQL takes no JSON apart
-- that has a NUL somewhere in it. Both members stand in a record once, and inside a text they would
-- have a backslash before their quotes. An id in the business software has no control characters.
UPDATE calls c SET
    agent_id = substring(b.record FROM '"agent":{"id":"([0-9a-f-]{36})"')::uuid,
    agent_crm = ('"' || substring(b.record FROM '"crm_user_id":"((?:[^"\\]|\\.)*)"') || '"')::json
        #>> '{}'
    FROM call_bodies b JOIN rosters r ON r.app_id = b.app_id
    WHERE b.app_id = c.app_id AND b.id = c.id;
