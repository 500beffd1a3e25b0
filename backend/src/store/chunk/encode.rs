//! Samples of a day into a chunk.

use crc::{CRC_32_ISCSI, Crc, Table};

use super::{
    Chunk, ChunkError, DAY_US, Point, SAMPLES_MAX, Stats, Summary,
    column::{Packed, pack, pack_whole},
    page_lens,
    scale::{gcd, scale},
    wire::{put_signed, put_varint},
};

/// The format that is written.
pub(super) const VERSION: u8 = 1;
/// Values are whole numbers of a power of ten.
pub(super) const SCALED: u8 = 0;
/// Values are doubles as they are.
pub(super) const DOUBLES: u8 = 1;
/// CRC-32C, as in iSCSI.
static CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Checksum of the day and of all bytes before it, so that a chunk under another day's key is
/// found out too.
pub(super) fn checksum(day: i64, bytes: &[u8]) -> u32 {
    let mut digest = CHECKSUM.digest();
    digest.update(&day.to_le_bytes());
    digest.update(bytes);
    digest.finalize()
}

/// Makes the chunk of a day.
///
/// # Errors
/// [`ChunkError::Count`], [`ChunkError::Time`] when the times do not rise within the day.
pub(in crate::store) fn encode(day: i64, points: &[Point]) -> Result<Chunk, ChunkError> {
    let summary = summary(day, points)?;
    let page_lens = page_lens(points.len());
    let mut data = vec![VERSION];
    put_varint(&mut data, points.len() as u64);
    put_flags(&mut data, points);
    let (times, firsts) = pack_times(day, points, &page_lens)?;
    data.extend_from_slice(&times.head);
    let values = pack_values(points, &page_lens)?;
    data.extend_from_slice(&values.head);
    for (page, first) in firsts.iter().enumerate() {
        if page > 0 {
            put_varint(&mut data, first - firsts[page - 1]);
        }
        put_varint(&mut data, times.pages[page].len() as u64);
        put_varint(&mut data, values.pages[page].len() as u64);
    }
    for (times, values) in times.pages.iter().zip(&values.pages) {
        data.extend_from_slice(times);
        data.extend_from_slice(values);
    }
    let checksum = checksum(day, &data);
    data.extend_from_slice(&checksum.to_le_bytes());
    Ok(Chunk { day, summary, data })
}

fn summary(day: i64, points: &[Point]) -> Result<Summary, ChunkError> {
    let count = ChunkError::Count {
        samples: points.len(),
    };
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Err(count);
    };
    if points.len() > SAMPLES_MAX {
        return Err(count);
    }
    let samples = u32::try_from(points.len()).map_err(|_| count)?;
    let mut good = Stats::default();
    let mut before = None;
    for point in points {
        if point.ts_us.div_euclid(DAY_US) != day || before >= Some(point.ts_us) {
            let ts_us = point.ts_us;
            return Err(ChunkError::Time { ts_us, day });
        }
        before = Some(point.ts_us);
        if point.flags == 0 {
            good.add(point.value);
        }
    }
    Ok(Summary {
        samples,
        good,
        first: *first,
        last: *last,
    })
}

/// Number of runs of flagged samples, then of each how many samples after the end of the last
/// run it begins, its length, and its flags.
fn put_flags(out: &mut Vec<u8>, points: &[Point]) {
    let mut runs: Vec<(usize, usize, u8)> = Vec::new();
    for (at, point) in points.iter().enumerate().filter(|(_, p)| p.flags != 0) {
        match runs.last_mut() {
            Some((from, len, flags)) if *from + *len == at && *flags == point.flags => *len += 1,
            _ => runs.push((at, 1, point.flags)),
        }
    }
    put_varint(out, runs.len() as u64);
    let mut end = 0;
    for (from, len, flags) in runs {
        put_varint(out, (from - end) as u64);
        put_varint(out, len as u64);
        out.push(flags);
        end = from + len;
    }
}

/// Times as distances in the largest unit that divides all of them. The head has the first time
/// within the day, the unit in microseconds, the smallest distance, then the column of what the
/// distances have above it. Also gives the first time of each page, in units after the first.
fn pack_times(
    day: i64,
    points: &[Point],
    page_lens: &[usize],
) -> Result<(Packed, Vec<u64>), ChunkError> {
    let distances = || {
        points
            .windows(2)
            .map(|pair| pair[1].ts_us.abs_diff(pair[0].ts_us))
    };
    let unit = distances().fold(0, gcd).max(1);
    let smallest = distances().min().unwrap_or(0) / unit;
    // The first sample has no distance; 0 above the smallest costs the least.
    let mut above = vec![0];
    above.extend(distances().map(|distance| distance / unit - smallest));
    let mut packed = pack_whole(&above, page_lens)?;
    let mut head = Vec::new();
    put_varint(&mut head, points[0].ts_us.abs_diff(day * DAY_US));
    put_varint(&mut head, unit);
    put_varint(&mut head, smallest);
    head.append(&mut packed.head);
    packed.head = head;
    let mut at = 0;
    let mut firsts = Vec::with_capacity(page_lens.len());
    for len in page_lens {
        firsts.push(points[at].ts_us.abs_diff(points[0].ts_us) / unit);
        at += len;
    }
    Ok((packed, firsts))
}

/// The head has the kind, for scaled values the decimal places, the smallest and the step, then
/// the column.
fn pack_values(points: &[Point], page_lens: &[usize]) -> Result<Packed, ChunkError> {
    let mut head = Vec::new();
    let values = points.iter().map(|point| point.value);
    let mut packed = match scale(values.clone()) {
        Some(scaled) => {
            head.extend([SCALED, scaled.places]);
            put_signed(&mut head, scaled.base);
            put_varint(&mut head, scaled.step);
            pack_whole(&scaled.numbers, page_lens)?
        }
        None => {
            head.push(DOUBLES);
            pack(&values.collect::<Vec<_>>(), page_lens)?
        }
    };
    head.append(&mut packed.head);
    packed.head = head;
    Ok(packed)
}
