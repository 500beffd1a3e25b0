//! Samples as the API gives them: the newest, a page, all.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use signalbox_protocol::api::data::Sample;

use super::{
    Order, Series, Source, Which,
    scan::{Names, Position, Scan},
    top::Found,
};
use crate::store::{
    Result, SampleFilter, StoreError,
    convert::{flags_of, time},
};

/// Samples that a stream reads at a time.
const STREAM_SAMPLES: usize = 16_384;

fn sample(found: &Found, names: &Names) -> Sample {
    let Series { node, metric, .. } = names.of(found);
    Sample {
        node: node.clone(),
        metric: metric.clone(),
        ts: time(found.point.ts_us),
        value: found.point.value,
        flags: flags_of(found.point.flags.into()),
    }
}

fn position(found: &Found, names: &Names) -> Position {
    Position {
        ts_us: found.point.ts_us,
        series: names.of(found).clone(),
    }
}

/// The text of a position: the time, and the series by its id.
fn cursor(position: &Position) -> String {
    format!("s1.{}.{}", position.ts_us, position.series.id)
}

fn parse_cursor(text: &str) -> Option<(i64, i64)> {
    let (ts_us, series) = text.strip_prefix("s1.")?.split_once('.')?;
    Some((ts_us.parse().ok()?, series.parse().ok()?))
}

/// See [`crate::store::SampleStore::last`].
pub(in crate::store) async fn last<S: Source>(
    source: &S,
    filter: &SampleFilter,
    n: u32,
) -> Result<Vec<Sample>> {
    let mut scan = Scan::new(source, filter, Order::NewestFirst);
    let (found, names) = scan.samples(n as usize).await?;
    Ok(found.iter().map(|found| sample(found, &names)).collect())
}

/// See [`crate::store::SampleStore::page`].
pub(in crate::store) async fn page<S: Source>(
    source: &S,
    filter: &SampleFilter,
    after: Option<&str>,
    limit: u32,
) -> Result<(Vec<Sample>, Option<String>)> {
    let mut scan = Scan::new(source, filter, Order::OldestFirst);
    if let Some(text) = after {
        let bad = || StoreError::BadCursor {
            cursor: text.chars().take(64).collect(),
        };
        let (ts_us, id) = parse_cursor(text).ok_or_else(bad)?;
        let which = Which {
            id: Some(id),
            ..Which::default()
        };
        let series = source.catalog().find(&which).pop().ok_or_else(bad)?;
        scan.pass(Position { ts_us, series });
    }
    let limit = limit as usize;
    let (mut found, names) = scan.samples(limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| cursor(&position(last, &names)));
    let samples = found.iter().map(|found| sample(found, &names)).collect();
    Ok((samples, next))
}

/// See [`crate::store::SampleStore::stream`]. Part by part, so that no read transaction stays
/// open for as long as the reader takes.
pub(in crate::store) fn stream<S: Source>(
    source: &S,
    filter: &SampleFilter,
) -> BoxStream<'static, Result<Sample>> {
    let scan = Scan::new(source, filter, Order::OldestFirst);
    stream::try_unfold(Some(scan), |scan| async move {
        let Some(mut scan) = scan else {
            return Ok(None);
        };
        let (found, names) = scan.samples(STREAM_SAMPLES).await?;
        let full = found.len() == STREAM_SAMPLES;
        let next = found.last().filter(|_| full).map(|last| {
            scan.pass(position(last, &names));
            scan
        });
        let samples = Part { found, names };
        Ok::<_, StoreError>(Some((stream::iter(samples.samples()), next)))
    })
    .try_flatten()
    .boxed()
}

/// What a stream has read ahead.
struct Part {
    found: Vec<Found>,
    names: Arc<Names>,
}

impl Part {
    fn samples(self) -> impl Iterator<Item = Result<Sample>> {
        let Self { found, names } = self;
        found
            .into_iter()
            .map(move |found| Ok(sample(&found, &names)))
    }
}
