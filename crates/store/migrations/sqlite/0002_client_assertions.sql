-- Client assertions (RFC 7523) that were used, until they expire by themselves: each counts once, also after a restart.
CREATE TABLE client_assertions (
    once       BLOB PRIMARY KEY NOT NULL,  -- SHA-256 of client and jti
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX client_assertions_by_expiry ON client_assertions (expires_at);
