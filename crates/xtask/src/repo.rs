//! The repository as files and commands. Knows where the root is and which files are ours.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A text file of ours.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Every text file that is committed or would be: what git ignores and what is no UTF-8 is left
/// out.
pub(crate) fn text_files() -> Result<Vec<TextFile>, String> {
    let root = root();
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(&root)
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    if !listed.status.success() {
        return Err(String::from_utf8_lossy(&listed.stderr).into_owned());
    }
    let names = String::from_utf8_lossy(&listed.stdout);
    let mut paths: Vec<&str> = names.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    // A file that is listed but gone was deleted and not yet committed.
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let file = |path: &str| {
        Some(TextFile {
            path: path.to_owned(),
            text: read(path)?,
        })
    };
    Ok(paths.into_iter().filter_map(file).collect())
}

/// A cargo command in the root; the same cargo that runs us.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Runs a command to its end. Its standard output; all it said when it failed.
pub(crate) fn output(mut command: Command) -> Result<String, String> {
    let done = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(stdout);
    }
    Err(format!("{stdout}{}", String::from_utf8_lossy(&done.stderr)))
}
