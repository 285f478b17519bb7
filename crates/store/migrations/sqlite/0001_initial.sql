-- Times are milliseconds since the Unix epoch. Hashes are SHA-256 of 256-bit random values. Sealed values are AES-256-GCM, bound
-- to table, column and row.

-- One row per Forgejo user, with the one upstream credential that all his clients share. `version` rises with every write of the
-- credential; writers compare it and swap.
CREATE TABLE users (
    id               TEXT PRIMARY KEY NOT NULL,
    issuer           TEXT NOT NULL,
    sub              TEXT NOT NULL,
    login            TEXT NOT NULL,
    forgejo_id       INTEGER NOT NULL,
    access_token     BLOB NOT NULL,  -- sealed
    refresh_token    BLOB NOT NULL,  -- sealed
    expires_at       INTEGER NOT NULL,
    refreshed_at     INTEGER NOT NULL,
    upstream_grant   INTEGER,        -- `gnt` of Forgejo's JWT
    upstream_counter INTEGER,        -- `cnt` of Forgejo's refresh token
    upstream_scope   TEXT,
    version          INTEGER NOT NULL,
    dead_reason      TEXT,
    lease_owner      TEXT,
    lease_until      INTEGER,
    created_at       INTEGER NOT NULL,
    last_login_at    INTEGER NOT NULL,
    UNIQUE (issuer, sub),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
) STRICT;

CREATE TABLE clients (
    id           TEXT PRIMARY KEY NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('static', 'metadata_document', 'dynamic')),
    metadata     TEXT NOT NULL,      -- JSON
    digest       BLOB UNIQUE,        -- of what a dynamic client registered
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    authorized   INTEGER NOT NULL,   -- whether a user has ever completed a login with it
    CHECK ((kind = 'dynamic') = (digest IS NOT NULL))
) STRICT;
CREATE INDEX clients_by_use ON clients (kind, authorized, last_used_at);

-- Logins under way, from the consent to Forgejo's redirect back.
CREATE TABLE authorizations (
    state_hash     BLOB PRIMARY KEY NOT NULL,
    browser_hash   BLOB NOT NULL,
    purpose        TEXT NOT NULL CHECK (purpose IN ('authorize', 'account')),
    sealed_request BLOB NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX authorizations_by_expiry ON authorizations (expires_at);

-- What one user allowed one client: parent of codes, tokens and sessions.
CREATE TABLE grants (
    id           TEXT PRIMARY KEY NOT NULL,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id    TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    scope        TEXT NOT NULL,
    limits       TEXT NOT NULL,      -- JSON
    resource     TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX grants_by_user ON grants (user_id);
CREATE INDEX grants_by_client ON grants (client_id);

CREATE TABLE codes (
    hash           BLOB PRIMARY KEY NOT NULL,
    grant_id       TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    code_challenge TEXT NOT NULL,
    redirect_uri   TEXT NOT NULL,
    expires_at     INTEGER NOT NULL,
    used_at        INTEGER
) STRICT;
CREATE INDEX codes_by_grant ON codes (grant_id);
CREATE INDEX codes_by_expiry ON codes (expires_at);

CREATE TABLE access_tokens (
    hash       BLOB PRIMARY KEY NOT NULL,
    grant_id   TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX access_tokens_by_grant ON access_tokens (grant_id);
CREATE INDEX access_tokens_by_expiry ON access_tokens (expires_at);

-- A used one is kept until it expires, so that its replay is recognised.
CREATE TABLE refresh_tokens (
    hash             BLOB PRIMARY KEY NOT NULL,
    grant_id         TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    predecessor      BLOB,           -- hash of the refresh token that this one replaced
    expires_at       INTEGER NOT NULL,
    used_at          INTEGER,
    sealed_successor BLOB,           -- under a key derived from the token itself; erased when the successor is used
    CHECK (used_at IS NOT NULL OR sealed_successor IS NULL)
) STRICT;
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (grant_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_with_successor ON refresh_tokens (used_at) WHERE sealed_successor IS NOT NULL;

-- MCP sessions of the revisions that have them. User and client are those of the grant.
CREATE TABLE sessions (
    id_hash          BLOB PRIMARY KEY NOT NULL,
    grant_id         TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    protocol_version TEXT NOT NULL,
    initialize       BLOB NOT NULL,  -- sealed
    initialized      INTEGER NOT NULL,
    log_level        TEXT,
    subscriptions    TEXT NOT NULL,  -- JSON
    created_at       INTEGER NOT NULL,
    last_seen        INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_grant ON sessions (grant_id);
CREATE INDEX sessions_by_use ON sessions (last_seen);

-- Everything that ended before its time, in order: what another replica has to forget. AUTOINCREMENT never reuses an id.
CREATE TABLE revocations (
    id      INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('grant', 'access_token')),
    subject TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX revocations_by_time ON revocations (at);

CREATE TABLE audit_events (
    id         INTEGER PRIMARY KEY NOT NULL,
    at         INTEGER NOT NULL,
    actor      TEXT,
    client     TEXT,
    event      TEXT NOT NULL,
    subject    TEXT,
    outcome    TEXT NOT NULL,
    request_id TEXT
) STRICT;
CREATE INDEX audit_events_by_time ON audit_events (at);
