//! Who calls whom in a simulated call, and at what pace; all drawn from one number.

use jiff::SignedDuration;
use switchhook_domain::Timestamp;

/// Repeatable chance: SplitMix64. Good enough to vary a demo, and the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `from..to`.
    pub(super) fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % to.saturating_sub(from).max(1)
    }

    /// True in so many of a thousand cases.
    pub(super) fn permille(&mut self, share: u16) -> bool {
        self.next() % 1000 < u64::from(share)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let at = self.within(0, of.len() as u64);
        usize::try_from(at)
            .ok()
            .and_then(|at| of.get(at))
            .copied()
            .unwrap_or_default()
    }
}

/// Somebody outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name as the platform knows it; empty for somebody unknown.
    pub name: String,
    /// E.164.
    pub number: String,
}

/// One of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colleague {
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Extension on the PBX.
    pub extension: String,
    /// Dialpad's user id.
    pub user_id: u64,
    /// Own number, E.164.
    pub number: String,
}

impl Colleague {
    /// One of the two agents of the demo, who keep their extensions and ids across calls.
    #[must_use]
    pub fn demo(second: bool) -> Self {
        let (name, mail, extension, user_id, number) = if second {
            (
                "Daan Visser",
                "daan.visser",
                "101",
                4_900_000_000_000_012,
                "+31850001212",
            )
        } else {
            (
                "Sanne Bakker",
                "sanne.bakker",
                "100",
                4_900_000_000_000_011,
                "+31850001211",
            )
        };
        Self {
            name: name.to_owned(),
            email: format!("{mail}@example.nl"),
            extension: extension.to_owned(),
            user_id,
            number: number.to_owned(),
        }
    }
}

/// Everything a simulated call depends on. All members may be changed before it is played.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSeed {
    /// Decides ids, names and durations. Two calls of one connection need two seeds.
    pub seed: u64,
    /// When the call begins, platform time.
    pub start: Timestamp,
    /// 1.0 is the pace of life, 0.1 ten times as fast. Kept within 0.05 and 20: faster than that,
    /// a call taken back from hold cannot be told from one just answered.
    pub pace: f64,
    /// The customer.
    pub caller: Caller,
    /// Who answers, or dials.
    pub agent: Colleague,
    /// The other one of a transfer or a ring group.
    pub colleague: Colleague,
    /// The number customers dial, E.164.
    pub line: String,
    /// The queue or call centre.
    pub queue: String,
}

impl CallSeed {
    /// A call of an invented customer to the agents of the demo.
    #[must_use]
    pub fn new(seed: u64, start: Timestamp) -> Self {
        let mut chance = Chance::new(seed);
        let caller = Caller {
            name: format!("{} {}", chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES)),
            number: format!("+316123{:05}", 45_000 + chance.within(0, 1_000)),
        };
        Self {
            seed,
            start,
            pace: 1.0,
            caller,
            agent: Colleague::demo(false),
            colleague: Colleague::demo(true),
            line: "+31850001200".to_owned(),
            queue: "Klantenservice".to_owned(),
        }
    }

    /// The same call at another pace.
    #[must_use]
    pub fn paced(mut self, pace: f64) -> Self {
        self.pace = pace;
        self
    }

    /// Chance for one purpose; different purposes do not disturb one another.
    pub(super) fn chance(&self, purpose: u64) -> Chance {
        let mut chance = Chance::new(self.seed ^ purpose.rotate_left(32));
        chance.next();
        chance
    }

    /// Milliseconds of life at the pace of this call.
    pub(super) fn scaled(&self, ms: u64) -> u64 {
        let pace = if self.pace.is_finite() {
            self.pace.clamp(0.05, 20.0)
        } else {
            1.0
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "at most twenty times an hour, never negative"
        )]
        let scaled = (ms.min(3_600_000) as f64 * pace).round() as u64;
        scaled
    }

    /// The platform's time so many milliseconds after the start.
    pub(super) fn at(&self, after_ms: u64) -> Timestamp {
        let after = SignedDuration::from_millis(i64::try_from(after_ms).unwrap_or(i64::MAX));
        self.start.checked_add(after).unwrap_or(self.start)
    }
}

const FIRST_NAMES: [&str; 16] = [
    "Fatima", "Jan", "Noor", "Emma", "Mohammed", "Lotte", "Pieter", "Aylin", "Sven", "Marieke",
    "Youssef", "Anouk", "Bram", "Priya", "Thijs", "Wilma",
];

const LAST_NAMES: [&str; 16] = [
    "de Vries",
    "el Amrani",
    "Jansen",
    "van den Berg",
    "Yılmaz",
    "Smit",
    "Meijer",
    "Mulder",
    "van Dijk",
    "Çelik",
    "Hendriks",
    "Bos",
    "Dekker",
    "Sharma",
    "Peters",
    "van Leeuwen",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_cast() {
        let start = Timestamp::UNIX_EPOCH;
        assert_eq!(CallSeed::new(7, start), CallSeed::new(7, start));
        assert_ne!(
            CallSeed::new(7, start).caller,
            CallSeed::new(8, start).caller
        );
        let mut chance = Chance::new(0);
        assert_eq!(
            chance.next(),
            0xE220_A839_7B1D_CDAF,
            "the published first value of seed 0"
        );
    }

    #[test]
    fn any_pace_is_made_sensible() {
        let seed = CallSeed::new(1, Timestamp::UNIX_EPOCH);
        assert_eq!(seed.clone().paced(f64::NAN).scaled(1_000), 1_000);
        assert_eq!(seed.clone().paced(-5.0).scaled(1_000), 50);
        assert_eq!(seed.paced(0.1).scaled(1_000), 100);
    }
}
