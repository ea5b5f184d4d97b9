//! scratch
use std::time::Instant;
use switchhook_domain::fold::*;
use switchhook_domain::id::*;
use switchhook_domain::signal::*;
use switchhook_domain::cause::*;
use switchhook_testkit::conformance::world::{START, phone};
use jiff::SignedDuration;
fn main() {
    let n = 20000u64;
    let mut calls = Vec::new();
    for i in 0..n {
        let begins = START;
        let id = 5_780_678_246_121_472 + i * 3;
        let keys: Vec<String> = (0..3).map(|k| format!("call:{}", id + k)).collect();
        let leg = (id + 1).to_string();
        let caller = Party { number: Some(phone(&format!("+316{:08}", i))), name: Some("Jansen".into()), ..Party::default() };
        let agent = Party { number: Some(phone("+31201234567")), name: Some("Fatima".into()), user_id: Some("513".into()), email: Some("f@e.nl".into()), ..Party::default() };
        let after = |s| begins + SignedDuration::from_secs(s);
        let told = vec![
            Signal::leg(begins, &keys, &leg, LegFact::Seen { kind: LegKind::Agent, origin: false, party: agent }),
            Signal::leg(begins, &keys, &id.to_string(), LegFact::Seen { kind: LegKind::Routing, origin: false, party: Party::default() }),
            Signal::call(begins, &keys, CallFact::Direction(Direction::Inbound)),
            Signal::call(begins, &keys, CallFact::Remote(caller)),
            Signal::call(begins, &keys, CallFact::Line(phone("+31201234567"))),
            Signal::call(begins, &keys, CallFact::Queue("Support".to_owned())),
            Signal::leg(after(1), &keys, &leg, LegFact::Rang),
        ];
        let mut b = told.clone(); b.push(Signal::leg(after(5), &keys, &leg, LegFact::Answered));
        let mut c = b.clone(); c.push(Signal::leg(after(95), &keys, &leg, LegFact::Ended(Cause::reason(Reason::Normal))));
        calls.push([told, b, c]);
    }
    let mint = IdMint::new(START, 1);
    let mut t_needs = 0; let mut t_new = [0u128;3]; let mut t_sig = 0; let mut t_fin = [0u128;3]; let mut t_json = 0; let mut ev = 0; let mut t_clone=0; let mut bytes=0;
    for call in &calls {
        let mut state: Option<CallState> = None;
        for (k, signals) in call.iter().enumerate() {
            let t = Instant::now(); let _n = needs(signals); t_needs += t.elapsed().as_nanos();
            let t = Instant::now(); let loaded = Loaded { calls: state.iter().cloned().collect(), ..Default::default() }; t_clone += t.elapsed().as_nanos();
            let ctx = FoldContext { connection_id: ConnectionId(uuid::Uuid::nil()), platform: "dialpad", country: "NL", now: START, mint: &mint, directory: &EmptyDirectory };
            let t = Instant::now(); let mut f = Fold::new(ctx, loaded); t_new[k] += t.elapsed().as_nanos();
            let t = Instant::now(); for s in signals { f.signal(s); } t_sig += t.elapsed().as_nanos();
            let t = Instant::now(); let out = f.finish(); t_fin[k] += t.elapsed().as_nanos();
            ev += out.events.len();
            for e in &out.events { bytes += e.data.get().len(); }
            let c = out.calls.into_iter().next();
            if let Some(c) = c {
                let t = Instant::now(); let a = serde_json::to_string(&c.state).unwrap(); let b = serde_json::to_string(&c.call).unwrap(); t_json += t.elapsed().as_nanos();
                if k==2 { bytes += 0*(a.len()+b.len()); }
                if std::env::var("SHOW").is_ok() { println!("{} {}", a.len(), b.len()); }
                state = Some(c.state);
            }
        }
    }
    let m = (n * 3) as u128;
    println!("needs {} clone {} new {:?} signals {} finish {:?} json {} ns per changeset; events {} per, bytes {} per", t_needs/m, t_clone/m, t_new.map(|x| x/(m/3)), t_sig/m, t_fin.map(|x|x/(m/3)), t_json/m, ev as f64/m as f64, bytes as u128/m);
}
