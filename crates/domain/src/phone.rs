//! Telephone numbers: the only file that knows the numbering-plan library.
//!
//! A number is never thrown away because it could not be read: the raw text is always kept, and
//! what it turned out to be is said in [`NumberKind`]. Numbers are personal data: `Debug` and
//! [`PhoneNumber::masked`] show the last two digits only, so a log line cannot carry one.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};
use serde::{Deserialize, Serialize};

/// How many trailing digits decide that two numbers are alike (look-ups by "ends in").
pub const TAIL_DIGITS: usize = 9;

/// The longest raw text that is kept, in characters; anything longer is no number.
pub const MAX_RAW: usize = 128;

/// What a dialled or shown number turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// Nothing readable.
    Unknown,
    /// The caller asked not to show it.
    Withheld,
    /// A SIP address without a number in it.
    Sip,
    /// An internal number of up to six digits.
    Extension,
    /// A public short number such as 1233 or 14020.
    ShortCode,
    /// An emergency number such as 112.
    Emergency,
    /// An ordinary public number, in E.164.
    Public,
}

/// How to read national numbers: the country of the app or connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberPlan {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// Longest run of digits read as an internal extension. 2 to 6; Asterisk endpoints of this
    /// length are agents' devices unless configured otherwise.
    pub extension_max_digits: u8,
}

impl Default for NumberPlan {
    fn default() -> Self {
        Self {
            country: "NL".to_owned(),
            extension_max_digits: 6,
        }
    }
}

impl NumberPlan {
    /// A plan for a country. An unknown code gives `None`.
    #[must_use]
    pub fn for_country(country: &str) -> Option<Self> {
        let country = country.trim().to_ascii_uppercase();
        region(&country)?;
        Some(Self {
            country,
            ..Self::default()
        })
    }
}

/// A telephone number as received, and what it turned out to be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PhoneNumber {
    /// E.164 with a leading `+`, for [`NumberKind::Public`] only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e164: Option<String>,
    /// What it is.
    pub kind: NumberKind,
    /// Exactly what the platform wrote, cut at [`MAX_RAW`] characters.
    pub raw: String,
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({:?} {})", self.kind, self.masked())
    }
}

impl PhoneNumber {
    /// Reads a number. Never fails: what cannot be read is [`NumberKind::Unknown`] with its raw
    /// text.
    #[must_use]
    pub fn parse(raw: &str, plan: &NumberPlan) -> Self {
        let kept: String = raw
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_RAW)
            .collect();
        let (kind, e164) = classify(&kept, plan);
        Self {
            e164,
            kind,
            raw: kept,
        }
    }

    /// A withheld number.
    #[must_use]
    pub fn withheld() -> Self {
        Self {
            e164: None,
            kind: NumberKind::Withheld,
            raw: String::new(),
        }
    }

    /// The number in the form that software should store and compare: E.164 where there is one,
    /// the raw digits of extensions and short codes, nothing for withheld and unreadable ones.
    #[must_use]
    pub fn canonical(&self) -> Option<&str> {
        match self.kind {
            NumberKind::Public => self.e164.as_deref(),
            NumberKind::Extension
            | NumberKind::ShortCode
            | NumberKind::Emergency
            | NumberKind::Sip
            | NumberKind::Unknown => (!self.raw.is_empty()).then_some(self.raw.as_str()),
            NumberKind::Withheld => None,
        }
    }

    /// How a person of `country` reads it: national form for numbers of the same country,
    /// international with spaces otherwise.
    #[must_use]
    pub fn display(&self, country: &str) -> String {
        if self.kind == NumberKind::Withheld {
            return String::new();
        }
        let Some(e164) = self.e164.as_deref() else {
            return self.raw.clone();
        };
        let Ok(number) = PHONE_NUMBER_UTIL.parse(e164, None) else {
            return e164.to_owned();
        };
        let home = region(country);
        let same = home.is_some() && number.get_region_code() == home;
        let format = if same {
            PhoneNumberFormat::National
        } else {
            PhoneNumberFormat::International
        };
        number.format_as(format).into_owned()
    }

    /// The country a public number belongs to, ISO 3166-1 alpha-2; `None` for all others, and for
    /// numbers of no country (satellites, international services).
    #[must_use]
    pub fn country(&self) -> Option<String> {
        let number = PHONE_NUMBER_UTIL.parse(self.e164.as_deref()?, None).ok()?;
        let code = number.get_region_code()?.to_string();
        (code.len() == 2).then_some(code)
    }

    /// True for a number whose calls cost extra and pay the one who is called.
    #[must_use]
    pub fn is_premium_rate(&self) -> bool {
        let number = self.e164.as_deref();
        let number = number.and_then(|e164| PHONE_NUMBER_UTIL.parse(e164, None).ok());
        number.is_some_and(|number| number.get_type() == PhoneNumberType::PremiumRate)
    }

    /// The last [`TAIL_DIGITS`] digits, for finding numbers stored in another spelling.
    #[must_use]
    pub fn digits_tail(&self) -> Option<String> {
        tail(self.e164.as_deref().unwrap_or(&self.raw))
            .map(str::to_owned)
            .or_else(|| {
                let digits: String = self.raw.chars().filter(char::is_ascii_digit).collect();
                tail(&digits).map(str::to_owned)
            })
    }

    /// For log lines: dots and the last two digits.
    #[must_use]
    pub fn masked(&self) -> String {
        let digits: Vec<char> = self.raw.chars().filter(char::is_ascii_digit).collect();
        match digits.as_slice() {
            [.., a, b] if digits.len() > 4 => format!("…{a}{b}"),
            [] => String::new(),
            _ => "…".to_owned(),
        }
    }
}

/// The last [`TAIL_DIGITS`] characters of a text of digits (a leading `+` is fine), or `None`
/// when it is shorter or not made of digits.
#[must_use]
pub fn tail(digits: &str) -> Option<&str> {
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let long_enough = digits.len() >= TAIL_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    long_enough.then(|| &digits[digits.len() - TAIL_DIGITS..])
}

fn region(country: &str) -> Option<Region> {
    let region = Region::try_from(country).ok()?;
    PHONE_NUMBER_UTIL
        .get_country_code_for_region(region)
        .filter(|code| *code > 0)?;
    Some(region)
}

fn classify(text: &str, plan: &NumberPlan) -> (NumberKind, Option<String>) {
    let lower = text.to_ascii_lowercase();
    if is_withheld(&lower) {
        return (NumberKind::Withheld, None);
    }
    let (user, is_address) = user_part(text);
    let digits: String = user.chars().filter(char::is_ascii_digit).collect();
    let dialable = user
        .chars()
        .all(|c| c.is_ascii_digit() || "+-. ()/".contains(c));
    if !dialable || digits.is_empty() {
        return (
            if is_address {
                NumberKind::Sip
            } else {
                NumberKind::Unknown
            },
            None,
        );
    }
    let plain = user.bytes().all(|b| b.is_ascii_digit());
    if plain && is_emergency(&digits, &plan.country) {
        return (NumberKind::Emergency, None);
    }
    if plain && is_short_code(&digits, &plan.country) {
        return (NumberKind::ShortCode, None);
    }
    let extension = 2..=usize::from(plan.extension_max_digits.clamp(2, 6));
    if plain && extension.contains(&digits.len()) {
        return (NumberKind::Extension, None);
    }
    match to_e164(user, &digits, &plan.country) {
        Some(e164) => (NumberKind::Public, Some(e164)),
        None if is_address => (NumberKind::Sip, None),
        None => (NumberKind::Unknown, None),
    }
}

/// `+31…`, `0031…`, `06…` and the bare international `316…` that CallVoip and some trunks send.
fn to_e164(text: &str, digits: &str, country: &str) -> Option<String> {
    let home = region(country);
    let readings = [
        if text.starts_with('+') {
            format!("+{digits}")
        } else {
            text.to_owned()
        },
        format!("+{}", digits.trim_start_matches('0')),
    ];
    let valid = readings.iter().find_map(|reading| {
        let number = PHONE_NUMBER_UTIL.parse(reading, home).ok()?;
        number
            .is_valid()
            .then(|| number.format_as(PhoneNumberFormat::E164).into_owned())
    });
    // Numbering plans change faster than tables: an explicit international form of a plausible
    // length is believed even when the plan does not know it.
    valid.or_else(|| {
        let international = text.starts_with('+').then_some(digits);
        let international = international.or_else(|| text.strip_prefix("00").map(|_| &digits[2..]));
        international
            .filter(|d| (8..=15).contains(&d.len()) && !d.starts_with('0'))
            .map(|d| format!("+{d}"))
    })
}

fn is_withheld(lower: &str) -> bool {
    const WORDS: [&str; 11] = [
        "anonymous",
        "anoniem",
        "blocked",
        "private",
        "privé",
        "restricted",
        "withheld",
        "unavailable",
        "anonymous@anonymous.invalid",
        "number withheld",
        "<unknown>",
    ];
    lower.is_empty()
        || lower == "unknown"
        || WORDS.contains(&lower)
        || lower
            .strip_prefix("sip:")
            .is_some_and(|rest| rest.starts_with("anonymous@"))
}

/// The user part of a SIP address or `tel:` URI; the whole text otherwise.
fn user_part(text: &str) -> (&str, bool) {
    for scheme in ["sip:", "sips:", "tel:"] {
        let head = text.get(..scheme.len());
        if head.is_some_and(|h| h.eq_ignore_ascii_case(scheme)) {
            let rest = &text[scheme.len()..];
            let end = rest.find(['@', ';']).unwrap_or(rest.len());
            return (&rest[..end], true);
        }
    }
    match text.split_once('@') {
        Some((user, _)) => (user, true),
        None => (text, false),
    }
}

fn is_emergency(digits: &str, country: &str) -> bool {
    match digits {
        "112" => true,
        "911" => matches!(country, "US" | "CA" | "MX" | "PR"),
        "999" => matches!(country, "GB" | "IE" | "HK" | "SG" | "MY" | "PL"),
        "110" => matches!(country, "DE" | "JP" | "CN" | "NO"),
        "000" => country == "AU",
        "111" => country == "NZ",
        "100" | "101" => country == "BE",
        "15" | "17" | "18" => country == "FR",
        "117" | "118" | "144" => matches!(country, "CH" | "AT"),
        _ => false,
    }
}

/// Public short numbers that would otherwise pass for an extension. The Netherlands: 14xxx(x)
/// municipal numbers, 116xxx harmonised services, 18xx directory enquiries, 12xx and 144/113.
fn is_short_code(digits: &str, country: &str) -> bool {
    let harmonised = digits.len() == 6 && digits.starts_with("116");
    let national = match country {
        "NL" => {
            (digits.len() == 5 && digits.starts_with("140"))
                || (digits.len() == 4 && (digits.starts_with("18") || digits.starts_with("120")))
                || matches!(digits, "144" | "113" | "1233")
        }
        _ => false,
    };
    harmonised || national
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nl(raw: &str) -> PhoneNumber {
        PhoneNumber::parse(raw, &NumberPlan::default())
    }

    #[test]
    fn every_spelling_of_a_dutch_number_is_one_number() {
        for raw in [
            "+31612345678",
            "0612345678",
            "06-12345678",
            "06 1234 5678",
            "0031612345678",
            "31612345678",
            "sip:+31612345678@pbx.example;user=phone",
            "tel:+31-6-12345678",
            "0612345678@pbx",
        ] {
            let number = nl(raw);
            assert_eq!(number.e164.as_deref(), Some("+31612345678"), "{raw}");
            assert_eq!(number.kind, NumberKind::Public, "{raw}");
            assert_eq!(number.raw, raw, "the raw text is kept");
        }
    }

    #[test]
    fn other_countries_by_plan_or_by_plus() {
        let us = NumberPlan::for_country("us").unwrap();
        assert_eq!(
            PhoneNumber::parse("(415) 555-0132", &us).e164.as_deref(),
            Some("+14155550132")
        );
        assert_eq!(nl("+1 415 555 0132").e164.as_deref(), Some("+14155550132"));
        assert_eq!(NumberPlan::for_country("XX"), None);
    }

    #[test]
    fn what_is_not_a_public_number_says_so() {
        for (raw, kind) in [
            ("100", NumberKind::Extension),
            ("10020", NumberKind::Extension),
            ("112", NumberKind::Emergency),
            ("14020", NumberKind::ShortCode),
            ("1888", NumberKind::ShortCode),
            ("116000", NumberKind::ShortCode),
            ("anonymous", NumberKind::Withheld),
            ("Anonymous", NumberKind::Withheld),
            ("sip:anonymous@anonymous.invalid", NumberKind::Withheld),
            ("blocked", NumberKind::Withheld),
            ("", NumberKind::Withheld),
            ("<unknown>", NumberKind::Withheld),
            ("sip:reception@example.com", NumberKind::Sip),
            ("ada@example.com", NumberKind::Sip),
            ("not a number", NumberKind::Unknown),
            ("5", NumberKind::Unknown),
        ] {
            assert_eq!(nl(raw).kind, kind, "{raw}");
            assert_eq!(nl(raw).e164, None, "{raw}");
        }
    }

    #[test]
    fn a_number_never_reaches_a_log_line() {
        let shown = format!("{:?}", nl("+31612345678"));
        assert!(!shown.contains("12345"), "{shown}");
        assert!(shown.contains("…78"), "{shown}");
        assert_eq!(nl("100").masked(), "…");
    }

    #[test]
    fn national_at_home_and_international_abroad() {
        assert_eq!(nl("+31612345678").display("NL"), "06 12345678");
        assert_eq!(nl("+31612345678").display("DE"), "+31 6 12345678");
        assert_eq!(nl("100").display("NL"), "100");
        assert_eq!(nl("anonymous").display("NL"), "");
    }

    #[test]
    fn a_number_belongs_to_a_country_and_may_cost_extra() {
        for (raw, country, costly) in [
            ("0612345678", Some("NL"), false),
            ("0900 1234", Some("NL"), true),
            ("+49 30 123456", Some("DE"), false),
            ("+1 876 555 0132", Some("JM"), false),
            ("+1 900 555 0132", None, true),
            ("+870 773 111 632", None, false),
            ("100", None, false),
        ] {
            let number = nl(raw);
            assert_eq!(number.is_premium_rate(), costly, "{raw}");
            let found = number.country();
            assert!(costly || found.as_deref() == country, "{raw}: {found:?}");
        }
    }

    #[test]
    fn hostile_text_is_bounded_and_harmless() {
        let long = "9".repeat(10_000);
        assert_eq!(nl(&long).raw.len(), MAX_RAW);
        assert_eq!(nl("+31\r\nX-Evil: 1").raw, "+31X-Evil: 1");
        let _ = nl("+++++((((");
        let _ = nl("\u{1F600}\u{0}\u{202E}");
        let _ = nl("00");
    }

    #[test]
    fn the_tail_finds_other_spellings() {
        assert_eq!(
            nl("+31612345678").digits_tail().as_deref(),
            Some("612345678")
        );
        assert_eq!(nl("100").digits_tail(), None);
    }
}
