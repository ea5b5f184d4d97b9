//! Guessing passwords slowed down: failures are counted in memory for an account at one address,
//! for an account at all addresses, and for an address at all accounts. Where somebody signed in
//! before, the count of all addresses does not matter: whoever guesses elsewhere cannot lock them
//! out of their own desk. Counts end by themselves.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use switchhook_domain::Timestamp;

/// How long failures count, in seconds.
const WINDOW: i64 = 15 * 60;
/// Failures of one account from one address.
const PER_PLACE: u32 = 10;
/// Failures of one account from anywhere.
const PER_ACCOUNT: u32 = 50;
/// Failures from one address at any account: an office of people shares one.
const PER_ADDRESS: u32 = 100;
/// For how long a place where somebody signed in is theirs, in seconds.
const KNOWN_FOR: i64 = 30 * 24 * 3600;
/// The most counts kept; beyond that those that have ended go, then the oldest.
const MOST: usize = 20_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Place(String, String),
    Account(String),
    Address(String),
}

#[derive(Default)]
struct Kept {
    failures: HashMap<Counted, (i64, u32)>,
    known: HashMap<(String, String), i64>,
}

/// Counts failures.
#[derive(Default)]
pub struct Throttle(Mutex<Kept>);

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl Throttle {
    /// How long this account must wait here before it may try again; `None` when it may now.
    #[must_use]
    pub fn wait(&self, account: &str, address: Option<&str>, now: Timestamp) -> Option<Duration> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_second();
        let (account, address) = (account.to_owned(), address.unwrap_or_default().to_owned());
        let place = (account.clone(), address.clone());
        let known = kept.known.get(&place).is_some_and(|end| *end > now);
        let limits = [
            (Counted::Place(account.clone(), address.clone()), PER_PLACE),
            (Counted::Account(account), PER_ACCOUNT),
            (Counted::Address(address), PER_ADDRESS),
        ];
        let over = limits.iter().filter_map(|(counted, limit)| {
            let (end, count) = kept.failures.get(counted)?;
            let spared = known && !matches!(counted, Counted::Place(..));
            (*end > now && count >= limit && !spared).then_some(end - now)
        });
        let seconds = over.max()?;
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(1)))
    }

    /// A wrong password.
    pub fn failed(&self, account: &str, address: Option<&str>, now: Timestamp) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_second();
        let (account, address) = (account.to_owned(), address.unwrap_or_default().to_owned());
        make_room(&mut kept.failures, now, |(end, _)| *end);
        for counted in [
            Counted::Place(account.clone(), address.clone()),
            Counted::Account(account),
            Counted::Address(address),
        ] {
            let count = kept.failures.entry(counted).or_insert((now + WINDOW, 0));
            if count.0 <= now {
                *count = (now + WINDOW, 0);
            }
            count.1 = count.1.saturating_add(1);
        }
    }

    /// The right password: the place is theirs from now on.
    pub fn succeeded(&self, account: &str, address: Option<&str>, now: Timestamp) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_second();
        let place = (account.to_owned(), address.unwrap_or_default().to_owned());
        let counted = Counted::Place(place.0.clone(), place.1.clone());
        kept.failures.remove(&counted);
        make_room(&mut kept.known, now, |end| *end);
        kept.known.insert(place, now + KNOWN_FOR);
    }
}

fn make_room<K: std::hash::Hash + Eq + Clone, V>(
    map: &mut HashMap<K, V>,
    now: i64,
    end: impl Fn(&V) -> i64,
) {
    if map.len() + 3 <= MOST {
        return;
    }
    map.retain(|_, value| end(value) > now);
    if map.len() + 3 > MOST {
        let mut ends: Vec<i64> = map.values().map(&end).collect();
        ends.sort_unstable();
        let middle = ends[ends.len() / 2];
        map.retain(|_, value| end(value) > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn ten_failures_are_enough_for_a_quarter_of_an_hour() {
        let throttle = Throttle::default();
        let (who, here) = ("jan@example.nl", Some("192.0.2.1"));
        for second in 0..10 {
            assert_eq!(throttle.wait(who, here, at(second)), None);
            throttle.failed(who, here, at(second));
        }
        let wait = throttle.wait(who, here, at(10)).unwrap();
        assert_eq!(wait, Duration::from_secs(15 * 60 - 10));
        assert_eq!(throttle.wait(who, Some("192.0.2.2"), at(10)), None);
        assert_eq!(throttle.wait("piet@example.nl", here, at(10)), None);
        assert_eq!(
            throttle.wait(who, here, at(15 * 60)),
            None,
            "it ends by itself"
        );
    }

    #[test]
    fn guessing_elsewhere_does_not_lock_somebody_out_of_their_desk() {
        let throttle = Throttle::default();
        let who = "jan@example.nl";
        throttle.succeeded(who, Some("192.0.2.1"), at(0));
        for guess in 0..60 {
            let elsewhere = format!("198.51.100.{}", guess / 6);
            throttle.failed(who, Some(&elsewhere), at(guess));
        }
        assert!(throttle.wait(who, Some("203.0.113.9"), at(60)).is_some());
        assert_eq!(throttle.wait(who, Some("192.0.2.1"), at(60)), None);
    }

    #[test]
    fn an_address_cannot_try_all_accounts() {
        let throttle = Throttle::default();
        for guess in 0..100 {
            throttle.failed(&format!("{guess}@example.nl"), Some("192.0.2.1"), at(0));
        }
        assert!(
            throttle
                .wait("new@example.nl", Some("192.0.2.1"), at(1))
                .is_some()
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let throttle = Throttle::default();
        for guess in 0..20_000 {
            throttle.failed(&format!("{guess}@example.nl"), None, at(guess / 1000));
        }
        assert!(throttle.0.lock().unwrap().failures.len() <= MOST);
    }
}
