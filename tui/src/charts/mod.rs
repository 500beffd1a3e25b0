//! Charts, one kind a file: shape the data, then draw.

pub(crate) mod line;
pub(crate) mod spark;
mod times;

pub(crate) use line::scale;
