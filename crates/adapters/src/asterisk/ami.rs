//! AMI: message blocks of the Asterisk Manager Interface into [`Happening`]s.
//!
//! A block is lines of `Key: Value`, ended by an empty line. Field names: the `ManagerEvent`
//! documentation of Asterisk. A second channel's fields bear a prefix (`Dest`, `Transferee`, …).
//! What does not live here: framing and the socket ([`super::live_ami`]).

use std::borrow::Cow;

use switchhook_domain::time;
use switchhook_engine::adapter::DecodeError;

use super::ari::{is_message_left, is_telling_application, is_wanted_variable};
use super::channel::{CallerId, Channel, State, may_show};
use super::happening::{Bridge, DialAttempt, DialStage, Happening, RawCause, Statement};

/// More lines than any message of Asterisk has; the rest is passed over.
const MAX_LINES: usize = 512;

/// One message, cut into fields. Asterisk promises no encoding: what is no UTF-8 is replaced.
#[derive(Clone, Debug)]
pub(super) struct Block<'a> {
    text: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Block<'a> {
    /// Cuts a message at line ends and at the first colon of each line. A line without a colon
    /// (the greeting, output of commands) is no field.
    pub(super) fn parse(text: &'a str) -> Self {
        let lines = text.lines().take(MAX_LINES);
        let fields = lines.filter_map(|line| line.split_once(':'));
        let fields = fields
            .map(|(key, value)| (key.trim(), value.trim()))
            .collect();
        Self { text, fields }
    }

    /// The first field of that name that says something. `<unknown>` is AMI's word for nothing.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.with("", name)
    }

    /// The same with a prefix before the name.
    fn with(&self, prefix: &str, name: &str) -> Option<&'a str> {
        let (head, rest) = (prefix.len(), prefix.len() + name.len());
        let of_name = self.fields.iter().filter(|(key, _)| {
            key.len() == rest
                && key
                    .get(..head)
                    .is_some_and(|k| k.eq_ignore_ascii_case(prefix))
                && key
                    .get(head..)
                    .is_some_and(|k| k.eq_ignore_ascii_case(name))
        });
        of_name
            .map(|(_, value)| *value)
            .find(|value| !value.is_empty() && *value != "<unknown>")
    }

    fn text_of(&self, name: &str) -> Cow<'a, str> {
        self.get(name).unwrap_or_default().into()
    }

    /// A channel variable shown by `channelvars` of manager.conf: `ChanVariable: name=value`.
    fn variable(&self, prefix: &str, name: &str) -> Option<&'a str> {
        let shown = self.fields.iter().filter(|(key, _)| {
            key.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with("ChanVariable"))
        });
        let mut pairs = shown.filter_map(|(_, pair)| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The channel whose fields bear the prefix; `None` when the event does not name one.
    pub(super) fn channel(&self, prefix: &str) -> Option<Channel<'a>> {
        let words = |name| Cow::from(self.with(prefix, name).unwrap_or_default());
        Some(Channel {
            id: self.with(prefix, "Uniqueid")?.into(),
            name: self.with(prefix, "Channel")?.into(),
            state: State::parse(self.with(prefix, "ChannelStateDesc").unwrap_or_default()),
            caller: CallerId {
                name: words("CallerIDName"),
                number: words("CallerIDNum"),
            },
            connected: CallerId {
                name: words("ConnectedLineName"),
                number: words("ConnectedLineNum"),
            },
            context: words("Context"),
            exten: words("Exten"),
            app: words("Application"),
            app_data: self
                .with(prefix, "ApplicationData")
                .or_else(|| self.with(prefix, "AppData"))
                .unwrap_or_default()
                .into(),
            linked: self.with(prefix, "Linkedid").map(Cow::Borrowed),
            created: None,
            may_show: may_show(|name| self.variable(prefix, name)),
        })
    }

    fn need(&self, prefix: &str) -> Result<Channel<'a>, DecodeError> {
        self.channel(prefix)
            .ok_or_else(|| DecodeError::field(format!("{prefix}Uniqueid"), "is missing"))
    }

    /// The bridge of an event. AMI does not say who is in it; the linked id joins them.
    pub(super) fn bridge(&self, prefix: &str) -> Option<Bridge<'a>> {
        let technology = self.with(prefix, "BridgeTechnology").unwrap_or_default();
        Some(Bridge {
            id: self.with(prefix, "BridgeUniqueid")?.into(),
            mixing: technology != "holding_bridge",
            channels: Vec::new(),
        })
    }

    fn cause(&self) -> RawCause {
        RawCause {
            q850: self.get("Cause").and_then(|text| text.parse().ok()),
            sip: self.get("TechCause").and_then(|text| text.parse().ok()),
        }
    }

    fn own_bridge(&self) -> Result<Bridge<'a>, DecodeError> {
        self.bridge("")
            .ok_or_else(|| DecodeError::field("BridgeUniqueid", "is missing"))
    }
}

/// Reads one message; `None` for what is no event: the greeting and answers to our actions.
pub(super) fn statement<'a>(block: &Block<'a>) -> Result<Option<Statement<'a>>, DecodeError> {
    let Some(happening) = happening_of(block)? else {
        return Ok(None);
    };
    let at = match block.get("Timestamp").map(time::parse_lenient) {
        Some(Some(at)) => at,
        Some(None) => {
            return Err(DecodeError::field(
                "Timestamp",
                "must be epoch seconds, such as 1795.5",
            ));
        }
        // The greeting of a session bears no time; it says nothing either.
        None if matches!(happening, Happening::Nothing) => return Ok(None),
        None => {
            return Err(DecodeError::field(
                "Timestamp",
                "is missing; set timestampevents=yes in manager.conf",
            ));
        }
    };
    Ok(Some(Statement {
        at,
        event: block.get("Event").unwrap_or_default(),
        happening,
    }))
}

/// What a message says, whether or not it bears a time.
fn happening_of<'a>(block: &Block<'a>) -> Result<Option<Happening<'a>>, DecodeError> {
    let Some(event) = block.get("Event") else {
        let is_answer =
            block.get("Response").is_some() || block.text.starts_with("Asterisk Call Manager/");
        return if is_answer {
            Ok(None)
        } else {
            Err(DecodeError::Syntax(
                "neither an ARI event nor an AMI message".to_owned(),
            ))
        };
    };
    // Items of a list that we asked for; the snapshot reads them.
    if block.get("ActionID").is_some() {
        return Ok(None);
    }
    happening(event, block).map(Some)
}

/// What an event of that name says.
pub(super) fn happening<'a>(event: &str, block: &Block<'a>) -> Result<Happening<'a>, DecodeError> {
    Ok(match event {
        "Newchannel" => Happening::Created(block.need("")?),
        "Newstate" => Happening::Shown(block.need("")?),
        "NewCallerid" => Happening::Named(block.need("")?),
        "Newexten" if is_telling_application(&block.text_of("Application")) => {
            Happening::Application(block.need("")?)
        }
        "DialBegin" => dial(block, DialStage::Begun)?,
        "DialState" | "DialEnd" => dial(
            block,
            DialStage::parse(block.get("DialStatus").unwrap_or("PROGRESS")),
        )?,
        "BridgeEnter" => Happening::Entered(block.own_bridge()?, block.need("")?),
        "BridgeLeave" => Happening::Left(block.own_bridge()?, block.need("")?),
        "Hold" => Happening::Held(block.need("")?),
        "Unhold" => Happening::Resumed(block.need("")?),
        "HangupRequest" | "SoftHangupRequest" => Happening::HangupAsked {
            channel: block.need("")?,
            cause: block.cause(),
            soft: event == "SoftHangupRequest",
        },
        "Hangup" => Happening::Destroyed {
            channel: block.need("")?,
            cause: block.cause(),
        },
        "BlindTransfer" if block.get("Result") == Some("Success") => blind(block)?,
        "AttendedTransfer" if block.get("Result") == Some("Success") => attended(block)?,
        "QueueCallerJoin" => Happening::Queued {
            channel: block.need("")?,
            queue: block.text_of("Queue"),
        },
        "VarSet" => variable(block)?,
        "UserEvent" => {
            let (name, status) = (block.text_of("UserEvent"), block.text_of("Status"));
            match block.channel("") {
                Some(channel) if is_message_left(&name, &status) => Happening::MessageLeft(channel),
                _ => Happening::Nothing,
            }
        }
        "DeviceStateChange" => Happening::Device {
            device: block.text_of("Device"),
            state: block.text_of("State"),
        },
        _ => Happening::Nothing,
    })
}

fn dial<'a>(block: &Block<'a>, stage: DialStage) -> Result<Happening<'a>, DecodeError> {
    Ok(Happening::Dial(Box::new(DialAttempt {
        caller: block.channel(""),
        peer: block.need("Dest")?,
        forwarded: None,
        stage,
        dialstring: block.text_of("DialString"),
    })))
}

fn blind<'a>(block: &Block<'a>) -> Result<Happening<'a>, DecodeError> {
    Ok(Happening::BlindTransfer {
        transferer: block.need("Transferer")?,
        exten: block.text_of("Extension"),
        others: block.channel("Transferee").into_iter().collect(),
        bridge: block.bridge(""),
    })
}

fn attended<'a>(block: &Block<'a>) -> Result<Happening<'a>, DecodeError> {
    let second = block.channel("SecondTransferer");
    let others = ["Transferee", "ReplaceChannel", "LocalOne", "LocalTwo"];
    Ok(Happening::AttendedTransfer {
        legs: [Some(block.need("OrigTransferer")?), second]
            .into_iter()
            .flatten()
            .collect(),
        target: block.channel("TransferTarget"),
        others: others
            .iter()
            .filter_map(|prefix| block.channel(prefix))
            .collect(),
        bridges: Vec::new(),
        leaves: block.get("DestType") != Some("Threeway"),
    })
}

fn variable<'a>(block: &Block<'a>) -> Result<Happening<'a>, DecodeError> {
    let name = block.text_of("Variable");
    if !is_wanted_variable(&name) || block.get("Uniqueid").is_none() {
        return Ok(Happening::Nothing);
    }
    Ok(Happening::Variable {
        channel: block.need("")?,
        name,
        value: block.text_of("Value"),
    })
}

/// Cuts a recorded session into messages at its empty lines. The greeting has none after it and
/// is left out.
pub(super) fn split(recorded: &[u8]) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in recorded.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        let blank = line.iter().all(u8::is_ascii_whitespace);
        if blank || line.starts_with(b"Asterisk Call Manager/") {
            blocks.push(&recorded[start..at]);
            start = next;
        }
        at = next;
    }
    blocks.push(&recorded[start..]);
    blocks.retain(|block| !block.iter().all(u8::is_ascii_whitespace));
    blocks
}
