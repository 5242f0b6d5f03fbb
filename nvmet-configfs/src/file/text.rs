//! From bytes to a tree of values, and from its faults back to the lines.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::place::Key;
use super::{FieldFault, FileError, Format, Lines, Place, members};
use crate::nvmetcli::{Note, NoteKind, ParseError};

/// What some editors put before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A text without a byte order mark, which is not empty.
#[derive(Clone, Copy)]
pub(super) struct Text<'t>(&'t str);

impl<'t> Text<'t> {
    pub(super) fn new(bytes: &'t [u8]) -> Result<Self, FileError> {
        if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'{', ..] | [b'{', 0, ..]) {
            return Err(FileError::Utf16);
        }
        let text = str::from_utf8(bytes)
            .map_err(|e| FileError::NotUtf8 { place: Lines::of(bytes).place(e.valid_up_to()) })?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        if text.trim_ascii().is_empty() { Err(FileError::Empty) } else { Ok(Self(text)) }
    }

    pub(super) fn as_str(self) -> &'t str {
        self.0
    }

    /// Whether the first thing is a brace. Comments before it do not make it TOML.
    pub(super) fn is_json(self) -> bool {
        let mut lines = self.0.lines().map(str::trim_ascii_start);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"));
        first.is_some_and(|line| line.starts_with('{'))
    }

    /// A text of this crate's own formats as one kind of tree.
    pub(super) fn tree(self) -> Result<(Json, Format), FileError> {
        if self.is_json() {
            let json = serde_json::from_str(self.0).map_err(ParseError::Json)?;
            self.no_key_twice()?;
            return Ok((json, Format::Json));
        }
        match toml::from_str::<toml::Table>(self.0) {
            Ok(table) => {
                let json = serde_json::to_value(table)
                    .map_err(|_| self.syntax(0, "a value has no equal in JSON"))?;
                Ok((json, Format::Toml))
            }
            // A list, a text, null: JSON after all.
            Err(_) if serde_json::from_str::<serde::de::IgnoredAny>(self.0).is_ok() => {
                Err(ParseError::NoObject.into())
            }
            Err(error) => Err(self.syntax(error.span().map_or(0, |span| span.start), error.message())),
        }
    }

    fn syntax(self, offset: usize, toml: &str) -> FileError {
        FileError::Syntax { place: self.place(offset), toml: toml.to_owned() }
    }

    fn place(self, offset: usize) -> Place {
        Lines::of(self.0.as_bytes()).place(offset)
    }

    fn no_key_twice(self) -> Result<(), FileError> {
        let mut first = None;
        members(self.0, |pointer, at, key| {
            if key == Key::Again && first.is_none() {
                first = Some((pointer.to_owned(), at));
            }
        });
        first.map_or(Ok(()), |(pointer, at)| {
            Err(FileError::Field { pointer, place: Some(self.place(at)), fault: FieldFault::Again })
        })
    }

    /// The error with the place of its field.
    pub(super) fn placed(self, error: FileError) -> FileError {
        match error {
            FileError::Field { pointer, place: None, fault } => {
                let offset = if self.is_json() { self.in_json(&pointer) } else { self.in_toml(&pointer) };
                FileError::Field { place: offset.map(|offset| self.place(offset)), pointer, fault }
            }
            other => other,
        }
    }

    /// Where a field of JSON is, or the last thing that is there on the way to it.
    fn in_json(self, wanted: &str) -> Option<usize> {
        let (mut best, mut found) = (0, None);
        members(self.0, |pointer, at, _| {
            if pointer.len() > best && is_within(wanted, pointer) {
                (best, found) = (pointer.len(), Some(at));
            }
        });
        found
    }

    /// The same of TOML.
    fn in_toml(self, wanted: &str) -> Option<usize> {
        let document = DeTable::parse(self.0).ok()?;
        let (mut found, mut table) = (None, document.get_ref());
        let mut segments = wanted.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~"));
        while let Some((key, value)) = segments.next().and_then(|s| table.get_key_value(s.as_str())) {
            found = Some(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                DeValue::Array(list) => {
                    let element = segments.next().and_then(|s| list.get(s.parse::<usize>().ok()?));
                    return element.map(|element| element.span().start).or(found);
                }
                _ => break,
            }
        }
        found
    }

    /// Puts the places of a file of nvmetcli's into notes on it, and adds those on keys that are there twice.
    pub(super) fn place_notes(self, notes: &mut Vec<Note>) {
        let mut places: BTreeMap<String, Option<usize>> = BTreeMap::new();
        for note in &*notes {
            for (end, _) in note.at.match_indices('/').filter(|(end, _)| *end > 0) {
                places.entry(note.at.get(..end).unwrap_or_default().to_owned()).or_default();
            }
            places.entry(note.at.clone()).or_default();
        }
        let lines = Lines::of(self.0.as_bytes());
        let mut twice = Vec::new();
        members(self.0, |pointer, at, key| {
            if let Some(place) = places.get_mut(pointer) {
                *place = Some(at);
            }
            if key == Key::Again {
                twice.push(Note::new(pointer, NoteKind::KeyAgain).in_line(lines.place(at)));
            }
        });
        for note in &mut *notes {
            let ends = note.at.match_indices('/').map(|(end, _)| end).chain([note.at.len()]);
            let mut ways = ends.filter_map(|end| places.get(note.at.get(..end)?).copied().flatten());
            note.place = ways.next_back().map(|offset| lines.place(offset));
        }
        notes.append(&mut twice);
    }
}

/// Whether a pointer is another one, or inside of it.
fn is_within(pointer: &str, other: &str) -> bool {
    pointer.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::super::{Secrets, parse};

    fn refused(text: impl AsRef<[u8]>) -> String {
        parse(text.as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_text_of_ours_is_said_with_what_to_do() {
        let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (text, wanted) in [
            (&b""[..], "this file is empty"),
            (b"\xef\xbb\xbf \r\n", "this file is empty"),
            (b"# nothing yet\n", "`version` is missing: a file of this format begins with"),
            (&utf16, "save it as UTF-8"),
            (b"{\0}\0", "save it as UTF-8"),
            (b"version = 1\n# caf\xe9", "line 2, column 6: this is not UTF-8"),
            (b"[1,\n2]", "an object with `hosts`"),
            (b"null", "an object with `hosts`"),
            (b"version = 1\n[ports.1\n", "line 2, column 9: this is no TOML"),
            (
                b"version = 1\n[subsystems.nqn.2024-05.org.example:a]",
                "names with dots and colons are in quotes",
            ),
            (b"version = 1\n[hosts.a]\n[hosts.b]\n[hosts.a]\n", "line 4, column 8: "),
            (b"hosts:\n  - nqn: a\n", "line 1, column 7: this is no TOML"),
            (b"// mine\n{}", "this is not JSON: expected value at line 1 column 1"),
            (b"{\"a\": 1,\n}", "trailing comma at line 2 column 1"),
            (b"{\"version\": 1,}", "trailing comma at line 1 column 15"),
            (b"{\"version\": \"1\"}", "written as a number"),
        ] {
            let said = refused(text);
            assert!(said.contains(wanted), "{:?}: {said}", String::from_utf8_lossy(text));
        }
        assert!(refused("[".repeat(100_000)).contains("line 1, "));
        assert!(refused("{\"a\":".repeat(100_000)).contains("recursion limit"));
    }

    #[test]
    fn a_byte_order_mark_and_other_ends_of_lines_change_nothing() {
        for text in [
            "version = 1\n[hosts.a]\n",
            "{\"version\": 1,\n\"hosts\": {\"a\": {}}}",
            "{\"hosts\": [\n{\"nqn\": \"a\"}]}",
        ] {
            let wanted = parse(text.as_bytes()).unwrap();
            assert_eq!(parse(format!("\u{feff}{text}").as_bytes()).unwrap(), wanted);
            assert_eq!(parse(text.replace('\n', "\r\n").as_bytes()).unwrap(), wanted);
            assert_eq!(wanted.spec.hosts.len(), 1);
        }
    }

    #[test]
    fn faults_have_the_line_in_both_spellings() {
        let toml =
            "version = 1\n[subsystems.a]\nhosts = \"any\"\n[subsystems.a.namespaces.7]\ndevice_path =\n";
        for (text, wanted) in [
            (format!("{toml}  \"sdb\""), "line 5, column 1: /subsystems/a/namespaces/7/device_path: "),
            (
                format!("{toml}\"/dev/b\"\nsize = 1"),
                "line 6, column 1: /subsystems/a/namespaces/7/size: there is no",
            ),
            (
                "version = 1\n\n[subsystems.a]\n".into(),
                "line 3, column 13: /subsystems/a: `hosts` is missing",
            ),
            (
                "version = 1\n[subsystems]\na = { hosts = ['b', 4] }".into(),
                "line 3, column 21: /subsystems/a/hosts/1: ",
            ),
            (
                "{\"version\": 1, \"subsystems\":\n {\"a\": {\"hosts\": [\"h\",\n 7]}}}".into(),
                "line 3, column 2: /subsystems/a/hosts/1: a text is expected",
            ),
            (
                "{\"version\": 1, \"ports\": {\"1\": {},\n\"2\": {},\n \"1\": {}}}".into(),
                "line 3, column 2: /ports/1: this key is there twice",
            ),
        ] {
            let text: String = text.replace("device_path =\n", "device_path = ");
            let said = refused(&text);
            assert!(said.starts_with(wanted), "{text}: {said}");
        }
        let keys = "version = 1\n[hosts.a]\ndhchap_key = \"hush\"\n";
        let said = Secrets::parse(keys.as_bytes()).unwrap_err().to_string();
        assert!(
            said.starts_with("line 3, column 1: /hosts/a/dhchap_key: ") && !said.contains("hush"),
            "{said}"
        );
    }

    #[test]
    fn notes_on_files_of_nvmetcli_have_the_line() {
        let text = "{\"hosts\": [{\"nqn\": \"a\"}],\n\"subsystems\": [{\"nqn\": \"s\", \"namespaces\": [\n\
            {\"nsid\": 0},\n{\"nsid\": 1, \"nsid\": 2, \"device\":\n{\"path\": \"sdb\"}}]}],\n\"ports\": {}}";
        let loaded = parse(text.as_bytes()).unwrap();
        let lines: Vec<String> = loaded.notes.iter().map(ToString::to_string).collect();
        let at = |wanted: &str| {
            assert!(lines.iter().any(|line| line.starts_with(wanted)), "{wanted}: {lines:#?}");
        };
        at("line 3, column 2: /subsystems/0/namespaces/0/nsid: this is no number from 1");
        at("line 5, column 2: /subsystems/0/namespaces/1/device/path: ");
        at("line 6, column 1: /ports: a list is expected");
        at("line 4, column 13: /subsystems/0/namespaces/1/nsid: this key is there twice");
        assert!(loaded.notes.iter().any(super::Note::may_hide_an_object));
    }

    #[test]
    fn another_tools_json_is_not_an_empty_target() {
        let other = br#"{"subsystems": [{"subsystem": "nvmf", "config": []}]}"#;
        let said = refused(other);
        assert!(said.contains("no target that nvmetcli saved") && said.contains("line 1, column "), "{said}");
        assert!(parse(br#"{"hosts": [], "ports": [], "subsystems": []}"#).is_ok());
    }
}
