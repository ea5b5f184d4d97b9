//! Steps with a name and a time, one line each; what failed is told in full at the end.

use std::io::Write as _;
use std::time::Instant;

/// A step that can fail with a text for people. `Ok` may carry remarks.
pub(crate) struct Step {
    /// The name, for the line and for picking it out.
    pub(crate) name: &'static str,
    /// What it proves, in a few words.
    pub(crate) about: &'static str,
    /// Does it.
    pub(crate) run: fn() -> Result<String, String>,
}

/// Runs them all, whatever fails on the way.
pub(crate) fn run(steps: &[&Step]) -> Result<(), String> {
    let mut failed = Vec::new();
    let mut remarks = Vec::new();
    for step in steps {
        print!("{:<11} {:<52} ", step.name, step.about);
        // Only a courtesy: the line is completed below in any case.
        let _ = std::io::stdout().flush();
        let began = Instant::now();
        let result = (step.run)();
        let seconds = began.elapsed().as_secs_f64();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{word:<6} {seconds:>6.1} s");
        match result {
            Ok(remark) if remark.is_empty() => {}
            Ok(remark) => remarks.push((step.name, remark)),
            Err(problem) => failed.push((step.name, problem)),
        }
    }
    for (name, remark) in remarks {
        println!("\n{name}, remarks:\n{}", remark.trim_end());
    }
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
    let mut text = String::new();
    for (name, problem) in &failed {
        text.push_str(&format!("\n==== {name}\n{}\n", problem.trim_end()));
    }
    Err(format!(
        "{text}\n{} of {} failed: {}",
        names.len(),
        steps.len(),
        names.join(", ")
    ))
}
