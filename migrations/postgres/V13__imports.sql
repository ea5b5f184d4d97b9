-- How far what another system recorded has been taken over. Of no app: an import brings its own.

CREATE TABLE imports (
    source    TEXT COLLATE "C" NOT NULL,
    part      TEXT COLLATE "C" NOT NULL,
    position  TEXT NOT NULL,
    PRIMARY KEY (source, part)
);
