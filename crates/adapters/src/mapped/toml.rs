//! Reading a mapping file so that everything wrong with it is told at once, each fault with its
//! line, column and key. Not here: which keys there are and what they mean ([`super::schema`]).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use switchhook_engine::mappings::MappingFault;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The most faults told; a file with more is not looked at further.
const MAX_FAULTS: usize = 100;
/// The longest text of a key or value, in characters.
const MAX_TEXT: usize = 500;
/// The most entries of a table or list.
pub(super) const MAX_ENTRIES: usize = 200;

/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// Collects faults.
pub(super) struct Faults<'t> {
    text: &'t str,
    found: RefCell<Vec<MappingFault>>,
}

impl<'t> Faults<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: RefCell::default(),
        }
    }

    /// Notes a fault at a byte of the file.
    pub(super) fn at(&self, byte: usize, field: &str, problem: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() >= MAX_FAULTS {
            return;
        }
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        found.push(MappingFault {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            field: field.to_owned(),
            problem: problem.into(),
        });
    }

    /// All faults in the order of the file.
    pub(super) fn finish(self) -> Vec<MappingFault> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|fault| (fault.line, fault.column));
        found
    }
}

/// A table of the file, present or not; notes which of its keys were asked for.
pub(super) struct Section<'a> {
    faults: &'a Faults<'a>,
    path: String,
    span: Range<usize>,
    table: Option<&'a DeTable<'a>>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    pub(super) fn root(faults: &'a Faults<'a>, table: &'a DeTable<'a>) -> Self {
        Self::new(faults, String::new(), 0..0, Some(table))
    }

    fn new(
        faults: &'a Faults<'a>,
        path: String,
        span: Range<usize>,
        table: Option<&'a DeTable<'a>>,
    ) -> Self {
        let asked = RefCell::default();
        Self {
            faults,
            path,
            span,
            table,
            asked,
        }
    }

    /// True when the file has it.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// The full name of a key.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Notes a fault of a key, at its value, else at the section.
    pub(super) fn fault(&self, key: &str, problem: impl Into<String>) {
        let value = self.table.and_then(|table| table.get(key));
        let at = value.map_or(self.span.start, |value| value.span().start);
        self.faults.at(at, &self.name(key), problem);
    }

    /// Notes a fault at a value of this section.
    pub(super) fn fault_at(&self, span: &Range<usize>, key: &str, problem: impl Into<String>) {
        self.faults.at(span.start, &self.name(key), problem);
    }

    /// The raw value of a key.
    pub(super) fn value(&self, key: &'static str) -> Option<&'a Value<'a>> {
        self.asked.borrow_mut().insert(key);
        self.table?.get(key)
    }

    /// A text; absent is none.
    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        match self.value(key)?.get_ref() {
            DeValue::String(text) if text.chars().count() > MAX_TEXT => {
                self.fault(key, format!("must be at most {MAX_TEXT} characters"));
                None
            }
            DeValue::String(text) if !text.trim().is_empty() => Some(text.as_ref().trim()),
            _ => {
                self.fault(key, "must be a text in quotes, and not empty");
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required(&self, key: &'static str, example: &str) -> Option<&'a str> {
        if self.table.is_none_or(|table| table.get(key).is_none()) {
            self.asked.borrow_mut().insert(key);
            self.fault(key, format!("is missing; write {key} = {example}"));
            return None;
        }
        self.text(key)
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(key, format!("must be one of {}", words.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// The same, with a value for when it is absent.
    pub(super) fn choice_or<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&str, T)],
        otherwise: T,
    ) -> T {
        match self.value(key) {
            None => otherwise,
            Some(_) => self.choice(key, words).unwrap_or(otherwise),
        }
    }

    /// Yes or no; absent is no.
    pub(super) fn flag(&self, key: &'static str) -> bool {
        match self.value(key).map(Spanned::get_ref) {
            Some(DeValue::Boolean(yes)) => *yes,
            Some(_) => {
                self.fault(key, "must be true or false");
                false
            }
            None => false,
        }
    }

    /// A list of texts; a single text stands for a list of one.
    pub(super) fn texts(&self, key: &'static str) -> Vec<&'a str> {
        match self.value(key).map(Spanned::get_ref) {
            None => Vec::new(),
            Some(DeValue::String(_)) => self.text(key).into_iter().collect(),
            Some(DeValue::Array(items)) if items.len() <= MAX_ENTRIES => {
                let text = |item: &'a Value<'a>| match item.get_ref() {
                    DeValue::String(text) => Some(text.as_ref()),
                    _ => {
                        self.fault_at(&item.span(), key, "must be a list of texts");
                        None
                    }
                };
                items.iter().filter_map(text).collect()
            }
            Some(_) => {
                let problem = format!("must be a list of at most {MAX_ENTRIES} texts");
                self.fault(key, problem);
                Vec::new()
            }
        }
    }

    /// A table in this one.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        let path = self.name(key);
        let value = self.value(key);
        let span = value.map_or(self.span.clone(), Spanned::span);
        let table = match value.map(Spanned::get_ref) {
            None => None,
            Some(DeValue::Table(table)) => Some(table),
            Some(_) => {
                self.fault(key, format!("must be a section, [{path}]"));
                None
            }
        };
        Section::new(self.faults, path, span, table)
    }

    /// The tables of `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let path = self.name(key);
        match self.value(key).map(Spanned::get_ref) {
            None => Vec::new(),
            Some(DeValue::Array(items)) if items.len() <= MAX_ENTRIES => {
                let section = |item: &'a Value<'a>| match item.get_ref() {
                    DeValue::Table(table) => Some(Section::new(
                        self.faults,
                        path.clone(),
                        item.span(),
                        Some(table),
                    )),
                    _ => {
                        self.fault_at(&item.span(), key, format!("must be a section, [[{path}]]"));
                        None
                    }
                };
                items.iter().filter_map(section).collect()
            }
            Some(_) => {
                self.fault(key, format!("must be sections, [[{path}]]"));
                Vec::new()
            }
        }
    }

    /// All entries of a table whose keys are the platform's own words.
    pub(super) fn entries(&self) -> Vec<(&'a str, &'a Value<'a>)> {
        let Some(table) = self.table else {
            return Vec::new();
        };
        if table.len() > MAX_ENTRIES {
            let problem = format!("has more than {MAX_ENTRIES} entries");
            self.faults.at(self.span.start, &self.path, problem);
        }
        let entries = table.iter().take(MAX_ENTRIES);
        entries
            .map(|(key, value)| (key.get_ref().as_ref(), value))
            .collect()
    }

    /// A table of the platform's words to ours.
    pub(super) fn words<T>(
        &self,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut words = BTreeMap::new();
        for (key, value) in self.entries() {
            let ours = match value.get_ref() {
                DeValue::String(text) => read(text.as_ref()),
                _ => None,
            };
            match ours {
                Some(ours) => drop(words.insert(key.to_owned(), ours)),
                None => {
                    let problem = format!("must be one of {expected}");
                    self.fault_at(&value.span(), key, problem);
                }
            }
        }
        words
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flat_map(DeTable::iter) {
            let name: &str = key.get_ref().as_ref();
            if !asked.contains(name) {
                let known: Vec<&str> = asked.iter().copied().collect();
                let shown: String = name.chars().take(60).collect();
                let problem = format!("is not known here; known: {}", known.join(", "));
                self.faults
                    .at(key.span().start, &self.name(&shown), problem);
            }
        }
    }
}
