//! Log lines: text for people or JSON for machines, to standard error. Telephone numbers and
//! secrets never reach a log line: their types do not show them.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. Called once; a second call is ignored, as tests in one process do it.
pub fn start(filter: &str, json: bool) {
    let targets: Targets = filter.parse().unwrap_or_else(|_| Targets::new());
    let registry = tracing_subscriber::registry().with(targets);
    let writer = std::io::stderr;
    let colours = std::io::stderr().is_terminal();
    let started = if json {
        registry
            .with(tracing_subscriber::fmt::layer().json().with_writer(writer))
            .try_init()
    } else {
        let layer = tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_ansi(colours);
        registry.with(layer.with_writer(writer)).try_init()
    };
    drop(started);
}
