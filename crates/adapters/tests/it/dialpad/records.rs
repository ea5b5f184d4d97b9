//! Every recorded and constructed scenario must give the record that was written by hand.

use std::fs;

use switchhook_adapters::dialpad::Dialpad;
use switchhook_engine::adapter::{Adapter, Inbound};

use crate::fixture::{self, SECRET, connection};

#[test]
fn every_scenario_gives_its_record() {
    fixture::assert_records(&Dialpad);
}

#[test]
fn every_posted_body_verifies_to_its_payload() {
    let connection = connection(&[SECRET]);
    let mut seen = 0;
    for scenario in fixture::scenarios("dialpad") {
        for entry in fs::read_dir(&scenario).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "jwt") {
                continue;
            }
            let body = fs::read(&path).unwrap();
            let payload = Dialpad
                .verify(&Inbound::body_only(&body), &connection)
                .unwrap();
            let expected = fs::read(path.with_extension("json")).unwrap();
            assert_eq!(payload.as_ref(), expected, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

/// All orders of up to six notifications, and every one of them twice, give the same record.
#[test]
fn order_and_repetition_do_not_matter() {
    for scenario in fixture::scenarios("dialpad") {
        let name = scenario.file_name().unwrap().to_string_lossy().into_owned();
        let batches = fixture::decode(&Dialpad, &fixture::notifications(&scenario, &Dialpad));
        let expected = settled(&batches);
        let mut doubled = batches.clone();
        doubled.extend(batches.clone());
        assert_eq!(settled(&doubled), expected, "{name}, everything twice");
        let reversed: Vec<_> = batches.iter().rev().cloned().collect();
        assert_eq!(settled(&reversed), expected, "{name}, reversed");
        if batches.len() <= 6 {
            permutations(batches.len(), &mut |order| {
                let shuffled: Vec<_> = order.iter().map(|at| batches[*at].clone()).collect();
                assert_eq!(settled(&shuffled), expected, "{name}, order {order:?}");
            });
        }
    }
}

/// The records without what depends on our own clock.
fn settled(
    batches: &[Vec<switchhook_domain::signal::Signal>],
) -> Vec<serde_json::Map<String, serde_json::Value>> {
    let folded = fixture::fold("dialpad", batches);
    let mut records: Vec<_> = ["calls", "messages"]
        .iter()
        .flat_map(|kind| folded[*kind].as_array().unwrap().clone())
        .map(|record| record.as_object().unwrap().clone())
        .collect();
    for record in &mut records {
        for member in ["id", "created_at", "updated_at"] {
            record.remove(member);
        }
    }
    records
}

fn permutations(count: usize, visit: &mut dyn FnMut(&[usize])) {
    fn step(order: &mut Vec<usize>, fixed: usize, visit: &mut dyn FnMut(&[usize])) {
        if fixed == order.len() {
            return visit(order);
        }
        for at in fixed..order.len() {
            order.swap(fixed, at);
            step(order, fixed + 1, visit);
            order.swap(fixed, at);
        }
    }
    step(&mut (0..count).collect(), 0, visit);
}
