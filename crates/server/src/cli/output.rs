//! The only place that writes to the terminal: results to standard output, everything else to
//! standard error, so that a script can read the results.

use std::io::Write;

use serde::Serialize;

/// A result, for people or scripts. A reader that has gone (`| head`) ends the program quietly.
pub(super) fn say(text: &str) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// A remark on the way.
pub(super) fn remark(text: &str) {
    // Nobody is left to be told that the terminal is gone.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Why it did not work.
pub(super) fn complain(text: &str) {
    remark(&format!("switchhook: {text}"));
}

/// A result for scripts.
pub(super) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Rows in columns as wide as they need to be. The first row is the heading.
pub(super) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let padding = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(padding))
        });
        say(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
