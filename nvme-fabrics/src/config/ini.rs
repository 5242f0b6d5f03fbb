//! Lines of the INI files: sections, and keys with values.
//!
//! | line | meaning |
//! |---|---|
//! | blank, or `#` first | nothing |
//! | `[Name]` | a section begins |
//! | `key = value` | value up to the line's end; blanks around both are cut off; the value may be empty |

use super::error::{Fault, Position};

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'t> {
    Section(&'t str),
    Pair { key: &'t str, value: &'t str, value_at: Position },
}

/// All lines that say something, with where that begins; or what is wrong with a line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (Position, Result<Line<'_>, Fault>)> {
    text.lines().enumerate().filter_map(|(n, raw)| {
        let at = |part: &str| Position { line: counted(n), column: column(raw, part) };
        let line = raw.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']').map(str::trim_ascii);
            return Some((
                at(line),
                name.map(Line::Section).ok_or(Fault::Expected("`]` at the end of the line")),
            ));
        }
        let Some((key, value)) = line.split_once('=') else {
            return Some((at(line), Err(Fault::Expected("`key = value`"))));
        };
        let (key, value) = (key.trim_ascii(), value.trim_ascii());
        let pair = match key.is_empty() {
            true => Err(Fault::Expected("a key before the `=`")),
            false => Ok(Line::Pair { key, value, value_at: at(value) }),
        };
        Some((at(line), pair))
    })
}

/// From 1.
pub(super) fn counted(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

/// Where a part of a line begins in it: characters, from 1.
pub(super) fn column(line: &str, part: &str) -> u32 {
    let offset = (part.as_ptr() as usize).saturating_sub(line.as_ptr() as usize);
    counted(line.char_indices().take_while(|(at, _)| *at < offset).count())
}

/// `key=value;key=value`: the pairs with where they begin, or a part that is none. Empty parts are nothing.
pub(super) fn fields(value: &str, at: Position) -> impl Iterator<Item = (Position, Option<(&str, &str)>)> {
    value.split(';').map(move |part| (part, part.trim_ascii())).filter(|(_, part)| !part.is_empty()).map(
        move |(_, part)| {
            let position =
                Position { line: at.line, column: at.column.saturating_add(column(value, part) - 1) };
            let pair = part
                .split_once('=')
                .map(|(k, v)| (k.trim_ascii(), v.trim_ascii()))
                .filter(|(k, _)| !k.is_empty());
            (position, pair)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_where_they_begin() {
        let text = "# comment\n\n  [ Host ]\r\n\thostnqn =  nqn.x = y \nkey=\n[open\nnothing\n= 1\nä = ü\n";
        let got: Vec<_> = lines(text).collect();
        let pair =
            |key, value, line, column| Ok(Line::Pair { key, value, value_at: Position { line, column } });
        let at = |line, column| Position { line, column };
        assert_eq!(
            got,
            [
                (at(3, 3), Ok(Line::Section("Host"))),
                (at(4, 2), pair("hostnqn", "nqn.x = y", 4, 13)),
                (at(5, 1), pair("key", "", 5, 5)),
                (at(6, 1), Err(Fault::Expected("`]` at the end of the line"))),
                (at(7, 1), Err(Fault::Expected("`key = value`"))),
                (at(8, 1), Err(Fault::Expected("a key before the `=`"))),
                (at(9, 1), pair("ä", "ü", 9, 5)),
            ]
        );
    }

    #[test]
    fn fields_end_at_semicolons() {
        let at = Position { line: 2, column: 10 };
        let got: Vec<_> = fields("a=1; b = x=y ;;c;=2", at).map(|(p, pair)| (p.column, pair)).collect();
        assert_eq!(got, [(10, Some(("a", "1"))), (15, Some(("b", "x=y"))), (25, None), (27, None)]);
    }
}
