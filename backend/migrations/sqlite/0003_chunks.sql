-- Sealed samples: one UTC day of one series each; a sample is in here or in `sample`, never in
-- both. The key is series_id * 4194304 + day + 719528, with the day counted from 1970-01-01 (and
-- so, with the sum, from the year 0): as a rowid it lets a row fill its page, which the key of a
-- table WITHOUT ROWID does not, and the days of a series still lie side by side.
-- good, min, max and sum are those of the samples without flags; with none, min and max are
-- infinite. `data` is described in docs/decisions/sealed-history.md.
CREATE TABLE chunk (
    key         INTEGER PRIMARY KEY,
    samples     INTEGER NOT NULL,
    good        INTEGER NOT NULL,
    min         REAL NOT NULL,
    max         REAL NOT NULL,
    sum         REAL NOT NULL,
    first_us    INTEGER NOT NULL,
    first_value REAL NOT NULL,
    last_us     INTEGER NOT NULL,
    last_value  REAL NOT NULL,
    data        BLOB NOT NULL
) STRICT;
