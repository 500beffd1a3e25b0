//! A value between two databases, and checksums of rows of them.

use std::{
    hash::{DefaultHasher, Hasher as _},
    sync::atomic::{AtomicU64, Ordering},
};

/// A value. SQLite has no others; what PostgreSQL has besides, becomes one of these.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) enum Cell {
    Null,
    /// Also of a boolean: 0 or 1.
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row, in the order of the columns that were asked for.
pub(in crate::store) type Row = Vec<Cell>;

/// Number and checksum of rows, whatever their order.
#[derive(Debug, Default)]
pub(in crate::store) struct Sum {
    rows: AtomicU64,
    hashes: AtomicU64,
}

impl Sum {
    /// Adds a row; how many there are now.
    pub(super) fn add(&self, row: &Row) -> u64 {
        // Its keys are fixed, so the same row has the same hash on both sides.
        let mut hasher = DefaultHasher::new();
        for cell in row {
            match cell {
                Cell::Null => hasher.write_u8(0),
                Cell::Integer(number) => {
                    hasher.write_u8(1);
                    hasher.write_i64(*number);
                }
                Cell::Real(number) => {
                    hasher.write_u8(2);
                    hasher.write_u64(number.to_bits());
                }
                Cell::Text(text) => {
                    hasher.write_u8(3);
                    hasher.write_usize(text.len());
                    hasher.write(text.as_bytes());
                }
                Cell::Bytes(bytes) => {
                    hasher.write_u8(4);
                    hasher.write_usize(bytes.len());
                    hasher.write(bytes);
                }
            }
        }
        self.hashes.fetch_add(hasher.finish(), Ordering::Relaxed);
        self.rows.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many rows were added.
    pub(super) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        let both = |sum: &Self| (sum.rows(), sum.hashes.load(Ordering::Relaxed));
        both(self) == both(other)
    }
}
