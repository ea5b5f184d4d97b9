//! Contact moments: what people say of a call. A moment is read together with its call, and
//! written as a deed of one changeset, in which the follow-up task of a disposition and the events
//! that tell of it are too: all of it is there afterwards, or nothing. Here are the service, who
//! may write, and what happens when two write at once; dispositions are in `dispose`, callers in
//! `caller`. Not here: where a moment stands (that is the domain's) and tasks once they are made.

use std::sync::Arc;

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::agent::Names;
use switchhook_domain::call::{Call, LegView};
use switchhook_domain::fold::CallState;
use switchhook_domain::id::{AgentId, AppId, CallId};
use switchhook_domain::moment::{
    Author, CallDeed, Deed, MAX_NOTES, MAX_OUTCOME, MAX_SUBJECT, MomentStatus, MomentText,
    MomentView,
};
use switchhook_domain::signal::{Direction, LegKind};

use crate::intake::Intake;
use crate::store::{
    App, Changeset, FoldInput, Store, StoreError, StoreResult, TaskWrite, WorkSettings,
};

mod caller;
mod dispose;
mod recording;
mod wrap_up;

pub use caller::NewCaller;
pub use dispose::{Correction, Disposed, Disposition, TaskAsked};
pub(crate) use wrap_up::in_wrap_up;

/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 5;
/// How many merges are followed to the call that was left.
const MAX_HOPS: usize = 16;
/// How far ahead somebody may ask to be left in wrap-up.
pub const MAX_WRAP_UP: SignedDuration = SignedDuration::from_hours(1);

/// Somebody who writes.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Under which name.
    pub author: Author,
    /// Whose calls they may write on.
    pub reach: Reach,
}

/// Whose calls somebody may write on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's: supervisors, administrators and keys.
    All,
    /// Those they took themselves and those nobody of the app's agents took; `None`: they are no
    /// agent, so only the latter.
    Own(Option<AgentId>),
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MomentFault {
    /// No such call.
    #[error("contact moment not found")]
    NotFound,
    /// An agent writes on another agent's call.
    #[error("not the agent's own call")]
    NotOwn,
    /// There is no such contact.
    #[error("contact not found")]
    UnknownContact,
    /// Neither one of the six outcomes nor one of the app's own.
    #[error("unknown outcome")]
    UnknownOutcome(String),
    /// A member is not as it must be.
    #[error("`{field}` {problem}")]
    Field {
        /// The member.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It is completed, and this is no correction.
    #[error("the contact moment is completed")]
    Completed {
        /// The version it has.
        version: u32,
    },
    /// Somebody was faster.
    #[error("the contact moment has changed")]
    Changed {
        /// The version it has now.
        version: u32,
    },
    /// The database is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MomentFault {
    fn field(field: &str, problem: impl Into<String>) -> Self {
        Self::Field {
            field: field.to_owned(),
            problem: problem.into(),
        }
    }
}

/// What a draft changes: `None` leaves a member as it is, `Some(None)` clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What it is about.
    pub subject: Option<Option<String>>,
    /// The code of the outcome.
    pub outcome: Option<Option<String>>,
    /// Free text.
    pub notes: Option<Option<String>>,
}

/// A contact moment with its call.
#[derive(Clone, Debug)]
pub struct Found {
    state: CallState,
    /// The call.
    pub call: Call,
    /// Its contact moment.
    pub moment: MomentView,
}

impl Found {
    /// What is written of it.
    fn text(&self) -> MomentText {
        let moment = self.state.moment.as_ref();
        moment.map(|moment| moment.text.clone()).unwrap_or_default()
    }

    /// True once a person gave the disposition.
    fn is_closed(&self) -> bool {
        let moment = self.state.moment.as_ref();
        moment.is_some_and(|moment| moment.closed.is_some())
    }

    /// The agents who took it: whoever picked up, or asked for it.
    fn is_of(&self, agent: AgentId) -> bool {
        self.takers().any(|id| id == agent)
    }

    fn takers(&self) -> impl Iterator<Item = AgentId> {
        // Of an inbound call nobody took, the record names who was rung.
        let inbound = matches!(self.call.direction, Some(Direction::Inbound) | None);
        let taken = !inbound || self.call.answered_at.is_some();
        let agent = self.call.agent.as_ref().filter(|_| taken);
        let agent = agent.and_then(|agent| agent.id);
        let legs = self.call.legs.iter();
        let took = legs.filter(|leg| leg.kind == LegKind::Agent && leg.answered_at.is_some());
        agent
            .into_iter()
            .chain(took.filter_map(|leg| self.who(leg)))
    }

    fn who(&self, leg: &LegView) -> Option<AgentId> {
        let party = |facts: &switchhook_domain::facts::LegFacts| facts.party.names().key();
        let key = self.state.facts.legs.get(&leg.id).and_then(party);
        let key = key.or_else(|| {
            let names = Names {
                extension: leg.extension.as_deref(),
                user_id: leg.user_id.as_deref(),
                email: None,
            };
            names.key()
        });
        self.state.agents.get(&key?).map(|agent| agent.id)
    }
}

/// The contact moment of a call record. Calls from before there were contact moments, and those
/// another system recorded, are done with, unless somebody has something to say of them.
#[must_use]
pub fn of_call(call: &Call) -> MomentView {
    call.contact_moment.clone().unwrap_or_else(|| MomentView {
        id: call.id,
        status: if call.status.is_terminal() {
            MomentStatus::Completed
        } else {
            MomentStatus::Pending
        },
        subject: None,
        outcome: None,
        notes: None,
        suggested_outcome: None,
        version: 0,
        wrap_up_until: None,
        edited_at: None,
        completed_at: call.ended_at,
        completed_by: call.ended_at.map(|_| Author::SYSTEM),
        task_id: None,
    })
}

/// What one try is to commit.
struct Change {
    deed: Deed,
    tasks: Vec<TaskWrite>,
    events: Vec<switchhook_domain::event::EventDraft>,
}

impl From<Deed> for Change {
    fn from(deed: Deed) -> Self {
        Self {
            deed,
            tasks: Vec::new(),
            events: Vec::new(),
        }
    }
}

/// Reads and writes contact moments. Cheap to clone.
#[derive(Clone)]
pub struct Moments {
    store: Arc<dyn Store>,
    intake: Intake,
}

impl std::fmt::Debug for Moments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moments").finish_non_exhaustive()
    }
}

impl Moments {
    /// Wires it.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, intake: Intake) -> Self {
        Self { store, intake }
    }

    /// A contact moment; of a call that became part of another one, that one's.
    ///
    /// # Errors
    /// [`MomentFault::NotFound`], or the database's.
    pub async fn find(&self, app: &App, id: CallId) -> Result<Found, MomentFault> {
        let mut id = id;
        for _ in 0..MAX_HOPS {
            let state = self.store.call_state(app.id, id).await?;
            let state = state.ok_or(MomentFault::NotFound)?;
            if let Some(survivor) = state.merged_into {
                id = survivor;
                continue;
            }
            let derived = state.derive(&app.country);
            if !derived.visible {
                return Err(MomentFault::NotFound);
            }
            let moment = of_call(&derived.call);
            return Ok(Found {
                call: derived.call,
                moment,
                state,
            });
        }
        Err(MomentFault::NotFound)
    }

    /// Keeps what somebody is writing.
    ///
    /// # Errors
    /// [`MomentFault`]; a completed moment takes no drafts.
    pub async fn draft(
        &self,
        app: &App,
        id: CallId,
        writer: &Writer,
        (draft, seen): (Draft, Option<u32>),
    ) -> Result<Found, MomentFault> {
        let member = |given: Option<Option<String>>, name, most| -> Result<_, MomentFault> {
            Ok(match given {
                None => None,
                Some(text) => Some(text.map_or(Ok(None), |text| checked(&text, name, most))?),
            })
        };
        let subject = member(draft.subject, "subject", MAX_SUBJECT)?;
        let outcome = member(draft.outcome, "outcome", MAX_OUTCOME)?;
        let notes = member(draft.notes, "notes", MAX_NOTES)?;
        if let Some(Some(code)) = &outcome {
            let settings = self.settings(app.id).await?;
            crate::work_settings::task_of(&settings, code)
                .ok_or_else(|| MomentFault::UnknownOutcome(code.clone()))?;
        }
        self.change(app, id, writer, seen, |found| {
            if found.moment.status == MomentStatus::Completed {
                let version = found.moment.version;
                return Err(MomentFault::Completed { version });
            }
            let text = found.text();
            let deed = Deed::Draft(MomentText {
                subject: subject.clone().unwrap_or(text.subject),
                outcome: outcome.clone().unwrap_or(text.outcome),
                notes: notes.clone().unwrap_or(text.notes),
            });
            Ok(Some(deed.into()))
        })
        .await
    }

    /// Asks to be left in wrap-up until then, at most [`MAX_WRAP_UP`] ahead; a time that has
    /// passed ends it; `None`: as long as the app's settings say.
    ///
    /// # Errors
    /// [`MomentFault`].
    pub async fn wrap_up(
        &self,
        app: &App,
        id: CallId,
        writer: &Writer,
        until: Option<Timestamp>,
    ) -> Result<Found, MomentFault> {
        let latest = self.now() + MAX_WRAP_UP;
        if until.is_some_and(|until| until > latest) {
            return Err(MomentFault::field(
                "until",
                "must lie at most an hour ahead",
            ));
        }
        let deed = |_: &Found| Ok(Some(Deed::WrapUp(until).into()));
        self.change(app, id, writer, None, deed).await
    }

    /// How the app's agents work.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn settings(&self, app: AppId) -> StoreResult<WorkSettings> {
        let settings = self.store.work_settings(app).await?;
        Ok(settings.unwrap_or_default())
    }

    fn now(&self) -> Timestamp {
        self.intake.clock().now()
    }

    /// Changes a moment: what is to be done is worked out from how it stands, again when somebody
    /// was faster and the writer did not say what they have seen. `None`: nothing is to be done.
    async fn change(
        &self,
        app: &App,
        id: CallId,
        writer: &Writer,
        seen: Option<u32>,
        plan: impl Fn(&Found) -> Result<Option<Change>, MomentFault>,
    ) -> Result<Found, MomentFault> {
        let mut last = 0;
        for _ in 0..TRIES {
            let found = self.for_writer(app, id, writer).await?;
            last = found.moment.version;
            if seen.is_some_and(|seen| seen != last) {
                return Err(MomentFault::Changed { version: last });
            }
            let Some(change) = plan(&found)? else {
                return Ok(found);
            };
            if self.commit(app, &found, writer, change).await? {
                return self.find(app, found.call.id).await;
            }
        }
        Err(MomentFault::Changed { version: last })
    }

    /// The moment, when this writer may write on it.
    async fn for_writer(
        &self,
        app: &App,
        id: CallId,
        writer: &Writer,
    ) -> Result<Found, MomentFault> {
        let found = self.find(app, id).await?;
        let may = match writer.reach {
            Reach::All => true,
            Reach::Own(agent) => {
                found.takers().next().is_none() || agent.is_some_and(|agent| found.is_of(agent))
            }
        };
        may.then_some(found).ok_or(MomentFault::NotOwn)
    }

    /// Commits one try; false when somebody was faster.
    async fn commit(
        &self,
        app: &App,
        found: &Found,
        writer: &Writer,
        change: Change,
    ) -> StoreResult<bool> {
        let deed = CallDeed {
            call: found.state.id,
            by: writer.author.clone(),
            expected: Some(found.moment.version),
            deed: change.deed,
        };
        let changeset = Changeset {
            app_id: app.id,
            at: self.now(),
            random: self.intake.entropy().random(),
            notification: None,
            fold: Some(FoldInput {
                connection_id: found.state.connection_id,
                platform: found.state.platform.as_str().into(),
                country: app.country.as_str().into(),
                signals: Vec::new(),
                settle: Vec::new(),
                deeds: vec![deed],
                roster: None,
                history: false,
            }),
            tasks: change.tasks,
            events: change.events,
            link: None,
        };
        match self.intake.commit(changeset).await {
            Ok(_) => Ok(true),
            // It became part of another call meanwhile, or somebody wrote.
            Err(StoreError::Conflict(_) | StoreError::NotFound("call")) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A text as it is kept: trimmed, without control characters; nothing of it is `None`.
fn checked(text: &str, name: &str, most: usize) -> Result<Option<String>, MomentFault> {
    let text = text.trim();
    let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.chars().count() > most || text.chars().any(is_bad) {
        let problem = format!("must be at most {most} characters without control characters");
        return Err(MomentFault::field(name, problem));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
