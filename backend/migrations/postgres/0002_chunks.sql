CREATE TABLE chunk (
    key         bigint PRIMARY KEY,
    samples     bigint NOT NULL,
    good        bigint NOT NULL,
    min         double precision NOT NULL,
    max         double precision NOT NULL,
    sum         double precision NOT NULL,
    first_us    bigint NOT NULL,
    first_value double precision NOT NULL,
    last_us     bigint NOT NULL,
    last_value  double precision NOT NULL,
    data        bytea NOT NULL
);
ALTER TABLE chunk ALTER COLUMN data SET STORAGE EXTERNAL;
