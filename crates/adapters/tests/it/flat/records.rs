//! Every scenario must give the record that was written by hand.

use switchhook_adapters::generic::Generic;
use switchhook_adapters::mapped::{Aircall, ThreeCx};
use switchhook_adapters::zammad::Zammad;
use switchhook_engine::adapter::Adapter;

use crate::fixture::{self, connection};

#[test]
fn every_generic_scenario_gives_its_record() {
    fixture::assert_records(&Generic);
}

#[test]
fn every_zammad_scenario_gives_its_record() {
    fixture::assert_records(&Zammad);
}

#[test]
fn every_aircall_scenario_gives_its_record() {
    fixture::assert_records(&Aircall);
}

#[test]
fn every_3cx_scenario_gives_its_record() {
    fixture::assert_records(&ThreeCx);
}

/// Every body cut off at every byte is understood or refused, and nothing else.
#[test]
fn a_truncated_body_never_panics() {
    let adapters: [&dyn Adapter; 4] = [&Generic, &Zammad, &Aircall, &ThreeCx];
    let connection = connection(&["a secret"]);
    let mut refused = 0;
    for adapter in adapters {
        for scenario in fixture::scenarios(adapter.spec().platform) {
            for (_, body) in fixture::notifications(&scenario, adapter) {
                for end in 0..body.len() {
                    refused += usize::from(adapter.decode(&body[..end], &connection).is_err());
                }
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}
