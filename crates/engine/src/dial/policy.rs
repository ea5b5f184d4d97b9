//! What may be dialled. Dialling is money, and a dialled text ends up in a platform's request:
//! only a public number or an extension passes, and only where the app's policy allows it. The
//! rules are pure; nothing is read or stored here.

use switchhook_domain::phone::{NumberKind, NumberPlan, PhoneNumber};

use crate::store::{App, DialPolicy};

/// How many calls an agent may place a minute when the policy says nothing.
pub const PER_AGENT_PER_MINUTE: u32 = 10;
/// The longest text taken for a number, in characters.
const MAX_TARGET: usize = 40;
/// The most entries of each list of a policy.
const MAX_ENTRIES: usize = 1_000;
/// The highest limit a policy may set, calls of one agent a minute.
const MAX_PER_MINUTE: u32 = 600;
/// Refused in every country: many telephone systems send them out as emergency calls wherever
/// they stand.
const EMERGENCY_EVERYWHERE: [&str; 2] = ["112", "911"];

/// Why a number may not be dialled, or a caller id not be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Neither a telephone number nor an extension.
    NotANumber,
    /// An emergency number.
    Emergency,
    /// A public short number.
    ShortCode,
    /// Begins with the 0 that fetches an outside line on many systems.
    OutsideLine,
    /// The agent's own extension.
    OwnExtension,
    /// The app allows no dialling at all.
    Off,
    /// Begins with a prefix the app refuses.
    Prefix,
    /// Costs extra, and is not allowed by a prefix.
    PremiumRate,
    /// Neither its country nor its prefix is allowed.
    Country,
    /// Not one of the numbers the app may show.
    CallerId,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::NotANumber,
        Self::Emergency,
        Self::ShortCode,
        Self::OutsideLine,
        Self::OwnExtension,
        Self::Off,
        Self::Prefix,
        Self::PremiumRate,
        Self::Country,
        Self::CallerId,
    ];

    /// The machine word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotANumber => "not_a_number",
            Self::Emergency => "emergency",
            Self::ShortCode => "short_code",
            Self::OutsideLine => "outside_line",
            Self::OwnExtension => "own_extension",
            Self::Off => "off",
            Self::Prefix => "prefix",
            Self::PremiumRate => "premium_rate",
            Self::Country => "country",
            Self::CallerId => "caller_id",
        }
    }

    /// One sentence for the agent, with the way out.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotANumber => {
                "This is neither a telephone number nor an extension. Write digits, with a + in \
                 front for another country."
            }
            Self::Emergency => {
                "Emergency numbers are not dialled from here. Use a telephone, which tells the \
                 emergency service where you are."
            }
            Self::ShortCode => "Short numbers are not dialled from here. Use a telephone.",
            Self::OutsideLine => {
                "An extension does not begin with 0. Leave out the 0 for an outside line and write \
                 the whole telephone number."
            }
            Self::OwnExtension => "This is the agent's own extension.",
            Self::Off => "Dialling is switched off for this app. An administrator can allow it.",
            Self::Prefix => "Numbers that begin like this may not be dialled from this app.",
            Self::PremiumRate => {
                "Calls to this number cost extra, so it may not be dialled unless an administrator \
                 allows its prefix."
            }
            Self::Country => {
                "Numbers of this country may not be dialled from this app. An administrator can \
                 allow the country or a prefix."
            }
            Self::CallerId => {
                "This app may not show this number. An administrator can add it to the numbers it \
                 may show."
            }
        }
    }
}

/// Reads what somebody typed. Gives a public number or an extension and nothing else.
///
/// # Errors
/// The reason it may never be dialled, whatever the policy says.
pub fn target(typed: &str, plan: &NumberPlan) -> Result<PhoneNumber, Reason> {
    let typed = typed.trim_matches(' ');
    let harmless = |c: char| c.is_ascii_digit() || "+-. ()/".contains(c);
    let plus_first = typed.rfind('+').is_none_or(|place| place == 0);
    let whole = !typed.is_empty() && typed.len() <= MAX_TARGET;
    if !whole || !plus_first || !typed.chars().all(harmless) {
        return Err(Reason::NotANumber);
    }
    let mut number = PhoneNumber::parse(typed, plan);
    // One digit alone is an extension when it is dialled, though not when it is reported.
    if number.kind == NumberKind::Unknown && typed.len() == 1 && typed != "+" {
        number.kind = NumberKind::Extension;
    }
    match number.kind {
        NumberKind::Emergency => Err(Reason::Emergency),
        NumberKind::ShortCode => Err(Reason::ShortCode),
        NumberKind::Public => Ok(number),
        NumberKind::Extension if EMERGENCY_EVERYWHERE.contains(&typed) => Err(Reason::Emergency),
        NumberKind::Extension if typed.starts_with('0') => Err(Reason::OutsideLine),
        NumberKind::Extension if typed.bytes().all(|b| b.is_ascii_digit()) => Ok(number),
        NumberKind::Extension | NumberKind::Unknown | NumberKind::Withheld | NumberKind::Sip => {
            Err(Reason::NotANumber)
        }
    }
}

/// Whether the app allows a number or extension to be dialled.
///
/// # Errors
/// The reason it does not.
pub fn allow(policy: &DialPolicy, app: &App, target: &PhoneNumber) -> Result<(), Reason> {
    if policy.off {
        return Err(Reason::Off);
    }
    let Some(number) = target.e164.as_deref() else {
        return Ok(());
    };
    let begins = |prefix: &String| number.starts_with(prefix.as_str());
    if policy.refused_prefixes.iter().any(begins) {
        return Err(Reason::Prefix);
    }
    if policy.allowed_prefixes.iter().any(begins) {
        return Ok(());
    }
    if target.is_premium_rate() {
        return Err(Reason::PremiumRate);
    }
    let country = target.country();
    let allowed = country.is_some_and(|country| match policy.countries.is_empty() {
        true => country.eq_ignore_ascii_case(&app.country),
        false => policy.countries.contains(&country),
    });
    allowed.then_some(()).ok_or(Reason::Country)
}

/// The number to show: the one asked for, if the app may show it, else the app's own choice.
///
/// # Errors
/// [`Reason::CallerId`] when the app may not show it.
pub fn caller_id(
    policy: &DialPolicy,
    asked: Option<&str>,
    plan: &NumberPlan,
) -> Result<Option<String>, Reason> {
    let Some(asked) = asked else {
        return Ok(policy.default_caller_id.clone());
    };
    let number = target(asked, plan).map_err(|_| Reason::CallerId)?;
    let known = number.e164.filter(|n| policy.caller_ids.contains(n));
    known.map(Some).ok_or(Reason::CallerId)
}

/// How many calls an agent may place a minute.
#[must_use]
pub fn per_agent_per_minute(policy: &DialPolicy) -> u32 {
    match policy.per_agent_per_minute {
        0 => PER_AGENT_PER_MINUTE,
        limit => limit,
    }
}

/// A member of a policy that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct PolicyFault {
    /// The member.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// Checks a policy and writes its texts as they are compared: countries in capitals, numbers as
/// E.164.
///
/// # Errors
/// The first member that is not as it must be.
pub fn checked(policy: DialPolicy, plan: &NumberPlan) -> Result<DialPolicy, PolicyFault> {
    let fault = |field, problem: &str| PolicyFault {
        field,
        problem: problem.to_owned(),
    };
    for (field, size) in [
        ("countries", policy.countries.len()),
        ("allowed_prefixes", policy.allowed_prefixes.len()),
        ("refused_prefixes", policy.refused_prefixes.len()),
        ("caller_ids", policy.caller_ids.len()),
    ] {
        if size > MAX_ENTRIES {
            let problem = format!("may have at most {MAX_ENTRIES} entries");
            return Err(fault(field, &problem));
        }
    }
    let country = |code: &String| NumberPlan::for_country(code).map(|plan| plan.country);
    let countries = policy.countries.iter().map(country);
    let countries = countries
        .collect::<Option<_>>()
        .ok_or_else(|| fault("countries", "must hold two-letter country codes such as NL"))?;
    for (field, prefixes) in [
        ("allowed_prefixes", &policy.allowed_prefixes),
        ("refused_prefixes", &policy.refused_prefixes),
    ] {
        if !prefixes.iter().all(|prefix| is_prefix(prefix)) {
            let problem = "must hold beginnings of numbers such as +31900: a + and 1 to 15 digits";
            return Err(fault(field, problem));
        }
    }
    let number = |text: &String| target(text, plan).ok().and_then(|number| number.e164);
    let wrong = "must hold whole telephone numbers such as +31201234567";
    let caller_ids = policy.caller_ids.iter().map(number);
    let caller_ids: std::collections::BTreeSet<String> = caller_ids
        .collect::<Option<_>>()
        .ok_or_else(|| fault("caller_ids", wrong))?;
    let default = policy.default_caller_id.as_ref();
    let default_caller_id = default
        .map(|text| number(text).filter(|number| caller_ids.contains(number)))
        .map(|known| known.ok_or_else(|| fault("default_caller_id", "must be one of caller_ids")))
        .transpose()?;
    if policy.per_agent_per_minute > MAX_PER_MINUTE {
        let problem = format!("must be 0 (for the default) to {MAX_PER_MINUTE}");
        return Err(fault("per_agent_per_minute", &problem));
    }
    Ok(DialPolicy {
        countries,
        caller_ids,
        default_caller_id,
        ..policy
    })
}

fn is_prefix(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use switchhook_domain::Timestamp;
    use switchhook_domain::id::AppId;
    use uuid::Uuid;

    use super::*;

    fn app() -> App {
        App {
            id: AppId(Uuid::nil()),
            name: "a".to_owned(),
            country: "NL".to_owned(),
            active: true,
            epoch: Uuid::nil(),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn nl(typed: &str) -> Result<PhoneNumber, Reason> {
        target(typed, &NumberPlan::default())
    }

    fn set(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn numbers_in_any_spelling_and_extensions_pass() {
        for (typed, canonical) in [
            ("0612345678", "+31612345678"),
            (" 06 1234-5678 ", "+31612345678"),
            ("+31 (0)6 12345678", "+31612345678"),
            ("0031612345678", "+31612345678"),
            ("+49 30 123456", "+4930123456"),
            ("100", "100"),
            ("5", "5"),
            ("123456", "123456"),
        ] {
            let number = nl(typed).unwrap();
            assert_eq!(number.canonical(), Some(canonical), "{typed}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (typed, reason) in [
            ("", Reason::NotANumber),
            ("+", Reason::NotANumber),
            ("sip:jan@example.nl", Reason::NotANumber),
            ("sip:+31612345678@example.nl", Reason::NotANumber),
            ("tel:+31612345678", Reason::NotANumber),
            ("jan@example.nl", Reason::NotANumber),
            ("+31612345678@example.nl", Reason::NotANumber),
            ("0612345678;ext=1", Reason::NotANumber),
            ("0612345678,1", Reason::NotANumber),
            ("0612345678&PJSIP/200", Reason::NotANumber),
            ("0612345678\r\nChannel: x", Reason::NotANumber),
            ("0612345678\n", Reason::NotANumber),
            ("06123\t45678", Reason::NotANumber),
            ("0612345678\0", Reason::NotANumber),
            ("0800-FLOWERS", Reason::NotANumber),
            ("*21", Reason::NotANumber),
            ("#31#0612345678", Reason::NotANumber),
            ("06+12345678", Reason::NotANumber),
            ("++31612345678", Reason::NotANumber),
            ("\u{0660}\u{0661}\u{0662}", Reason::NotANumber),
            ("anonymous", Reason::NotANumber),
            (
                "1234567890123456789012345678901234567890123",
                Reason::NotANumber,
            ),
            ("1-0-0", Reason::NotANumber),
            ("112", Reason::Emergency),
            ("911", Reason::Emergency),
            ("+112", Reason::NotANumber),
            ("1-1-2", Reason::NotANumber),
            ("0112", Reason::OutsideLine),
            ("0", Reason::OutsideLine),
            ("14020", Reason::ShortCode),
            ("1888", Reason::ShortCode),
            ("116000", Reason::ShortCode),
        ] {
            assert_eq!(nl(typed).map(|n| n.raw), Err(reason), "{typed:?}");
        }
        let german = NumberPlan::for_country("DE").unwrap();
        assert_eq!(target("110", &german).map(drop), Err(Reason::Emergency));
    }

    #[test]
    fn own_country_and_extensions_unless_told_otherwise() {
        let policy = DialPolicy::default();
        let allowed = |typed: &str| allow(&policy, &app(), &nl(typed).unwrap());
        assert_eq!(allowed("0612345678"), Ok(()));
        assert_eq!(allowed("100"), Ok(()));
        assert_eq!(allowed("+49 30 123456"), Err(Reason::Country));
        assert_eq!(allowed("+870 773 111 632"), Err(Reason::Country));
        assert_eq!(allowed("0900 1234"), Err(Reason::PremiumRate));
        let off = DialPolicy {
            off: true,
            ..DialPolicy::default()
        };
        assert_eq!(allow(&off, &app(), &nl("100").unwrap()), Err(Reason::Off));
    }

    #[test]
    fn prefixes_and_countries_select_and_refusals_win() {
        let policy = DialPolicy {
            countries: set(&["DE", "BE"]),
            allowed_prefixes: set(&["+31900", "+4412"]),
            refused_prefixes: set(&["+4930", "+441299"]),
            ..DialPolicy::default()
        };
        let allowed = |typed: &str| allow(&policy, &app(), &nl(typed).unwrap());
        assert_eq!(allowed("+49 89 123456"), Ok(()));
        assert_eq!(allowed("+49 30 123456"), Err(Reason::Prefix));
        assert_eq!(
            allowed("0612345678"),
            Err(Reason::Country),
            "not listed now"
        );
        assert_eq!(allowed("0900 1234"), Ok(()), "its prefix is allowed");
        assert_eq!(allowed("+44 1224 123456"), Ok(()));
        assert_eq!(allowed("+44 1299 123456"), Err(Reason::Prefix));
    }

    #[test]
    fn only_numbers_of_the_app_are_shown() {
        let plan = NumberPlan::default();
        let policy = DialPolicy {
            caller_ids: set(&["+31201234567", "+31201234568"]),
            default_caller_id: Some("+31201234567".to_owned()),
            ..DialPolicy::default()
        };
        let shown = |asked| caller_id(&policy, asked, &plan);
        assert_eq!(shown(None), Ok(Some("+31201234567".to_owned())));
        assert_eq!(
            shown(Some("020 123 4568")),
            Ok(Some("+31201234568".to_owned()))
        );
        assert_eq!(shown(Some("+31612345678")), Err(Reason::CallerId));
        assert_eq!(shown(Some("100")), Err(Reason::CallerId));
        assert_eq!(shown(Some("anonymous")), Err(Reason::CallerId));
        assert_eq!(caller_id(&DialPolicy::default(), None, &plan), Ok(None));
    }

    #[test]
    fn a_policy_is_checked_member_by_member() {
        let plan = NumberPlan::default();
        let good = DialPolicy {
            countries: set(&["nl", "DE"]),
            refused_prefixes: set(&["+31900"]),
            caller_ids: set(&["020 1234567"]),
            default_caller_id: Some("+31201234567".to_owned()),
            ..DialPolicy::default()
        };
        let kept = checked(good.clone(), &plan).unwrap();
        assert_eq!(kept.countries, set(&["DE", "NL"]));
        assert_eq!(kept.caller_ids, set(&["+31201234567"]));
        let with = |change: fn(&mut DialPolicy)| {
            let mut policy = good.clone();
            change(&mut policy);
            checked(policy, &plan).unwrap_err().field
        };
        assert_eq!(with(|p| p.countries = set(&["XX"])), "countries");
        assert_eq!(
            with(|p| p.allowed_prefixes = set(&["31"])),
            "allowed_prefixes"
        );
        assert_eq!(
            with(|p| p.refused_prefixes = set(&["+31x"])),
            "refused_prefixes"
        );
        assert_eq!(with(|p| p.caller_ids = set(&["100"])), "caller_ids");
        let other = |p: &mut DialPolicy| p.default_caller_id = Some("+31201234568".to_owned());
        assert_eq!(with(other), "default_caller_id");
        assert_eq!(
            with(|p| p.per_agent_per_minute = 601),
            "per_agent_per_minute"
        );
    }
}
