-- A session that an administrator ends is told to the running process like an ended grant. SQLite can't alter a CHECK, so the table is made
-- anew; its count goes on where it was, because readers remember the last id that they have seen.
CREATE TABLE revocations_anew (
    id      INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('grant', 'grant_changed', 'access_token', 'session')),
    subject TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
INSERT INTO revocations_anew (id, kind, subject, at) SELECT id, kind, subject, at FROM revocations;
DELETE FROM sqlite_sequence WHERE name = 'revocations_anew';
INSERT INTO sqlite_sequence (name, seq) SELECT 'revocations_anew', seq FROM sqlite_sequence WHERE name = 'revocations';
DROP TABLE revocations;
ALTER TABLE revocations_anew RENAME TO revocations;
CREATE INDEX revocations_by_time ON revocations (at);
