-- Keys that a broker has run with, by the first five bytes of what they seal: a rotation seals nothing under a key that no broker has.
CREATE TABLE rings (
    key_head BLOB PRIMARY KEY NOT NULL,
    seen_at  INTEGER NOT NULL
) STRICT;
