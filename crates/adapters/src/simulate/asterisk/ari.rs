//! The pieces of ARI frames: channels and bridges as Asterisk 22 writes them, member for member
//! after recordings of one. What is done with them is [`super::asterisk`].

use serde_json::{Value, json};
use switchhook_domain::Timestamp;

/// A name and a number, as in `caller` and `connected`.
#[derive(Clone, Debug, Default)]
pub(super) struct Id {
    pub(super) name: String,
    pub(super) number: String,
}

impl Id {
    pub(super) fn new(name: &str, number: &str) -> Self {
        Self {
            name: name.to_owned(),
            number: number.to_owned(),
        }
    }

    fn json(&self) -> Value {
        json!({"name": self.name, "number": self.number})
    }
}

/// A channel at one moment.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) caller: Id,
    pub(super) connected: Id,
    pub(super) context: &'static str,
    pub(super) exten: String,
    pub(super) priority: u8,
    pub(super) app: (String, String),
    pub(super) created: Timestamp,
    pub(super) linked: String,
}

impl Channel {
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "state": self.state,
            "protocol_id": format!("sim-{}", self.id),
            "caller": self.caller.json(), "connected": self.connected.json(), "accountcode": "",
            "dialplan": {"context": self.context, "exten": self.exten, "priority": self.priority,
                "app_name": self.app.0, "app_data": self.app.1},
            "creationtime": time(self.created), "language": "nl",
            "channelvars": {"CHANNEL(linkedid)": self.linked},
        })
    }
}

/// A mixing bridge at one moment.
#[derive(Clone, Debug)]
pub(super) struct Bridge {
    pub(super) id: String,
    pub(super) channels: Vec<String>,
    pub(super) created: Timestamp,
}

impl Bridge {
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id, "technology": "simple_bridge", "bridge_type": "mixing",
            "bridge_class": "basic", "creator": "", "name": "", "channels": self.channels,
            "creationtime": time(self.created), "video_mode": "none",
        })
    }
}

/// Asterisk's way to write a time: milliseconds, and an offset without colon.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

/// The text of a Q.850 cause.
pub(super) fn cause_text(cause: u8) -> &'static str {
    match cause {
        16 => "Normal Clearing",
        17 => "User busy",
        21 => "Call Rejected",
        26 => "Answered elsewhere",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_asterisk_does() {
        let at = "2026-11-22T01:52:38.086Z".parse().unwrap();
        assert_eq!(time(at), "2026-11-22T01:52:38.086+0000");
        let at = "2026-11-22T01:52:38Z".parse().unwrap();
        assert_eq!(time(at), "2026-11-22T01:52:38.000+0000");
    }
}
