//! What one connection leaves for the next: how to go on with the session, and since when events
//! may be missing. Kept by the supervisor, in memory.

use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::{NotificationSink, Secret};

use super::frames::Wsc;

/// See the module documentation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The name of the session, when it can be gone on with.
    pub(super) wsc: Option<Wsc>,
    /// The subscription of that session.
    pub(super) subscription: Option<String>,
    /// How long after a break the session can be gone on with, in seconds.
    pub(super) recovery: u32,
    /// When RingCentral was last heard.
    pub(super) alive_at: Option<Timestamp>,
    /// Since when events are missing that were not looked up in the call log yet.
    pub(super) gap_from: Option<Timestamp>,
}

impl Memory {
    /// What the last connection left.
    pub(super) fn of(sink: &dyn NotificationSink) -> Self {
        let kept = sink.recall();
        let kept = kept.and_then(|kept| serde_json::from_str(kept.expose()).ok());
        kept.unwrap_or_default()
    }

    /// Leaves this for the next connection.
    pub(super) fn leave(&self, sink: &dyn NotificationSink) {
        sink.remember(serde_json::to_string(self).ok().map(Secret::new));
    }

    /// The name of the session while it can still be gone on with: it needs a subscription
    /// (`WSG-1005` otherwise) and the time.
    pub(super) fn recoverable(&self, now: Timestamp) -> Option<Secret> {
        let (wsc, alive_at) = (self.wsc.as_ref()?, self.alive_at?);
        let in_time = now.duration_since(alive_at).as_secs() < i64::from(self.recovery);
        (in_time && self.subscription.is_some()).then(|| Secret::new(wsc.token.as_str()))
    }

    /// The session is over: nothing of it can be gone on with.
    pub(super) fn end_session(&mut self) {
        self.wsc = None;
        self.subscription = None;
    }

    /// Takes in a newer name of the session.
    pub(super) fn renew(&mut self, wsc: Option<Wsc>) {
        if let Some(newer) = wsc
            && self
                .wsc
                .as_ref()
                .is_none_or(|known| known.sequence < newer.sequence)
        {
            self.wsc = Some(newer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_gone_on_with_in_time_and_with_a_subscription_only() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let wsc = Wsc {
            token: "t1".to_owned(),
            sequence: 1,
        };
        let mut memory = Memory {
            wsc: Some(wsc.clone()),
            subscription: Some("s".to_owned()),
            recovery: 180,
            alive_at: Some(now - jiff::SignedDuration::from_secs(179)),
            gap_from: None,
        };
        let token = |memory: &Memory| memory.recoverable(now).map(|s| s.expose().to_owned());
        assert_eq!(token(&memory).as_deref(), Some("t1"));
        memory.renew(Some(Wsc {
            token: "t0".to_owned(),
            sequence: 0,
        }));
        assert_eq!(memory.wsc, Some(wsc), "an older name changes nothing");
        memory.alive_at = Some(now - jiff::SignedDuration::from_secs(180));
        assert_eq!(token(&memory), None);
        memory.alive_at = Some(now);
        memory.subscription = None;
        assert_eq!(token(&memory), None);
        assert_eq!(Memory::default().recoverable(now), None);
    }
}
