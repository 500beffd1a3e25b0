//! Columns of a list that fit the terminal: in a narrow one the least important are left out, in
//! a wide one each takes what it can use, and the last takes the rest.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Hits, cell, list};
use crate::theme::Theme;

/// Between two columns.
const SPACE: u16 = 1;

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) head: &'static str,
    /// Fewer characters tell nothing.
    pub(super) least: u16,
    /// More are of no use.
    pub(super) most: u16,
    /// The highest are left out first; 0 stays.
    pub(super) rank: u8,
}

impl Column {
    pub(super) const fn new(head: &'static str, (least, most): (u16, u16), rank: u8) -> Self {
        Self {
            head,
            least,
            most,
            rank,
        }
    }
}

/// Where a column is, and how wide; of width 0 when it is left out.
pub(super) type Place = (u16, u16);

/// Places of the columns, one character from the left.
pub(super) fn fit<const N: usize>(columns: &[Column; N], width: u16) -> [Place; N] {
    let mut widths = columns.map(|column| column.least);
    let taken = |widths: &[u16; N]| {
        widths
            .iter()
            .filter(|w| **w > 0)
            .map(|w| w + SPACE)
            .sum::<u16>()
    };
    for rank in (1..=u8::MAX).rev() {
        if taken(&widths) <= width {
            break;
        }
        for (column, kept) in columns.iter().zip(&mut widths) {
            if column.rank == rank {
                *kept = 0;
            }
        }
    }
    let mut spare = width.saturating_sub(taken(&widths));
    let mut order: Vec<usize> = (0..N).filter(|at| widths[*at] > 0).collect();
    let last = order.last().copied();
    order.sort_by_key(|at| columns[*at].rank);
    for at in order {
        let more = columns[at].most.saturating_sub(widths[at]).min(spare);
        widths[at] += more;
        spare -= more;
    }
    if let Some(last) = last {
        widths[last] += spare;
    }
    let mut x = 1;
    widths.map(|width| {
        let place = (x, width);
        x += width + if width > 0 { SPACE } else { 0 };
        place
    })
}

/// A list with heads; `line` draws an item into its row, with the places of the columns.
pub(super) fn table<T, const N: usize>(
    columns: &[Column; N],
    items: &[T],
    selected: usize,
    theme: Theme,
    (area, buf, hits): (Rect, &mut Buffer, &mut Hits),
    mut line: impl FnMut(&T, &[Place; N], Rect, &mut Buffer),
) {
    let places = fit(columns, area.width);
    for (column, place) in columns.iter().zip(places) {
        cell(buf, area, place, 0, column.head, theme.dim());
    }
    list(
        "",
        items,
        selected,
        theme,
        (area, buf, hits),
        |item, at, buf| {
            line(item, &places, at, buf);
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column::new("NAME", (8, 20), 0),
        Column::new("WHEN", (6, 10), 2),
        Column::new("WHAT", (10, 30), 1),
    ];

    #[test]
    fn columns_are_left_out_by_rank_and_take_what_they_can_use() {
        assert_eq!(fit(&COLUMNS, 10), [(1, 9), (11, 0), (11, 0)]);
        // All at their least.
        assert_eq!(fit(&COLUMNS, 27), [(1, 8), (10, 6), (17, 10)]);
        // The first in rank grows first, and nothing is lost.
        assert_eq!(fit(&COLUMNS, 30), [(1, 11), (13, 6), (20, 10)]);
        assert_eq!(fit(&COLUMNS, 200), [(1, 20), (22, 10), (33, 167)]);
        for width in 9..300 {
            let places = fit(&COLUMNS, width);
            let (x, last) = places.into_iter().rfind(|(_, width)| *width > 0).unwrap();
            assert_eq!(x + last, width, "{width}");
        }
    }
}
