-- Silences; `open` as long as they are planned or active.
CREATE TABLE silence (
    id   TEXT PRIMARY KEY,
    open INTEGER NOT NULL,
    doc  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX silence_open ON silence (open, id);

-- The silence that a new mail waits for; it is due by itself at the end that was planned.
ALTER TABLE mail ADD COLUMN held_by TEXT;
CREATE INDEX mail_held ON mail (held_by) WHERE held_by IS NOT NULL;
