//! JSON with the place of every value and key.
//!
//! Strict, as the C library that nvme-cli uses with its strict flag: no comments, no trailing commas, nothing after the value. Values may be nested 32 deep.

use zeroize::Zeroizing;

use super::super::error::{Fault, Position};

/// How deep values may be nested.
const MAX_DEPTH: u32 = 32;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Json {
    pub(super) at: Position,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it stands there: whole numbers and others.
    Number(String),
    /// May be a secret.
    Text(Zeroizing<String>),
    List(Vec<Json>),
    /// Keys with their places, in the order of the file.
    Object(Vec<(String, Position, Json)>),
}

type At<T> = Result<T, (Position, Fault)>;

/// The one value of a text.
pub(super) fn parse(text: &str) -> At<Json> {
    let mut reader = Reader { rest: text, line: 1, column: 1 };
    let value = reader.value(0)?;
    reader.blanks();
    match reader.peek() {
        None => Ok(value),
        Some(_) => reader.expected("the end of the file"),
    }
}

struct Reader<'t> {
    rest: &'t str,
    line: u32,
    column: u32,
}

impl Reader<'_> {
    fn at(&self) -> Position {
        Position { line: self.line, column: self.column }
    }

    fn expected<T>(&self, what: &'static str) -> At<T> {
        Err((self.at(), Fault::Expected(what)))
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(c)
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    /// The next character, if it is this one.
    fn eat(&mut self, wanted: char) -> bool {
        let is = self.peek() == Some(wanted);
        if is {
            self.next();
        }
        is
    }

    fn value(&mut self, depth: u32) -> At<Json> {
        self.blanks();
        let at = self.at();
        if depth > MAX_DEPTH {
            return Err((at, Fault::TooMany { what: "values in one another", max: MAX_DEPTH as usize }));
        }
        let value = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(Zeroizing::new(self.text()?)),
            Some('-' | '0'..='9') => Value::Number(self.number()?),
            Some('t') => self.word("true", Value::Bool(true))?,
            Some('f') => self.word("false", Value::Bool(false))?,
            Some('n') => self.word("null", Value::Null)?,
            _ => return self.expected("a value"),
        };
        Ok(Json { at, value })
    }

    fn word(&mut self, word: &'static str, value: Value) -> At<Value> {
        for wanted in word.chars() {
            if !self.eat(wanted) {
                return self.expected(word);
            }
        }
        Ok(value)
    }

    fn list(&mut self, depth: u32) -> At<Value> {
        self.next();
        let mut list = Vec::new();
        self.blanks();
        if self.eat(']') {
            return Ok(Value::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            self.blanks();
            if self.eat(']') {
                return Ok(Value::List(list));
            }
            if !self.eat(',') {
                return self.expected("`,` or `]`");
            }
        }
    }

    fn object(&mut self, depth: u32) -> At<Value> {
        self.next();
        let mut fields = Vec::new();
        self.blanks();
        if self.eat('}') {
            return Ok(Value::Object(fields));
        }
        loop {
            self.blanks();
            let at = self.at();
            if self.peek() != Some('"') {
                return self.expected("a key in quotes");
            }
            let key = self.text()?;
            self.blanks();
            if !self.eat(':') {
                return self.expected("`:`");
            }
            fields.push((key, at, self.value(depth + 1)?));
            self.blanks();
            if self.eat('}') {
                return Ok(Value::Object(fields));
            }
            if !self.eat(',') {
                return self.expected("`,` or `}`");
            }
        }
    }

    fn number(&mut self) -> At<String> {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')) {
            text.push(c);
            self.next();
        }
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let is_number =
            text.parse::<f64>().is_ok_and(f64::is_finite) && digits.starts_with(|c: char| c.is_ascii_digit());
        let is_padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
        if is_number && !is_padded { Ok(text) } else { self.expected("a number before this") }
    }

    fn text(&mut self) -> At<String> {
        self.next();
        let mut text = String::new();
        loop {
            match self.peek() {
                None | Some('\0'..='\u{1f}') => return self.expected("the closing quote"),
                Some('"') => {
                    self.next();
                    return Ok(text);
                }
                Some('\\') => {
                    self.next();
                    text.push(self.escape()?);
                }
                Some(c) => {
                    text.push(c);
                    self.next();
                }
            }
        }
    }

    fn escape(&mut self) -> At<char> {
        let c = match self.peek() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                self.next();
                return self.unicode();
            }
            _ => return self.expected("an escape"),
        };
        self.next();
        Ok(c)
    }

    /// What follows `\u`: a character, or the two halves of one.
    fn unicode(&mut self) -> At<char> {
        let at = self.at();
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !(self.eat('\\') && self.eat('u')) {
                    return self.expected("the second half of a character");
                }
                let second = self.hex4()?;
                match second {
                    0xdc00..=0xdfff => 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => first,
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or((at, Fault::Expected("a character")))
    }

    fn hex4(&mut self) -> At<u32> {
        let mut code = 0;
        for _ in 0..4 {
            match self.peek().and_then(|c| c.to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return self.expected("four hexadecimal digits"),
            }
            self.next();
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str) -> String {
        let (at, fault) = parse(text).unwrap_err();
        format!("{at}: {fault}")
    }

    #[test]
    fn everything_has_its_place() {
        let json =
            parse("[\n  {\"a\": -1.5e3, \"ä\" : [true,null]} , \"x\\u00e4\\ud83d\\ude00\\n\"\n]\n").unwrap();
        let Value::List(list) = &json.value else { panic!("{json:?}") };
        let Value::Object(fields) = &list[0].value else { panic!("{json:?}") };
        assert_eq!(
            (list[0].at, fields[1].1),
            (Position { line: 2, column: 3 }, Position { line: 2, column: 17 })
        );
        assert_eq!(fields[0].2.value, Value::Number("-1.5e3".into()));
        assert_eq!(list[1].value, Value::Text(Zeroizing::new("xä😀\n".into())));
    }

    #[test]
    fn what_is_no_json_is_named_with_its_place() {
        for (text, want) in [
            ("", "1:1: a value was expected"),
            ("[1,]", "1:4: a value was expected"),
            ("{\"a\":1,}", "1:8: a key in quotes"),
            ("{\"a\" 1}", "1:6: `:`"),
            ("[1 2]", "1:4: `,` or `]`"),
            ("[] []", "1:4: the end of the file"),
            ("// x\n[]", "1:1: a value"),
            ("\"a\nb\"", "1:3: the closing quote"),
            ("\"a", "1:3: the closing quote"),
            ("\"\\x\"", "1:3: an escape"),
            ("\"\\u12g4\"", "1:6: four hexadecimal digits"),
            ("\"\\ud800\"", "1:8: the second half"),
            ("\"\\udc00\"", "1:4: a character"),
            ("tru", "1:4: true was expected"),
            ("01", "1:3: a number"),
            ("1.2.3", "1:6: a number"),
            ("1e999", "1:6: a number"),
        ] {
            assert!(fails(text).starts_with(want), "{text:?}: {}", fails(text));
        }
        assert!(fails(&"[".repeat(10_000)).contains("more than 32 values in one another"));
    }
}
