//! Deleting what is kept no longer.

use super::{Fixture, all, at_s, exact, samples_of, t0};
use crate::store::{EngineStore as _, SampleFilter, SampleStore as _, StateStore as _};

pub(in crate::store) async fn prune_takes_bounded_steps_and_keeps_statistics<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    // 50,000 samples over 14 hours, so that one step cannot be enough.
    for part in 0..5 {
        let samples = (0..10_000)
            .map(|i| exact("soil", at_s(part * 10_000 + i), 1.0))
            .collect();
        store.commit(&samples_of("attic", samples)).await.unwrap();
    }
    let mut steps = 1;
    while store.prune(Some(at_s(45_000)), None).await.unwrap() {
        steps += 1;
    }
    assert!(steps > 1, "all in one step");
    let rows = all(&store).await;
    assert_eq!(rows.len(), 5_000);
    assert_eq!(
        rows[0].2, 45_000_000_000,
        "nothing newer than asked for went"
    );

    let hours = store
        .buckets(&SampleFilter::default(), t0()..at_s(14 * 3_600), 14)
        .await
        .unwrap();
    let n: u64 = hours.series[0].buckets.iter().map(|bucket| bucket.n).sum();
    assert_eq!(n, 50_000, "the statistics stay");

    while store
        .prune(Some(at_s(200_000)), Some(at_s(200_000)))
        .await
        .unwrap()
    {}
    assert_eq!(all(&store).await, []);
    let hours = store
        .buckets(&SampleFilter::default(), t0()..at_s(14 * 3_600), 14)
        .await
        .unwrap();
    assert_eq!(hours.series, []);
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.latest.len(), 1, "the latest value stays");
    assert!(!store.prune(None, None).await.unwrap());
    store.ping().await.unwrap();
}
