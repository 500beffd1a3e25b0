//! A chunk into samples, all or those of a range of time.

use std::ops::Range;

use pco::wrapped::ChunkDecompressor;

use super::{
    ChunkError, DAY_US, Point, SAMPLES_MAX,
    column::{Column, read_page, unpack},
    damaged,
    encode::{DOUBLES, SCALED, VERSION, checksum},
    page_lens,
    scale::{PLACES_MAX, value_of},
    wire::Input,
};

/// Flagged samples: from, to (excluded), flags.
type Run = (usize, usize, u8);

#[derive(Debug)]
enum Values {
    Scaled {
        places: u8,
        base: i64,
        step: u64,
        column: Column,
    },
    Doubles(ChunkDecompressor<f64>),
}

#[derive(Debug)]
struct Page<'a> {
    /// Samples before it.
    at: usize,
    len: usize,
    first_us: i64,
    times: &'a [u8],
    values: &'a [u8],
}

/// A chunk whose head was read; pages are read when they are asked for.
#[derive(Debug)]
pub(in crate::store) struct Reader<'a> {
    day: i64,
    flagged: Vec<Run>,
    /// Microseconds of a unit of time.
    unit: i64,
    smallest: u64,
    times: Column,
    values: Values,
    pages: Vec<Page<'a>>,
}

impl<'a> Reader<'a> {
    /// Checks the bytes of a day's chunk and reads its head.
    ///
    /// # Errors
    /// [`ChunkError::Damaged`], [`ChunkError::Version`].
    pub(in crate::store) fn open(day: i64, data: &'a [u8]) -> Result<Self, ChunkError> {
        let (body, told) = data
            .split_last_chunk::<4>()
            .ok_or(damaged("it is cut off"))?;
        if checksum(day, body) != u32::from_le_bytes(*told) {
            return Err(damaged("its checksum is another"));
        }
        let mut input = Input(body);
        let version = input.byte()?;
        if version != VERSION {
            return Err(ChunkError::Version { version });
        }
        let samples = input.count(SAMPLES_MAX)?;
        if samples == 0 {
            return Err(damaged("it is empty"));
        }
        let flagged = read_flags(&mut input, samples)?;
        let first = input.varint()?;
        let unit = input.varint()?;
        let (first, unit) = i64::try_from(first)
            .ok()
            .zip(i64::try_from(unit).ok())
            .filter(|(first, unit)| *first < DAY_US && *unit > 0 && *unit < DAY_US)
            .ok_or(damaged("its times are not of a day"))?;
        let smallest = input.varint()?;
        let times = Column::open(&mut input)?;
        let values = Values::open(&mut input)?;
        let start = day
            .checked_mul(DAY_US)
            .and_then(|start| start.checked_add(first))
            .ok_or(damaged("its day is in no calendar"))?;
        let pages = read_pages(&mut input, samples, start, unit)?;
        Ok(Self {
            day,
            flagged,
            unit,
            smallest,
            times,
            values,
            pages,
        })
    }

    /// Appends the samples of a range of time, in order.
    ///
    /// # Errors
    /// [`ChunkError::Damaged`].
    pub(in crate::store) fn read(
        &mut self,
        range: &Range<i64>,
        out: &mut Vec<Point>,
    ) -> Result<(), ChunkError> {
        for page in self.pages(range) {
            self.read_page(page, range, out)?;
        }
        Ok(())
    }

    /// Appends the samples of one page that lie in a range of time, in order.
    ///
    /// # Errors
    /// [`ChunkError::Damaged`].
    pub(in crate::store) fn read_page(
        &mut self,
        number: usize,
        range: &Range<i64>,
        out: &mut Vec<Point>,
    ) -> Result<(), ChunkError> {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        self.page_times(number, &mut times)?;
        self.page_values(number, &mut values)?;
        let wanted = within(&times, range);
        let from = out.len();
        let good = |(ts_us, value): (&i64, &f64)| Point {
            ts_us: *ts_us,
            value: *value,
            flags: 0,
        };
        let found = times[wanted.clone()].iter().zip(&values[wanted.clone()]);
        out.extend(found.map(good));
        let at = self.pages[number].at;
        let wanted = at + wanted.start..at + wanted.end;
        for (run, flags) in runs_within(&self.flagged, &wanted) {
            for point in &mut out[from + run.start..from + run.end] {
                point.flags = flags;
            }
        }
        Ok(())
    }

    /// Whether a page may have samples of a range.
    pub(in crate::store) fn may_have(&self, page: usize, range: &Range<i64>) -> bool {
        self.pages(range).contains(&page)
    }

    /// Gives the times and values of the good samples of a range of time, in stretches.
    ///
    /// # Errors
    /// [`ChunkError::Damaged`].
    pub(in crate::store) fn read_good(
        &mut self,
        range: &Range<i64>,
        mut give: impl FnMut(&[i64], &[f64]),
    ) -> Result<(), ChunkError> {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for number in self.pages(range) {
            self.page_times(number, &mut times)?;
            self.page_values(number, &mut values)?;
            let page = &self.pages[number];
            let wanted = within(&times, range);
            let mut from = wanted.start;
            let all = page.at + wanted.start..page.at + wanted.end;
            for (run, _) in runs_within(&self.flagged, &all) {
                let run = run.start + wanted.start..run.end + wanted.start;
                give(&times[from..run.start], &values[from..run.start]);
                from = run.end;
            }
            give(&times[from..wanted.end], &values[from..wanted.end]);
        }
        Ok(())
    }

    /// The times of a range, in order.
    ///
    /// # Errors
    /// [`ChunkError::Damaged`].
    pub(in crate::store) fn times(&mut self, range: &Range<i64>) -> Result<Vec<i64>, ChunkError> {
        let (mut all, mut times) = (Vec::new(), Vec::new());
        for number in self.pages(range) {
            self.page_times(number, &mut times)?;
            all.extend_from_slice(&times[within(&times, range)]);
        }
        Ok(all)
    }

    /// Pages that may have samples of a range.
    pub(in crate::store) fn pages(&self, range: &Range<i64>) -> Range<usize> {
        let to = self.pages.partition_point(|page| page.first_us < range.end);
        let from = self
            .pages
            .partition_point(|page| page.first_us <= range.start)
            .saturating_sub(1);
        from.min(to)..to
    }

    fn page_times(&mut self, number: usize, out: &mut Vec<i64>) -> Result<(), ChunkError> {
        let page = &self.pages[number];
        let (smallest, unit) = (self.smallest, self.unit);
        out.clear();
        out.reserve(page.len);
        let mut ts_us = page.first_us;
        // Whatever the bytes say, a sum that went round shows up as a time out of order.
        self.times.each(page.times, page.len, |above| {
            if !out.is_empty() {
                let distance = above.wrapping_add(smallest).cast_signed();
                ts_us = ts_us.wrapping_add(distance.wrapping_mul(unit));
            }
            out.push(ts_us);
        })?;
        let end = self
            .pages
            .get(number + 1)
            .map_or((self.day + 1).saturating_mul(DAY_US), |next| next.first_us);
        if out.windows(2).any(|pair| pair[0] >= pair[1]) || out.last() >= Some(&end) {
            return Err(damaged("its times do not rise"));
        }
        Ok(())
    }

    fn page_values(&mut self, number: usize, out: &mut Vec<f64>) -> Result<(), ChunkError> {
        let page = &self.pages[number];
        out.clear();
        match &mut self.values {
            Values::Doubles(column) => read_page(column, page.values, out, page.len),
            Values::Scaled {
                places,
                base,
                step,
                column,
            } => {
                let (places, base, step) = (*places, *base, *step);
                out.reserve(page.len);
                column.each(page.values, page.len, |number| {
                    let above = number.wrapping_mul(step).cast_signed();
                    out.push(value_of(base.wrapping_add(above), places));
                })
            }
        }
    }
}

impl Values {
    fn open(input: &mut Input<'_>) -> Result<Self, ChunkError> {
        match input.byte()? {
            SCALED => {
                let places = input.byte()?;
                if places > PLACES_MAX {
                    return Err(damaged("it has too many decimal places"));
                }
                Ok(Self::Scaled {
                    places,
                    base: input.signed()?,
                    step: input.varint()?,
                    column: Column::open(input)?,
                })
            }
            DOUBLES => Ok(Self::Doubles(unpack(input)?)),
            _ => Err(damaged("its values are of no known kind")),
        }
    }
}

fn read_flags(input: &mut Input<'_>, samples: usize) -> Result<Vec<Run>, ChunkError> {
    let count = input.count(samples)?;
    let mut runs = Vec::with_capacity(count.min(input.0.len()));
    let mut end = 0;
    for _ in 0..count {
        let from = end + input.count(samples - end)?;
        end = from + input.count(samples - from)?;
        runs.push((from, end, input.byte()?));
    }
    Ok(runs)
}

/// The index, then the pages themselves up to the end.
fn read_pages<'a>(
    input: &mut Input<'a>,
    samples: usize,
    start: i64,
    unit: i64,
) -> Result<Vec<Page<'a>>, ChunkError> {
    let lens = page_lens(samples);
    let mut sizes = Vec::with_capacity(lens.len());
    let mut first_us = start;
    for page in 0..lens.len() {
        if page > 0 {
            let units = i64::try_from(input.varint()?).ok();
            first_us = units
                .and_then(|units| units.checked_mul(unit))
                .and_then(|after| first_us.checked_add(after))
                .ok_or(damaged("a page begins in no calendar"))?;
        }
        let times = input.count(input.0.len())?;
        sizes.push((first_us, times, input.count(input.0.len())?));
    }
    let mut pages = Vec::with_capacity(lens.len());
    let mut at = 0;
    for (len, (first_us, times, values)) in lens.into_iter().zip(sizes) {
        pages.push(Page {
            at,
            len,
            first_us,
            times: input.take(times)?,
            values: input.take(values)?,
        });
        at += len;
    }
    if input.0.is_empty() {
        Ok(pages)
    } else {
        Err(damaged("it is too long"))
    }
}

/// Which of some rising times lie in a range.
fn within(times: &[i64], range: &Range<i64>) -> Range<usize> {
    let to = times.partition_point(|ts_us| *ts_us < range.end);
    let from = times.partition_point(|ts_us| *ts_us < range.start);
    from.min(to)..to
}

/// The parts of the runs within a range of samples, counted from its start.
fn runs_within<'r>(
    runs: &'r [Run],
    range: &Range<usize>,
) -> impl Iterator<Item = (Range<usize>, u8)> + use<'r> {
    let (start, end) = (range.start, range.end);
    let first = runs.partition_point(|(_, to, _)| *to <= start);
    runs[first..]
        .iter()
        .take_while(move |(from, _, _)| *from < end)
        .map(move |(from, to, flags)| ((*from).max(start) - start..(*to).min(end) - start, *flags))
        .filter(|(run, _)| !run.is_empty())
}
