//! The queue itself: the official SDK over our own HTTP client (one TLS stack, no second pool),
//! and what its errors mean to an administrator.

use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::{HttpRequest, HttpResponse};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, HttpClient, Region, RuntimeComponents};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use switchhook_engine::adapter::{ConnectionContext, LinkError};
use switchhook_engine::outbound::{self, Guard, Reach, Refused};

use super::super::{region, spec};

/// How long one exchange may take: a long poll of twenty seconds, and time to answer.
const EXCHANGE: Duration = Duration::from_secs(40);
/// How often a deletion is tried before the message is left to come again.
const DELETE_TRIES: u32 = 4;
/// The first wait between them; doubled each time.
const DELETE_WAIT: Duration = Duration::from_millis(200);

/// The largest answer read, in bytes: ten messages of a megabyte, and their attributes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A message as received.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// By which it is deleted or hidden on; good for this receipt only.
    pub(super) receipt: String,
    /// SQS's id of the message.
    pub(super) id: String,
    /// The body.
    pub(super) body: String,
    /// Message attributes, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// FIFO queues: the group.
    pub(super) group: Option<String>,
    /// How often it has come, this time included.
    pub(super) receives: u32,
}

impl Received {
    fn of(message: Message) -> Self {
        let system = message.attributes();
        let said = |name| system.and_then(|all| all.get(&name)).cloned();
        let receives = said(MessageSystemAttributeName::ApproximateReceiveCount);
        let attributes = message.message_attributes().into_iter().flatten();
        let headers = attributes.filter_map(|(name, value)| {
            Some((name.to_ascii_lowercase(), value.string_value()?.to_owned()))
        });
        Self {
            headers: headers.collect(),
            group: said(MessageSystemAttributeName::MessageGroupId),
            receives: receives.and_then(|n| n.parse().ok()).unwrap_or(1),
            receipt: message.receipt_handle.unwrap_or_default(),
            id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        }
    }
}

/// One queue, and where messages go that nobody believes.
#[derive(Debug)]
pub(super) struct Queue {
    client: Client,
    url: String,
    dead_letters: Option<String>,
}

impl Queue {
    /// Puts the client together. Nothing is asked yet.
    pub(super) fn open(connection: &ConnectionContext) -> Result<Self, LinkError> {
        let missing = |what| LinkError::Misconfigured(format!("{what} is not set"));
        let text = |name| connection.text(name).ok_or_else(|| missing(name));
        let secret = connection.credentials.get(spec::SQS_SECRET_KEY);
        let secret = secret.ok_or_else(|| missing(spec::SQS_SECRET_KEY))?;
        let credentials = Credentials::new(
            text(spec::SQS_KEY_ID)?,
            secret.expose().trim(),
            None,
            None,
            "connection",
        );
        let region = region(connection).ok_or_else(|| missing(spec::SQS_REGION))?;
        let mut config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .http_client(OurHttp(connection.outbound.clone()));
        if let Some(endpoint) = connection.text(spec::SQS_ENDPOINT) {
            config = config.endpoint_url(endpoint);
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            url: text(spec::SQS_URL)?.to_owned(),
            dead_letters: connection
                .text(spec::SQS_DEAD_LETTER_URL)
                .map(str::to_owned),
        })
    }

    /// About how many messages wait.
    pub(super) async fn look(&self) -> Result<u64, LinkError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let asked = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = asked.attribute_names(name.clone()).send().await;
        let answer = answer.map_err(|error| fault(&error))?;
        let waiting = answer.attributes().and_then(|all| all.get(&name));
        Ok(waiting.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Up to ten messages, hidden from others for `visibility` seconds.
    pub(super) async fn receive(
        &self,
        wait: i32,
        visibility: i32,
    ) -> Result<Vec<Received>, LinkError> {
        let asked = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(wait)
            .visibility_timeout(visibility)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        let answer = asked.send().await.map_err(|error| fault(&error))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages.map(Received::of).collect())
    }

    /// Hides messages for so many seconds from now on; 0 gives them back at once. What cannot be
    /// changed any more comes again by itself.
    pub(super) async fn hide(&self, messages: &[&Received], seconds: i32) {
        let entries = messages.iter().enumerate().filter_map(|(at, message)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(&message.receipt)
                .visibility_timeout(seconds)
                .build()
                .ok()
        });
        let asked = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url);
        let asked = asked.set_entries(Some(entries.collect()));
        match asked.send().await {
            Ok(answer) if answer.failed().is_empty() => {}
            Ok(answer) => {
                let refused = answer.failed().len();
                tracing::warn!(refused, "messages of the queue could not be kept hidden");
            }
            Err(error) => {
                let why = fault(&error);
                tracing::warn!(%why, "messages of the queue could not be kept hidden");
            }
        }
    }

    /// Deletes messages; those that fail are tried again. Fails when the queue cannot be asked:
    /// the messages are stored and come again, which changes nothing.
    pub(super) async fn delete(&self, messages: &[&Received]) -> Result<(), LinkError> {
        let mut left: Vec<&Received> = messages.to_vec();
        let mut wait = DELETE_WAIT;
        for tried in 1..=DELETE_TRIES {
            if left.is_empty() {
                return Ok(());
            }
            match self.delete_once(&left).await {
                Ok(refused) => left = still_to_delete(&left, &refused),
                Err(error) if tried == DELETE_TRIES => return Err(error),
                Err(LinkError::Misconfigured(why)) => return Err(LinkError::Misconfigured(why)),
                Err(LinkError::Retry(_)) => {}
            }
            if !left.is_empty() {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
        if !left.is_empty() {
            tracing::warn!(
                left = left.len(),
                "stored messages stay in the queue and come again"
            );
        }
        Ok(())
    }

    async fn delete_once(
        &self,
        messages: &[&Received],
    ) -> Result<Vec<BatchResultErrorEntry>, LinkError> {
        let entries = messages.iter().enumerate().filter_map(|(at, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(&message.receipt)
                .build()
                .ok()
        });
        let asked = self.client.delete_message_batch().queue_url(&self.url);
        let asked = asked.set_entries(Some(entries.collect()));
        let answer = asked.send().await.map_err(|error| fault(&error))?;
        Ok(answer.failed)
    }

    /// Puts a message nobody believes into the dead-letter queue, with the reason. True when it
    /// may now be deleted: it is there, or there is no such queue and it is noted here.
    pub(super) async fn set_aside(&self, message: &Received, reason: &str) -> bool {
        let Some(url) = &self.dead_letters else {
            return true;
        };
        let text = |text: &str| {
            let value = MessageAttributeValue::builder().data_type("String");
            value.string_value(text).build().ok()
        };
        let mut asked = self
            .client
            .send_message()
            .queue_url(url)
            .message_body(&message.body);
        // Ten attributes are the most a message may have.
        for (name, value) in message.headers.iter().take(9) {
            if let Some(value) = text(value) {
                asked = asked.message_attributes(name.to_ascii_uppercase(), value);
            }
        }
        if let Some(reason) = text(reason) {
            asked = asked.message_attributes("SWITCHHOOK-REASON", reason);
        }
        if url.trim_end().ends_with(".fifo") {
            let group = message.group.as_deref().unwrap_or("rejected");
            asked = asked
                .message_group_id(group)
                .message_deduplication_id(&message.id);
        }
        match asked.send().await {
            Ok(_) => true,
            Err(error) => {
                let why = fault(&error);
                tracing::error!(%why, "a message could not be moved to the dead-letter queue");
                false
            }
        }
    }
}

/// Those a batch did not delete and that a further try may delete. A receipt that is no longer
/// good will not get better: the message comes again with another.
fn still_to_delete<'a>(
    asked: &[&'a Received],
    refused: &[BatchResultErrorEntry],
) -> Vec<&'a Received> {
    let again = refused.iter().filter(|entry| !entry.sender_fault());
    let again = again.filter_map(|entry| entry.id().parse::<usize>().ok());
    again.filter_map(|at| asked.get(at).copied()).collect()
}

/// What an error of the SDK means, in a sentence that says what to do.
fn fault<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> LinkError {
    let retry = |text: &str| LinkError::Retry(text.to_owned());
    let wrong = |text: &str| LinkError::Misconfigured(text.to_owned());
    let refused = match error {
        SdkError::ServiceError(refused) => refused,
        SdkError::DispatchFailure(failure)
            if failure
                .as_connector_error()
                .is_some_and(|error| Refused::within(error).is_some()) =>
        {
            return retry(
                "The queue's address leads to an address of a kind that is not called: give \
                 another one, or have the operator allow it with outbound.allow_private.",
            );
        }
        SdkError::ConstructionFailure(_) => {
            return wrong("The request to the queue could not be made: check the SQS settings.");
        }
        _ => {
            return retry(
                "The queue cannot be reached: check its address and this server's way to the \
                 internet.",
            );
        }
    };
    let code = refused.err().code().unwrap_or_default();
    let code = code.rsplit(['.', '#']).next().unwrap_or_default();
    match code {
        "NonExistentQueue" | "QueueDoesNotExist" | "QueueDeletedRecently" | "InvalidAddress" => {
            wrong("There is no such queue: check sqs_queue_url and the region.")
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => {
            wrong("AWS does not know the access key id: check sqs_access_key_id.")
        }
        "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "InvalidSecurity"
        | "InvalidSignatureException" => {
            wrong("AWS does not accept the secret access key: check sqs_secret_access_key.")
        }
        "AccessDenied" | "AccessDeniedException" | "KmsAccessDenied" => wrong(
            "The AWS user may not do this: allow sqs:ReceiveMessage, sqs:DeleteMessage, \
             sqs:ChangeMessageVisibility and sqs:GetQueueAttributes on the queue (and kms:Decrypt \
             when it is encrypted).",
        ),
        "RequestExpired" | "RequestTimeTooSkewed" => {
            wrong("AWS refuses requests of another time: set this server's clock.")
        }
        "OverLimit" => retry("Too many messages of the queue are being read at once."),
        "RequestThrottled" | "ThrottlingException" | "Throttling" => {
            retry("AWS asks to read the queue more slowly.")
        }
        _ if refused.raw().status().is_server_error() => retry("The queue's server has a fault."),
        "" => wrong("The queue's server refuses the request: check the SQS settings."),
        code => LinkError::Misconfigured(format!(
            "The queue's server refuses the request ({code}): check the SQS settings."
        )),
    }
}

/// Requests of the SDK, carried by the HTTP client everything else here uses.
#[derive(Clone, Debug)]
struct OurHttp(Guard);

impl HttpClient for OurHttp {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for OurHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(exchange(self.0.clone(), request))
    }
}

async fn exchange(outbound: Guard, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let method = request.method().parse::<reqwest::Method>();
    let url = request.uri().parse().map_err(user)?;
    let asked = outbound.request(Reach::Cloud, method.map_err(user)?, url);
    let mut asked = asked.map_err(user)?.timeout(EXCHANGE);
    for (name, value) in request.headers() {
        asked = asked.header(name, value);
    }
    let body = request.body().bytes();
    let body = body
        .ok_or_else(|| user("a body that is a stream"))?
        .to_vec();
    let mut answer = asked.body(body).send().await.map_err(lost)?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = outbound::read(&mut answer, MAX_ANSWER)
        .await
        .map_err(lost)?;
    let body = body.ok_or_else(|| user("the answer is too large to be read"))?;
    let status = status.try_into().map_err(user)?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            response
                .headers_mut()
                .try_append(name.as_str().to_owned(), value.to_owned())
                .map_err(user)?;
        }
    }
    Ok(response)
}

fn user(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::user(error.into())
}

fn lost(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}
