//! TOML tables as the configuration reads them: with lines, clear words for wrong types, and no unknown keys.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest;

/// What is wrong, and the line it is on, from 1; no line for what was not written in the file.
pub(super) type Faults = Vec<(Option<usize>, String)>;

/// A kind of table and the keys that may stand in it.
pub(super) struct Section {
    /// As it is written: `[router]`. Empty for the file itself.
    pub(super) header: &'static str,
    /// The keys.
    pub(super) keys: &'static [&'static str],
}

/// A table of the file.
pub(super) struct Table<'a> {
    text: &'a str,
    entries: &'a DeTable<'a>,
    line: usize,
}

/// A value of the file.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    text: &'a str,
    key: &'static str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(text: &'a str, entries: &'a DeTable<'a>) -> Self {
        Table { text, entries, line: 1 }
    }

    /// The line on which it begins, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The value of `key`, if it is there.
    pub(super) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.entries.get(key).map(|value| Value { text: self.text, key, value })
    }

    /// Reports the keys that do not belong in `section`, one of `sections`.
    pub(super) fn unknown_keys(&self, section: &Section, sections: &[Section], faults: &mut Faults) {
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if section.keys.contains(&name) {
                continue;
            }
            let hint = if let Some(home) = sections.iter().find(|other| other.keys.contains(&name)) {
                match home.header {
                    "" => format!("`[{name}]` stands by itself"),
                    header => format!("it belongs in {header}"),
                }
            } else if let Some(near) = nearest(name, section.keys.iter().copied()) {
                format!("did you mean `{near}`?")
            } else {
                format!("known are {}", section.keys.join(", "))
            };
            let space = if section.header.is_empty() { "" } else { " in " };
            let fault = format!("unknown key `{name}`{space}{}; {hint}", section.header);
            faults.push((Some(line(self.text, key.span().start)), fault));
        }
    }
}

impl<'a> Value<'a> {
    /// The line on which the value begins, from 1.
    pub(super) fn line(&self) -> usize {
        line(self.text, self.value.span().start)
    }

    pub(super) fn key(&self) -> &'static str {
        self.key
    }

    /// A table; `expected` says how it is written.
    pub(super) fn table(self, expected: &str, faults: &mut Faults) -> Option<Table<'a>> {
        let entries = self.typed(self.value.get_ref().as_table(), expected, faults)?;
        Some(Table { line: self.line(), ..Table::new(self.text, entries) })
    }

    /// The elements of a list.
    pub(super) fn list(self, expected: &str, faults: &mut Faults) -> Option<Vec<Value<'a>>> {
        let array = self.typed(self.value.get_ref().as_array(), expected, faults)?;
        Some(array.iter().map(|value| Value { value, ..self }).collect())
    }

    pub(super) fn boolean(self, faults: &mut Faults) -> Option<bool> {
        self.typed(self.value.get_ref().as_bool(), "true or false", faults)
    }

    /// A whole number that is not negative.
    pub(super) fn number(self, expected: &str, faults: &mut Faults) -> Option<u64> {
        let integer = self.typed(self.value.get_ref().as_integer(), expected, faults)?;
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if number.is_none() {
            self.fault(format!("`{}` must be {expected}, not {integer}", self.key), faults);
        }
        number
    }

    pub(super) fn is_number(self) -> bool {
        self.value.get_ref().is_integer()
    }

    pub(super) fn is_string(self) -> bool {
        self.value.get_ref().is_str()
    }

    /// A date, or a string that stands for one.
    pub(super) fn date(self, expected: &str, faults: &mut Faults) -> Option<String> {
        match self.value.get_ref() {
            DeValue::Datetime(date) => Some(date.to_string()),
            _ => self.string(expected, faults).map(str::to_owned),
        }
    }

    pub(super) fn string(self, expected: &str, faults: &mut Faults) -> Option<&'a str> {
        self.typed(self.value.get_ref().as_str(), expected, faults)
    }

    /// A string that is read as a `T`.
    pub(super) fn parse<T>(self, expected: &str, faults: &mut Faults) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let parsed = self.string(expected, faults)?.parse();
        self.accept(parsed, faults)
    }

    /// The value, or its error as a fault of this key.
    pub(super) fn accept<T>(self, result: Result<T, impl Display>, faults: &mut Faults) -> Option<T> {
        result.map_err(|error| self.fault(format!("`{}`: {error}", self.key), faults)).ok()
    }

    pub(super) fn fault(self, text: String, faults: &mut Faults) {
        faults.push((Some(self.line()), text));
    }

    fn typed<T>(self, found: Option<T>, expected: &str, faults: &mut Faults) -> Option<T> {
        if found.is_none() {
            let kind = match self.value.get_ref() {
                DeValue::String(_) => "a string",
                DeValue::Integer(_) => "a number",
                DeValue::Float(_) => "a number with a fraction",
                DeValue::Boolean(_) => "true or false",
                DeValue::Datetime(_) => "a date",
                DeValue::Array(_) => "a list",
                DeValue::Table(_) => "a table",
            };
            self.fault(format!("`{}` must be {expected}, not {kind}", self.key), faults);
        }
        found
    }
}

/// The line of a byte offset, from 1.
pub(super) fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&b| b == b'\n').count()
}
