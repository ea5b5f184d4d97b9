//! A bad network: notifications lost, doubled and out of order, repeatably.

use super::Step;
use super::cast::Chance;

/// How badly the notifications of a call arrive. Shares are in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disturb {
    /// Share of steps that never arrive.
    pub drop: u16,
    /// Share of steps that arrive twice; the second time up to ten seconds later.
    pub dup: u16,
    /// Share of steps that are overtaken by later ones, by up to ten seconds.
    pub shuffle: u16,
    /// Decides which.
    pub seed: u64,
}

/// The longest delay of a step, in milliseconds.
const MAX_DELAY: u64 = 10_000;

impl Disturb {
    /// The same steps as this network delivers them, in order of arrival. Bodies are untouched.
    #[must_use]
    pub fn apply(&self, steps: Vec<Step>) -> Vec<Step> {
        let mut chance = Chance::new(self.seed);
        let mut arrived = Vec::with_capacity(steps.len());
        for step in steps {
            let (lost, doubled, late) = (
                chance.permille(self.drop),
                chance.permille(self.dup),
                chance.permille(self.shuffle),
            );
            let delays = [chance.within(1, MAX_DELAY), chance.within(1, MAX_DELAY)];
            if doubled {
                let mut again = step.clone();
                again.after_ms += delays[0];
                arrived.push(again);
            }
            if !lost {
                let mut once = step;
                once.after_ms += if late { delays[1] } else { 0 };
                arrived.push(once);
            }
        }
        arrived.sort_by_key(|step| step.after_ms);
        arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(count: u64) -> Vec<Step> {
        (0..count)
            .map(|n| Step {
                after_ms: n * 100,
                body: n.to_string().into_bytes(),
                content_type: "application/json",
                headers: Vec::new(),
            })
            .collect()
    }

    #[test]
    fn a_good_network_changes_nothing() {
        assert_eq!(Disturb::default().apply(steps(50)), steps(50));
    }

    #[test]
    fn a_bad_network_is_bad_repeatably() {
        let bad = Disturb {
            drop: 200,
            dup: 300,
            shuffle: 500,
            seed: 1,
        };
        let first = bad.apply(steps(500));
        assert_eq!(first, bad.apply(steps(500)));
        assert_ne!(first, Disturb { seed: 2, ..bad }.apply(steps(500)));
        assert!(first.is_sorted_by_key(|step| step.after_ms));
        let order: Vec<&[u8]> = first.iter().map(|step| step.body.as_slice()).collect();
        let mut distinct = order.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() < 500 && order.len() > distinct.len());
        let all_lost = Disturb {
            drop: 1000,
            dup: 0,
            ..bad
        };
        assert!(all_lost.apply(steps(50)).is_empty());
    }
}
