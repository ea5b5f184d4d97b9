//! Telling the PBX to do something over AMI: one short session for one command. The actions are
//! chosen in [`super::originate`] and [`super::control`]; here they are sent, and the manager's
//! answers become whose fault it is.

use std::fmt::Write as _;
use std::time::Duration;

use switchhook_engine::adapter::LinkError;
use switchhook_engine::command::{CommandError, Fault};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::ami::Block;
use super::ami_session::{self, Messages, say};
use super::config::AmiAccess;
use super::link::PATIENCE;
use super::rest::sentence;

/// The events a session hears while it waits for the effect of an action.
const EVENTS: &str = "call";

/// A session that is logged in.
pub(super) struct Manager {
    messages: Messages<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    sent: u32,
}

/// What the manager answered.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    success: bool,
    message: String,
    text: String,
}

impl Reply {
    /// A field of the answer.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        Block::parse(&self.text).get(name).map(str::to_owned)
    }

    /// The manager's sentence.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// All fields, in order.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Nothing when it was done, else whose fault it is that it was not.
    pub(super) fn accepted(&self) -> Result<(), CommandError> {
        if self.success {
            return Ok(());
        }
        let said = self.message.to_ascii_lowercase();
        let has = |part: &str| said.contains(part);
        let (fault, detail) = if has("permission denied") {
            let detail = "The AMI user may not do this: add the rights named in the \
                          documentation to `write=` of its entry in manager.conf.";
            (Fault::Permission, detail.to_owned())
        } else if has("invalid/unknown command") {
            let detail = "This PBX does not know the action: the module for it is not loaded.";
            (Fault::NotSupported, detail.to_owned())
        } else if has("no such channel") || has("does not exist") || has("not found") {
            let detail = "The call is over, or has moved to another device.";
            (Fault::Gone, detail.to_owned())
        } else {
            let said: String = self.message.chars().filter(|c| !c.is_control()).collect();
            let detail = format!("The PBX refuses: {said}.");
            (Fault::State, detail)
        };
        Err(CommandError::new(fault, detail))
    }
}

impl Manager {
    /// Connects and logs in.
    pub(super) async fn open(access: &AmiAccess) -> Result<Self, CommandError> {
        let (messages, writer) = ami_session::open(access, EVENTS).await.map_err(unreached)?;
        Ok(Self {
            messages,
            writer,
            sent: 0,
        })
    }

    /// Sends an action; its answer, whatever it is. A value with a line end, which would begin a
    /// header of its own, is never sent.
    pub(super) async fn action(&mut self, fields: &[(&str, &str)]) -> Result<Reply, CommandError> {
        self.sent += 1;
        let id = format!("sh-{}", self.sent);
        let mut text = String::new();
        for (name, value) in fields {
            if value.chars().any(char::is_control) {
                let detail = "This cannot be told to the PBX: it contains control characters.";
                return Err(CommandError::new(Fault::Target, detail));
            }
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let _ = write!(text, "ActionID: {id}\r\n\r\n");
        say(&mut self.writer, &text).await.map_err(lost)?;
        let answer = timeout(PATIENCE, self.messages.answer(&id)).await;
        let answer = answer
            .map_err(|_| uncertain("The PBX did not answer in time."))?
            .map_err(lost)?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let block = Block::parse(&text);
        Ok(Reply {
            success: block.get("Response") == Some("Success"),
            message: block.get("Message").unwrap_or_default().to_owned(),
            text,
        })
    }

    /// Sends an action that must succeed.
    pub(super) async fn done(&mut self, fields: &[(&str, &str)]) -> Result<(), CommandError> {
        self.action(fields).await?.accepted()
    }

    /// Waits for a message about which `tell` has something to say; `None` when none came in time.
    pub(super) async fn hear<T>(
        &mut self,
        limit: Duration,
        mut tell: impl FnMut(&Block<'_>) -> Option<T>,
    ) -> Option<T> {
        let heard = async {
            loop {
                let message = self.messages.next().await.ok()?;
                let text = String::from_utf8_lossy(&message);
                if let Some(told) = tell(&Block::parse(&text)) {
                    return Some(told);
                }
            }
        };
        timeout(limit, heard).await.ok().flatten()
    }

    /// True unless the dialplan is known to have no such extension: a transfer there would end
    /// the call. A user who may not ask is given the benefit of the doubt.
    pub(super) async fn leads_somewhere(&mut self, context: &str, exten: &str) -> bool {
        let question = format!("DIALPLAN_EXISTS({context},{exten},1)");
        let asked = [("Action", "Getvar"), ("Variable", question.as_str())];
        match self.action(&asked).await {
            Ok(reply) => reply.get("Value").as_deref() != Some("0"),
            Err(_) => true,
        }
    }

    /// Says goodbye; the PBX may be gone.
    pub(super) async fn close(mut self) {
        let _ = say(&mut self.writer, "Action: Logoff\r\n\r\n").await;
    }
}

/// The session never came about.
fn unreached(error: LinkError) -> CommandError {
    match error {
        LinkError::Retry(reason) => CommandError::new(Fault::Unreachable, sentence(&reason)),
        LinkError::Misconfigured(reason) => {
            CommandError::new(Fault::Credentials, sentence(&reason))
        }
    }
}

fn lost(error: LinkError) -> CommandError {
    match error {
        LinkError::Retry(reason) | LinkError::Misconfigured(reason) => {
            uncertain(&sentence(&reason))
        }
    }
}

fn uncertain(detail: &str) -> CommandError {
    CommandError::new(Fault::Uncertain, detail)
}
