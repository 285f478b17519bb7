-- Names on the lists of who may enter, each bound to the Forgejo id that it had when it first matched: a name that somebody else has taken
-- since opens nothing.
CREATE TABLE entry_pins (
    kind       TEXT NOT NULL CHECK (kind IN ('user', 'organization', 'team')),
    name       TEXT NOT NULL,        -- in lower case
    forgejo_id INTEGER NOT NULL,
    pinned_at  INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT;

ALTER TABLE audit_events ADD COLUMN detail TEXT;          -- what exactly: the name of a tool, a reason
ALTER TABLE audit_events ADD COLUMN duration_ms INTEGER;
CREATE INDEX audit_events_by_actor ON audit_events (actor, id);
