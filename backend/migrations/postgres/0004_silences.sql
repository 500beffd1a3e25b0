CREATE TABLE silence (
    id   text COLLATE "C" PRIMARY KEY,
    open boolean NOT NULL,
    doc  text COLLATE "C" NOT NULL
);
CREATE INDEX silence_open ON silence (open, id);

ALTER TABLE mail ADD COLUMN held_by text COLLATE "C";
CREATE INDEX mail_held ON mail (held_by) WHERE held_by IS NOT NULL;
