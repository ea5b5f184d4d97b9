//! What a request says of a task, and how it becomes a value of the domain: texts within their
//! limits, times, numbers in any spelling of the app's country, agents, contacts and calls of the
//! same app and no other.

use serde::{Deserialize, Deserializer};
use switchhook_domain::Timestamp;
use switchhook_domain::agent::Agent;
use switchhook_domain::call::Call;
use switchhook_domain::id::{AgentId, AppId, CallId, ContactId};
use switchhook_domain::phone::{MAX_RAW, NumberKind, NumberPlan, PhoneNumber};
use switchhook_domain::task::{
    AttemptResult, CallbackNumber, MAX_QUEUE, MAX_SUBJECT, MAX_TEXT, NewTask, TaskAssignee,
    TaskContact, TaskEdit, TaskKind, TaskPriority, TaskSource,
};
use switchhook_domain::time::parse_lenient;
use switchhook_engine::tasks::outside;
use utoipa::ToSchema;

use crate::new_contact::text;
use crate::params::uuid;
use crate::problem::Problem;
use crate::state::Inner;

/// How often a call that became part of another one is followed to that one.
const MAX_MERGES: usize = 8;

/// A member that is there, be it `null`.
fn said<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A task to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewTask)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTaskRequest {
    /// What is to be done.
    r#type: TaskKind,
    /// What it is about.
    #[schema(
        min_length = 1,
        max_length = 255,
        example = "Bel terug over de offerte"
    )]
    subject: String,
    /// More about it.
    #[serde(default)]
    #[schema(max_length = 10000)]
    description: Option<String>,
    /// How much it matters; `normaal` when left out.
    #[serde(default)]
    priority: Option<TaskPriority>,
    /// By when; must lie ahead. Left out: the end of the next business day. Null: no deadline.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<Option<String>>,
    /// The agent who is to do it.
    #[serde(default)]
    assignee_agent_id: Option<String>,
    /// The queue whose agents may take it.
    #[serde(default)]
    #[schema(max_length = 255)]
    queue: Option<String>,
    /// The contact it is about; that of the call when left out.
    #[serde(default)]
    contact_id: Option<String>,
    /// The call it comes of.
    #[serde(default)]
    call_id: Option<String>,
    /// The number to call, in any spelling; that of the call's outside party, else the first of
    /// the contact, when left out.
    #[serde(default)]
    #[schema(example = "0612345678")]
    callback_number: Option<String>,
    /// Not before this time would they like to be called.
    #[serde(default)]
    #[schema(format = DateTime)]
    preferred_from: Option<String>,
    /// Nor after this.
    #[serde(default)]
    #[schema(format = DateTime)]
    preferred_to: Option<String>,
}

/// What of a task is to be changed: what is left out stays, null empties it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TaskChange {
    /// What it is about.
    #[schema(min_length = 1, max_length = 255)]
    subject: Option<String>,
    /// More about it.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, max_length = 10000)]
    description: Option<Option<String>>,
    /// How much it matters.
    priority: Option<TaskPriority>,
    /// By when; a new one must lie ahead.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<Option<String>>,
    /// The number to call, in any spelling.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    callback_number: Option<Option<String>>,
    /// Not before this time.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, format = DateTime)]
    preferred_from: Option<Option<String>>,
    /// Nor after this.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, format = DateTime)]
    preferred_to: Option<Option<String>>,
    /// The version that was read; when it has another by now, nothing is changed.
    pub(super) version: Option<u32>,
}

/// Reads what is said of a task of one app.
pub(crate) struct Reader<'a> {
    pub(crate) shared: &'a Inner,
    pub(crate) app: AppId,
    /// ISO 3166-1 alpha-2, how national numbers are read and shown.
    pub(crate) country: &'a str,
}

impl Reader<'_> {
    fn fault(&self, member: &str, problem: &str) -> Problem {
        Problem::field(member, problem)
    }

    fn subject(&self, given: String) -> Result<String, Problem> {
        let subject = text(Some(given), "", "subject", MAX_SUBJECT)?;
        subject.ok_or_else(|| self.fault("subject", "must not be empty"))
    }

    pub(super) fn long(
        &self,
        member: &str,
        given: Option<String>,
    ) -> Result<Option<String>, Problem> {
        text(given, "", member, MAX_TEXT)
    }

    pub(super) fn queue(&self, given: Option<String>) -> Result<Option<String>, Problem> {
        text(given, "", "queue", MAX_QUEUE)
    }

    fn time(&self, member: &str, given: Option<String>) -> Result<Option<Timestamp>, Problem> {
        let Some(given) = given else { return Ok(None) };
        let given = given.trim();
        // RFC 3339 only, and within the years that can be meant.
        let read = given.parse::<Timestamp>().ok();
        let read = read.and_then(|_| parse_lenient(given));
        let problem = "must be a time such as 2026-11-23T16:00:00Z";
        read.map(Some).ok_or_else(|| self.fault(member, problem))
    }

    fn number(&self, given: Option<String>) -> Result<Option<CallbackNumber>, Problem> {
        let Some(given) = given else { return Ok(None) };
        if given.trim().is_empty() {
            return Ok(None);
        }
        let plan = NumberPlan::for_country(self.country).unwrap_or_default();
        let number = PhoneNumber::parse(&given, &plan);
        let dialled = !matches!(
            number.kind,
            NumberKind::Unknown | NumberKind::Withheld | NumberKind::Sip
        );
        let fits = dialled && given.chars().count() <= MAX_RAW;
        let problem = "must be a telephone number or an extension";
        let read = callback(&number, self.country).filter(|_| fits);
        read.map(Some)
            .ok_or_else(|| self.fault("callback_number", problem))
    }

    /// An agent of the app who takes calls.
    pub(super) async fn agent(
        &self,
        member: &str,
        given: Option<&str>,
    ) -> Result<Option<TaskAssignee>, Problem> {
        let Some(given) = given else { return Ok(None) };
        let id = uuid(given).ok_or_else(|| self.fault(member, "must be a UUID"))?;
        let roster = self.shared.intake.agents().latest(self.app).await?;
        let agent = roster.get(AgentId(id));
        let agent = agent.ok_or_else(|| self.fault(member, "is not an agent of this app"))?;
        if !agent.active {
            return Err(self.fault(member, "is an agent who takes no calls any more"));
        }
        Ok(Some(assignee(agent)))
    }

    async fn contact(
        &self,
        given: Option<&str>,
    ) -> Result<Option<(TaskContact, Option<CallbackNumber>)>, Problem> {
        let Some(given) = given else { return Ok(None) };
        let id = uuid(given).ok_or_else(|| self.fault("contact_id", "must be a UUID"))?;
        let found = self.shared.store.contact(self.app, ContactId(id)).await?;
        let unknown = "is not a contact of this app";
        let found = found.ok_or_else(|| self.fault("contact_id", unknown))?;
        let number = found.numbers.first();
        let number = number.and_then(|entry| callback(&entry.number, self.country));
        let contact = TaskContact {
            id: found.id,
            name: found.name,
        };
        Ok(Some((contact, number)))
    }

    /// The call; of one that became part of another, that other one.
    async fn call(&self, given: Option<&str>) -> Result<Option<Call>, Problem> {
        let Some(given) = given else { return Ok(None) };
        let id = uuid(given).ok_or_else(|| self.fault("call_id", "must be a UUID"))?;
        let mut id = CallId(id);
        for _ in 0..MAX_MERGES {
            let Some(record) = self.shared.store.call(self.app, id).await? else {
                break;
            };
            let call: Call = serde_json::from_str(&record).map_err(|error| {
                tracing::error!(%error, "a stored call cannot be read");
                Problem::internal()
            })?;
            match call.merged_into {
                Some(other) => id = other,
                None => return Ok(Some(call)),
            }
        }
        Err(self.fault("call_id", "is not a call of this app"))
    }
}

/// A number as tasks keep it.
fn callback(number: &PhoneNumber, country: &str) -> Option<CallbackNumber> {
    Some(CallbackNumber {
        canonical: number.canonical()?.to_owned(),
        display: number.display(country),
    })
}

/// An agent as tasks name them.
pub(crate) fn assignee(agent: &Agent) -> TaskAssignee {
    TaskAssignee {
        id: agent.id,
        name: agent.name.clone(),
    }
}

impl NewTaskRequest {
    /// The task to be made; the deadline where none was named is filled in from the app's hours.
    pub(super) async fn checked(self, reader: &Reader<'_>) -> Result<NewTask, Problem> {
        let tasks = &reader.shared.tasks;
        let deadline = match self.deadline {
            Some(given) => reader.time("deadline", given)?,
            None => {
                let settings = tasks.settings(reader.app).await?;
                Some(settings.hours.deadline(tasks.now()))
            }
        };
        let new = NewTask {
            id: tasks.new_id(),
            kind: self.r#type,
            subject: reader.subject(self.subject)?,
            description: reader.long("description", self.description)?,
            priority: self.priority.unwrap_or(TaskPriority::Normal),
            deadline,
            assignee: None,
            queue: reader.queue(self.queue)?,
            contact: None,
            call_id: None,
            callback: reader.number(self.callback_number)?,
            preferred_from: reader.time("preferred_from", self.preferred_from)?,
            preferred_to: reader.time("preferred_to", self.preferred_to)?,
            source: TaskSource::Hand,
        };
        let assignee = self.assignee_agent_id.as_deref();
        let assignee = reader.agent("assignee_agent_id", assignee).await?;
        let call = reader.call(self.call_id.as_deref()).await?;
        let of_call = call.as_ref().and_then(|call| call.contact.as_ref());
        let (contact, number) = match reader.contact(self.contact_id.as_deref()).await? {
            Some((contact, number)) => (Some(contact), number),
            None => (
                of_call.map(|contact| TaskContact {
                    id: contact.id,
                    name: contact.name.clone(),
                }),
                None,
            ),
        };
        let callback = new.callback.or_else(|| call.as_ref().and_then(outside));
        Ok(NewTask {
            assignee,
            contact,
            call_id: call.map(|call| call.id),
            callback: callback.or(number),
            ..new
        })
    }
}

impl TaskChange {
    /// What is to be changed, and the version that was read.
    pub(super) fn checked(self, reader: &Reader<'_>) -> Result<TaskEdit, Problem> {
        let time = |member: &str, given: Option<Option<String>>| {
            given.map(|given| reader.time(member, given)).transpose()
        };
        let description = self.description;
        let description = description.map(|given| reader.long("description", given));
        let callback = self.callback_number.map(|given| reader.number(given));
        Ok(TaskEdit {
            subject: self
                .subject
                .map(|given| reader.subject(given))
                .transpose()?,
            description: description.transpose()?,
            priority: self.priority,
            deadline: time("deadline", self.deadline)?,
            callback: callback.transpose()?,
            preferred_from: time("preferred_from", self.preferred_from)?,
            preferred_to: time("preferred_to", self.preferred_to)?,
        })
    }
}

/// A version, wherever a body may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Seen {
    /// The version that was read; when it has another by now, nothing is done.
    pub(super) version: Option<u32>,
}

/// Who is to take a task.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClaimRequest {
    /// For which agent; who is an agent takes it for themselves when this is left out.
    pub(super) agent_id: Option<String>,
    /// The version that was read; when it has another by now, nothing is done.
    pub(super) version: Option<u32>,
}

/// Who is to have a task.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AssignRequest {
    /// The agent; null for nobody, left out as it was.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub(super) agent_id: Option<Option<String>>,
    /// The queue; null for none, left out as it was.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, max_length = 255)]
    pub(super) queue: Option<Option<String>>,
    /// The version that was read; when it has another by now, nothing is done.
    pub(super) version: Option<u32>,
}

/// Who is to have several tasks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignManyRequest {
    /// Which, at most 100.
    #[schema(min_items = 1, max_items = 100)]
    pub(super) task_ids: Vec<String>,
    /// The agent; null for nobody, left out as it was.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub(super) agent_id: Option<Option<String>>,
    /// The queue; null for none, left out as it was.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, max_length = 255)]
    pub(super) queue: Option<Option<String>>,
}

/// What came of a try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttemptRequest {
    /// How it went.
    pub(super) result: AttemptResult,
    /// Free text.
    #[serde(default)]
    #[schema(max_length = 10000)]
    pub(super) notes: Option<String>,
    /// The version that was read; when it has another by now, nothing is done.
    #[serde(default)]
    pub(super) version: Option<u32>,
}

/// What came of a task.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CompleteRequest {
    /// What came of it.
    #[schema(max_length = 10000)]
    pub(super) result: Option<String>,
    /// The version that was read; when it has another by now, nothing is done.
    pub(super) version: Option<u32>,
}
