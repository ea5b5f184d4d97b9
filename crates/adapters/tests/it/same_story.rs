//! The same story ends in the same record, whichever platform told it: every scenario of the
//! simulator is played by every platform, believed, decoded and folded, and what does not depend
//! on the platform is compared. What a platform cannot tell is named here, with the reason.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use switchhook_adapters::registry;
use switchhook_adapters::simulate::{self, CallSeed, Scenario};
use switchhook_engine::adapter::{Adapter, Inbound};

use crate::fixture::{self, SECRET, connection};

/// Scenarios that a platform has no words for at all: it is told nothing of them.
const UNPLAYED: &[(&str, &[Scenario], &str)] = &[
    (
        "3cx",
        &[
            Scenario::Rejected,
            Scenario::Hold,
            Scenario::Transfer,
            Scenario::Voicemail,
            Scenario::Sms,
            Scenario::Presence,
        ],
        "its CRM template reports a call once, when it is over, as answered or not",
    ),
    (
        "aircall",
        &[Scenario::Sms, Scenario::Presence],
        "the mapping reads events of calls only",
    ),
    ("asterisk", &[Scenario::Sms], "the PBX has no text messages"),
    (
        "generic",
        &[Scenario::Sms, Scenario::Presence],
        "its nine fields are about calls",
    ),
    (
        "zammad",
        &[
            Scenario::Rejected,
            Scenario::Hold,
            Scenario::Transfer,
            Scenario::Voicemail,
            Scenario::Recording,
            Scenario::Sms,
            Scenario::Presence,
        ],
        "its three events are the begin, the answer and the end of a call",
    ),
];

/// What a platform cannot tell of a scenario: the fields that are not compared.
const CANNOT: &[(&str, &[Scenario], &[&str], &str)] = &[];

fn seed() -> CallSeed {
    CallSeed::new(11, "2026-11-22T09:00:00Z".parse().unwrap())
}

/// What every platform's record of a scenario says.
fn expected(scenario: Scenario, seed: &CallSeed) -> Value {
    use Scenario::{
        Busy, Hold, Missed, OutboundAnswered, OutboundNoAnswer, Recording, Rejected, RingGroup,
        Transfer, Voicemail, Withheld,
    };
    let outbound = matches!(scenario, OutboundAnswered | OutboundNoAnswer);
    let answered = !matches!(
        scenario,
        Missed | Busy | Rejected | Voicemail | OutboundNoAnswer
    );
    json!({
        "status": scenario.status().unwrap().as_str(),
        "direction": if outbound { "outbound" } else { "inbound" },
        "outside": (scenario != Withheld).then_some(&seed.caller.number),
        "answered": answered,
        "agent": answered.then_some(match scenario {
            Transfer | RingGroup => "colleague",
            _ => "agent",
        }),
        "holds": u8::from(scenario == Hold),
        "held": scenario == Hold,
        "transfers": u8::from(scenario == Transfer),
        "recordings": u8::from(scenario == Recording),
        "voicemail": scenario == Voicemail,
    })
}

/// The same, read off a record.
fn told(call: &Value, seed: &CallSeed) -> Value {
    let outbound = call["direction"] == "outbound";
    let outside = if outbound { "to_number" } else { "from_number" };
    let answered = call["answered_at"].is_string();
    let count = |what: &str| call[what].as_array().unwrap().len();
    json!({
        "status": call["status"],
        "direction": call["direction"],
        "outside": call[outside],
        "answered": answered,
        "agent": if answered { who(&call["agent"], seed) } else { Value::Null },
        "holds": count("holds"),
        "held": call["hold_seconds"].as_i64().unwrap_or(0) > 0,
        "transfers": count("transfers"),
        "recordings": count("recordings"),
        "voicemail": call["voicemail"].is_object(),
    })
}

/// Which of the two it was; platforms know people by extension, id, address or name.
fn who(agent: &Value, seed: &CallSeed) -> Value {
    for (name, person) in [("agent", &seed.agent), ("colleague", &seed.colleague)] {
        let known = agent["extension"] == person.extension.as_str()
            || agent["user_id"] == person.user_id.to_string().as_str()
            || agent["name"] == person.name.as_str();
        if known {
            return json!(name);
        }
    }
    agent.clone()
}

/// Plays, verifies, decodes and folds, as the server does.
fn folded(adapter: &dyn Adapter, scenario: Scenario) -> Option<Value> {
    let platform = adapter.spec().platform;
    let steps = simulate::player(platform).unwrap()(scenario, &seed(), SECRET);
    let connection = connection(&[SECRET]);
    let mut batches = Vec::new();
    for step in &steps {
        let inbound = Inbound {
            content_type: step.content_type,
            headers: &step.headers,
            ..Inbound::body_only(&step.body)
        };
        // The frames of the PBX come over a socket that we signed in to.
        let payload = if platform == "asterisk" {
            step.body.as_slice().into()
        } else {
            let verified = adapter.verify(&inbound, &connection);
            verified.unwrap_or_else(|why| panic!("{platform} {}: {why}", scenario.name()))
        };
        batches.push(adapter.decode(&payload, &connection).unwrap().signals);
    }
    (!steps.is_empty()).then(|| fixture::fold(platform, &batches))
}

#[test]
fn every_platform_ends_in_the_same_record_for_the_same_story() {
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    for platform in simulate::played() {
        let adapter = registry().get(platform).unwrap();
        for scenario in Scenario::ALL.iter().copied() {
            let at = format!("{platform} {}", scenario.name());
            let named = UNPLAYED
                .iter()
                .any(|(p, s, _)| *p == platform && s.contains(&scenario));
            let Some(folded) = folded(adapter, scenario) else {
                if !named {
                    faults.push(format!("{at} is not played, and UNPLAYED does not name it"));
                }
                continue;
            };
            if named {
                faults.push(format!("{at} is played, and UNPLAYED names it"));
            }
            compare(platform, scenario, &folded, &mut faults, &mut used);
        }
    }
    for (at, (platform, scenarios, fields, _)) in CANNOT.iter().enumerate() {
        for scenario in *scenarios {
            for field in *fields {
                if !used.contains(&(at, *scenario, *field)) {
                    let name = scenario.name();
                    faults.push(format!(
                        "{platform} {name}: {field} is told, and CANNOT names it"
                    ));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} differences:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

fn compare(
    platform: &str,
    scenario: Scenario,
    folded: &Value,
    faults: &mut Vec<String>,
    used: &mut BTreeSet<(usize, Scenario, &'static str)>,
) {
    let at = format!("{platform} {}", scenario.name());
    let calls = folded["calls"].as_array().unwrap();
    if scenario.status().is_none() {
        let what = if scenario == Scenario::Sms {
            "messages"
        } else {
            "presence"
        };
        if !calls.is_empty() || folded[what].as_array().unwrap().is_empty() {
            faults.push(format!("{at}: no {what}, or calls of them"));
        }
        return;
    }
    if calls.len() != 1 {
        faults.push(format!("{at}: {} calls", calls.len()));
        return;
    }
    let (expected, told) = (expected(scenario, &seed()), told(&calls[0], &seed()));
    for (field, wanted) in expected.as_object().unwrap() {
        let exempt = CANNOT
            .iter()
            .enumerate()
            .find_map(|(index, (p, s, fields, _))| {
                let name = fields.iter().find(|name| **name == field.as_str())?;
                (*p == platform && s.contains(&scenario)).then_some((index, scenario, *name))
            });
        if told[field] != *wanted {
            match exempt {
                Some(entry) => {
                    used.insert(entry);
                }
                None => faults.push(format!("{at}: {field} is {}, not {wanted}", told[field])),
            }
        }
    }
}

/// Who ended it: those platforms that tell agree. That of a transferred call depends on when the
/// platform stops counting the first agent in, and is left to each.
#[test]
fn platforms_that_tell_who_hung_up_tell_the_same() {
    let mut faults = Vec::new();
    let mut telling = BTreeSet::new();
    for scenario in Scenario::ALL.iter().copied() {
        if scenario.status().is_none() || scenario == Scenario::Transfer {
            continue;
        }
        let mut said: Vec<(&str, String)> = Vec::new();
        for platform in simulate::played() {
            let adapter = registry().get(platform).unwrap();
            let Some(folded) = folded(adapter, scenario) else {
                continue;
            };
            if let Some(by) = folded["calls"][0]["ended_by"].as_str() {
                telling.insert(platform);
                said.push((platform, by.to_owned()));
            }
        }
        if said.iter().any(|(_, by)| *by != said[0].1) {
            faults.push(format!("{}: {said:?}", scenario.name()));
        }
    }
    assert!(faults.is_empty(), "differ:\n{}", faults.join("\n"));
    assert!(telling.contains("asterisk"), "{telling:?}");
}
