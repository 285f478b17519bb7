-- What the client had asked for when the user granted `scope`: more than this it is never given later. NULL: the same as `scope`.
ALTER TABLE grants ADD COLUMN asked TEXT;

-- A choice of repositories that somebody is making: for an authorization whose login is done (then the client's request is here), or
-- for a grant that stands (from the account page).
CREATE TABLE selections (
    id             TEXT PRIMARY KEY NOT NULL,
    browser_hash   BLOB NOT NULL,
    user_id        TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sealed_request BLOB,
    grant_id       TEXT REFERENCES grants (id) ON DELETE CASCADE,
    chosen         TEXT NOT NULL,      -- JSON
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    CHECK ((sealed_request IS NULL) <> (grant_id IS NULL))
) STRICT;
CREATE INDEX selections_by_expiry ON selections (expires_at);
CREATE INDEX selections_by_user ON selections (user_id);
CREATE INDEX selections_by_grant ON selections (grant_id);

-- Browsers that are logged in to the account page.
CREATE TABLE account_sessions (
    id_hash    BLOB PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX account_sessions_by_user ON account_sessions (user_id);
CREATE INDEX account_sessions_by_expiry ON account_sessions (expires_at);
