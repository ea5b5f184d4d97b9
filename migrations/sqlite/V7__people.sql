-- People with an account: who they are, what they may do, how they prove it.

CREATE TABLE people (
    id              BLOB PRIMARY KEY,
    app_id          BLOB NOT NULL REFERENCES apps (id),
    -- Lower case, trimmed: unique in its app, and found over all apps at sign-in.
    email           TEXT NOT NULL,
    name            TEXT NOT NULL,
    role            TEXT NOT NULL,
    active          INTEGER NOT NULL,
    -- argon2id as a PHC text; empty for those who only come in by their identity provider.
    password        TEXT,
    issuer          TEXT,
    subject         TEXT,
    created_at      INTEGER NOT NULL,
    -- Empty until the invitation is taken up.
    joined_at       INTEGER,
    last_sign_in_at INTEGER,
    UNIQUE (app_id, email),
    UNIQUE (app_id, issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX people_email ON people (email);
CREATE INDEX people_subject ON people (issuer, subject) WHERE subject IS NOT NULL;

-- What works once: set-up links, invitations, password resets, sign-ins that have begun.
CREATE TABLE one_time_tokens (
    token_hash  BLOB PRIMARY KEY,
    purpose     TEXT NOT NULL,
    -- The nil UUID where it is for nobody in particular.
    app_id      BLOB NOT NULL,
    user_id     BLOB,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id);
CREATE INDEX one_time_tokens_end ON one_time_tokens (expires_at);

-- What a person sees of their own sessions. Empty for sessions of links and tokens.
ALTER TABLE sessions ADD COLUMN started_at INTEGER;
ALTER TABLE sessions ADD COLUMN seen_at INTEGER;
ALTER TABLE sessions ADD COLUMN way TEXT;
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN browser TEXT;

CREATE INDEX sessions_user ON sessions (user_id) WHERE user_id IS NOT NULL;
