//! The statements of a batch, prepared once for each connection. Each takes any number of rows,
//! as an array for each column.

use tokio_postgres::{Client, Error, Statement};

macro_rules! statements {
    ($($name:ident: $sql:expr;)*) => {
        /// All prepared statements.
        pub(super) struct Statements {
            $(pub(super) $name: Statement,)*
        }

        impl Statements {
            pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
                let all = [$($sql),*].map(|sql| client.prepare(sql));
                // All at once: they go one behind the other.
                let mut all = futures_util::future::try_join_all(all).await?.into_iter();
                Ok(Self {
                    $($name: all.next().expect("as many as were prepared"),)*
                })
            }
        }
    };
}

statements! {
    add_series: "INSERT INTO series (node, metric) \
        SELECT * FROM unnest($1::text[], $2::text[]) RETURNING id, node, metric";
    // Fails at the first clash.
    insert_new: "INSERT INTO sample (series_id, ts_us, value, flags) \
        SELECT * FROM unnest($1::int4[], $2::int8[], $3::float8[], $4::int2[])";
    copy_new: "COPY sample (series_id, ts_us, value, flags) FROM STDIN BINARY";
    // Leaves out what clashes, and says what it took.
    insert_some: "INSERT INTO sample (series_id, ts_us, value, flags) \
        SELECT * FROM unnest($1::int4[], $2::int8[], $3::float8[], $4::int2[]) \
        ON CONFLICT DO NOTHING RETURNING series_id, ts_us";
    taken_times: "SELECT ts_us FROM sample \
        WHERE series_id = $1 AND ts_us >= $2 AND ts_us < $3";
    chunk_data: "SELECT data FROM chunk WHERE key = $1";
    // All rows of a day, if they are as many as they should be.
    rows_sealed: "DELETE FROM sample WHERE series_id = $1::int8 AND ts_us >= $2 AND ts_us < $3 \
        AND $4 = (SELECT count(*) FROM sample WHERE series_id = $1::int8 AND ts_us >= $2 \
        AND ts_us < $3)";
    put_chunk: "INSERT INTO chunk (key, samples, good, min, max, sum, first_us, first_value, \
        last_us, last_value, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
        ON CONFLICT (key) DO UPDATE SET samples = excluded.samples, good = excluded.good, \
        min = excluded.min, max = excluded.max, sum = excluded.sum, \
        first_us = excluded.first_us, first_value = excluded.first_value, \
        last_us = excluded.last_us, last_value = excluded.last_value, data = excluded.data";
    add_to_rollup: "INSERT INTO rollup AS r (series_id, hour, n, min, max, sum) \
        SELECT * FROM unnest($1::int4[], $2::int8[], $3::int8[], $4::float8[], $5::float8[], \
        $6::float8[]) ON CONFLICT (series_id, hour) DO UPDATE SET n = r.n + excluded.n, \
        min = least(r.min, excluded.min), max = greatest(r.max, excluded.max), \
        sum = r.sum + excluded.sum";
    raise_latest: "INSERT INTO latest (series_id, ts_us, value, flags) \
        SELECT * FROM unnest($1::int4[], $2::int8[], $3::float8[], $4::int2[]) \
        ON CONFLICT (series_id) DO UPDATE SET ts_us = excluded.ts_us, value = excluded.value, \
        flags = excluded.flags WHERE excluded.ts_us > latest.ts_us";
    put_nodes: "INSERT INTO node (name, presence, presence_since_us, last_seen_us, boot, \
        firmware, uptime_s, rssi_dbm, started_by) SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], \
        $4::int8[], $5::int8[], $6::text[], $7::int8[], $8::int2[], $9::text[]) \
        ON CONFLICT (name) DO UPDATE SET presence = excluded.presence, \
        presence_since_us = excluded.presence_since_us, last_seen_us = excluded.last_seen_us, \
        boot = excluded.boot, firmware = excluded.firmware, uptime_s = excluded.uptime_s, \
        rssi_dbm = excluded.rssi_dbm, started_by = excluded.started_by";
    put_actuators: "INSERT INTO actuator (node, name, reported, reported_us, desired, off_us, \
        pending_command) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int8[], \
        $5::text[], $6::int8[], $7::text[]) ON CONFLICT (node, name) DO UPDATE SET \
        reported = excluded.reported, reported_us = excluded.reported_us, \
        desired = excluded.desired, off_us = excluded.off_us, \
        pending_command = excluded.pending_command";
    forget_marks: "DELETE FROM mark WHERE (node, boot) IN \
        (SELECT * FROM unnest($1::text[], $2::int8[]))";
    // A trigger forgets old starts of a node when a new one comes.
    put_marks: "INSERT INTO mark (node, boot, seq, gaps, at_us) \
        SELECT * FROM unnest($1::text[], $2::int8[], $3::int8[], $4::text[], $5::int8[]) \
        ON CONFLICT (node, boot) DO UPDATE SET seq = excluded.seq, gaps = excluded.gaps, \
        at_us = excluded.at_us";
    put_rules: "INSERT INTO rule (id, doc) SELECT * FROM unnest($1::text[], $2::text[]) \
        ON CONFLICT (id) DO UPDATE SET doc = excluded.doc";
    delete_rules: "DELETE FROM rule WHERE id = ANY ($1)";
    put_incidents: "INSERT INTO incident (id, rule, node, open, doc) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::text[]) \
        ON CONFLICT (id) DO UPDATE SET rule = excluded.rule, node = excluded.node, \
        open = excluded.open, doc = excluded.doc";
    delete_incidents: "DELETE FROM incident WHERE id = ANY ($1)";
    put_commands: "INSERT INTO command (id, node, open, verify_off_us, deadline_us, doc) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::bool[], $4::int8[], $5::int8[], \
        $6::text[]) ON CONFLICT (id) DO UPDATE SET node = excluded.node, open = excluded.open, \
        verify_off_us = excluded.verify_off_us, deadline_us = excluded.deadline_us, \
        doc = excluded.doc";
    put_configs: "INSERT INTO node_config (node, doc) \
        SELECT * FROM unnest($1::text[], $2::text[]) \
        ON CONFLICT (node) DO UPDATE SET doc = excluded.doc";
    put_schedules: "INSERT INTO schedule (id, doc) SELECT * FROM unnest($1::text[], $2::text[]) \
        ON CONFLICT (id) DO UPDATE SET doc = excluded.doc";
    delete_schedules: "DELETE FROM schedule WHERE id = ANY ($1)";
    put_silences: "INSERT INTO silence (id, open, doc) \
        SELECT * FROM unnest($1::text[], $2::bool[], $3::text[]) \
        ON CONFLICT (id) DO UPDATE SET open = excluded.open, doc = excluded.doc";
    // A second mail for the same event and recipient is left out: the first one stands.
    add_mails: "INSERT INTO mail (id, incident, kind, recipient, subject, body, created_us, \
        state, tries, next_try_us, held_by) SELECT id, incident, kind, recipient, subject, body, \
        at, 'queued', 0, due, held_by FROM unnest($1::text[], $2::text[], $3::text[], \
        $4::text[], $5::text[], $6::text[], $7::int8[], $8::int8[], $9::text[]) \
        AS new (id, incident, kind, recipient, subject, body, at, due, held_by) \
        ON CONFLICT DO NOTHING";
    move_mails: "UPDATE mail SET next_try_us = $1, held_by = $2 \
        WHERE held_by = $3 AND incident = $4 AND state = 'queued' AND tries = 0";
    release_mails: "UPDATE mail SET next_try_us = $1, held_by = NULL \
        WHERE held_by = $2 AND state = 'queued' AND tries = 0";
    count_bad_messages: "INSERT INTO bad_message AS b (group_hash, topic, reason, node, denied, \
        payload_bytes, head, count, first_us, last_us) SELECT * FROM unnest($1::bytea[], \
        $2::text[], $3::text[], $4::text[], $5::bool[], $6::int8[], $7::text[], $8::int8[], \
        $9::int8[], $10::int8[]) ON CONFLICT (group_hash) DO UPDATE SET node = excluded.node, \
        payload_bytes = excluded.payload_bytes, head = excluded.head, \
        count = b.count + excluded.count, last_us = excluded.last_us";
    bound_bad_messages: "DELETE FROM bad_message WHERE id IN \
        (SELECT id FROM bad_message ORDER BY last_us DESC, id DESC OFFSET $1)";
}
