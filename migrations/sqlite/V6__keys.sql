-- What a key may do, when it was last shown, which key it replaces; and imported keys, of which
-- only a bcrypt text is known until they are shown for the first time.

ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'all';
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;
ALTER TABLE api_keys ADD COLUMN replaces BLOB;
ALTER TABLE api_keys ADD COLUMN bcrypt TEXT;

-- A key is replaced once: of two who rotate it at the same time, one is told so.
CREATE UNIQUE INDEX api_keys_replaces ON api_keys (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX api_keys_unclaimed ON api_keys (created_at, id) WHERE bcrypt IS NOT NULL;
