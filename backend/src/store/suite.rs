//! What every store must do, told as tests. A store brings a [`Fixture`] and calls
//! `store_suite!(ItsFixture)`; that makes one test of each function listed below.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Batch, NodeSamples, SampleFilter, Store};
use crate::ingest::Sample;

pub(super) mod accounts;
pub(super) mod buckets;
pub(super) mod engine;
pub(super) mod model;
pub(super) mod outbox;
pub(super) mod prune;
pub(in crate::store) mod rows;
pub(super) mod samples;
pub(super) mod seal;
pub(super) mod state;

/// Makes the store under test. Each fixture has a place of its own, which goes with it.
pub(super) trait Fixture: Sized {
    /// The store.
    type Store: Store;
    /// An empty place.
    async fn new() -> Self;
    /// Opens the store on what was written there before.
    async fn open(&self) -> Self::Store;
    /// Closes it, so that it can be opened again.
    async fn close(store: Self::Store);
}

macro_rules! store_suite {
    ($fixture:ty) => {
        $crate::store::suite::store_suite!(@ $fixture;
            engine: [
                an_empty_store_loads_nothing,
                what_a_batch_wrote_is_loaded_after_reopening,
                rows_are_replaced_and_deleted,
                what_is_over_is_not_loaded,
                the_newest_marks_of_each_node_are_kept,
                a_forgotten_mark_can_be_raised_anew,
                bad_messages_are_grouped,
                bad_messages_are_bounded,
                a_mail_is_written_once,
            ],
            samples: [
                a_known_exact_sample_is_counted_and_not_changed,
                station_timed_samples_never_push_each_other_out,
                many_samples_of_one_instant_all_find_room,
                latest_moves_only_forward,
                last_is_newest_first_and_filtered,
                pages_meet_without_gap_or_overlap,
                pages_stay_right_while_rows_arrive,
                a_foreign_cursor_is_refused,
                a_stream_gives_every_row_in_order,
                a_stream_lets_the_writer_work,
                times_before_1970_are_kept,
            ],
            prune: [
                prune_takes_bounded_steps_and_keeps_statistics,
                prune_deletes_what_is_over_and_keeps_what_is_not,
            ],
            buckets: [
                buckets_cover_the_range_half_open,
                buckets_leave_flagged_values_out,
                buckets_with_odd_borders_are_exact,
                buckets_of_pruned_samples_come_from_the_rollup,
                buckets_are_per_series_and_filtered,
            ],
            state: [
                nodes_show_latest_values_actuators_and_ages,
                rules_and_schedules_are_sorted,
                incidents_are_paged_open_ones_first,
                silences_are_paged_open_ones_first,
                commands_are_paged_newest_first,
                a_query_page_refuses_a_foreign_cursor,
                the_size_grows,
            ],
            outbox: [
                mails_are_due_in_order,
                a_mail_that_is_done_is_not_due,
                a_held_mail_is_due_after_its_silence,
                mails_of_one_incident_are_told,
                a_mail_is_due_again_unless_it_went_out,
                the_outbox_tells_its_depth,
                a_missing_mail_is_told,
            ],
            accounts: [
                exactly_one_first_account_is_administrator,
                a_taken_name_is_refused,
                a_new_password_or_role_ends_sessions,
                sessions_end_by_time_and_by_hand,
                sessions_are_listed_newest_first_while_they_last,
                a_deleted_account_takes_its_sessions_along,
                what_is_missing_is_told,
                node_passwords_are_set_replaced_and_removed,
            ],
            model: [
                random_batches_give_what_the_model_gives,
            ],
        );
    };
    // What a store with chunks must do.
    (sealing $fixture:ty) => {
        $crate::store::suite::store_suite!(@ $fixture;
            seal: [
                sealing_changes_no_answer,
                late_samples_find_sealed_ones,
                a_sealed_day_takes_late_samples_in,
                only_days_that_are_over_are_sealed,
                sealing_takes_bounded_steps,
                a_day_with_too_many_samples_stays_in_rows,
                what_is_sealed_is_there_after_reopening,
                readers_see_every_sample_while_it_is_sealed,
                a_step_that_nobody_waits_for_loses_nothing,
                sealed_days_are_pruned_whole,
                each_metric_is_kept_as_long_as_asked_for,
            ],
        );
    };
    (@ $fixture:ty; $($module:ident: [$($test:ident),* $(,)?],)*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::store::suite::$module::$test::<$fixture>().await;
            }
        )*)*
    };
}
pub(super) use store_suite;

/// Start of all times in the suite: on a full hour.
pub(in crate::store) fn t0() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 / 3_600 * 3_600, 0).expect("in range")
}

/// `t0` and so many microseconds.
pub(in crate::store) fn at_us(us: i64) -> DateTime<Utc> {
    t0() + TimeDelta::microseconds(us)
}

/// `t0` and so many seconds.
pub(in crate::store) fn at_s(s: i64) -> DateTime<Utc> {
    at_us(s * 1_000_000)
}

/// A good sample with a time that the node told.
pub(in crate::store) fn exact(metric: &str, ts: DateTime<Utc>, value: f64) -> Sample {
    Sample {
        metric: metric.to_owned(),
        ts,
        exact_ts: true,
        value,
        out_of_range: false,
        clock_suspect: false,
    }
}

/// A good sample with a time that the station worked out.
pub(in crate::store) fn stationed(metric: &str, ts: DateTime<Utc>, value: f64) -> Sample {
    Sample {
        exact_ts: false,
        ..exact(metric, ts, value)
    }
}

/// A batch with samples of one node.
pub(in crate::store) fn samples_of(node: &str, samples: Vec<Sample>) -> Batch {
    Batch {
        samples: vec![NodeSamples {
            node: node.to_owned(),
            samples,
        }],
        ..Batch::default()
    }
}

/// All samples, as (node, metric, microseconds after `t0`, value).
pub(super) async fn all(store: &impl Store) -> Vec<(String, String, i64, f64)> {
    let (rows, next) = store
        .page(&SampleFilter::default(), None, 10_000)
        .await
        .expect("a page");
    assert_eq!(next, None, "more than one page");
    rows.into_iter()
        .map(|row| {
            let after = (row.ts - t0()).num_microseconds().expect("near t0");
            (row.node, row.metric, after, row.value)
        })
        .collect()
}
