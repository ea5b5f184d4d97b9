//! Text messages: list, one. Only reading.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::{ConnectionId, MessageId};
use switchhook_domain::media::{MessageDirection, MessageStatus};
use switchhook_domain::phone::NumberPlan;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{MessageQuery, StoredMessage};
use utoipa::ToSchema;

use crate::answer;
use crate::auth::Caller;
use crate::calls::{FROM, SINCE, TO, UNTIL};
use crate::openapi::errors;
use crate::paging::Paging;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::{One, Page};
use crate::state::Shared;

/// The names of the user on our side; all mean the same.
const USER: [&str; 3] = ["user", "user_id", "dialpad_user_id"];

/// A text message.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageView {
    /// Our id.
    id: MessageId,
    /// The connection it came through.
    connection_id: ConnectionId,
    /// The platform's id.
    external_id: String,
    /// The same, by the name the predecessor used.
    dialpad_message_id: String,
    /// Inbound or outbound.
    direction: MessageDirection,
    /// Who sent it.
    from_number: Option<String>,
    /// Who got it, the first of them.
    to_number: Option<String>,
    /// Everybody who got it.
    to_numbers: Vec<String>,
    /// The text; null when the platform may not export it.
    text: Option<String>,
    /// How far its delivery has got.
    status: MessageStatus,
    /// Why its delivery failed.
    failure: Option<String>,
    /// The platform's id of the user on our side.
    dialpad_user_id: Option<String>,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    sent_at: String,
}

impl From<StoredMessage> for MessageView {
    fn from(stored: StoredMessage) -> Self {
        let message = stored.message;
        let to_numbers: Vec<String> = message
            .to
            .iter()
            .filter_map(|to| to.canonical().map(str::to_owned))
            .collect();
        Self {
            id: stored.id,
            connection_id: stored.connection_id,
            external_id: message.external_id.clone(),
            dialpad_message_id: message.external_id,
            direction: message.direction,
            from_number: message.from.canonical().map(str::to_owned),
            to_number: to_numbers.first().cloned(),
            to_numbers,
            text: message.text,
            status: message.status,
            failure: message.failure,
            dialpad_user_id: message.user_id,
            sent_at: answer::time(message.sent_at),
        }
    }
}

errors!(ListErrors: CALLER []);
errors!(GetErrors: CALLER [InvalidId, MessageNotFound]);

/// List messages
///
/// Text messages, newest first.
#[utoipa::path(
    get, path = "/api/messages", tag = "Messages", operation_id = "list_messages",
    params(
        ("direction" = Option<String>, Query, description = "`inbound` or `outbound`.",
            example = "inbound"),
        ("from" = Option<String>, Query,
            description = "Who sent it, in any spelling. Also `from_number`."),
        ("to" = Option<String>, Query,
            description = "Who got it, perhaps with others. Also `to_number`."),
        ("dialpad_user_id" = Option<String>, Query,
            description = "The platform's id of the user on our side. Also `user`, `user_id`."),
        ("since" = Option<String>, Query,
            description = "Sent at or after: RFC 3339, or epoch seconds.",
            example = "2026-11-22T00:00:00Z"),
        ("until" = Option<String>, Query, description = "Sent before.",
            example = "2026-11-23T00:00:00Z"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 100000."),
    ),
    responses(
        (status = 200, description = "A page of messages.", body = Page<MessageView>),
        ListErrors,
    ),
    security(("key" = ["media:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::MediaRead)?;
    let others = ["direction", "limit", "offset"];
    let groups: [&[&'static str]; 6] = [&others, &USER, &FROM, &TO, &SINCE, &UNTIL];
    let params = Params::read(&uri, &groups.concat())?;
    let plan = NumberPlan::for_country(&caller.access.app.country).unwrap_or_default();
    let paging = Paging::read(&params)?;
    let direction = params.one("direction")?.map(|word| {
        MessageDirection::from_name(&word.trim().to_ascii_lowercase())
            .ok_or_else(|| Problem::parameter("direction", "must be one of inbound, outbound"))
    });
    let query = MessageQuery {
        direction: direction.transpose()?,
        from_number: params.phone(&FROM, &plan)?,
        to_number: params.phone(&TO, &plan)?,
        user_id: params
            .first_of(&USER)?
            .map(|(_, user)| user.trim().to_owned()),
        since: params.time_of(&SINCE, 0)?,
        until: params.time_of(&UNTIL, 1)?,
        limit: paging.limit,
        offset: paging.offset,
    };
    let (found, total) = shared.store.messages(caller.app(), &query).await?;
    let views: Vec<_> = found.into_iter().map(MessageView::from).collect();
    answer::list(&views, &paging.describe(views.len(), total))
}

/// Get one message
#[utoipa::path(
    get, path = "/api/messages/{id}", tag = "Messages", operation_id = "get_message",
    params(("id" = String, Path, description = "Our id of the message.")),
    responses((status = 200, description = "The message.", body = One<MessageView>), GetErrors),
    security(("key" = ["media:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::MediaRead)?;
    Params::none(&uri)?;
    let id = MessageId(path_id(&id, "message")?);
    let Some(found) = shared.store.message(caller.app(), id).await? else {
        let detail = "Message not found. Take the id from the list.";
        return Err(Problem::new(Code::MessageNotFound, detail));
    };
    answer::one(StatusCode::OK, &MessageView::from(found))
}
