//! Lists of the reference store: collect, sort, cut.

use jiff::Timestamp;
use switchhook_domain::call::AgentView;
use switchhook_domain::contact::Contact;
use switchhook_domain::id::AppId;
use switchhook_domain::media::Message;
use switchhook_domain::moment::{MomentStatus, MomentView};
use switchhook_domain::phone::PhoneNumber;
use switchhook_engine::store::{
    COUNT_LIMIT, CallCursor, CallPage, CallQuery, CallSort, ContactQuery, DueCall, MessageQuery,
    StoredMessage,
};

use super::{All, StoredCall, media, micros};

/// The record as it is sent.
pub(super) fn record(call: &StoredCall) -> String {
    serde_json::to_string(&call.call).unwrap_or_default()
}

/// Sender, recipients and user of a message.
fn sent_as_asked(message: &Message, query: &MessageQuery) -> bool {
    let number = |number: &PhoneNumber, wanted: &String| number.canonical() == Some(wanted);
    query
        .from_number
        .as_ref()
        .is_none_or(|from| number(&message.from, from))
        && query
            .to_number
            .as_ref()
            .is_none_or(|to| message.to.iter().any(|known| number(known, to)))
        && (query.user_id.is_none() || query.user_id == message.user_id)
}

impl StoredCall {
    fn cursor(&self) -> CallCursor {
        let at = self.call.started_at.unwrap_or(self.call.created_at);
        CallCursor {
            sort_at: micros(at),
            id: self.call.id,
        }
    }

    /// Conditions that an index answers.
    fn is_indexed(&self, query: &CallQuery) -> bool {
        let call = &self.call;
        if query.waits() {
            return self.visible && self.awaits() && self.is_within(query);
        }
        let open = !query.open_only || self.lasts();
        let from =
            query.open_only || query.from_number.is_none() || query.from_number == call.from_number;
        let to = query.open_only
            || query.from_number.is_some()
            || query.to_number.is_none()
            || query.to_number == call.to_number;
        self.visible && open && self.is_within(query) && from && to
    }

    fn is_within(&self, query: &CallQuery) -> bool {
        let at = self.cursor().sort_at;
        query.since.is_none_or(|since| at >= micros(since))
            && query.until.is_none_or(|until| at < micros(until))
    }

    /// True for a call that is not over.
    fn lasts(&self) -> bool {
        self.is_open() && !self.call.status.is_terminal()
    }

    /// True when the contact moment waits for its disposition.
    fn awaits(&self) -> bool {
        let moment = self.call.contact_moment.as_ref();
        moment.is_some_and(|moment| moment.status == MomentStatus::DispositionPending)
    }

    /// The other conditions, tested call by call.
    fn is_wanted(&self, query: &CallQuery) -> bool {
        let call = &self.call;
        let agent = |wanted: &String| {
            call.agent.as_ref().is_some_and(|agent| {
                [&agent.extension, &agent.user_id]
                    .into_iter()
                    .flatten()
                    .any(|id| id == wanted)
            })
        };
        let said = |is: &dyn Fn(&MomentView) -> bool| call.contact_moment.as_ref().is_some_and(is);
        let own = |is: &dyn Fn(&AgentView) -> bool| call.agent.as_ref().is_some_and(is);
        (!query.open_only || self.lasts())
            && (query.from_number.is_none() || query.from_number == call.from_number)
            && (query.to_number.is_none() || query.to_number == call.to_number)
            && (query.statuses.is_empty() || query.statuses.contains(&call.status))
            && (query.direction.is_none() || query.direction == call.direction)
            && query
                .platform
                .as_ref()
                .is_none_or(|platform| *platform == call.platform)
            && query
                .connection_id
                .is_none_or(|id| id == call.connection_id)
            && query.agent.as_ref().is_none_or(agent)
            && query.agent_id.is_none_or(|id| own(&|a| a.id == Some(id)))
            && query
                .crm_user_id
                .as_ref()
                .is_none_or(|id| own(&|a| a.crm_user_id.as_ref() == Some(id)))
            && query
                .moment
                .is_none_or(|wanted| said(&|moment| moment.status == wanted))
            && query
                .outcome
                .as_ref()
                .is_none_or(|wanted| said(&|moment| moment.outcome.as_ref() == Some(wanted)))
            && query.contact_id.is_none_or(|id| {
                call.contact
                    .as_ref()
                    .is_some_and(|contact| contact.id == id)
            })
            && query
                .min_duration
                .is_none_or(|least| call.duration_seconds >= Some(least))
            && query
                .max_duration
                .is_none_or(|most| call.duration_seconds.is_some_and(|d| d <= most))
    }
}

impl All {
    /// The calls an index gives, newest first, from the cursor on; with a scan no more than
    /// `scan_limit`.
    fn walked(&self, app: AppId, query: &CallQuery, scan_limit: u32) -> Vec<&StoredCall> {
        let own = self.calls.iter().filter(|((owner, _), _)| *owner == app);
        let mut walked: Vec<&StoredCall> = own
            .map(|(_, call)| call)
            .filter(|call| call.is_indexed(query))
            .collect();
        if let Some(keys) = &query.keys {
            let known: Vec<_> = keys
                .iter()
                .filter_map(|name| self.call_keys.get(name))
                .collect();
            walked.retain(|call| known.contains(&&call.call.id));
        }
        let place = |call: &StoredCall| (call.cursor().sort_at, call.call.id);
        let backwards = query.sort != CallSort::Oldest;
        walked.sort_by_key(|call| place(call));
        if backwards {
            walked.reverse();
        }
        if let Some(after) = query.after {
            let after = (micros(after.sort_at), after.id);
            walked.retain(|call| {
                if backwards {
                    place(call) < after
                } else {
                    place(call) > after
                }
            });
        }
        if query.is_scan() {
            walked.truncate(scan_limit as usize);
        }
        walked
    }

    /// The calls a query wants.
    pub(super) fn matching(
        &self,
        app: AppId,
        query: &CallQuery,
        scan_limit: u32,
    ) -> Vec<&StoredCall> {
        let mut walked = self.walked(app, query, scan_limit);
        walked.retain(|call| call.is_wanted(query));
        // Sorting is stable: those of one length stay in the order of the walk.
        let length = |call: &StoredCall| call.call.duration_seconds;
        match query.sort {
            CallSort::Newest | CallSort::Oldest => {}
            CallSort::Longest => walked.sort_by_key(|call| std::cmp::Reverse(length(call))),
            CallSort::Shortest => {
                walked.sort_by_key(|call| (length(call).is_none(), length(call)));
            }
        }
        walked
    }

    pub(super) fn calls(&self, app: AppId, query: &CallQuery, scan_limit: u32) -> CallPage {
        let all = CallQuery {
            after: None,
            ..query.clone()
        };
        let total = self.matching(app, &all, scan_limit).len() as u64;
        let limit = query.limit.clamp(1, 100) as usize;
        let walked = self.walked(app, query, scan_limit);
        let full = query.is_scan() && walked.len() == scan_limit as usize;
        let mut page = self.matching(app, query, scan_limit);
        page.drain(..page.len().min(query.offset as usize));
        let more = page.len() > limit;
        page.truncate(limit);
        let last_shown = page.last().map(|call| call.cursor());
        let last_walked = walked.last().map(|call| call.cursor());
        // A full page is gone on from; a short one only where the walk was cut.
        let next = match (more, full) {
            (true, _) => last_shown,
            (false, true) if page.len() == limit => last_shown,
            (false, true) => last_walked,
            (false, false) => None,
        };
        let next = next.filter(|_| query.sort.has_positions());
        CallPage {
            calls: page.into_iter().map(record).collect(),
            total: total.min(COUNT_LIMIT),
            next,
        }
    }

    pub(super) fn messages(&self, app: AppId, query: &MessageQuery) -> (Vec<StoredMessage>, u64) {
        let own = self.messages.iter().filter(|(_, (owner, state))| {
            let (sent_at, direction) = (micros(state.message.sent_at), state.message.direction);
            *owner == app
                && query.direction.is_none_or(|wanted| wanted == direction)
                && query.since.is_none_or(|since| micros(since) <= sent_at)
                && query.until.is_none_or(|until| sent_at < micros(until))
                && sent_as_asked(&state.message, query)
        });
        let mut own: Vec<_> = own
            .map(|(place, (_, state))| (micros(state.message.sent_at), place, state))
            .collect();
        own.sort_by_key(|(sent_at, place, _)| std::cmp::Reverse((*sent_at, (*place).clone())));
        let total = (own.len() as u64).min(COUNT_LIMIT);
        let page = own
            .iter()
            .skip(query.offset as usize)
            .take(query.limit.clamp(1, 100) as usize);
        let stored = page.map(|(_, place, state)| media::message(place.0, state));
        (stored.collect(), total)
    }

    pub(super) fn due(&self, now: Timestamp, limit: u32) -> Vec<DueCall> {
        let due = self
            .calls
            .iter()
            .filter_map(|(place, call)| Some((call.due_at?, place, call)));
        let mut due: Vec<_> = due.filter(|(at, _, _)| *at <= micros(now)).collect();
        due.sort_by_key(|(at, (_, id), _)| (*at, *id));
        let due = due.into_iter().filter_map(|(_, (app, id), call)| {
            Some(DueCall {
                app_id: *app,
                call_id: *id,
                connection_id: call.state.connection_id,
                platform: call.state.platform.clone(),
                country: self.apps.get(app)?.country.clone(),
            })
        });
        due.take(limit as usize).collect()
    }

    pub(super) fn contacts(&self, app: AppId, query: &ContactQuery) -> (Vec<Contact>, u64) {
        let text = query.text.as_ref().map(|text| text.trim().to_lowercase());
        let own = self.contacts.iter().filter(|((owner, _), _)| *owner == app);
        let mut found: Vec<&Contact> = own
            .map(|(_, contact)| contact)
            .filter(|contact| {
                let has = |number: &String| {
                    contact
                        .numbers
                        .iter()
                        .any(|n| n.number.e164.as_ref() == Some(number))
                };
                query.number.as_ref().is_none_or(has)
            })
            .filter(|contact| {
                let parts = [
                    Some(&contact.name),
                    contact.organisation.as_ref(),
                    contact.email.as_ref(),
                ];
                let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
                let all = parts.join("\n").to_lowercase();
                text.as_ref().is_none_or(|text| all.contains(text.as_str()))
            })
            .collect();
        let name = |contact: &Contact| contact.name.to_lowercase().chars().take(200).collect();
        found.sort_by_key(|contact| {
            let name: String = name(contact);
            (name, contact.id)
        });
        let total = (found.len() as u64).min(COUNT_LIMIT);
        let page = found.into_iter().skip(query.offset as usize);
        (
            page.take(query.limit.clamp(1, 100) as usize)
                .cloned()
                .collect(),
            total,
        )
    }

    /// Takes away from the oldest id on until one is to be kept.
    pub(super) fn prune(
        &mut self,
        notifications_before: Timestamp,
        events_before: Timestamp,
        limit: u32,
    ) -> (u64, u64) {
        let (mut notifications, mut events) = (0, 0);
        let apps: Vec<AppId> = self.apps.keys().copied().collect();
        for app in apps {
            while notifications < u64::from(limit) {
                let first = self
                    .notifications
                    .iter()
                    .find(|((owner, _), _)| *owner == app);
                let old = first.filter(|(_, note)| note.received_at < notifications_before);
                let Some(place) = old.map(|(place, _)| *place) else {
                    break;
                };
                self.notifications.remove(&place);
                notifications += 1;
            }
            while events < u64::from(limit) {
                let first = self.events.range((app, 0)..=(app, u64::MAX)).next();
                let old = first.filter(|(_, event)| event.recorded_at < events_before);
                let Some(place) = old.map(|(place, _)| *place) else {
                    break;
                };
                self.events.remove(&place);
                events += 1;
            }
        }
        (notifications, events)
    }
}
