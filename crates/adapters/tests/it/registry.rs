//! What every registered platform owes: fixtures, a page of documentation, and fixtures that
//! show each capability it claims.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use switchhook_adapters::registry;
use switchhook_domain::signal::{CallFact, Fact, LegFact, LegKind, Outcome, Signal};
use switchhook_engine::adapter::{Adapter, Capability, FieldKind};

use crate::fixture;

#[test]
fn names_are_unique_sorted_and_found_in_any_case() {
    let names: Vec<&str> = registry()
        .all()
        .map(|adapter| adapter.spec().platform)
        .collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted, "the table is sorted and without doubles");
    for name in names {
        assert_eq!(name, name.to_ascii_lowercase());
        let padded = format!("  {} ", name.to_ascii_uppercase());
        assert_eq!(registry().get(&padded).unwrap().spec().platform, name);
    }
    let shared = registry()
        .shared()
        .into_iter()
        .map(|adapter| adapter.spec().platform);
    assert!(shared.eq(registry().all().map(|adapter| adapter.spec().platform)));
    assert!(registry().get("nonesuch").is_none());
    assert!(registry().get("").is_none());
}

#[test]
fn every_platform_has_fixtures_and_a_page() {
    for adapter in registry().all() {
        let platform = adapter.spec().platform;
        assert!(
            !fixture::scenarios(platform).is_empty(),
            "fixtures/{platform} is empty"
        );
        let page = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../../docs/adapters/{platform}.md"));
        let text = fs::read_to_string(&page).unwrap_or_default();
        assert!(
            text.len() > 500,
            "docs/adapters/{platform}.md is missing or a stub"
        );
    }
}

#[test]
fn every_setting_can_be_explained() {
    for adapter in registry().all() {
        let spec = adapter.spec();
        assert!(
            spec.summary.ends_with('.') && !spec.title.is_empty(),
            "{}",
            spec.platform
        );
        assert!(
            (400..600).contains(&spec.bad_signature_status),
            "{}",
            spec.platform
        );
        let mut names = BTreeSet::new();
        for field in spec.config {
            assert!(
                names.insert(field.name),
                "{}: {} twice",
                spec.platform,
                field.name
            );
            assert!(
                field.help.len() > 10 && !field.label.is_empty(),
                "{}",
                field.name
            );
            if let (FieldKind::Choice(words), Some(default)) = (field.kind, field.default) {
                assert!(
                    words.contains(&default),
                    "{}: default is no choice",
                    field.name
                );
            }
        }
    }
}

#[test]
fn every_claimed_capability_is_shown_by_a_fixture() {
    for adapter in registry().all() {
        let shown = shown(adapter);
        // What it can be asked to do is shown by its own tests.
        let reported = adapter.spec().capabilities.iter();
        for capability in reported.filter(|capability| !capability.is_command()) {
            let platform = adapter.spec().platform;
            assert!(
                shown.contains(capability),
                "{platform}: no fixture shows {capability:?}"
            );
        }
    }
}

fn shown(adapter: &dyn Adapter) -> BTreeSet<Capability> {
    let platform = adapter.spec().platform;
    fixture::scenarios(platform)
        .iter()
        .flat_map(|scenario| fixture::notifications(scenario, adapter))
        .flat_map(|one| fixture::decode(adapter, &[one]))
        .flatten()
        .filter_map(|signal| capability(&signal))
        .collect()
}

fn capability(signal: &Signal) -> Option<Capability> {
    use switchhook_domain::cause::Reason::{Blocked, Rejected};
    Some(match &signal.fact {
        Fact::Message(_) => Capability::Messages,
        Fact::Presence(_) => Capability::Presence,
        Fact::Snapshot { .. } => return None,
        Fact::Leg { fact, .. } => match fact {
            LegFact::Rang => Capability::Ringing,
            LegFact::Answered => Capability::Answered,
            LegFact::Held | LegFact::Resumed => Capability::Hold,
            LegFact::Moved => Capability::Transfer,
            LegFact::Ended(cause) | LegFact::Cause(cause)
                if matches!(cause.reason, Some(Rejected | Blocked)) =>
            {
                Capability::Rejected
            }
            LegFact::Seen {
                kind: LegKind::Routing,
                party,
                ..
            } if party.name.is_some() => Capability::Queue,
            _ => return None,
        },
        Fact::Call(fact) => match fact {
            CallFact::Queue(_) => Capability::Queue,
            CallFact::Transferred { .. } => Capability::Transfer,
            CallFact::Outcome(Outcome::Rejected) => Capability::Rejected,
            CallFact::Voicemail { .. } | CallFact::VoicemailReached => Capability::Voicemail,
            CallFact::Recording { .. } => Capability::Recording,
            CallFact::Transcript(_) => Capability::Transcript,
            _ => return None,
        },
    })
}
