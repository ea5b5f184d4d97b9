//! Mapping files as anybody may write them, and a notification for those that are good.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchhook_adapters::mapped;

/// Between the file and the notification.
const CUT: &str = "\n#---\n";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (file, notification) = text.split_once(CUT).unwrap_or((text, "{}"));
    match mapped::compile(file) {
        Ok(mapped) => switchhook_fuzz::take(&mapped, notification.as_bytes()),
        Err(faults) => assert!(!faults.is_empty(), "refused without a reason"),
    }
});
