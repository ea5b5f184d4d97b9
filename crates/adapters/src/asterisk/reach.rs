//! How the PBX can be told to do something: over which interface, by which dial string and in
//! which context. Everything that ends up in a dial string is checked here once more, whoever
//! checked it before: the dialplan must see digits and nothing that means something to it.
//!
//! What is told it stands in [`super::originate`] and [`super::control`].

use switchhook_domain::id::DialId;
use switchhook_domain::phone::{NumberKind, NumberPlan, PhoneNumber};
use switchhook_engine::adapter::{ConnectionContext, DecodeError};
use switchhook_engine::command::{CommandError, Fault};

use super::config::{self, AmiAccess, AriAccess, Interface};

/// The longest extension or endpoint name.
const MAX_NAME: usize = 64;
/// The most digits of a target; E.164 allows 15, a prefix comes before them.
const MAX_DIGITS: usize = 20;
/// What stands for the extension in `dial_endpoint`.
const PLACE: &str = "{extension}";

/// The form in which the dialplan expects numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    E164,
    Zeros,
    National,
}

/// How calls are placed on this PBX.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialling<'a> {
    endpoint: &'a str,
    /// The dialplan context in which agents dial.
    pub(super) context: &'a str,
    format: Format,
    plan: &'a NumberPlan,
}

/// Checks the settings about dialling.
pub(super) fn check(connection: &ConnectionContext) -> Result<(), DecodeError> {
    config::flag(connection, "phones_obey", false)?;
    dialling(connection).map(drop)
}

/// The settings about dialling.
pub(super) fn dialling(connection: &ConnectionContext) -> Result<Dialling<'_>, DecodeError> {
    let endpoint = connection
        .text("dial_endpoint")
        .unwrap_or("PJSIP/{extension}");
    let fault = || {
        let problem = "must be a technology, a slash and {extension}, such as PJSIP/{extension}";
        DecodeError::field("dial_endpoint", problem)
    };
    let (before, after) = endpoint.split_once(PLACE).ok_or_else(fault)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/@_.-".contains(c);
    let fits = before.contains('/') && endpoint.len() <= 2 * MAX_NAME;
    if !fits || !before.chars().chain(after.chars()).all(plain) {
        return Err(fault());
    }
    let context = connection.text("dial_context").unwrap_or("from-internal");
    if !is_name(context) {
        let problem = "must be the name of a context: letters, digits, - _ or .";
        return Err(DecodeError::field("dial_context", problem));
    }
    let format = match connection.text("dial_format").unwrap_or("e164") {
        "e164" => Format::E164,
        "00" => Format::Zeros,
        "national" => Format::National,
        _ => {
            let problem = "must be `e164`, `00` or `national`";
            return Err(DecodeError::field("dial_format", problem));
        }
    };
    Ok(Dialling {
        endpoint,
        context,
        format,
        plan: &connection.numbers,
    })
}

/// The same for a command: a setting at fault is told as one.
pub(super) fn settings(connection: &ConnectionContext) -> Result<Dialling<'_>, CommandError> {
    dialling(connection).map_err(|error| at_fault(&error))
}

impl Dialling<'_> {
    /// The dial string of an agent's phone.
    pub(super) fn phone(&self, extension: &str) -> Result<String, CommandError> {
        if !is_name(extension) {
            let detail = "The agent's extension is not one: it must be letters, digits, - _ or .";
            return Err(CommandError::new(Fault::Device, detail));
        }
        Ok(self.endpoint.replace(PLACE, extension))
    }

    /// What is dialled to reach somebody.
    pub(super) fn digits(&self, target: &PhoneNumber) -> Result<String, CommandError> {
        let digits = match (&target.e164, target.kind) {
            (Some(e164), NumberKind::Public) => self.formatted(target, e164),
            (_, NumberKind::Extension | NumberKind::ShortCode | NumberKind::Emergency) => {
                Some(target.raw.trim().to_owned())
            }
            _ => None,
        };
        let fits = |text: &String| {
            let rest = text.strip_prefix('+').unwrap_or(text);
            (1..=MAX_DIGITS).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())
        };
        digits.filter(fits).ok_or_else(|| {
            let detail = "This is no number or extension that can be dialled.";
            CommandError::new(Fault::Target, detail)
        })
    }

    fn formatted(&self, target: &PhoneNumber, e164: &str) -> Option<String> {
        let country_code = || e164.strip_prefix('+').map(|digits| format!("00{digits}"));
        match self.format {
            Format::E164 => Some(e164.to_owned()),
            Format::Zeros => country_code(),
            Format::National => {
                let shown = target.display(&self.plan.country);
                if shown.starts_with('+') {
                    return country_code();
                }
                Some(shown.chars().filter(char::is_ascii_digit).collect())
            }
        }
    }
}

/// Letters, digits, `-`, `_` and `.`: nothing that a dial string, a header or a pattern of the
/// dialplan gives a meaning to.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(plain)
}

/// The id we give the channel of an agent's phone when we place a call: known beforehand, and the
/// same however often it is asked for, so that no call is placed twice.
pub(super) fn channel_id(dial: DialId) -> String {
    format!("switchhook-{dial}")
}

/// Where ARI's requests go.
#[derive(Clone, Debug)]
pub(super) enum AriWay {
    /// To the PBX's HTTP server.
    Http(Box<AriAccess>),
    /// Over the WebSocket that the PBX opened to us.
    Socket,
}

/// How ARI can be asked; `None` when the settings do not say.
pub(super) fn ari(connection: &ConnectionContext) -> Option<AriWay> {
    match config::interface(connection).ok()? {
        Interface::Ari => config::ari(connection).ok().map(Box::new).map(AriWay::Http),
        Interface::AriOutbound => Some(AriWay::Socket),
        Interface::Relay => {
            connection.text("url")?;
            config::ari(connection).ok().map(Box::new).map(AriWay::Http)
        }
        Interface::Ami => None,
    }
}

/// How AMI can be asked; `None` when the settings do not say.
pub(super) fn ami(connection: &ConnectionContext) -> Option<AmiAccess> {
    match config::interface(connection).ok()? {
        Interface::Ami => config::ami(connection).ok(),
        Interface::Ari | Interface::AriOutbound | Interface::Relay => {
            config::control_ami(connection).ok()
        }
    }
}

/// True when the agents' phones act on NOTIFY.
pub(super) fn phones_obey(connection: &ConnectionContext) -> bool {
    config::flag(connection, "phones_obey", false).unwrap_or(false)
}

/// A setting at fault, as a command's error.
pub(super) fn at_fault(error: &DecodeError) -> CommandError {
    let detail = format!("A setting of the connection is wrong: {error}.");
    CommandError::new(Fault::Settings, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(format: Format, plan: &NumberPlan) -> Dialling<'_> {
        Dialling {
            endpoint: "PJSIP/{extension}",
            context: "from-internal",
            format,
            plan,
        }
    }

    #[test]
    fn numbers_take_the_form_that_the_dialplan_expects() {
        let plan = NumberPlan::default();
        let (home, abroad) = ("+31612345678", "+4930123456");
        for (format, number, dialled) in [
            (Format::E164, home, "+31612345678"),
            (Format::Zeros, home, "0031612345678"),
            (Format::National, home, "0612345678"),
            (Format::National, abroad, "004930123456"),
            (Format::E164, "101", "101"),
        ] {
            let number = PhoneNumber::parse(number, &plan);
            assert_eq!(with(format, &plan).digits(&number).unwrap(), dialled);
        }
    }

    #[test]
    fn what_means_something_to_a_dialplan_is_never_dialled() {
        let plan = NumberPlan::default();
        let dialling = with(Format::E164, &plan);
        for target in [
            "sip:attacker@evil.example",
            "101@evil.example",
            "101&PJSIP/trunk/900123",
            "101,,U(sub)",
            "",
            "anonymous",
        ] {
            let number = PhoneNumber::parse(target, &plan);
            let told = dialling.digits(&number);
            assert_eq!(told.map_err(|e| e.fault), Err(Fault::Target), "{target}");
        }
        let mut forged = PhoneNumber::parse("101", &plan);
        forged.raw = "101\r\nAction: Command".to_owned();
        assert!(dialling.digits(&forged).is_err());
        for extension in [
            "100/n",
            "100&PJSIP/200",
            "",
            "1 0",
            "{extension}",
            "ä",
            "a\r\nX: y",
        ] {
            let told = dialling.phone(extension);
            assert_eq!(told.map_err(|e| e.fault), Err(Fault::Device), "{extension}");
        }
        assert_eq!(dialling.phone("desk-7").unwrap(), "PJSIP/desk-7");
    }
}
