//! Phone numbers as anybody may write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchhook_domain::phone::{NumberPlan, PhoneNumber};

fuzz_target!(|raw: &str| {
    for country in ["NL", "US", "IT", "GB"] {
        let plan = NumberPlan::for_country(country).expect("a country");
        let number = PhoneNumber::parse(raw, &plan);
        assert_eq!(number, PhoneNumber::parse(raw, &plan), "the same text, another number");
        let _ = (number.display(country), number.digits_tail(), number.masked());
        let Some(canonical) = number.canonical() else { continue };
        assert!(canonical.len() <= raw.len() + 8, "longer than what was read");
        if canonical.starts_with('+') {
            assert!((3..=16).contains(&canonical.len()), "E.164 has at most fifteen digits");
            assert!(canonical[1..].bytes().all(|b| b.is_ascii_digit()), "E.164 is digits");
            let again = PhoneNumber::parse(canonical, &plan);
            assert_eq!(again.canonical(), Some(canonical), "E.164 is read as itself");
        }
    }
});
