-- Keys of the whole installation, sealed under the master key: what must stay the same when the
-- master key changes (engine::keyring).

CREATE TABLE installation_keys (
    name    TEXT PRIMARY KEY,
    sealed  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
