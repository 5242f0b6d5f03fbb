//! Where in a text something is.

use std::collections::BTreeSet;
use std::fmt;

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Place {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1, in bytes.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Where the lines of a text begin.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &[u8]) -> Self {
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        Self(std::iter::once(0).chain(ends.map(|(at, _)| at.saturating_add(1))).collect())
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        let line = self.0.partition_point(|start| *start <= offset);
        let start = self.0.get(line.saturating_sub(1)).copied().unwrap_or(0);
        Place { line, column: offset.saturating_sub(start).saturating_add(1) }
    }
}

/// Adds a step to a pointer, as RFC 6901 says.
pub(crate) fn push_segment(pointer: &mut String, segment: impl fmt::Display) {
    pointer.push('/');
    pointer.push_str(&segment.to_string().replace('~', "~0").replace('/', "~1"));
}

/// Whether a key was there before in the same object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    First,
    Again,
}

/// An object or a list that has begun and not ended.
enum Open {
    Object { base: usize, keys: BTreeSet<String>, key_next: bool },
    List { base: usize, next: usize },
}

/// Tells of each member and element of a text that is known to be JSON: its pointer, where it begins, and whether its key was there before.
pub(crate) fn members(text: &str, mut tell: impl FnMut(&str, usize, Key)) {
    let bytes = text.as_bytes();
    let mut open: Vec<Open> = Vec::new();
    let (mut pointer, mut at) = (String::new(), 0);
    while let Some(byte) = bytes.get(at).copied() {
        let start = at;
        at += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b':' => continue,
            b',' => {
                if let Some(Open::Object { key_next, .. }) = open.last_mut() {
                    *key_next = true;
                }
                continue;
            }
            b'}' | b']' => {
                open.pop();
                continue;
            }
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => {}
            _ => at += bytes.iter().skip(at).take_while(|byte| !b",]} \t\r\n".contains(byte)).count(),
        }
        match open.last_mut() {
            Some(Open::Object { base, keys, key_next }) if *key_next => {
                *key_next = false;
                let key = text.get(start..at).and_then(|key| serde_json::from_str::<String>(key).ok());
                let key = key.unwrap_or_default();
                pointer.truncate(*base);
                push_segment(&mut pointer, &key);
                let seen = if keys.insert(key) { Key::First } else { Key::Again };
                tell(&pointer, start, seen);
                continue;
            }
            Some(Open::List { base, next }) => {
                pointer.truncate(*base);
                push_segment(&mut pointer, *next);
                *next += 1;
                tell(&pointer, start, Key::First);
            }
            _ => {}
        }
        let base = pointer.len();
        match byte {
            b'{' => open.push(Open::Object { base, keys: BTreeSet::new(), key_next: true }),
            b'[' => open.push(Open::List { base, next: 0 }),
            _ => {}
        }
    }
}

/// Behind the quote that ends the string whose first byte is at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b'"') | None => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_with_their_places() {
        let text = "{\"a\": [1, {\"b/c\":\n \"x,}\\\"\"}, []],\n\"~\": {}, \"a\": tr\u{fc}e, \"\\u0061\": 0}";
        let mut told = Vec::new();
        members(text, |pointer, at, key| told.push((pointer.to_owned(), at, key)));
        let at = |part: &str| text.find(part).unwrap();
        let wanted = [
            ("/a", 1, Key::First),
            ("/a/0", at("1,"), Key::First),
            ("/a/1", at("{\"b"), Key::First),
            ("/a/1/b~1c", at("\"b/c"), Key::First),
            ("/a/2", at("[]"), Key::First),
            ("/~0", at("\"~\""), Key::First),
            ("/a", at("\"a\": tr"), Key::Again),
            ("/a", at("\"\\u0061"), Key::Again),
        ];
        assert_eq!(told, wanted.map(|(pointer, at, key)| (pointer.to_owned(), at, key)));
        let lines = Lines::of(text.as_bytes());
        assert_eq!(lines.place(0).to_string(), "line 1, column 1");
        assert_eq!(lines.place(at("\"~\"")).to_string(), "line 3, column 1");
        assert_eq!(lines.place(at("\n")).line, 1);
    }

    #[test]
    fn what_is_no_json_ends_too() {
        for text in ["", "\"", "\"\\", "{\"a", "]]]", "{{{", "[[,,", "nul", "\u{fc}"] {
            members(text, |_, _, _| {});
        }
    }
}
