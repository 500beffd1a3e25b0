//! A column of numbers: compressed by pco in its wrapped format, with one description for all
//! and pages that are read each on its own. Numbers take the narrowest type that holds them,
//! because the descriptions do too.

use pco::{
    ChunkConfig, PagingSpec,
    data_types::Number,
    wrapped::{ChunkDecompressor, FileCompressor, FileDecompressor},
};

use super::{
    ChunkError, damaged,
    wire::{Input, put_bytes},
};

/// A compressed column: what stands in the chunk's head, and its pages. All pages of a column
/// whose numbers are all 0 are empty.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) head: Vec<u8>,
    pub(super) pages: Vec<Vec<u8>>,
}

/// Byte width of the numbers, and what pco says about them.
#[derive(Debug)]
pub(super) enum Column {
    /// All are 0.
    Zeros,
    Narrow(ChunkDecompressor<u16>),
    Medium(ChunkDecompressor<u32>),
    Wide(ChunkDecompressor<u64>),
}

fn compress(error: &pco::errors::PcoError) -> ChunkError {
    ChunkError::Compress {
        reason: error.to_string(),
    }
}

/// Compresses any numbers.
pub(super) fn pack<T: Number>(numbers: &[T], page_lens: &[usize]) -> Result<Packed, ChunkError> {
    let config = ChunkConfig::default().with_paging_spec(PagingSpec::Exact(page_lens.to_vec()));
    let file = FileCompressor::default();
    let mut chunk = file
        .chunk_compressor(numbers, &config)
        .map_err(|error| compress(&error))?;
    let mut meta = file
        .write_header(Vec::new())
        .map_err(|error| compress(&error))?;
    meta = chunk.write_meta(meta).map_err(|error| compress(&error))?;
    let mut head = Vec::with_capacity(meta.len() + 2);
    put_bytes(&mut head, &meta);
    let pages = (0..page_lens.len())
        .map(|page| chunk.write_page(page, Vec::new()))
        .collect::<Result<_, _>>()
        .map_err(|error| compress(&error))?;
    Ok(Packed { head, pages })
}

/// Reads what [`pack`] wrote into the head.
pub(super) fn unpack<T: Number>(input: &mut Input<'_>) -> Result<ChunkDecompressor<T>, ChunkError> {
    let bad = |_| damaged("a column has no valid description");
    let (file, rest) = FileDecompressor::new(input.bytes()?).map_err(bad)?;
    let (column, rest) = file.chunk_decompressor(rest).map_err(bad)?;
    if !rest.is_empty() {
        return Err(damaged("a description is too long"));
    }
    Ok(column)
}

/// Reads a page of so many numbers.
pub(super) fn read_page<T: Number>(
    column: &mut ChunkDecompressor<T>,
    page: &[u8],
    numbers: &mut Vec<T>,
    len: usize,
) -> Result<(), ChunkError> {
    let bad = |_| damaged("a page is not valid");
    numbers.clear();
    numbers.resize(len, T::default());
    let mut pages = column.page_decompressor(page, len).map_err(bad)?;
    let progress = pages.read(numbers).map_err(bad)?;
    if !progress.finished || progress.n_processed != len || !pages.into_src().is_empty() {
        return Err(damaged("a page has another length"));
    }
    Ok(())
}

/// Compresses whole numbers in the narrowest type.
pub(super) fn pack_whole(numbers: &[u64], page_lens: &[usize]) -> Result<Packed, ChunkError> {
    fn narrowed<T: Number + TryFrom<u64>>(
        width: u8,
        numbers: &[u64],
        page_lens: &[usize],
    ) -> Result<Packed, ChunkError> {
        let narrow: Vec<T> = numbers
            .iter()
            .filter_map(|number| T::try_from(*number).ok())
            .collect();
        let mut packed = pack(&narrow, page_lens)?;
        packed.head.insert(0, width);
        Ok(packed)
    }
    match numbers.iter().copied().max().unwrap_or(0) {
        0 => Ok(Packed {
            head: vec![0],
            pages: vec![Vec::new(); page_lens.len()],
        }),
        max if u16::try_from(max).is_ok() => narrowed::<u16>(2, numbers, page_lens),
        max if u32::try_from(max).is_ok() => narrowed::<u32>(4, numbers, page_lens),
        _ => narrowed::<u64>(8, numbers, page_lens),
    }
}

impl Column {
    /// Reads what [`pack_whole`] wrote into the head.
    pub(super) fn open(input: &mut Input<'_>) -> Result<Self, ChunkError> {
        match input.byte()? {
            0 => Ok(Self::Zeros),
            2 => Ok(Self::Narrow(unpack(input)?)),
            4 => Ok(Self::Medium(unpack(input)?)),
            8 => Ok(Self::Wide(unpack(input)?)),
            _ => Err(damaged("a column has no valid width")),
        }
    }

    /// Gives each number of a page, in order.
    pub(super) fn each(
        &mut self,
        page: &[u8],
        len: usize,
        mut give: impl FnMut(u64),
    ) -> Result<(), ChunkError> {
        match self {
            Self::Zeros if page.is_empty() => (0..len).for_each(|_| give(0)),
            Self::Zeros => return Err(damaged("a page of nothing has content")),
            Self::Narrow(column) => {
                let mut numbers = Vec::new();
                read_page(column, page, &mut numbers, len)?;
                numbers.into_iter().for_each(|number| give(number.into()));
            }
            Self::Medium(column) => {
                let mut numbers = Vec::new();
                read_page(column, page, &mut numbers, len)?;
                numbers.into_iter().for_each(|number| give(number.into()));
            }
            Self::Wide(column) => {
                let mut numbers = Vec::new();
                read_page(column, page, &mut numbers, len)?;
                numbers.into_iter().for_each(give);
            }
        }
        Ok(())
    }
}
