-- Times are microseconds since 1970-01-01 UTC. Whole rows that only the engine writes keep their
-- JSON in `doc`; what is filtered or sorted on is a column.

CREATE TABLE node (
    name              TEXT PRIMARY KEY,
    presence          TEXT NOT NULL,
    presence_since_us INTEGER,
    last_seen_us      INTEGER,
    boot              INTEGER,
    firmware          TEXT,
    uptime_s          INTEGER,
    rssi_dbm          INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE node_password (
    node TEXT PRIMARY KEY,
    hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE actuator (
    node            TEXT NOT NULL,
    name            TEXT NOT NULL,
    reported        TEXT,
    reported_us     INTEGER,
    desired         TEXT,
    off_us          INTEGER,
    pending_command TEXT,
    PRIMARY KEY (node, name)
) STRICT, WITHOUT ROWID;

-- The highest sequence number stored of one start of a node: what is at or below it is a duplicate.
CREATE TABLE mark (
    node  TEXT NOT NULL,
    boot  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (node, boot)
) STRICT, WITHOUT ROWID;

-- The newest 32 starts of a node are kept (MARKS_PER_NODE_MAX). The new one stays whatever its
-- time: its messages are arriving now.
CREATE TRIGGER mark_new AFTER INSERT ON mark BEGIN
    DELETE FROM mark WHERE node = NEW.node AND boot <> NEW.boot AND boot NOT IN
        (SELECT boot FROM mark WHERE node = NEW.node AND boot <> NEW.boot
         ORDER BY at_us DESC LIMIT 31);
END;

CREATE TABLE series (
    id     INTEGER PRIMARY KEY,
    node   TEXT NOT NULL,
    metric TEXT NOT NULL,
    UNIQUE (node, metric)
) STRICT;

-- Clustered by series and time, so that a range of one series is one stretch of pages.
-- flags: 1 out of range, 2 clock suspect.
CREATE TABLE sample (
    series_id INTEGER NOT NULL,
    ts_us     INTEGER NOT NULL,
    value     REAL NOT NULL,
    flags     INTEGER NOT NULL,
    PRIMARY KEY (series_id, ts_us)
) STRICT, WITHOUT ROWID;

CREATE TABLE latest (
    series_id INTEGER PRIMARY KEY,
    ts_us     INTEGER NOT NULL,
    value     REAL NOT NULL,
    flags     INTEGER NOT NULL
) STRICT;

-- Statistics of each hour (hours since 1970) over its samples without flags; a row has n > 0.
CREATE TABLE rollup (
    series_id INTEGER NOT NULL,
    hour      INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    min       REAL NOT NULL,
    max       REAL NOT NULL,
    sum       REAL NOT NULL,
    PRIMARY KEY (series_id, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule (
    id  TEXT PRIMARY KEY,
    doc TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
    id   TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    node TEXT NOT NULL,
    open INTEGER NOT NULL,
    doc  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_open ON incident (open, id);

CREATE TABLE command (
    id            TEXT PRIMARY KEY,
    node          TEXT NOT NULL,
    open          INTEGER NOT NULL,
    verify_off_us INTEGER,
    deadline_us   INTEGER,
    doc           TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX command_open ON command (id) WHERE open = 1;
CREATE INDEX command_node ON command (node, id);

CREATE TABLE schedule (
    id  TEXT PRIMARY KEY,
    doc TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- state: queued, sent, failed, merged.
CREATE TABLE mail (
    id          TEXT PRIMARY KEY,
    incident    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    created_us  INTEGER NOT NULL,
    state       TEXT NOT NULL,
    tries       INTEGER NOT NULL,
    next_try_us INTEGER NOT NULL,
    last_error  TEXT,
    UNIQUE (incident, kind, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_queued ON mail (next_try_us) WHERE state = 'queued';

CREATE TABLE bad_message (
    id            INTEGER PRIMARY KEY,
    topic         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    node          TEXT,
    denied        INTEGER NOT NULL,
    payload_bytes INTEGER NOT NULL,
    head          TEXT NOT NULL,
    count         INTEGER NOT NULL,
    first_us      INTEGER NOT NULL,
    last_us       INTEGER NOT NULL,
    UNIQUE (topic, reason)
) STRICT;
CREATE INDEX bad_message_last ON bad_message (last_us);

CREATE TABLE account (
    username      TEXT PRIMARY KEY,
    email         TEXT NOT NULL,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_us    INTEGER NOT NULL,
    last_login_us INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    token_hash BLOB PRIMARY KEY,
    username   TEXT NOT NULL REFERENCES account (username) ON DELETE CASCADE,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_username ON session (username);
