//! How an app's agents work: what its settings may say, and the six outcomes that every app has
//! beside its own. Pure; nothing is read or stored here.

use std::collections::BTreeSet;

use switchhook_domain::moment::MAX_OUTCOME;
use switchhook_domain::task::TaskKind;

use crate::store::WorkSettings;
use crate::tasks::{CALLBACK, ESCALATED, kind_of_outcome};

/// An outcome that every app has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// The word on the wire, the predecessor's.
    pub code: &'static str,
    /// What people read.
    pub label: &'static str,
}

/// The outcomes that every app has. What task comes of them, [`kind_of_outcome`] says.
pub const BUILT_IN: [BuiltIn; 6] = [
    BuiltIn {
        code: "resolved",
        label: "Resolved",
    },
    BuiltIn {
        code: CALLBACK,
        label: "Call back",
    },
    BuiltIn {
        code: ESCALATED,
        label: "Escalated",
    },
    BuiltIn {
        code: "wrong-number",
        label: "Wrong number",
    },
    BuiltIn {
        code: "no-answer",
        label: "No answer",
    },
    BuiltIn {
        code: "abandoned",
        label: "Abandoned",
    },
];

/// The most outcomes an app may add.
const MAX_OUTCOMES: usize = 50;
/// The longest label or queue name, in characters.
const MAX_TEXT: usize = 200;
/// The longest wrap-up, in seconds.
pub const MAX_WRAP_UP: u32 = 3600;
/// The longest delay of screen pops, in milliseconds.
pub const MAX_DELAY: u32 = 5000;

/// What is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct SettingsFault {
    /// Where.
    pub field: String,
    /// What.
    pub problem: String,
}

impl SettingsFault {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// The task that comes of an outcome; `None` when there is no such outcome.
#[must_use]
pub fn task_of(settings: &WorkSettings, outcome: &str) -> Option<Option<TaskKind>> {
    let built_in = BUILT_IN.iter().any(|known| known.code == outcome);
    let own = settings.outcomes.iter().any(|own| own.code == outcome);
    (built_in || own).then(|| kind_of_outcome(outcome, settings))
}

/// Settings as they are kept.
///
/// # Errors
/// The first fault.
pub fn checked(mut settings: WorkSettings) -> Result<WorkSettings, SettingsFault> {
    if settings.outcomes.len() > MAX_OUTCOMES {
        let problem = format!("must have at most {MAX_OUTCOMES} entries");
        return Err(SettingsFault::new("outcomes", problem));
    }
    let mut seen: BTreeSet<&str> = BUILT_IN.iter().map(|known| known.code).collect();
    for (index, own) in settings.outcomes.iter_mut().enumerate() {
        own.label = text(&own.label, &format!("outcomes[{index}].label"))?;
    }
    for (index, own) in settings.outcomes.iter().enumerate() {
        let at = |member: &str| format!("outcomes[{index}].{member}");
        if !is_code(&own.code) {
            let problem = format!(
                "must begin with a letter and be at most {MAX_OUTCOME} lower-case letters, digits \
                 and dashes"
            );
            return Err(SettingsFault::new(at("code"), problem));
        }
        if !seen.insert(&own.code) {
            return Err(SettingsFault::new(at("code"), "is an outcome already"));
        }
    }
    if let Some(queue) = &settings.escalation_queue {
        settings.escalation_queue = Some(text(queue, "escalation_queue")?);
    }
    for (field, value, most) in [
        ("wrap_up_seconds", settings.wrap_up_seconds, MAX_WRAP_UP),
        (
            "screen_pop_delay_ms",
            settings.screen_pop_delay_ms,
            MAX_DELAY,
        ),
    ] {
        if value > most {
            return Err(SettingsFault::new(field, format!("must be 0 to {most}")));
        }
    }
    settings.hours.check().map_err(|fault| {
        let field = format!("hours.{}", fault.field);
        SettingsFault::new(field, fault.problem)
    })?;
    Ok(settings)
}

fn is_code(code: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    code.len() <= MAX_OUTCOME
        && code.starts_with(|c: char| c.is_ascii_lowercase())
        && code.chars().all(plain)
}

fn text(given: &str, field: &str) -> Result<String, SettingsFault> {
    let given = given.trim();
    let length = given.chars().count();
    if (1..=MAX_TEXT).contains(&length) && !given.chars().any(char::is_control) {
        return Ok(given.to_owned());
    }
    let problem = format!("must be 1 to {MAX_TEXT} characters without control characters");
    Err(SettingsFault::new(field, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::CustomOutcome;

    fn with(code: &str, label: &str) -> WorkSettings {
        WorkSettings {
            outcomes: vec![CustomOutcome {
                code: code.to_owned(),
                label: label.to_owned(),
                task: Some(TaskKind::Question),
            }],
            ..WorkSettings::default()
        }
    }

    #[test]
    fn codes_are_plain_and_only_once() {
        for good in ["sold", "a", "sold-2", &"a".repeat(40)] {
            assert!(checked(with(good, "Sold")).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Sold",
            "2sold",
            "so ld",
            "söld",
            "resolved",
            &"a".repeat(41),
        ] {
            let fault = checked(with(bad, "Sold")).unwrap_err();
            assert_eq!(fault.field, "outcomes[0].code", "{bad}");
        }
        let mut twice = with("sold", "Sold");
        twice.outcomes.push(twice.outcomes[0].clone());
        assert_eq!(checked(twice).unwrap_err().field, "outcomes[1].code");
    }

    #[test]
    fn what_people_read_is_there_and_trimmed() {
        assert_eq!(
            checked(with("sold", " Sold ")).unwrap().outcomes[0].label,
            "Sold"
        );
        for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
            let fault = checked(with("sold", bad)).unwrap_err();
            assert_eq!(fault.field, "outcomes[0].label", "{bad}");
        }
    }

    #[test]
    fn times_have_limits() {
        let long = WorkSettings {
            wrap_up_seconds: 3601,
            ..WorkSettings::default()
        };
        assert_eq!(checked(long).unwrap_err().field, "wrap_up_seconds");
        let slow = WorkSettings {
            screen_pop_delay_ms: 5001,
            ..WorkSettings::default()
        };
        assert_eq!(checked(slow).unwrap_err().field, "screen_pop_delay_ms");
    }

    #[test]
    fn every_outcome_says_what_task_it_makes() {
        let settings = with("sold", "Sold");
        assert_eq!(task_of(&settings, "resolved"), Some(None));
        assert_eq!(
            task_of(&settings, "callback"),
            Some(Some(TaskKind::CallBack))
        );
        assert_eq!(
            task_of(&settings, "escalated"),
            Some(Some(TaskKind::FollowUp))
        );
        assert_eq!(task_of(&settings, "sold"), Some(Some(TaskKind::Question)));
        assert_eq!(task_of(&settings, "bought"), None);
    }
}
