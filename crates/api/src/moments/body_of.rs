//! What is said and shown of contact moments.

use serde::{Deserialize, Deserializer, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::call::Call;
use switchhook_domain::id::{AgentId, ContactId};
use switchhook_domain::moment::MomentView;
use switchhook_domain::task::{Task, TaskKind, TaskPriority};
use switchhook_engine::moments::{
    Correction, Disposition, Draft, Found, MomentFault, NewCaller, TaskAsked, of_call,
};
use utoipa::ToSchema;

use crate::problem::{Code, Problem};

/// A contact moment with its call.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactMoment)]
pub(crate) struct MomentRecord {
    #[serde(flatten)]
    pub(crate) moment: MomentView,
    /// The call.
    pub(crate) call: Call,
}

impl From<Call> for MomentRecord {
    fn from(call: Call) -> Self {
        Self {
            moment: of_call(&call),
            call,
        }
    }
}

impl From<Found> for MomentRecord {
    fn from(found: Found) -> Self {
        Self {
            moment: found.moment,
            call: found.call,
        }
    }
}

/// A contact moment with its call and its task.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactMomentWithTask)]
pub(crate) struct MomentDetail {
    #[serde(flatten)]
    pub(crate) moment: MomentRecord,
    /// The task that came of it.
    pub(crate) task: Option<Task>,
}

/// What came of a disposition.
#[derive(Serialize, ToSchema)]
pub(crate) struct DisposedMoment {
    /// The contact moment.
    pub(crate) contact_moment: MomentRecord,
    /// The task that is left; null when the outcome leaves none.
    pub(crate) task: Option<Task>,
}

/// A draft: what is left out stays, null clears.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MomentDraft {
    /// What it is about.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, max_length = 255)]
    subject: Option<Option<String>>,
    /// The code of the outcome.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "resolved", max_length = 40)]
    outcome: Option<Option<String>>,
    /// Free text.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, max_length = 10000)]
    notes: Option<Option<String>>,
    /// The version you have seen: another one refuses the draft.
    #[serde(default)]
    version: Option<u32>,
}

/// A member that is there, be it `null`.
fn said<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl From<MomentDraft> for (Draft, Option<u32>) {
    fn from(draft: MomentDraft) -> Self {
        let kept = Draft {
            subject: draft.subject,
            outcome: draft.outcome,
            notes: draft.notes,
        };
        (kept, draft.version)
    }
}

/// A disposition.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DispositionRequest {
    /// What it was about.
    #[schema(example = "Question about an invoice", max_length = 255)]
    subject: String,
    /// The code of an outcome.
    #[schema(example = "callback", max_length = 40)]
    outcome: String,
    /// Free text.
    #[serde(default)]
    #[schema(max_length = 10000)]
    notes: Option<String>,
    /// The version you have seen. A correction needs it.
    #[serde(default)]
    #[schema(nullable = false)]
    version: Option<u32>,
    /// What is asked of the task. Given with an outcome that makes none, it makes one, an
    /// `opvolgtaak` where it does not say.
    #[serde(default)]
    task: Option<TaskRequest>,
}

/// What is asked of a task; what is left out follows from outcome and call.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DispositionTask)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskRequest {
    /// What is to be done.
    #[serde(default)]
    r#type: Option<TaskKind>,
    /// Else the subject of the disposition.
    #[serde(default)]
    #[schema(max_length = 255)]
    subject: Option<String>,
    /// Else the notes of the disposition.
    #[serde(default)]
    #[schema(max_length = 10000)]
    description: Option<String>,
    /// The time agreed; else the end of the next business day.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<Timestamp>,
    /// Else `normaal`.
    #[serde(default)]
    priority: Option<TaskPriority>,
    /// The agent who is to do it.
    #[serde(default)]
    assignee_agent_id: Option<AgentId>,
    /// The queue whose agents may take it; else that of the call, and for what is escalated the
    /// escalation queue.
    #[serde(default)]
    #[schema(max_length = 200)]
    queue: Option<String>,
    /// The number to call, in any spelling; else that of the caller.
    #[serde(default)]
    #[schema(example = "0612345678")]
    callback_number: Option<String>,
    /// Not before this time would they like to be called.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    preferred_from: Option<Timestamp>,
    /// Nor after this.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    preferred_to: Option<Timestamp>,
}

impl From<TaskRequest> for TaskAsked {
    fn from(task: TaskRequest) -> Self {
        Self {
            kind: task.r#type,
            subject: task.subject,
            description: task.description,
            deadline: task.deadline,
            priority: task.priority,
            assignee: task.assignee_agent_id,
            queue: task.queue,
            callback_number: task.callback_number,
            preferred_from: task.preferred_from,
            preferred_to: task.preferred_to,
        }
    }
}

impl From<DispositionRequest> for Disposition {
    fn from(given: DispositionRequest) -> Self {
        Self {
            subject: given.subject,
            outcome: given.outcome,
            notes: given.notes,
            task: given.task.map(Into::into),
            seen: given.version,
            correction: Correction::WithVersion,
        }
    }
}

/// Who the caller is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactChoice {
    /// The contact; null: nobody of the directory.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    pub(crate) contact_id: Option<ContactId>,
    /// True: the caller's number is added to the contact.
    #[serde(default)]
    pub(crate) remember: bool,
}

/// A caller who is in no directory yet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallerRequest {
    /// Name.
    #[schema(example = "Jan de Vries", max_length = 200)]
    name: String,
    /// Organisation.
    #[serde(default)]
    #[schema(max_length = 200)]
    organisation: Option<String>,
    /// E-mail address.
    #[serde(default)]
    #[schema(example = "jan@example.nl", max_length = 200)]
    email: Option<String>,
    /// Pinned note that the agent should see first.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: Option<String>,
}

impl From<CallerRequest> for NewCaller {
    fn from(caller: CallerRequest) -> Self {
        Self {
            name: caller.name,
            organisation: caller.organisation,
            email: caller.email,
            note: caller.note,
        }
    }
}

/// How long somebody asks to be left in wrap-up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrapUpRequest {
    /// Until when, at most an hour ahead; a time that has passed ends it; null: as long as the
    /// work settings say.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Timestamp>,
}

impl From<MomentFault> for Problem {
    fn from(fault: MomentFault) -> Self {
        match fault {
            MomentFault::NotFound => not_found(),
            MomentFault::NotOwn => {
                let detail = "Agents write on contact moments of calls they took themselves and \
                              of calls no agent took. Ask a supervisor for the others.";
                Self::new(Code::RoleNotAllowed, detail)
            }
            MomentFault::UnknownContact => {
                let detail = "Contact not found. Take the id from the list.";
                Self::new(Code::ContactNotFound, detail)
            }
            MomentFault::UnknownOutcome(_) => {
                let problem = "is no outcome of this app; GET /api/work-settings lists them";
                Self::field("outcome", problem)
            }
            MomentFault::Field { field, problem } => Self::field(&field, &problem),
            MomentFault::Completed { version } => {
                let detail = "The contact moment is completed. To correct it, give the \
                              disposition again with the version you have seen.";
                Self::new(Code::Conflict, detail).with("version", version)
            }
            MomentFault::Changed { version } => {
                let detail = "Somebody else has changed the contact moment. Read it again and \
                              repeat with its version.";
                Self::new(Code::Conflict, detail).with("version", version)
            }
            MomentFault::Store(error) => error.into(),
        }
    }
}

pub(crate) fn not_found() -> Problem {
    let detail = "Contact moment not found. Its id is that of its call; calls of other apps are \
                  not shown.";
    Problem::new(Code::CallNotFound, detail)
}
