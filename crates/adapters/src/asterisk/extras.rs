//! What hangs off a call or stands beside it: queues, mailboxes, recordings and presence.
//!
//! Asterisk tells of them by the dialplan application a channel runs, by two channel variables,
//! and by device states.

use switchhook_domain::media::{Presence, PresenceReport, Recording, RecordingState, Voicemail};
use switchhook_domain::signal::{CallFact, Fact, Signal};

use super::channel::Channel;
use super::facts::Told;

impl Told<'_> {
    /// Applications that mean something to a person: queues and mailboxes.
    pub(super) fn application(&mut self, channel: &Channel<'_>) {
        let app = channel.app.as_ref();
        if app.eq_ignore_ascii_case("Queue") {
            let name = channel
                .app_data
                .split(',')
                .next()
                .unwrap_or_default()
                .trim();
            if !name.is_empty() {
                self.call(CallFact::Queue(name.to_owned()));
            }
        } else if app.eq_ignore_ascii_case("VoiceMail") {
            self.call(CallFact::VoicemailReached);
        } else if app.eq_ignore_ascii_case("MixMonitor") {
            let file = channel.app_data.split(',').next().unwrap_or_default();
            self.recording(channel, file);
        } else if app.eq_ignore_ascii_case("Record")
            && self
                .setting
                .rules
                .mailboxes
                .iter()
                .any(|name| *name == channel.context)
        {
            self.call(CallFact::VoicemailReached);
        }
    }

    /// A recording by its file name: the path differs between the argument of `MixMonitor` and
    /// the variable it sets. The file stays on the PBX, so there is no link.
    fn recording(&mut self, channel: &Channel<'_>, file: &str) {
        let name = file.rsplit('/').next().unwrap_or_default().trim();
        let id = if name.is_empty() {
            format!("mixmonitor:{}", channel.id)
        } else {
            name.to_owned()
        };
        let recording = Recording {
            state: RecordingState::Pending,
            started_at: Some(self.at),
            ..Recording::default()
        };
        self.call(CallFact::Recording { id, recording });
    }

    pub(super) fn message_left(&mut self, channel: &Channel<'_>) {
        let voicemail = Voicemail {
            left_at: Some(self.at),
            ..Voicemail::default()
        };
        self.call(CallFact::Voicemail {
            id: format!("voicemail:{}", channel.id),
            voicemail,
        });
    }

    pub(super) fn variable(&mut self, channel: &Channel<'_>, name: &str, value: &str) {
        self.about(&[channel], &[]);
        match name {
            "MIXMONITOR_FILENAME" if !value.is_empty() => self.recording(channel, value),
            "VMSTATUS" => {
                self.call(CallFact::VoicemailReached);
                if value == "SUCCESS" {
                    self.message_left(channel);
                }
            }
            _ => {}
        }
    }

    pub(super) fn device(&mut self, device: &str, state: &str) {
        let rules = self.setting.rules;
        let Some(endpoint) = rules.agent_of_device(device).filter(|_| rules.presence) else {
            return;
        };
        if let Some(presence) = presence_of(state) {
            self.present(endpoint, presence);
        }
    }

    pub(super) fn present(&mut self, endpoint: &str, presence: Presence) {
        let report = PresenceReport {
            extension: Some(endpoint.to_owned()),
            user_id: None,
            email: None,
            presence,
        };
        self.signals.push(Signal {
            at: self.at,
            keys: Vec::new(),
            fact: Fact::Presence(report),
        });
    }
}

/// What a device state (`ast_device_state`) says about the person. `BUSY` is what
/// `device_state_busy_at` makes of ringing and talking alike.
pub(super) fn presence_of(state: &str) -> Option<Presence> {
    match state {
        "NOT_INUSE" => Some(Presence::Available),
        "INUSE" | "BUSY" | "RINGING" | "RINGINUSE" | "ONHOLD" => Some(Presence::OnCall),
        "UNAVAILABLE" => Some(Presence::Offline),
        _ => None,
    }
}
