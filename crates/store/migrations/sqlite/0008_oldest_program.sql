-- The oldest program that may run on this schema, by the newest step that it knows: during a rolling upgrade the program of yesterday runs
-- beside today's. One row.
CREATE TABLE oldest_program (
    id   INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    step INTEGER NOT NULL
) STRICT;
INSERT INTO oldest_program (id, step) VALUES (1, 8);
