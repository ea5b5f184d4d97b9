//! Text messages: the list. Only reading.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::media::{Message, MessageDirection, MessageStatus};
use switchhook_engine::store::MessageQuery;
use utoipa::ToSchema;

use crate::answer;
use crate::auth::Caller;
use crate::openapi::errors;
use crate::paging::Paging;
use crate::params::Params;
use crate::problem::Problem;
use crate::schemas::Page;
use crate::state::Shared;

/// A text message.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageView {
    /// The platform's id.
    id: String,
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

/// What the store keeps of a message.
#[derive(Deserialize)]
#[serde(untagged)]
enum Record {
    State { message: Message },
    Plain(Message),
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        let to_numbers: Vec<String> = message
            .to
            .iter()
            .filter_map(|to| to.canonical().map(str::to_owned))
            .collect();
        Self {
            id: message.external_id.clone(),
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

errors!(MessageErrors: CALLER []);

/// List messages
///
/// Text messages, newest first.
#[utoipa::path(
    get, path = "/api/messages", tag = "Messages", operation_id = "list_messages",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 100000."),
    ),
    responses(
        (status = 200, description = "A page of messages.", body = Page<MessageView>),
        MessageErrors,
    ),
    security(("key" = []), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["limit", "offset"])?;
    let paging = Paging::read(&params)?;
    let query = MessageQuery {
        limit: paging.limit,
        offset: paging.offset,
    };
    let (records, total) = shared.store.messages(caller.app(), &query).await?;
    let views = records
        .iter()
        .map(|record| match serde_json::from_str(record) {
            Ok(Record::State { message } | Record::Plain(message)) => {
                Ok(MessageView::from(message))
            }
            Err(error) => {
                tracing::error!(%error, "a stored message cannot be read");
                Err(Problem::internal())
            }
        });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    answer::list(&views, &paging.describe(views.len(), total))
}
