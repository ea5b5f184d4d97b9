//! A platform whose clock is hours off: the same calls, hours off.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use switchhook_adapters::registry;

use super::as_json;
use crate::fixture;

/// What a wrong clock must not change.
const SAME: [&str; 12] = [
    "status",
    "direction",
    "from_number",
    "to_number",
    "ring_seconds",
    "duration_seconds",
    "hold_seconds",
    "end_cause",
    "ended_by",
    "agent",
    "queue",
    "missing",
];
const OFF: SignedDuration = SignedDuration::from_hours(7);

#[test]
fn a_clock_that_is_hours_off_moves_the_record_and_changes_nothing_else() {
    let mut shifted_calls = 0;
    for adapter in registry().all() {
        let platform = adapter.spec().platform;
        for scenario in fixture::scenarios(platform) {
            let name = format!(
                "{platform}/{}",
                scenario.file_name().unwrap().to_string_lossy()
            );
            let payloads = fixture::notifications(&scenario, adapter);
            let mut moved = payloads.clone();
            for (_, body) in &mut moved {
                if let Some(mut value) = as_json(body) {
                    shift(&mut value);
                    *body = value.to_string().into_bytes();
                }
            }
            let fold = |payloads: &[(String, Vec<u8>)]| {
                fixture::fold(platform, &fixture::decode(adapter, payloads))
            };
            let (told, off) = (fold(&payloads), fold(&moved));
            let (told, off) = (calls(&told), calls(&off));
            assert_eq!(told.len(), off.len(), "{name}: the number of calls");
            for (told, off) in told.iter().zip(off) {
                for member in SAME {
                    assert_eq!(off[member], told[member], "{name}: {member}");
                }
                let at = |call: &Value| call["started_at"].as_str()?.parse::<Timestamp>().ok();
                if let (Some(told), Some(off)) = (at(told), at(off)) {
                    shifted_calls += usize::from(off.duration_since(told) == OFF);
                }
            }
        }
    }
    assert!(shifted_calls > 60, "only {shifted_calls} calls were moved");
}

fn calls(folded: &Value) -> &Vec<Value> {
    folded["calls"].as_array().unwrap()
}

/// Moves every text and number that is a time. Numbers count as times between 2001 and 2050,
/// in seconds or milliseconds.
fn shift(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(shift),
        Value::Array(items) => items.iter_mut().for_each(shift),
        Value::String(text) => {
            if let Ok(at) = text.parse::<Timestamp>() {
                *text = (at + OFF).to_string();
            }
        }
        Value::Number(number) => {
            let seconds = 1_000_000_000..2_500_000_000_i64;
            let Some(whole) = number.as_i64() else { return };
            if seconds.contains(&whole) {
                *value = (whole + OFF.as_secs()).into();
            } else if seconds.contains(&(whole / 1_000)) {
                *value = (whole + OFF.as_secs() * 1_000).into();
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}
