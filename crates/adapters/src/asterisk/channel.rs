//! Channels, Asterisk's word for one party's part of a call: how their names are built, whose
//! they are, and how keys and numbers follow from them.
//!
//! What does not live here: events ([`super::happening`]) and what they mean ([`super::facts`]).

use std::borrow::Cow;

use switchhook_domain::Timestamp;
use switchhook_domain::phone::{NumberKind, NumberPlan, PhoneNumber};
use switchhook_domain::signal::LegKind;

/// Channel technologies that no person is on: the two halves of a proxied call, whisper and
/// record taps, the message queue, the stand-ins of a masquerade, media streams.
const HELPERS: [&str; 15] = [
    "Announcer",
    "AsyncGoto",
    "AudioSocket",
    "Bridge",
    "CBAnn",
    "CBRec",
    "Local",
    "Message",
    "MulticastRTP",
    "OutgoingSpoolFailed",
    "Recorder",
    "Snoop",
    "Surrogate",
    "UnicastRTP",
    "WebSocket",
];

/// Where a channel stands (`ast_channel_state`; AMI `ChannelState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Anything we need not tell apart, and whatever future versions add.
    #[default]
    Other,
    /// A caller's channel before it is answered.
    Ring,
    /// A called channel whose device rings.
    Ringing,
    /// Answered.
    Up,
}

impl State {
    /// Reads ARI's `state` or AMI's `ChannelStateDesc`.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "Ring" => Self::Ring,
            "Ringing" => Self::Ringing,
            "Up" => Self::Up,
            _ => Self::Other,
        }
    }
}

/// A name and number as Asterisk shows them; empty when not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CallerId<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) number: Cow<'a, str>,
}

/// A channel as an event shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Channel<'a> {
    /// ARI `id`, AMI `Uniqueid`.
    pub(super) id: Cow<'a, str>,
    /// `PJSIP/100-00000027`.
    pub(super) name: Cow<'a, str>,
    pub(super) state: State,
    /// The channel's own party.
    pub(super) caller: CallerId<'a>,
    /// The other side.
    pub(super) connected: CallerId<'a>,
    pub(super) context: Cow<'a, str>,
    pub(super) exten: Cow<'a, str>,
    /// The dialplan application it runs; ARI from 16.4 and AMI lists only.
    pub(super) app: Cow<'a, str>,
    pub(super) app_data: Cow<'a, str>,
    /// The id of the call: that of its oldest channel.
    pub(super) linked: Option<Cow<'a, str>>,
    /// When it was made; ARI only.
    pub(super) created: Option<Timestamp>,
    /// Whether the caller's number may be shown, where a channel variable tells.
    pub(super) may_show: Option<bool>,
}

impl Channel<'_> {
    /// `100` of `PJSIP/100-00000027`.
    pub(super) fn endpoint(&self) -> &str {
        split_name(&self.name).1
    }

    /// True for a channel that was dialled by an application and runs no dialplan of its own.
    /// AMI does not show the application: there it is false.
    pub(super) fn was_dialled(&self) -> bool {
        self.app.starts_with("AppDial") || self.app.starts_with("AppQueue")
    }

    /// True when it is known to have begun the call: the call bears its id.
    pub(super) fn bears_call(&self) -> Option<bool> {
        self.linked.as_ref().map(|linked| *linked == self.id)
    }

    /// What the two halves of a Local channel have in common, for a PBX that does not show which
    /// call they belong to. The name alone is used again after a restart.
    pub(super) fn local_pair(&self) -> Option<String> {
        let (pair, half) = self.name.rsplit_once(';')?;
        let unlinked = self.linked.is_none() && matches!(half, "1" | "2");
        let made = self.created.filter(|_| unlinked)?;
        pair.starts_with("Local/")
            .then(|| format!("{pair}@{}", made.as_second()))
    }

    /// The caller's number, withheld where it is absent or may not be shown.
    pub(super) fn caller_number(&self, plan: &NumberPlan) -> PhoneNumber {
        if self.may_show == Some(false) {
            return PhoneNumber::withheld();
        }
        PhoneNumber::parse(&self.caller.number, plan)
    }

    /// The caller's name, where it says more than the number does.
    pub(super) fn caller_name(&self, plan: &NumberPlan) -> Option<String> {
        let name = self.caller.name.trim();
        let telling = self.may_show != Some(false)
            && !name.is_empty()
            && name != self.caller.number
            && PhoneNumber::parse(name, plan).kind != NumberKind::Withheld;
        telling.then(|| name.to_owned())
    }
}

/// Cuts a channel name into technology and endpoint: the text between the first `/` and the last
/// `-`. `Local/101@from-internal-00000005;1` gives `Local` and `101@from-internal`.
pub(super) fn split_name(name: &str) -> (&str, &str) {
    let (technology, rest) = name.split_once('/').unwrap_or((name, ""));
    (
        technology,
        rest.rsplit_once('-').map_or(rest, |(endpoint, _)| endpoint),
    )
}

/// Reads the presentation of a number by the channel variables that may be exposed with
/// `channelvars`: `CALLERID(num-pres)` or `CALLERID(pres)`, such as `prohib_not_screened`.
pub(super) fn may_show<'v>(variable: impl Fn(&str) -> Option<&'v str>) -> Option<bool> {
    let presentation = variable("CALLERID(num-pres)").or_else(|| variable("CALLERID(pres)"))?;
    Some(!presentation.starts_with("prohib"))
}

/// Whose endpoints are whose, by the connection's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EndpointRules<'a> {
    /// Names or patterns of agents' endpoints; empty means two to six digits.
    pub(super) agents: Vec<&'a str>,
    /// Names or patterns of trunks; they win over `agents`.
    pub(super) trunks: Vec<&'a str>,
    /// Dialplan contexts that take a message without `VoiceMail()`.
    pub(super) mailboxes: Vec<&'a str>,
    /// Whether device states become presence.
    pub(super) presence: bool,
}

impl EndpointRules<'_> {
    /// Whose leg a channel of that name is.
    pub(super) fn kind_of(&self, name: &str) -> LegKind {
        let (technology, endpoint) = split_name(name);
        self.kind(technology, endpoint)
    }

    /// The agent's endpoint of a device such as `PJSIP/100`, if it is an agent's.
    pub(super) fn agent_of_device<'d>(&self, device: &'d str) -> Option<&'d str> {
        // `Queue:support_pause_PJSIP/100` and the like are no devices of a person.
        let (technology, endpoint) = device.split_once('/').filter(|_| !device.contains(':'))?;
        (self.kind(technology, endpoint) == LegKind::Agent).then_some(endpoint)
    }

    fn kind(&self, technology: &str, endpoint: &str) -> LegKind {
        if HELPERS
            .iter()
            .any(|helper| helper.eq_ignore_ascii_case(technology))
        {
            return LegKind::Helper;
        }
        let named = |patterns: &[&str]| {
            patterns
                .iter()
                .any(|pattern| match pattern.split_once('/') {
                    Some((wanted, rest)) => glob(wanted, technology) && glob(rest, endpoint),
                    None => glob(pattern, endpoint),
                })
        };
        if named(&self.trunks) {
            return LegKind::External;
        }
        let agent = if self.agents.is_empty() {
            is_agent_by_default(technology, endpoint)
        } else {
            named(&self.agents)
        };
        if agent {
            LegKind::Agent
        } else {
            LegKind::External
        }
    }
}

/// Two to six digits are somebody's phone. On DAHDI they are a port of a card, often a line.
fn is_agent_by_default(technology: &str, endpoint: &str) -> bool {
    (2..=6).contains(&endpoint.len())
        && endpoint.bytes().all(|byte| byte.is_ascii_digit())
        && !technology.eq_ignore_ascii_case("DAHDI")
}

/// Matches `*` (anything) and `?` (one character), without regard to case. Linear in memory and
/// at worst the product of both lengths in time.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let same = |a: u8, b: u8| a == b'?' || a.eq_ignore_ascii_case(&b);
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&wanted) if same(wanted, byte) => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    retry = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// The number in a dial string, without the trunk and the route: `trunk/sip:+31…@host`,
/// `+31…@trunk`, `g1/0612345678`, `trunk/0612345678`. `None` for a bare endpoint name.
pub(super) fn dialled_number<'s>(dialstring: &'s str, endpoint: &str) -> Option<&'s str> {
    let dialstring = dialstring.split(',').next().unwrap_or_default();
    let target = match dialstring
        .split_once("sip:")
        .or_else(|| dialstring.split_once("sips:"))
    {
        Some((_, uri)) => uri,
        None => dialstring.rsplit('/').next().unwrap_or_default(),
    };
    let number = target
        .split(['@', ';', ':'])
        .next()
        .unwrap_or_default()
        .trim();
    let has_digits = number.bytes().any(|byte| byte.is_ascii_digit());
    (has_digits && number != endpoint).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_at_the_first_slash_and_the_last_dash() {
        assert_eq!(split_name("PJSIP/100-00000027"), ("PJSIP", "100"));
        assert_eq!(split_name("PJSIP/my-trunk-0000002b"), ("PJSIP", "my-trunk"));
        assert_eq!(split_name("Local/101@ctx-00000005;1"), ("Local", "101@ctx"));
        assert_eq!(
            split_name("DAHDI/i1/0612345678-5a"),
            ("DAHDI", "i1/0612345678")
        );
        assert_eq!(
            split_name("AsyncGoto/PJSIP/100-00000040"),
            ("AsyncGoto", "PJSIP/100")
        );
        assert_eq!(split_name("nonsense"), ("nonsense", ""));
        assert_eq!(split_name(""), ("", ""));
    }

    #[test]
    fn digits_are_agents_and_the_rest_is_outside_until_told_otherwise() {
        let rules = EndpointRules::default();
        for (name, kind) in [
            ("PJSIP/100-00000001", LegKind::Agent),
            ("SIP/20001-00000001", LegKind::Agent),
            ("PJSIP/1-00000001", LegKind::External),
            ("PJSIP/trunk-00000001", LegKind::External),
            ("PJSIP/31201234567-00000001", LegKind::External),
            ("DAHDI/12-1", LegKind::External),
            ("Local/100@from-queue-0000;2", LegKind::Helper),
            ("Snoop/1795.1-00000001", LegKind::Helper),
            ("AsyncGoto/PJSIP/100-00000040", LegKind::Helper),
            ("Message/ast_msg_queue", LegKind::Helper),
        ] {
            assert_eq!(rules.kind_of(name), kind, "{name}");
        }
    }

    #[test]
    fn settings_decide_by_name_pattern_and_technology() {
        let rules = EndpointRules {
            agents: vec!["ada", "desk-*", "SIP/2??"],
            trunks: vec!["desk-line"],
            ..EndpointRules::default()
        };
        for (name, kind) in [
            ("PJSIP/Ada-00000001", LegKind::Agent),
            ("PJSIP/desk-7-00000001", LegKind::Agent),
            ("PJSIP/desk-line-00000001", LegKind::External),
            ("SIP/201-00000001", LegKind::Agent),
            ("PJSIP/201-00000001", LegKind::External),
            ("PJSIP/100-00000001", LegKind::External),
        ] {
            assert_eq!(rules.kind_of(name), kind, "{name}");
        }
        assert_eq!(rules.agent_of_device("SIP/201"), Some("201"));
        assert_eq!(rules.agent_of_device("MWI:100@default"), None);
        assert_eq!(rules.agent_of_device("Queue:support_pause_SIP/201"), None);
    }

    #[test]
    fn patterns_match_like_file_names() {
        assert!(glob("*", "") && glob("*", "x") && glob("a*c", "abbbc") && glob("??", "12"));
        assert!(glob("1*2*3", "1x2y2z3") && !glob("1*2*3", "1x2y") && !glob("", "x"));
        assert!(!glob(&"*a".repeat(50), &"b".repeat(2_000)));
    }

    #[test]
    fn the_number_is_found_in_every_dial_string() {
        for (text, number) in [
            (
                "trunk/sip:+31612345678@127.0.0.1:5142",
                Some("+31612345678"),
            ),
            ("+31612345678@trunk", Some("+31612345678")),
            ("g1/0612345678", Some("0612345678")),
            ("trunk/0612345678,30,T", Some("0612345678")),
            ("PJSIP/0612345678@trunk", Some("0612345678")),
            ("100", None),
            ("PJSIP/100", None),
            ("trunk", None),
            ("", None),
        ] {
            assert_eq!(dialled_number(text, "100"), number, "{text}");
        }
    }
}
