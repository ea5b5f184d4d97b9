//! The posts of platforms with flat events: the generic webhook, Zammad's CTI, Aircall and 3CX.
//! Each writes the beats of the same plot in its own fields, and proves itself in its own way.
//! What a platform has no words for is left out, or gives no steps at all.

use serde_json::{Value, json};
use switchhook_engine::adapter::Secret;

use super::cast::{CallSeed, Colleague};
use super::plot::{Beat, Plot, What, Why, plot};
use super::{Scenario, Step};
use crate::generic;
use crate::mapped::{Aircall, ThreeCx};

/// How long after something happened a platform says so, in milliseconds.
const LAG: u64 = 60;

/// The id of a simulated call at a platform that numbers them.
fn number(seed: &CallSeed) -> u64 {
    700_000_000 + seed.chance(8).within(0, 99_000_000)
}

fn step(at: u64, body: &Value, headers: Vec<(String, String)>) -> Step {
    Step {
        after_ms: at + LAG,
        body: body.to_string().into_bytes(),
        content_type: "application/json",
        headers,
    }
}

fn sides<'a>(seed: &'a CallSeed, plot: &Plot<'_>) -> (&'a str, &'a str) {
    let caller = if plot.withheld {
        "anonymous"
    } else {
        &seed.caller.number
    };
    if plot.outbound {
        (&seed.line, caller)
    } else {
        (caller, &seed.line)
    }
}

/// The posts of a script that uses the generic webhook, signed with `secret`.
#[must_use]
pub fn generic(scenario: Scenario, seed: &CallSeed, secret: &str) -> Vec<Step> {
    let Some(plot) = plot(scenario, seed) else {
        return Vec::new();
    };
    let secret = Secret::new(secret);
    let (from, to) = sides(seed, &plot);
    let write = |beat: &Beat<'_>| {
        let mut event = json!({
            "call_id": format!("sim-{}", number(seed)),
            "at": seed.at(beat.at).to_string(),
            "from": from, "to": to,
            "direction": if plot.outbound { "outbound" } else { "inbound" },
            "extension": beat.who.extension,
        });
        event["event"] = json!(match (beat.what, plot.why) {
            (What::Begin, _) => "started",
            (What::Ring, _) => "ringing",
            (What::Answer, _) => "answered",
            (What::Hold, _) => "held",
            (What::Resume, _) => "resumed",
            (What::Transfer, _) => "transferred",
            (What::Stop, _) => "left",
            (What::End, Why::Rejected) => "rejected",
            (What::End, Why::NoAnswer) if !plot.outbound => "missed",
            (What::End, _) => "ended",
            (What::Voicemail, _) => "voicemail",
            (What::Recording, _) => "recording",
        });
        match beat.what {
            What::Transfer => event["transfer_to"] = json!(seed.colleague.extension),
            What::End => {
                event["duration_seconds"] = json!(plot.talk() / 1_000);
                event["reason"] = json!(match plot.why {
                    Why::Normal => "normal",
                    Why::NoAnswer => "no_answer",
                    Why::Busy => "busy",
                    Why::Rejected => "rejected",
                });
            }
            What::Voicemail => event["voicemail_url"] = json!(media(seed, "voicemail")),
            What::Recording => event["recording_url"] = json!(media(seed, "recording")),
            _ => {}
        }
        event
    };
    let mut steps = Vec::new();
    for beat in &plot.beats {
        let event = write(beat);
        let signature = generic::sign(event.to_string().as_bytes(), &secret);
        steps.push(step(
            beat.at,
            &event,
            vec![("x-signature".to_owned(), signature)],
        ));
        if beat.what == What::Transfer {
            // The colleague takes it.
            let mut event = event;
            event["event"] = json!("answered");
            event["extension"] = json!(seed.colleague.extension);
            let signature = generic::sign(event.to_string().as_bytes(), &secret);
            steps.push(step(
                beat.at + 5,
                &event,
                vec![("x-signature".to_owned(), signature)],
            ));
        }
    }
    steps
}

fn media(seed: &CallSeed, kind: &str) -> String {
    format!("https://media.example.com/{kind}/{}.mp3", number(seed))
}

/// The posts of a PBX that supports Zammad's CTI. It has no words for hold, transfer, voicemail,
/// recording and refusal, nor for the device of a group that was not quick enough.
#[must_use]
pub fn zammad(scenario: Scenario, seed: &CallSeed, secret: &str) -> Vec<Step> {
    let silent = matches!(
        scenario,
        Scenario::Hold
            | Scenario::Transfer
            | Scenario::Voicemail
            | Scenario::Recording
            | Scenario::Rejected
    );
    let Some(plot) = plot(scenario, seed).filter(|_| !silent) else {
        return Vec::new();
    };
    let (from, to) = sides(seed, &plot);
    let digits = |number: &str| number.trim_start_matches('+').to_owned();
    let group = scenario == Scenario::RingGroup;
    let write = |beat: &Beat<'_>| {
        let name = match beat.what {
            What::Answer | What::End => "user",
            What::Begin => "",
            _ => return None,
        };
        let mut event = json!({
            "from": digits(from), "to": digits(to),
            "direction": if plot.outbound { "out" } else { "in" },
            "callId": format!("sim-{}", number(seed)),
        });
        match (beat.what, group) {
            (What::Begin, true) => {
                event["user"] = json!([seed.agent.name, seed.colleague.name]);
            }
            (What::Begin, false) => event["user"] = json!([beat.who.name]),
            _ => event[name] = json!(beat.who.name),
        }
        event["event"] = json!(match beat.what {
            What::Begin => "newCall",
            What::Answer => "answer",
            _ => "hangup",
        });
        if plot.answered.is_some() && beat.what != What::Begin {
            event["answeringNumber"] = json!(beat.who.extension);
        }
        if beat.what == What::End {
            event["cause"] = json!(match plot.why {
                Why::Normal => "normalClearing",
                Why::NoAnswer | Why::Rejected => "noAnswer",
                Why::Busy => "busy",
            });
        }
        Some(event)
    };
    let bearer = || vec![("authorization".to_owned(), format!("Bearer {secret}"))];
    let told = plot
        .beats
        .iter()
        .filter_map(|beat| Some((beat.at, write(beat)?)));
    told.map(|(at, event)| step(at, &event, bearer())).collect()
}

/// The posts of Aircall; `secret` is the token of its webhook.
#[must_use]
pub fn aircall(scenario: Scenario, seed: &CallSeed, secret: &str) -> Vec<Step> {
    let Some(plot) = plot(scenario, seed) else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    for beat in &plot.beats {
        let name = match beat.what {
            What::Begin => "call.created",
            What::Ring if plot.outbound => continue,
            What::Ring => "call.ringing_on_agent",
            What::Answer => "call.answered",
            What::Hold => "call.hold",
            What::Resume => "call.unhold",
            What::Transfer => "call.transferred",
            // Aircall is silent about devices that were not quick enough.
            What::Stop => continue,
            What::End => "call.hungup",
            What::Voicemail => "call.voicemail_left",
            What::Recording => "call.comm_assets_generated",
        };
        if (beat.what, plot.why) == (What::End, Why::Rejected) {
            let declined = aircall_event(seed, &plot, beat, "call.agent_declined", secret);
            steps.push(aircall_step(
                beat.at.saturating_sub(1_000),
                &declined,
                secret,
            ));
        }
        let event = aircall_event(seed, &plot, beat, name, secret);
        steps.push(aircall_step(beat.at, &event, secret));
        if beat.what == What::End {
            let mut event = event;
            event["event"] = json!("call.ended");
            event["timestamp"] = json!(seconds(seed, beat.at + 15_000));
            steps.push(aircall_step(beat.at + 15_000, &event, secret));
        }
    }
    steps.sort_by_key(|step| step.after_ms);
    steps
}

fn seconds(seed: &CallSeed, at: u64) -> i64 {
    seed.at(at).as_second()
}

fn aircall_step(at: u64, event: &Value, secret: &str) -> Step {
    let body = event.to_string();
    let proof = Aircall::mapped().prove(body.as_bytes(), &Secret::new(secret));
    step(at, event, proof.headers)
}

fn aircall_user(who: &Colleague) -> Value {
    let id = who.user_id;
    json!({"id": id, "direct_link": format!("https://api.aircall.io/v1/users/{id}"),
        "name": who.name, "email": who.email, "available": true,
        "availability_status": "available", "language": "en-US", "wrap_up_time": 0})
}

fn aircall_event(
    seed: &CallSeed,
    plot: &Plot<'_>,
    beat: &Beat<'_>,
    name: &str,
    token: &str,
) -> Value {
    let id = number(seed);
    let over = beat.at >= plot.ended;
    let answered = plot.answered.filter(|at| *at <= beat.at);
    let transferred = plot.last != &seed.agent
        && plot
            .beats
            .iter()
            .any(|other| other.what == What::Transfer && other.at <= beat.at);
    let at = |at: u64| seconds(seed, at);
    let unanswered = matches!(plot.why, Why::NoAnswer | Why::Busy | Why::Rejected);
    let mut data = json!({
        "id": id, "direct_link": format!("https://api.aircall.io/v1/calls/{id}"),
        "direction": if plot.outbound { "outbound" } else { "inbound" },
        "status": if over { "done" } else if answered.is_some() { "answered" } else { "initial" },
        "missed_call_reason": (over && unanswered && !plot.outbound)
            .then_some(if plot.why == Why::Busy { "no_available_agent" }
                else { "agents_did_not_answer" }),
        "started_at": at(0), "answered_at": answered.map(at),
        "ended_at": over.then(|| at(plot.ended)),
        "duration": if over { at(plot.ended) - at(0) } else { 0 },
        "cost": "0.0", "hangup_cause": null, "voicemail": null, "recording": null, "asset": null,
        "raw_digits": if plot.withheld { "anonymous" } else { &seed.caller.number },
        "number": {"id": 404_821, "direct_link": "https://api.aircall.io/v1/numbers/404821",
            "name": seed.queue, "digits": seed.line, "country": "NL",
            "time_zone": "Europe/Amsterdam", "open": true, "availability_status": "open",
            "is_ivr": false, "live_recording_activated": false},
        "archived": false, "teams": [], "comments": [], "tags": [],
    });
    // Of an inbound call that nobody took, only the ringing names somebody.
    let named = plot.outbound
        || answered.is_some()
        || beat.what == What::Ring
        || name == "call.agent_declined";
    if named {
        data["user"] = aircall_user(if transferred { plot.last } else { beat.who });
    }
    if transferred {
        data["transferred_by"] = aircall_user(&seed.agent);
        data["transferred_to"] = aircall_user(plot.last);
    }
    match beat.what {
        What::Voicemail => data["voicemail"] = json!(media(seed, "voicemail")),
        What::Recording => data["recording"] = json!(media(seed, "recording")),
        _ => {}
    }
    json!({"resource": "call", "event": name, "timestamp": at(beat.at), "token": token,
        "data": data})
}

/// The posts of 3CX: one report when the call is over. It has no words for hold, transfer,
/// voicemail and refusal.
#[must_use]
pub fn threecx(scenario: Scenario, seed: &CallSeed, secret: &str) -> Vec<Step> {
    let silent = matches!(
        scenario,
        Scenario::Hold | Scenario::Transfer | Scenario::Voicemail | Scenario::Rejected
    );
    let Some(plot) = plot(scenario, seed).filter(|_| !silent) else {
        return Vec::new();
    };
    let time = |at: u64| seed.at(at).to_string();
    let kind = match (plot.outbound, plot.answered) {
        (false, Some(_)) => "Inbound",
        (false, None) => "Missed",
        (true, Some(_)) => "Outbound",
        (true, None) => "Notanswered",
    };
    let recorded = scenario == Scenario::Recording;
    let report = json!({
        "call_type": kind,
        "number": if plot.withheld { "anonymous" } else { &seed.caller.number },
        "name": if plot.withheld { "" } else { &seed.caller.name },
        "agent": plot.last.extension, "agent_email": plot.last.email,
        "agent_name": plot.last.name, "queue": "", "line": seed.line,
        "started_at": time(0),
        "answered_at": plot.answered.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), time),
        "ended_at": time(plot.ended),
        "recording_url": if recorded { media(seed, "recording") } else { String::new() },
    });
    let body = report.to_string();
    let proof = ThreeCx::mapped().prove(body.as_bytes(), &Secret::new(secret));
    vec![step(plot.ended, &report, proof.headers)]
}
