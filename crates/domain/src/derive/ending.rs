//! How a call stands and how it ended: status, cause, and who ended it.

use crate::Timestamp;
use crate::call::{HoldView, Status};
use crate::cause::{Cause, EndedBy, Reason};
use crate::facts::LegFacts;
use crate::signal::{Direction, LegKind, Outcome};

use super::reading::{NEAR, Reading};

impl<'a> Reading<'a> {
    pub(super) fn status(
        &self,
        terminal: bool,
        voicemail: bool,
        ended_at: Option<Timestamp>,
        holds: &[HoldView],
    ) -> Status {
        if !terminal {
            return match self.answered_at {
                None => Status::Ringing,
                Some(_) if holds.iter().any(|hold| hold.to.is_none()) => Status::Held,
                Some(_) => Status::Active,
            };
        }
        // An answer that is only known from after the end (clock skew) does not count.
        let answered = self
            .answered_at
            .is_some_and(|at| ended_at.is_none_or(|end| at <= end));
        if answered {
            Status::Ended
        } else if voicemail {
            Status::Voicemail
        } else if self.direction == Some(Direction::Outbound)
            || self.never_began()
            || self.facts.is_untold()
        {
            Status::Ended
        } else if self.was_rejected() {
            Status::Rejected
        } else {
            Status::Missed
        }
    }

    /// A call that was asked for and that nobody ever was on.
    fn never_began(&self) -> bool {
        self.facts.requested.is_some() && self.people().next().is_none()
    }

    /// Declined by the last device that rang, or as the platform says.
    pub(super) fn was_rejected(&self) -> bool {
        match self.facts.outcome {
            Some(Outcome::Rejected) => return true,
            Some(Outcome::Missed) => return false,
            Some(Outcome::Untold) | None => {}
        }
        if matches!(
            self.facts.stated_end.cause.reason,
            Some(Reason::Rejected | Reason::Blocked)
        ) {
            return true;
        }
        let Some(declined_at) = self
            .agents
            .iter()
            .filter(|(_, leg)| leg.cause.reason == Some(Reason::Rejected))
            .filter_map(|(_, leg)| leg.end())
            .max()
        else {
            return false;
        };
        let rang_later = |leg: &LegFacts| leg.rang_at.is_some_and(|at| at > declined_at);
        let rang_longer = |leg: &LegFacts| {
            leg.rang_at.is_some() && leg.end().is_none_or(|end| end > declined_at + NEAR)
        };
        !self.agents.iter().any(|(_, leg)| {
            leg.cause.reason != Some(Reason::Rejected) && (rang_later(leg) || rang_longer(leg))
        })
    }

    pub(super) fn cause(&self, status: Status) -> (Option<Reason>, Option<u8>) {
        let stated = self.facts.stated_end.cause;
        let outside = self.externals.iter().map(|(_, leg)| leg.cause);
        let own = self.agent_leg(status).map(|(_, leg)| leg.cause);
        let number = stated
            .q850
            .or_else(|| {
                if status == Status::Ended {
                    None
                } else {
                    own.and_then(|c| c.q850)
                }
            })
            .filter(|n| *n != 0)
            .or_else(|| outside.clone().filter_map(|c| c.q850).max())
            .or_else(|| own.and_then(|c| c.q850));
        let all_lost = self.people().count() > 0
            && self
                .people()
                .all(|(_, leg)| leg.ended_at.is_none() && leg.lost_at.is_some());
        let lost = self.facts.stated_end.at.is_none()
            && (all_lost
                || self.facts.lost_at.is_some()
                    && self.people().all(|(_, leg)| leg.end().is_none()));
        if lost {
            return (Some(Reason::Lost), number);
        }
        let reason = match status {
            Status::Voicemail => Some(Reason::Voicemail),
            Status::Rejected => stated
                .reason
                .filter(|r| *r == Reason::Blocked)
                .or(own.and_then(|c| c.reason).filter(|r| *r == Reason::Blocked))
                .or(Some(Reason::Rejected)),
            Status::Ended if self.answered_at.is_some() => {
                stated.reason.or_else(|| talk_reason(outside, own))
            }
            Status::Ended => stated
                .reason
                .or_else(|| self.unanswered_reason(outside, own)),
            Status::Missed => stated.reason.or_else(|| self.missed_reason(own)),
            Status::Ringing | Status::Active | Status::Held => None,
        };
        (reason, number)
    }

    pub(super) fn unanswered_reason(
        &self,
        outside: impl Iterator<Item = Cause>,
        own: Option<Cause>,
    ) -> Option<Reason> {
        let telling = outside
            .filter_map(|c| c.reason)
            .filter(|r| *r != Reason::Normal)
            .max();
        let gave_up = self
            .agents
            .iter()
            .any(|(_, leg)| leg.origin && leg.hung_up_at.is_some());
        telling
            .or(gave_up.then_some(Reason::Cancelled))
            .or_else(|| own.and_then(|c| c.reason).filter(|r| *r != Reason::Normal))
            .or(Some(Reason::NoAnswer))
    }

    pub(super) fn missed_reason(&self, own: Option<Cause>) -> Option<Reason> {
        let caller_left = self.caller_gave_up();
        let devices = self.agents.iter().filter(|(_, leg)| !leg.origin);
        let telling = devices
            .filter_map(|(_, leg)| leg.cause.reason)
            .filter(|r| !matches!(r, Reason::Normal | Reason::AnsweredElsewhere | Reason::Lost))
            .min();
        caller_left
            .then_some(Reason::Cancelled)
            .or(telling)
            .or_else(|| own.and_then(|c| c.reason).filter(|r| *r != Reason::Normal))
            .or(Some(Reason::NoAnswer))
    }

    pub(super) fn caller_gave_up(&self) -> bool {
        let origin_left = self
            .origin()
            .is_some_and(|(_, leg)| leg.hung_up_at.is_some());
        let all_cancelled = self.agents.iter().any(|(_, leg)| !leg.origin)
            && self
                .agents
                .iter()
                .filter(|(_, leg)| !leg.origin)
                .all(|(_, leg)| leg.cause.reason == Some(Reason::Cancelled));
        origin_left || all_cancelled
    }

    pub(super) fn ended_by(&self, status: Status) -> Option<EndedBy> {
        if self.facts.stated_end.by.is_some() {
            return self.facts.stated_end.by;
        }
        let first = self
            .people()
            .filter(|(_, leg)| !leg.moved)
            .filter_map(|(id, leg)| leg.hung_up_at.map(|at| (at, id, leg)))
            // Whoever dropped out of a ring group or was transferred away did not end the call.
            .filter(|(_, _, leg)| self.ended_the_call(leg))
            .min_by_key(|(at, id, _)| (*at, *id));
        let by = first.map(|(_, _, leg)| match leg.kind {
            LegKind::External => EndedBy::Remote,
            LegKind::Agent | LegKind::Routing | LegKind::Helper => EndedBy::Agent,
        });
        by.or_else(|| self.first_to_part()).or(match status {
            Status::Rejected => Some(EndedBy::Agent),
            Status::Missed if self.caller_gave_up() => Some(EndedBy::Remote),
            Status::Missed => Some(EndedBy::System),
            _ if self.facts.lost_at.is_some() => Some(EndedBy::System),
            _ => None,
        })
    }

    /// Whose side left an answered call first, where the platform tells ends in that order; ends
    /// at one instant tell nothing.
    fn first_to_part(&self) -> Option<EndedBy> {
        let end = self.answered_at.and_then(|_| self.ended_at())?;
        let parted: Vec<_> = self
            .people()
            .filter(|(_, leg)| leg.parted && !leg.moved && leg.answered_at.is_some())
            .filter_map(|(_, leg)| Some((leg.end()?, leg.kind)))
            .filter(|(at, _)| end.duration_since(*at) <= NEAR)
            .collect();
        let (first, kind) = parted.iter().min_by_key(|(at, _)| *at)?;
        let alone = parted.iter().filter(|(at, _)| at == first).count() == 1;
        alone.then_some(match kind {
            LegKind::External => EndedBy::Remote,
            LegKind::Agent | LegKind::Routing | LegKind::Helper => EndedBy::Agent,
        })
    }

    /// True when the call went over within moments of this leg's end.
    pub(super) fn ended_the_call(&self, leg: &LegFacts) -> bool {
        match (leg.hung_up_at, self.ended_at()) {
            (Some(at), Some(end)) => end.duration_since(at) <= NEAR,
            _ => false,
        }
    }
}

fn talk_reason(mut outside: impl Iterator<Item = Cause>, own: Option<Cause>) -> Option<Reason> {
    let telling = |r: Reason| {
        matches!(
            r,
            Reason::Normal | Reason::Failed | Reason::Congestion | Reason::Lost
        )
    };
    outside
        .find_map(|c| c.reason.filter(|r| telling(*r)))
        .or_else(|| own.and_then(|c| c.reason).filter(|r| telling(*r)))
        .or(Some(Reason::Normal))
}
