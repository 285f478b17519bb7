-- As SQLite's step 10.
CREATE TABLE replicas (
    id          TEXT COLLATE "C" PRIMARY KEY,
    life        BIGINT NOT NULL,
    address     TEXT COLLATE "C",
    usage       TEXT COLLATE "C" NOT NULL,
    lease_until BIGINT NOT NULL
);

ALTER TABLE sessions ADD COLUMN owner TEXT COLLATE "C";
ALTER TABLE sessions ADD COLUMN owner_life BIGINT;
ALTER TABLE sessions ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
