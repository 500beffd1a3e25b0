//! Charts, one kind a file: shape the data, then draw.

pub(crate) mod line;
pub(crate) mod spark;

pub(crate) use line::scale;
