//! Every platform's way from bytes to a call record. `FUZZ_PLATFORM` names one; without it the
//! first byte chooses among all.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use switchhook_adapters::registry;
use switchhook_engine::adapter::Adapter;

static CHOSEN: LazyLock<Option<&'static dyn Adapter>> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_PLATFORM").ok()?;
    Some(
        registry()
            .get(&name)
            .unwrap_or_else(|| panic!("no platform `{name}`")),
    )
});

fuzz_target!(init: switchhook_fuzz::seeds::answer(), |data: &[u8]| {
    if let Some(adapter) = *CHOSEN {
        return switchhook_fuzz::take(adapter, data);
    }
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let all: Vec<_> = registry().all().collect();
    switchhook_fuzz::take(all[usize::from(*first) % all.len()], data);
});
