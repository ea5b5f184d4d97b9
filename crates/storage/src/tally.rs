//! Counting what is under way: how many callers are in a place at this moment.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The count.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicUsize);

impl Tally {
    /// Counts one until the guard is dropped.
    pub(crate) fn one(&self) -> Counted<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(&self.0)
    }

    /// How many there are now.
    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One that is counted.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_those_who_are_in() {
        let tally = Tally::default();
        let (one, two) = (tally.one(), tally.one());
        assert_eq!(tally.now(), 2);
        drop(one);
        assert_eq!(tally.now(), 1);
        drop(two);
        assert_eq!(tally.now(), 0);
    }
}
