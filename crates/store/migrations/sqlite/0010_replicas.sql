-- Brokers that share this database: each renews one lease, and with it holds all its sessions. `life` grows with each lease that is not a
-- renewal, so that what belonged to an earlier one is nobody's.
CREATE TABLE replicas (
    id          TEXT PRIMARY KEY NOT NULL,
    life        INTEGER NOT NULL,
    address     TEXT,                -- of the listener for other replicas
    usage       TEXT NOT NULL,       -- JSON: what each user has open there
    lease_until INTEGER NOT NULL     -- by the database's clock
) STRICT;

-- Whose a session is; NULL: nobody's. `epoch` grows whenever somebody takes it, and is compared by every write.
ALTER TABLE sessions ADD COLUMN owner TEXT;
ALTER TABLE sessions ADD COLUMN owner_life INTEGER;
ALTER TABLE sessions ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
