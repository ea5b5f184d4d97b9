//! Log lines: text for people or JSON for machines, to standard error. Telephone numbers and
//! secrets never reach a log line: our types do not show them, and libraries, which do not know
//! what is secret, are not asked for details.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. Called once; a second call is ignored, as tests in one process do it.
pub fn start(filter: &str, json: bool) {
    let targets = without_details_of_others(&filter.parse().unwrap_or_default());
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

/// The filter with every library at `info` at most. Below that they write down whole frames and
/// the parameters of statements: API keys, telephone numbers, what people said.
fn without_details_of_others(asked: &Targets) -> Targets {
    let ours = |target: &str| target == "switchhook" || target.starts_with("switchhook_");
    let usual = asked.default_level().unwrap_or(LevelFilter::OFF);
    let targets = asked.iter().map(|(target, level)| {
        let level = if ours(target) {
            level
        } else {
            level.min(LevelFilter::INFO)
        };
        (target.to_owned(), level)
    });
    Targets::new()
        .with_default(usual.min(LevelFilter::INFO))
        .with_target("switchhook", usual)
        .with_targets(targets.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_are_not_asked_for_details() {
        let filter = |text: &str| without_details_of_others(&text.parse().unwrap());
        let all = filter("trace");
        assert!(all.would_enable("switchhook_api::outer", &Level::TRACE));
        assert!(all.would_enable("tokio_postgres", &Level::INFO));
        for library in [
            "tungstenite::protocol",
            "tokio_postgres::query",
            "hyper",
            "log",
        ] {
            assert!(!all.would_enable(library, &Level::DEBUG), "{library}");
        }
        let named = filter("warn,tokio_postgres=debug,switchhook_api=debug");
        assert!(named.would_enable("tokio_postgres", &Level::INFO));
        assert!(!named.would_enable("tokio_postgres", &Level::DEBUG));
        assert!(named.would_enable("switchhook_api::ws", &Level::DEBUG));
        assert!(!named.would_enable("switchhook_engine", &Level::INFO));
        assert!(!filter("off").would_enable("switchhook_api", &Level::ERROR));
    }
}
