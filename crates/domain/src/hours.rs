//! Business hours: when somebody is there, in the app's own time zone. What lives here reads no
//! clock; the time zone's rules come from the system's tables by way of jiff.

use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

/// One stretch of opening hours on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenHours {
    /// The days, 1 for Monday to 7 for Sunday (ISO 8601).
    pub days: Vec<u8>,
    /// From when, local time.
    pub from: Time,
    /// Until when, local time; after `from`.
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
