//! Rules of the house that need no compiler. Each is a function from text to findings, so that
//! its tests are a few lines of input. A finding breaks the build; a remark is only told.

mod code;
mod direction;
mod layout;
mod rust;
mod words;

use std::fmt;

use crate::repo;

/// Something a rule has to say about a place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// Counted from 1; 0 for the file as a whole.
    line: usize,
    text: String,
    remark: bool,
}

impl Finding {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            text: text.into(),
            remark: false,
        }
    }

    fn remark(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            remark: true,
            ..Self::new(path, line, text)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.path, self.text);
        }
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// Runs every rule over the repository.
pub(crate) fn step() -> Result<String, String> {
    let files = repo::text_files()?;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut findings = Vec::new();
    for file in &files {
        if file.path.ends_with(".rs") {
            findings.extend(rust::check(&file.path, &file.text));
        }
        findings.extend(words::check(&file.path, &file.text));
        findings.extend(layout::manifest(&file.path, &file.text));
        findings.extend(layout::links(&file.path, &file.text, &paths));
        findings.extend(layout::named_tests(&file.path, &file.text, &files));
        if file.path == layout::REGISTRY {
            findings.extend(layout::adapters(&file.text, &paths));
        }
    }
    findings.extend(layout::migrations(&paths));
    findings.extend(direction::check(&direction::metadata()?));
    findings.sort();
    let list = |remark: bool| {
        let chosen = findings.iter().filter(|finding| finding.remark == remark);
        chosen
            .map(|finding| format!("{finding}\n"))
            .collect::<String>()
    };
    if findings.iter().all(|finding| finding.remark) {
        return Ok(list(true));
    }
    Err(list(false))
}
