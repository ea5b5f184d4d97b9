//! What platforms tell beside calls: text messages, whose status only moves forward, and presence,
//! of which the latest report counts. Not here: calls, and what is stored of either
//! ([`super::state`]).

use super::{Fold, MessageState, PresenceState, emit, presence_key};
use crate::Timestamp;
use crate::agent::{AgentRef, Names, Place};
use crate::event::{EventDraft, EventType};
use crate::media::{Message, MessageDirection, MessageStatus, Presence, PresenceReport};

impl Fold<'_> {
    pub(super) fn message(&mut self, message: &Message) {
        let id = message.external_id.clone();
        let known = self.messages.get(&id);
        let mut state = known.cloned().unwrap_or(MessageState {
            message: Message {
                status: MessageStatus::Pending,
                ..message.clone()
            },
            told: false,
        });
        let before = state.clone();
        state.message.status = state.message.status.max(message.status);
        state.message.sent_at = state.message.sent_at.min(message.sent_at);
        state.message.text = state.message.text.take().or_else(|| message.text.clone());
        state.message.failure = state
            .message
            .failure
            .take()
            .or_else(|| message.failure.clone());
        let mut kinds = Vec::new();
        if !state.told {
            kinds.push(match message.direction {
                MessageDirection::Inbound => EventType::MessageReceived,
                MessageDirection::Outbound => EventType::MessageSent,
            });
            state.told = true;
        }
        let moved = state.message.status > before.message.status;
        if moved && message.direction == MessageDirection::Outbound {
            kinds.push(EventType::MessageDelivered);
        }
        if state == before && known.is_some() {
            return;
        }
        if self.history && known.is_none() {
            kinds.clear();
        }
        for kind in kinds {
            let data = emit::raw(&serde_json::json!({ "message": state.message }));
            self.out.events.push(EventDraft {
                kind,
                call_id: None,
                at: message.sent_at,
                data,
            });
        }
        self.out.messages.retain(|m| m.message.external_id != id);
        self.out.messages.push(state.clone());
        self.messages.insert(id, state);
    }

    /// Which of the app's agents a report of presence is about.
    fn agent_of(&self, report: &PresenceReport) -> Option<AgentRef> {
        let place = Place {
            platform: self.context.platform,
            connection: self.context.connection_id,
        };
        let names = Names {
            extension: report.extension.as_deref(),
            user_id: report.user_id.as_deref(),
            email: report.email.as_deref(),
        };
        let found = self.context.roster?.find(place, names)?;
        Some(AgentRef::from(found.agent))
    }

    pub(super) fn presence(&mut self, at: Timestamp, report: &PresenceReport) {
        let Some(key) = presence_key(report) else {
            return;
        };
        let known: Option<(Timestamp, Presence)> = self
            .presence
            .get(&key)
            .map(|state| (state.at, state.report.presence));
        if known.is_some_and(|(then, _)| then > at) {
            return;
        }
        let changed = known.is_none_or(|(_, presence)| presence != report.presence);
        if !changed {
            return;
        }
        let state = PresenceState {
            report: report.clone(),
            at,
        };
        let data = emit::raw(&serde_json::json!({ "presence": {
            "extension": report.extension, "user_id": report.user_id, "email": report.email,
            "presence": report.presence, "platform": self.context.platform, "since": at,
            "agent": self.agent_of(report),
        }}));
        let kind = EventType::PresenceChanged;
        self.out.events.push(EventDraft {
            kind,
            call_id: None,
            at,
            data,
        });
        self.out.presence.retain(|(k, _)| *k != key);
        self.out.presence.push((key.clone(), state.clone()));
        self.presence.insert(key, state);
    }
}
