//! The directory and the match: which people or organisations a number belongs to, how sure that
//! is, and why. Loading candidates is storage's work; judging them is here.

use serde::{Deserialize, Serialize};

use crate::id::ContactId;
use crate::phone::PhoneNumber;

/// A person or organisation in the directory, as far as matching and the pop need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Our id.
    pub id: ContactId,
    /// Name as it is shown.
    pub name: String,
    /// Organisation, for a person who belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Pinned note that the agent should see first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the record lives in the business software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The numbers.
    pub numbers: Vec<ContactNumber>,
}

/// One number of a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactNumber {
    /// Normalised where possible; the raw text is always kept.
    pub number: PhoneNumber,
    /// `mobile`, `home`, `work`, `main` or a word of the app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// How sure a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Something speaks for it.
    Possible,
    /// Probably.
    Likely,
    /// Exact number, only one contact has it.
    Certain,
}

/// One contact found for a number, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Match {
    /// The contact.
    pub id: ContactId,
    /// Its name.
    pub name: String,
    /// Its organisation.
    pub organisation: Option<String>,
    /// Pinned note.
    pub note: Option<String>,
    /// Where the record lives in the business software.
    pub url: Option<String>,
    /// How sure, as a word.
    pub certainty: Certainty,
    /// How sure, 0 to 100; for sorting and for the bar on the page.
    pub percent: u8,
    /// One sentence: why this contact.
    pub why: String,
}

/// What a screen pop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PopAction {
    /// One contact: show it.
    Navigate,
    /// Several: let the agent choose.
    Chooser,
    /// None: offer to create one.
    Intake,
}

/// The most matches a pop carries; the total is always told.
pub const MAX_MATCHES: usize = 3;

/// What was found for a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// The best, most certain first, at most [`MAX_MATCHES`].
    pub best: Vec<Match>,
    /// How many there are in all.
    pub total: usize,
}

impl Matches {
    /// What a screen pop should do with this.
    #[must_use]
    pub fn action(&self) -> PopAction {
        match self.total {
            0 => PopAction::Intake,
            1 => PopAction::Navigate,
            _ => PopAction::Chooser,
        }
    }
}

/// Judges the candidates for a number: those with exactly this number, and those that share its
/// last [`crate::phone::TAIL_DIGITS`] digits. Sorted by certainty, then name, then id, so that
/// the answer is the same on every run.
#[must_use]
pub fn judge(number: &PhoneNumber, candidates: &[Contact]) -> Matches {
    let Some(e164) = number.e164.as_deref() else {
        return Matches::default();
    };
    let tail = crate::phone::tail(e164);
    let mut found: Vec<(bool, Match)> = candidates
        .iter()
        .filter_map(|contact| {
            let exact = contact
                .numbers
                .iter()
                .find(|n| n.number.e164.as_deref() == Some(e164));
            let similar = || {
                contact
                    .numbers
                    .iter()
                    .find(|n| tail.is_some() && n.number.digits_tail().as_deref() == tail)
            };
            let (is_exact, hit) = match exact {
                Some(hit) => (true, hit),
                None => (false, similar()?),
            };
            let kind = match hit.label.as_deref() {
                Some(label) => format!("{label} number"),
                None => "number".to_owned(),
            };
            let (certainty, percent, why) = if is_exact {
                (
                    Certainty::Certain,
                    100,
                    format!("the number is their {kind}"),
                )
            } else {
                (
                    Certainty::Possible,
                    60,
                    format!("their {kind} ends in the same digits"),
                )
            };
            Some((
                is_exact,
                Match {
                    id: contact.id,
                    name: contact.name.clone(),
                    organisation: contact.organisation.clone(),
                    note: contact.note.clone(),
                    url: contact.url.clone(),
                    certainty,
                    percent,
                    why,
                },
            ))
        })
        .collect();
    let exact = found.iter().filter(|(is_exact, _)| *is_exact).count();
    if exact > 0 {
        found.retain(|(is_exact, _)| *is_exact);
    }
    if exact > 1 {
        for (_, hit) in &mut found {
            hit.certainty = Certainty::Likely;
            hit.percent = u8::try_from(100 / exact).unwrap_or(1).max(45) + 30;
            let others = match exact - 1 {
                1 => "one other shares it".to_owned(),
                more => format!("{more} others share it"),
            };
            hit.why = format!("{}, and {others}", hit.why);
        }
    }
    found.sort_by(|(_, a), (_, b)| {
        b.percent
            .cmp(&a.percent)
            .then_with(|| a.name.cmp(&b.name))
            .then_with(|| a.id.cmp(&b.id))
    });
    let total = found.len();
    found.truncate(MAX_MATCHES);
    Matches {
        best: found.into_iter().map(|(_, hit)| hit).collect(),
        total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::{NumberPlan, PhoneNumber};
    use uuid::Uuid;

    fn contact(id: u128, name: &str, number: &str, label: &str) -> Contact {
        Contact {
            id: ContactId(Uuid::from_u128(id)),
            name: name.to_owned(),
            organisation: None,
            email: None,
            note: None,
            url: None,
            numbers: vec![ContactNumber {
                number: PhoneNumber::parse(number, &NumberPlan::default()),
                label: Some(label.to_owned()),
            }],
        }
    }

    fn caller(number: &str) -> PhoneNumber {
        PhoneNumber::parse(number, &NumberPlan::default())
    }

    #[test]
    fn one_exact_match_is_certain_and_says_why() {
        let found = judge(
            &caller("0612345678"),
            &[contact(1, "Jan", "+31612345678", "mobile")],
        );
        assert_eq!(found.action(), PopAction::Navigate);
        assert_eq!(found.best[0].certainty, Certainty::Certain);
        assert_eq!(found.best[0].why, "the number is their mobile number");
    }

    #[test]
    fn a_shared_number_asks_the_agent_to_choose() {
        let found = judge(
            &caller("+31612345678"),
            &[
                contact(2, "Zoë", "+31612345678", "work"),
                contact(1, "Anna", "+31612345678", "home"),
            ],
        );
        assert_eq!(found.action(), PopAction::Chooser);
        assert_eq!(found.best[0].name, "Anna");
        assert_eq!(found.best[0].certainty, Certainty::Likely);
    }

    #[test]
    fn an_exact_match_drives_out_similar_ones() {
        let found = judge(
            &caller("+31612345678"),
            &[
                contact(1, "Exact", "+31612345678", "mobile"),
                contact(2, "Near", "+32612345678", "x"),
            ],
        );
        assert_eq!(found.total, 1);
        assert_eq!(found.best[0].name, "Exact");
    }

    #[test]
    fn a_number_that_only_ends_alike_is_possible() {
        let found = judge(
            &caller("+31612345678"),
            &[contact(2, "Near", "+32612345678", "mobile")],
        );
        assert_eq!(found.best[0].certainty, Certainty::Possible);
    }

    #[test]
    fn a_withheld_number_matches_nobody() {
        let found = judge(
            &caller("anonymous"),
            &[contact(1, "Jan", "+31612345678", "mobile")],
        );
        assert_eq!(found.action(), PopAction::Intake);
        assert_eq!(found.total, 0);
    }
}
