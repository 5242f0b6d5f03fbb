//! Why a case failed, in words.

use std::error::Error;
use std::fmt::{self, Write as _};

/// The text of a failure. Any error becomes one, with all its causes.
///
/// It is no [`Error`] itself, so that every error can be converted.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    text: String,
}

impl Failure {
    /// A failure in words.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// Puts what was being done in front.
    pub fn while_doing(self, what: impl fmt::Display) -> Self {
        Self { text: format!("{what}: {}", self.text) }
    }
}

impl<E: Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let at = std::panic::Location::caller();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let said = error.to_string();
            // Some errors repeat their cause in their own words.
            if !text.ends_with(&said) {
                let _ = write!(text, ": {said}");
            }
            cause = error.source();
        }
        let _ = write!(text, " (at {}:{})", at.file(), at.line());
        Self { text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns a [`Failure`] from the case unless the condition holds; the rest is a `format!` that says what was seen.
#[macro_export]
macro_rules! ensure {
    ($condition:expr $(,)?) => {
        $crate::ensure!($condition, "seen otherwise")
    };
    ($condition:expr, $($said:tt)+) => {
        if !$condition {
            return Err($crate::guest::Failure::new(format!(
                "not so: {}: {} (at {}:{})", stringify!($condition), format_args!($($said)+), file!(), line!()
            )));
        }
    };
}

/// Returns a [`Failure`] from the case unless both values are equal; `what` names them.
#[macro_export]
macro_rules! ensure_eq {
    ($seen:expr, $wanted:expr, $what:expr $(,)?) => {
        match (&$seen, &$wanted) {
            (seen, wanted) => {
                if *seen != *wanted {
                    return Err($crate::guest::Failure::new(format!(
                        "{}: wanted {wanted:?}, saw {seen:?} (at {}:{})",
                        $what,
                        file!(),
                        line!()
                    )));
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn equal(one: u8, two: u8) -> Result<(), Failure> {
        ensure_eq!(one, two, "the number");
        ensure!(one < 10, "one is {one}");
        Ok(())
    }

    #[test]
    fn macros_fail_with_both_values() {
        assert!(equal(1, 1).is_ok());
        assert!(equal(1, 2).unwrap_err().to_string().starts_with("the number: wanted 2, saw 1 (at "));
        assert!(equal(11, 11).unwrap_err().to_string().contains("one is 11"));
    }

    #[test]
    fn errors_keep_their_causes_and_place() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        let failure = Failure::from(Outer(io::Error::other("inner")));
        assert!(failure.to_string().starts_with("outer: inner (at "), "{failure}");
        assert!(failure.to_string().contains("failure.rs:"), "{failure}");
        assert_eq!(Failure::new("x").while_doing("y").to_string(), "y: x");
    }
}
