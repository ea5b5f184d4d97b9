//! When the other side was on hold.

use jiff::SignedDuration;

use crate::Timestamp;
use crate::call::HoldView;
use crate::facts::{Facts, HoldMark, LegFacts};
use crate::time::seconds;

use super::reading::Reading;

impl<'a> Reading<'a> {
    /// Merged hold intervals of all legs, cut to the talk.
    pub(super) fn holds(&self, ended_at: Option<Timestamp>) -> Vec<HoldView> {
        let Some(answered_at) = self.answered_at else {
            return Vec::new();
        };
        let mut spans: Vec<HoldView> = self.people().flat_map(|(_, leg)| leg_holds(leg)).collect();
        spans.sort_by_key(|span| (span.from, span.to.is_none(), span.to));
        let mut merged: Vec<HoldView> = Vec::new();
        for span in spans {
            let to = match (span.to, ended_at) {
                (Some(to), Some(end)) => Some(to.min(end)),
                (to, end) => to.or(end),
            };
            let from = span.from.max(answered_at);
            if to.is_some_and(|to| to <= from) {
                continue;
            }
            match merged.last_mut() {
                Some(last) if last.to.is_none_or(|end| from <= end) => {
                    last.to = match (last.to, to) {
                        (Some(a), Some(b)) => Some(a.max(b)),
                        _ => None,
                    };
                }
                _ => merged.push(HoldView { from, to }),
            }
        }
        merged
    }
}

fn leg_holds(leg: &LegFacts) -> Vec<HoldView> {
    let mut spans = Vec::new();
    let mut open: Option<Timestamp> = None;
    for (at, mark) in &leg.holds {
        match (mark, open) {
            (HoldMark::Held, None) => open = Some(*at),
            (HoldMark::Resumed, Some(from)) => {
                spans.push(HoldView {
                    from,
                    to: Some(*at),
                });
                open = None;
            }
            (HoldMark::Held, Some(_)) | (HoldMark::Resumed, None) => {}
        }
    }
    if let Some(from) = open {
        spans.push(HoldView {
            from,
            to: leg.end(),
        });
    }
    spans
}

pub(super) fn hold_seconds(facts: &Facts, holds: &[HoldView], now: Timestamp) -> i64 {
    let sum = holds.iter().fold(SignedDuration::ZERO, |sum, hold| {
        let span = hold
            .to
            .unwrap_or(now.max(hold.from))
            .duration_since(hold.from);
        sum.saturating_add(span)
    });
    if holds.is_empty() {
        return facts.hold_total_ms.map_or(0, |ms| (ms + 500) / 1000);
    }
    seconds(sum)
}
