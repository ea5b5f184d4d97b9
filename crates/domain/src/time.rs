//! Reading the times that platforms write, and rounding durations the way call records do.
//! Nothing here knows what time it is now.

use jiff::SignedDuration;

use crate::Timestamp;

/// Reads a time as platforms spell it: epoch seconds, milliseconds or microseconds (integer or
/// fractional, number or string), RFC 3339, or Asterisk's `2026-11-22T01:52:38.086+0000`, whose
/// offset has no colon. `None` when it is none of these or lies outside the years 1990 to 2200.
#[must_use]
pub fn parse_lenient(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return from_epoch(number);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return plausible(at);
    }
    jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text)
        .and_then(|broken| broken.to_timestamp())
        .ok()
        .and_then(plausible)
}

/// Epoch seconds, milliseconds or microseconds, told apart by size: seconds until the year 2200
/// stay below 7.3e9, and milliseconds since 1990 start at 6.3e11.
#[must_use]
pub fn from_epoch(number: f64) -> Option<Timestamp> {
    if !number.is_finite() || number <= 0.0 {
        return None;
    }
    let micros = if number < 1e11 {
        number * 1e6
    } else if number < 1e14 {
        number * 1e3
    } else {
        number
    };
    if micros > 7.3e15 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded to 7.3e15 above")]
    Timestamp::from_microsecond(micros.round() as i64)
        .ok()
        .and_then(plausible)
}

fn plausible(at: Timestamp) -> Option<Timestamp> {
    (631_152_000..7_258_118_400)
        .contains(&at.as_second())
        .then_some(at)
}

/// Whole seconds from `from` to `to`, rounded to the nearest, never negative.
#[must_use]
pub fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    seconds(to.duration_since(from))
}

/// Whole seconds of a duration, rounded to the nearest, never negative.
#[must_use]
pub fn seconds(duration: SignedDuration) -> i64 {
    let millis = duration.as_millis().clamp(0, i128::from(i64::MAX));
    i64::try_from((millis + 500) / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_same_instant() {
        let expected: Timestamp = "2026-11-22T01:52:38.086Z".parse().unwrap();
        for text in [
            "1795312358086",
            "1795312358.086",
            "1795312358086000",
            "2026-11-22T01:52:38.086Z",
            "2026-11-22T02:52:38.086+01:00",
            "2026-11-22T01:52:38.086+0000",
            " 2026-11-22T02:52:38.086+0100 ",
        ] {
            assert_eq!(parse_lenient(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in [
            "",
            "soon",
            "-1",
            "NaN",
            "inf",
            "1e300",
            "0",
            "2026-13-40T00:00:00Z",
            "12",
        ] {
            assert_eq!(parse_lenient(text), None, "{text}");
        }
    }

    #[test]
    fn durations_round_to_the_nearest_second_and_never_go_below_zero() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert_eq!(seconds_between(at(0), at(1_499)), 1);
        assert_eq!(seconds_between(at(0), at(1_500)), 2);
        assert_eq!(seconds_between(at(5_000), at(0)), 0);
    }
}
