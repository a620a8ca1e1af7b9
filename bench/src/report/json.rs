//! Reports as JSON: objects are indented, and lists of numbers, which are long, stand on one line.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, io::Error),
    /// It says something else.
    #[error("{0} is no {1} ({2}); {3}")]
    Content(PathBuf, &'static str, serde_json::Error, &'static str),
}

/// Something that is kept in files.
pub(crate) trait Stored: DeserializeOwned {
    /// What it is.
    const NAME: &'static str;
    /// How to get one.
    const REMEDY: &'static str;
}

/// The text, with a line feed at its end.
///
/// # Errors
/// The value has no form in JSON.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Layout::default()))?;
    bytes.push(b'\n');
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file.
///
/// # Errors
/// There is none, or it is something else.
pub(crate) fn read<T: Stored>(path: &Path) -> Result<T, ReadError> {
    let text = fs::read_to_string(path).map_err(|e| ReadError::Read(path.to_owned(), e))?;
    serde_json::from_str(&text).map_err(|e| ReadError::Content(path.to_owned(), T::NAME, e, T::REMEDY))
}

/// Writes lists without line breaks of their own.
#[derive(Default)]
struct Layout(PrettyFormatter<'static>);

impl Formatter for Layout {
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Number {
        #[expect(dead_code)]
        number: u32,
    }

    impl Stored for Number {
        const NAME: &'static str = "number";
        const REMEDY: &'static str = "write one down";
    }

    #[test]
    fn lists_stay_on_their_line() {
        let value = json!({ "list": [[1, 2], [3, 4]], "one": { "two": [] } });
        let text = super::json(&value).unwrap();
        let expected = "{\n  \"list\": [[1,2],[3,4]],\n  \"one\": {\n    \"two\": []\n  }\n}\n";
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let fault = || read::<Number>(&path).unwrap_err().to_string();
        assert!(fault().starts_with(&format!("cannot read {}: ", path.display())));
        for text in ["", "[", "{}", "7"] {
            fs::write(&path, text).unwrap();
            let fault = fault();
            assert!(fault.contains("a.json is no number (") && fault.ends_with("write one down"), "{fault}");
        }
        fs::write(&path, r#"{"number":1}"#).unwrap();
        read::<Number>(&path).unwrap();
    }
}
