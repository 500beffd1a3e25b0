//! What is where on the screen, for the mouse.

use ratatui::layout::{Position, Rect};

use crate::event::Target;

/// Places that can be clicked; the last that was drawn lies on top.
#[derive(Debug, Default)]
pub(crate) struct Hits(Vec<(Rect, Target)>);

impl Hits {
    pub(super) fn add(&mut self, area: Rect, target: Target) {
        self.0.push((area, target));
    }

    /// What is at a place; of a chart, how far from its left.
    pub(crate) fn at(&self, x: u16, y: u16) -> Option<Target> {
        let inside = |(area, _): &&(Rect, Target)| area.contains(Position { x, y });
        let (area, target) = self.0.iter().rev().find(inside)?;
        Some(match target {
            Target::Chart(_) => {
                let last = f64::from(area.width.saturating_sub(1).max(1));
                Target::Chart(f64::from(x - area.x) / last)
            }
            other => *other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_top_is_hit_and_a_chart_tells_where() {
        let mut hits = Hits::default();
        hits.add(Rect::new(0, 0, 10, 10), Target::Row(1));
        hits.add(Rect::new(0, 5, 11, 1), Target::Chart(0.0));
        assert_eq!(hits.at(3, 3), Some(Target::Row(1)));
        assert_eq!(hits.at(5, 5), Some(Target::Chart(0.5)));
        assert_eq!(hits.at(10, 10), None);
    }
}
