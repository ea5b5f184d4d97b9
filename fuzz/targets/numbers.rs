//! Phone numbers as anybody may write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchhook_domain::phone::{NumberPlan, PhoneNumber};

fuzz_target!(|raw: &str| {
    for country in ["NL", "US", "IT", "GB"] {
        let plan = NumberPlan::for_country(country).expect("a country");
        let number = PhoneNumber::parse(raw, &plan);
        assert_eq!(
            number,
            PhoneNumber::parse(raw, &plan),
            "the same text, another number"
        );
        let _ = (
            number.display(country),
            number.digits_tail(),
            number.masked(),
        );
        let Some(e164) = number.e164.as_deref() else {
            continue;
        };
        assert!(e164.starts_with('+'), "E.164 begins with a plus");
        assert!(
            e164[1..].bytes().all(|b| b.is_ascii_digit()),
            "E.164 is digits"
        );
        assert!(
            (3..=16).contains(&e164.len()),
            "E.164 has at most fifteen digits"
        );
    }
});
