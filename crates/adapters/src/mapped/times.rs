//! Times as a vendor writes them: the unit of a number, or the form and zone of a text.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use switchhook_domain::{Timestamp, time};

/// How times are written.
#[derive(Clone, Debug)]
pub(super) enum Unit {
    /// RFC 3339, or an epoch whose unit its size tells.
    Auto,
    /// RFC 3339.
    Iso,
    /// Epoch, so many to the second.
    Epoch(f64),
    /// A form in `strftime` letters; without an offset in it, in this zone.
    Form(String, TimeZone),
}

/// Reads `unit` and `zone` of a mapping file.
pub(super) fn unit(unit: &str, zone: Option<&str>) -> Result<Unit, &'static str> {
    Ok(match unit {
        "auto" => Unit::Auto,
        "iso" => Unit::Iso,
        "s" => Unit::Epoch(1.0),
        "ms" => Unit::Epoch(1e3),
        "us" | "µs" => Unit::Epoch(1e6),
        form if form.contains('%') => {
            let zone = match zone {
                None => TimeZone::UTC,
                Some(name) => TimeZone::get(name).map_err(|_| "zone")?,
            };
            Unit::Form(form.to_owned(), zone)
        }
        _ => return Err("unit"),
    })
}

/// Stands for "not yet" with vendors that must write something: zero, and the year 1.
pub(super) fn is_none(text: &str) -> bool {
    text == "0" || text.starts_with("0001-") || text.starts_with("0000-")
}

impl Unit {
    /// Reads a time.
    pub(super) fn read(&self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Auto => time::parse_lenient(text).or_else(|| utc(text)),
            Self::Iso => {
                let number = text.parse::<f64>().is_ok();
                let read = || time::parse_lenient(text).or_else(|| utc(text));
                (!number).then(read).flatten()
            }
            Self::Epoch(per_second) => {
                let number = text.parse::<f64>().ok()?;
                // In microseconds, in which every size is read alike.
                let micros = number / per_second * 1e6;
                time::from_epoch(micros).filter(|_| micros >= 1e14)
            }
            Self::Form(form, zone) => {
                let broken = strtime::parse(form, text).ok()?;
                if let Ok(at) = broken.to_timestamp() {
                    return time::parse_lenient(&at.to_string());
                }
                let civil = broken.to_datetime().ok()?;
                let at = civil.to_zoned(zone.clone()).ok()?.timestamp();
                time::parse_lenient(&at.to_string())
            }
        }
    }

    /// What a time must look like, for error messages.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Auto => "must be a time: RFC 3339 or an epoch".to_owned(),
            Self::Iso => "must be a time as RFC 3339 writes it".to_owned(),
            Self::Epoch(_) => {
                "must be a time: a number since 1970, in the unit of the mapping".to_owned()
            }
            Self::Form(form, _) => format!("must be a time of the form {form}"),
        }
    }
}

/// A time without an offset, read as UTC.
fn utc(text: &str) -> Option<Timestamp> {
    let civil: DateTime = text.parse().ok()?;
    time::parse_lenient(&format!("{civil}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_reads_the_same_moment() {
        let wanted: Timestamp = "2026-11-22T09:00:05Z".parse().unwrap();
        for (name, zone, text) in [
            ("auto", None, "2026-11-22T10:00:05+01:00"),
            ("auto", None, "1795338005"),
            ("iso", None, "2026-11-22T09:00:05Z"),
            ("iso", None, "2026-11-22 09:00:05"),
            ("s", None, "1795338005"),
            ("ms", None, "1795338005000"),
            ("us", None, "1795338005000000"),
            ("%d/%m/%Y %H:%M:%S", None, "22/11/2026 09:00:05"),
            (
                "%d/%m/%Y %H:%M:%S",
                Some("Europe/Amsterdam"),
                "22/11/2026 10:00:05",
            ),
            (
                "%Y-%m-%d %H:%M:%S %z",
                Some("Asia/Tokyo"),
                "2026-11-22 10:00:05 +0100",
            ),
        ] {
            let unit = unit(name, zone).unwrap();
            assert_eq!(unit.read(text), Some(wanted), "{name} {zone:?} {text}");
        }
    }

    #[test]
    fn a_time_in_another_unit_is_none() {
        assert_eq!(unit("s", None).unwrap().read("1795338005000"), None);
        assert_eq!(unit("ms", None).unwrap().read("1795338005"), None);
        assert_eq!(unit("iso", None).unwrap().read("1795338005"), None);
        assert_eq!(unit("iso", None).unwrap().read("soon"), None);
        assert_eq!(unit("fortnight", None).unwrap_err(), "unit");
        assert_eq!(unit("%Y", Some("Europe/Atlantis")).unwrap_err(), "zone");
        assert!(is_none("0") && is_none("0001-01-01T00:00:00Z"));
    }
}
