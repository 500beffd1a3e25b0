//! What outlives resets and power cuts, with memory that breaks as badly as it may.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use proptest::prelude::*;
use signalbox_protocol::limits::{ACTUATORS_MAX, FOR_MS_MAX};

use super::*;
use crate::{
    Saved,
    flash::{Flash, Record},
    kept::{FAILED_STARTS_MAX, KEEP_MS, KEPT_BYTES, Kept},
};

fn longest() -> Kept {
    Kept {
        failed_starts: u8::MAX,
        saved: Saved {
            actuators: (0..ACTUATORS_MAX).map(|_| (true, Some(u32::MAX))).collect(),
            recent: (0..RECENT_IDS_MAX).map(id).collect(),
        },
    }
}

#[test]
fn the_longest_that_is_kept_fits() {
    let mut block = [0xff; KEPT_BYTES];
    longest().write(&mut block);
    assert_eq!(Kept::read(&block), Some(longest()));
    Kept::default().write(&mut block);
    assert_eq!(Kept::read(&block), Some(Kept::default()));
}

#[test]
fn what_was_not_written_is_not_read() {
    assert_eq!(Kept::read(&[0; KEPT_BYTES]), None);
    assert_eq!(Kept::read(&[0xff; KEPT_BYTES]), None);
    let mut block = [0; KEPT_BYTES];
    longest().write(&mut block);
    for bit in 0..KEPT_BYTES * 8 {
        let mut bad = block;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Kept::read(&bad), None, "bit {bit}");
    }
}

#[test]
fn starts_that_fail_lead_to_safe_mode() {
    let mut kept = Kept::default();
    for _ in 0..FAILED_STARTS_MAX {
        assert!(!kept.is_safe_mode());
        kept = kept.after_reset(0);
    }
    assert!(kept.is_safe_mode());
    kept.failed_starts = u8::MAX;
    assert!(kept.after_reset(0).is_safe_mode());
}

proptest! {
    /// However often the node is reset, and however late after the last time that it was kept, an
    /// actuator is never on for longer than ordered.
    #[test]
    fn a_timer_never_runs_longer_than_ordered(
        for_ms in prop_oneof![1_u32..20_000, 1..=FOR_MS_MAX],
        runs in proptest::collection::vec((1_u64..10_000, 0_u64..700), 1..40),
    ) {
        // From the last keeping to the new start, at most.
        let blind_ms = KEEP_MS + 700;
        let mut node = node();
        let mut now_ms = 5;
        node.command(&order(1, "pump", Action::On, Some(for_ms)), now_ms);
        let end_ms = now_ms + u64::from(for_ms);
        let mut resets = 0;
        for (run_ms, reset_ms) in runs {
            let mut kept = node.saved(now_ms);
            let stop_ms = now_ms + run_ms;
            while now_ms < stop_ms {
                now_ms = stop_ms.min(now_ms + KEEP_MS);
                node.tick(now_ms);
                prop_assert!(!node.is_on(1) || now_ms < end_ms);
                if now_ms < stop_ms {
                    kept = node.saved(now_ms);
                }
            }
            now_ms += reset_ms;
            resets += 1;
            let mut block = [0; KEPT_BYTES];
            Kept { failed_starts: 0, saved: kept }.write(&mut block);
            let kept = Kept::read(&block).unwrap().after_reset(u32::try_from(blind_ms).unwrap());
            node = Node::new(options(), [0; BYTES], 7 + resets, Some(&kept.saved), 1, now_ms);
            prop_assert!(!node.is_on(1) || now_ms < end_ms, "on at {now_ms}, to end at {end_ms}");
            // Each reset takes off no more than it may have lasted.
            let lost_ms = u64::from(resets) * blind_ms;
            prop_assert!(node.is_on(1) || now_ms + lost_ms >= end_ms);
        }
    }
}

const SECTOR: usize = 4_096;
const SECTORS: usize = 2;

/// Flash whose power goes after so many words.
struct Chip {
    bytes: Vec<u8>,
    erased: [usize; SECTORS],
    words_left: usize,
}

#[derive(Debug)]
struct PowerCut;

impl NorFlashError for PowerCut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Chip {
    fn new() -> Self {
        Self {
            bytes: vec![0xff; SECTOR * SECTORS],
            erased: [0; SECTORS],
            words_left: usize::MAX,
        }
    }

    fn word(&mut self) -> Result<(), PowerCut> {
        self.words_left = self.words_left.checked_sub(1).ok_or(PowerCut)?;
        Ok(())
    }
}

impl ErrorType for Chip {
    type Error = PowerCut;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerCut> {
        assert!((offset as usize | bytes.len()).is_multiple_of(4));
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerCut> {
        for sector in from as usize / SECTOR..to as usize / SECTOR {
            self.erased[sector] += 1;
            for word in 0..SECTOR / 4 {
                self.word()?;
                self.bytes[sector * SECTOR + word * 4..][..4].fill(0xff);
            }
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerCut> {
        assert!((offset as usize | bytes.len()).is_multiple_of(4));
        for (at, word) in bytes.chunks(4).enumerate() {
            self.word()?;
            let place = &mut self.bytes[offset as usize + at * 4..][..4];
            for (old, new) in place.iter_mut().zip(word) {
                // Bits can only be cleared.
                *old &= new;
            }
        }
        Ok(())
    }
}

fn done<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("this flash never waits"),
    }
}

fn open(chip: &mut Chip) -> Flash<&mut Chip> {
    Flash::new(chip, 0..(SECTOR * SECTORS) as u32)
}

fn numbers(recent: &[Id]) -> Vec<usize> {
    recent.iter().map(|id| id.parse().unwrap()).collect()
}

#[test]
fn ids_outlive_a_power_cut_and_wear_is_spread() {
    let mut chip = Chip::new();
    assert_eq!(numbers(&done(open(&mut chip).recent()).unwrap()), [0; 0]);
    for n in 0..1_000 {
        // A new start each time, as hard as it gets.
        let mut flash = open(&mut chip);
        done(flash.recent()).unwrap();
        done(flash.remember(&id(n))).unwrap();
    }
    let recent = done(open(&mut chip).recent()).unwrap();
    let expected: Vec<usize> = (1_000 - RECENT_IDS_MAX..1_000).collect();
    assert_eq!(numbers(&recent), expected);
    let [first, second] = chip.erased;
    assert!(first.abs_diff(second) <= 1, "{:?}", chip.erased);
    assert!(first + second <= 1_000 / 80, "{:?}", chip.erased);
}

#[test]
fn settings_stay_among_ids() {
    let mut chip = Chip::new();
    let mut buffer = [0; 600];
    done(open(&mut chip).set(Record::Settings, b"kitchen")).unwrap();
    for n in 0..300 {
        let mut flash = open(&mut chip);
        done(flash.recent()).unwrap();
        done(flash.remember(&id(n))).unwrap();
    }
    let mut flash = open(&mut chip);
    let settings = done(flash.get(Record::Settings, &mut buffer)).unwrap();
    assert_eq!(settings, Some(&b"kitchen"[..]));
    assert!(done(flash.set(Record::Settings, &[0; 513])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The power goes at any word that is written or erased: nothing that was remembered before is
    /// lost, and what was just being written is there or not.
    #[test]
    fn a_power_cut_in_the_middle_of_a_write_loses_nothing(
        before in 0_usize..200, words in 0_usize..3_000,
    ) {
        let mut chip = Chip::new();
        let mut flash = open(&mut chip);
        for n in 0..before {
            done(flash.remember(&id(n))).unwrap();
        }
        chip.words_left = words;
        let mut last = before;
        let mut flash = open(&mut chip);
        if done(flash.recent()).is_ok() {
            while done(flash.remember(&id(last))).is_ok() {
                last += 1;
            }
        }
        chip.words_left = usize::MAX;
        let recent = numbers(&done(open(&mut chip).recent()).unwrap());
        let newest = recent.last().map_or(0, |last| last + 1);
        prop_assert!(newest == last || newest == last + 1, "{newest} of {last}");
        // The one that was being written may have taken the oldest one's place.
        let kept = RECENT_IDS_MAX.min(last);
        let expected: Vec<usize> = (newest - recent.len()..newest).collect();
        prop_assert_eq!(&recent, &expected);
        prop_assert!(recent.len() + 1 >= kept, "{} of {kept}", recent.len());
    }
}
