//! Business hours: when somebody is there, in the app's own time zone. What lives here reads no
//! clock; the time zone's rules come from the system's tables by way of jiff.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The most stretches of opening hours.
pub const MAX_OPEN: usize = 50;
/// The most days on which nobody is there.
pub const MAX_HOLIDAYS: usize = 500;
/// How many days are looked at for one that is open: three years.
const HORIZON: usize = 3 * 366;
/// How long a deadline lies ahead where there are no opening hours at all.
const WITHOUT_HOURS: SignedDuration = SignedDuration::from_hours(24);

/// One stretch of opening hours on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenHours {
    /// The days, 1 for Monday to 7 for Sunday (ISO 8601).
    pub days: Vec<u8>,
    /// From when, local time.
    pub from: Time,
    /// Until when, local time; after `from`. Midnight means the day's end.
    pub to: Time,
}

/// When somebody is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BusinessHours {
    /// IANA time zone, such as `Europe/Amsterdam`.
    pub time_zone: String,
    /// The weeks; stretches of one day may not overlap.
    pub open: Vec<OpenHours>,
    /// Days on which nobody is there.
    pub holidays: Vec<Date>,
}

impl Default for BusinessHours {
    /// Monday to Friday, 08:00 to 17:00, as the predecessor had it.
    fn default() -> Self {
        Self {
            time_zone: "Europe/Amsterdam".to_owned(),
            open: vec![OpenHours {
                days: vec![1, 2, 3, 4, 5],
                from: Time::constant(8, 0, 0, 0),
                to: Time::constant(17, 0, 0, 0),
            }],
            holidays: Vec::new(),
        }
    }
}

/// What is wrong with business hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct HoursFault {
    /// The member at fault, such as `open[1].to`.
    pub field: String,
    /// What is wrong and what would be right.
    pub problem: &'static str,
}

impl OpenHours {
    /// Its end in nanoseconds of the day; midnight is the day's end.
    fn end(&self) -> i64 {
        match self.to {
            Time::MIN => 24 * 3_600 * 1_000_000_000,
            to => nanos(to),
        }
    }
}

/// How far into the day a time is, in nanoseconds of the clock on the wall.
fn nanos(time: Time) -> i64 {
    let seconds =
        i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * 1_000_000_000 + i64::from(time.subsec_nanosecond())
}

impl BusinessHours {
    /// Refuses hours that make no sense. That nobody is ever there is no fault.
    ///
    /// # Errors
    /// The first member at fault.
    pub fn check(&self) -> Result<(), HoursFault> {
        let fault = |field: String, problem| Err(HoursFault { field, problem });
        if TimeZone::get(&self.time_zone).is_err() {
            let problem = "must be a time zone of the IANA list, such as Europe/Amsterdam";
            return fault("time_zone".to_owned(), problem);
        }
        if self.open.len() > MAX_OPEN {
            return fault("open".to_owned(), "must have at most 50 entries");
        }
        if self.holidays.len() > MAX_HOLIDAYS {
            return fault("holidays".to_owned(), "must have at most 500 entries");
        }
        let mut week: Vec<(u8, i64, i64)> = Vec::new();
        for (index, open) in self.open.iter().enumerate() {
            let at = |member: &str| format!("open[{index}].{member}");
            if open.days.is_empty() || open.days.iter().any(|day| !(1..=7).contains(day)) {
                let problem = "must name days, 1 for Monday to 7 for Sunday";
                return fault(at("days"), problem);
            }
            let (from, to) = (nanos(open.from), open.end());
            if to <= from {
                return fault(
                    at("to"),
                    "must be later than from; 00:00:00 is the day's end",
                );
            }
            for day in &open.days {
                let overlaps =
                    |other: &(u8, i64, i64)| other.0 == *day && from < other.2 && other.1 < to;
                if week.iter().any(overlaps) {
                    let problem = "overlap with hours given before; join them into one entry";
                    return fault(format!("open[{index}]"), problem);
                }
                week.push((*day, from, to));
            }
        }
        Ok(())
    }

    /// The time zone; one that the system does not know is read as UTC.
    fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// When somebody is there on a day, in order; none on a holiday.
    fn stretches(&self, day: Date, zone: &TimeZone) -> Vec<(Timestamp, Timestamp)> {
        if self.holidays.contains(&day) {
            return Vec::new();
        }
        let weekday = day.weekday().to_monday_one_offset().unsigned_abs();
        let instant = |day: Date, time: Time| {
            let there = day.to_datetime(time).to_zoned(zone.clone());
            there.ok().map(|zoned| zoned.timestamp())
        };
        let open = self.open.iter().filter(|open| open.days.contains(&weekday));
        let mut found: Vec<_> = open
            .filter_map(|open| {
                let end = match open.to {
                    Time::MIN => instant(day.tomorrow().ok()?, Time::MIN)?,
                    to => instant(day, to)?,
                };
                Some((instant(day, open.from)?, end))
            })
            .filter(|(from, to)| from < to)
            .collect();
        found.sort_unstable();
        found
    }

    /// The days from the one of that instant on, as far as anybody looks.
    fn days(at: Timestamp, zone: &TimeZone) -> impl Iterator<Item = Date> {
        at.to_zoned(zone.clone())
            .date()
            .series(1.day())
            .take(HORIZON)
    }

    /// True when somebody is there at that instant.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        let zone = self.zone();
        let day = at.to_zoned(zone.clone()).date();
        let stretches = self.stretches(day, &zone);
        stretches.iter().any(|(from, to)| *from <= at && at < *to)
    }

    /// The last closing time of the first business day after the day of that instant. `None` when
    /// there is none within three years.
    #[must_use]
    pub fn end_of_next_business_day(&self, at: Timestamp) -> Option<Timestamp> {
        let zone = self.zone();
        Self::days(at, &zone).skip(1).find_map(|day| {
            self.stretches(day, &zone)
                .into_iter()
                .map(|(_, to)| to)
                .max()
        })
    }

    /// When business time of that length is over, counted from that instant on. `None` when that
    /// is not within three years.
    #[must_use]
    pub fn add(&self, at: Timestamp, length: SignedDuration) -> Option<Timestamp> {
        let zone = self.zone();
        let mut left = length.max(SignedDuration::ZERO);
        for day in Self::days(at, &zone) {
            for (from, to) in self.stretches(day, &zone) {
                let from = from.max(at);
                let there = to.duration_since(from);
                if there.is_negative() || there.is_zero() {
                    continue;
                }
                if left <= there {
                    return from.checked_add(left).ok();
                }
                left -= there;
            }
        }
        None
    }

    /// By when something should be done that comes up at that instant: by the end of the next
    /// business day, or within a day where there are no opening hours.
    #[must_use]
    pub fn deadline(&self, at: Timestamp) -> Timestamp {
        let fallback = || at.checked_add(WITHOUT_HOURS).unwrap_or(at);
        self.end_of_next_business_day(at).unwrap_or_else(fallback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn open(days: &[u8], from: &str, to: &str) -> OpenHours {
        OpenHours {
            days: days.to_vec(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        }
    }

    fn hours(open: Vec<OpenHours>) -> BusinessHours {
        BusinessHours {
            open,
            ..BusinessHours::default()
        }
    }

    #[test]
    fn the_next_business_day_ends_at_its_last_closing_time() {
        let hours = BusinessHours::default();
        for (from, end) in [
            // Thursday; before, within and after hours it is Friday at five.
            ("2026-11-19T06:00:00Z", "2026-11-20T16:00:00Z"),
            ("2026-11-19T10:00:00Z", "2026-11-20T16:00:00Z"),
            ("2026-11-19T22:30:00Z", "2026-11-20T16:00:00Z"),
            // In Amsterdam it is Friday already.
            ("2026-11-19T23:30:00Z", "2026-11-23T16:00:00Z"),
            // Friday and the weekend: Monday.
            ("2026-11-20T10:00:00Z", "2026-11-23T16:00:00Z"),
            ("2026-11-21T10:00:00Z", "2026-11-23T16:00:00Z"),
            // In summer five o'clock is 15:00 UTC; the clocks go forward on 29 March 2026.
            ("2026-03-27T10:00:00Z", "2026-03-30T15:00:00Z"),
            // And back on 25 October.
            ("2026-10-23T10:00:00Z", "2026-10-26T16:00:00Z"),
            // 31 December 2026 is a Thursday.
            ("2026-12-31T10:00:00Z", "2027-01-01T16:00:00Z"),
        ] {
            let found = hours.end_of_next_business_day(at(from));
            assert_eq!(found, Some(at(end)), "{from}");
            assert_eq!(hours.deadline(at(from)), at(end));
        }
    }

    #[test]
    fn holidays_and_later_stretches_count() {
        let mut hours = hours(vec![
            open(&[4, 5], "13:00:00", "21:00:00"),
            open(&[1, 2, 3, 4, 5], "08:00:00", "12:00:00"),
        ]);
        let thursday = at("2026-12-24T10:00:00Z");
        let next = |hours: &BusinessHours| hours.end_of_next_business_day(thursday).unwrap();
        assert_eq!(next(&hours), at("2026-12-25T20:00:00Z"));
        hours.holidays = vec!["2026-12-25".parse().unwrap()];
        assert_eq!(next(&hours), at("2026-12-28T11:00:00Z"));
        assert!(!hours.is_open(at("2026-12-25T09:00:00Z")));
        assert!(hours.is_open(at("2026-12-24T09:00:00Z")));
    }

    #[test]
    fn it_opens_and_closes_on_the_second() {
        let hours = BusinessHours::default();
        for (when, expected) in [
            ("2026-11-20T06:59:59Z", false),
            ("2026-11-20T07:00:00Z", true),
            ("2026-11-20T15:59:59Z", true),
            ("2026-11-20T16:00:00Z", false),
            ("2026-11-21T10:00:00Z", false),
            ("2026-07-17T06:00:00Z", true),
            ("2026-07-17T15:00:00Z", false),
        ] {
            assert_eq!(hours.is_open(at(when)), expected, "{when}");
        }
    }

    #[test]
    fn a_day_of_twentyfour_hours_has_as_many_as_the_clocks_give_it() {
        let hours = hours(vec![open(&[1, 2, 3, 4, 5, 6, 7], "00:00:00", "00:00:00")]);
        assert_eq!(hours.check(), Ok(()));
        assert!(hours.is_open(at("2026-11-20T22:59:59Z")));
        assert!(hours.is_open(at("2026-11-20T23:00:00Z")));
        let zone = hours.zone();
        let length = |day: &str| {
            let stretches = hours.stretches(day.parse().unwrap(), &zone);
            stretches[0].1.duration_since(stretches[0].0).as_hours()
        };
        assert_eq!(length("2026-03-28"), 24);
        assert_eq!(length("2026-03-29"), 23);
        assert_eq!(length("2026-10-25"), 25);
    }

    #[test]
    fn hours_that_the_clocks_leave_out_come_an_hour_later() {
        // On 29 March 2026 there is no 02:30 in Amsterdam.
        let hours = hours(vec![open(&[7], "02:30:00", "02:45:00")]);
        for (when, expected) in [
            ("2026-03-29T00:35:00Z", false),
            ("2026-03-29T01:00:00Z", false),
            ("2026-03-29T01:35:00Z", true),
            ("2026-03-29T01:45:00Z", false),
            // The next Sunday is an ordinary one.
            ("2026-04-05T00:35:00Z", true),
        ] {
            assert_eq!(hours.is_open(at(when)), expected, "{when}");
        }
    }

    #[test]
    fn business_time_leaves_out_nights_and_weekends() {
        let hours = BusinessHours::default();
        let after = |from: &str, minutes: i64| {
            hours
                .add(at(from), SignedDuration::from_mins(minutes))
                .unwrap()
        };
        // Friday 16:00 local and two hours: Monday 09:00.
        assert_eq!(
            after("2026-11-20T15:00:00Z", 120),
            at("2026-11-23T08:00:00Z")
        );
        assert_eq!(
            after("2026-11-20T15:00:00Z", 60),
            at("2026-11-20T16:00:00Z")
        );
        assert_eq!(after("2026-11-21T15:00:00Z", 0), at("2026-11-23T07:00:00Z"));
        // Over the spring change: the same hours on the wall.
        assert_eq!(
            after("2026-03-27T15:00:00Z", 120),
            at("2026-03-30T07:00:00Z")
        );
        assert_eq!(
            hours.add(at("2026-11-20T15:00:00Z"), SignedDuration::MAX),
            None
        );
    }

    #[test]
    fn who_is_never_there_has_no_next_day() {
        let never = hours(Vec::new());
        let now = at("2026-11-20T15:00:00Z");
        assert_eq!(never.check(), Ok(()));
        assert!(!never.is_open(now));
        assert_eq!(never.end_of_next_business_day(now), None);
        assert_eq!(never.add(now, SignedDuration::from_secs(1)), None);
        assert_eq!(never.deadline(now), at("2026-11-21T15:00:00Z"));
        // Neither does anything break at the end of time.
        let end = Timestamp::MAX;
        assert_eq!(BusinessHours::default().end_of_next_business_day(end), None);
        assert_eq!(BusinessHours::default().deadline(end), end);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(BusinessHours::default().check(), Ok(()));
        let week = [1, 2, 3, 4, 5];
        for (open, field) in [
            (vec![open(&[], "08:00:00", "17:00:00")], "open[0].days"),
            (vec![open(&[0], "08:00:00", "17:00:00")], "open[0].days"),
            (vec![open(&[8], "08:00:00", "17:00:00")], "open[0].days"),
            (vec![open(&week, "17:00:00", "08:00:00")], "open[0].to"),
            (vec![open(&week, "08:00:00", "08:00:00")], "open[0].to"),
            (vec![open(&[1, 1], "08:00:00", "12:00:00")], "open[0]"),
            (
                vec![
                    open(&week, "08:00:00", "12:00:00"),
                    open(&[5], "11:00:00", "00:00:00"),
                ],
                "open[1]",
            ),
        ] {
            assert_eq!(hours(open).check().unwrap_err().field, field);
        }
        let zone = BusinessHours {
            time_zone: "Europe/Atlantis".to_owned(),
            ..BusinessHours::default()
        };
        assert_eq!(zone.check().unwrap_err().field, "time_zone");
        // One ends where the other begins: no overlap.
        let split = hours(vec![
            open(&week, "08:00:00", "12:00:00"),
            open(&week, "12:00:00", "17:00:00"),
        ]);
        assert_eq!(split.check(), Ok(()));
    }
}
