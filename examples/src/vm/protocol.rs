//! What a guest says about itself on its second serial port, between the lines of its program.
//!
//! | line | when |
//! |---|---|
//! | `@@nvme-vm:TOKEN:start:UNAME@@` | the first process runs |
//! | `@@nvme-vm:TOKEN:stderr:TEXT@@` | a line of the program's error output (only from the script; a program that is `/init` prints both alike) |
//! | `@@nvme-vm:TOKEN:exit:STATUS@@` | the program has ended; nothing follows |
//!
//! TOKEN is new for each run and given on the kernel's command line, so nothing else that is printed can be taken for it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// Word of the kernel's command line that carries the token.
pub const TOKEN_PARAMETER: &str = "nvme_vm_token";
/// Where a program that is the first process finds its arguments, each ended by a NUL.
pub const ARGUMENTS_PATH: &str = "/vm/args";
/// The serial port of the protocol.
pub const PORT: &str = "/dev/ttyS1";

/// The secret of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(String);

/// One part of what came over the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The kernel runs; its release.
    Start(String),
    /// The program's exit status.
    Exit(i32),
    /// Text of the program, without the end of the line.
    Output(String),
    /// Text of the program's error output, likewise.
    Error(String),
}

impl Token {
    /// A fresh token.
    pub(crate) fn random() -> io::Result<Self> {
        let mut bytes = [0_u8; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The token that a kernel's command line carries.
    pub fn from_command_line(line: &str) -> Option<Self> {
        let words = line.split_whitespace().filter_map(|word| word.split_once('='));
        words.filter(|(name, _)| *name == TOKEN_PARAMETER).map(|(_, value)| Self(value.to_owned())).next()
    }

    /// The line to print when the first process runs.
    pub fn start(&self, uname: &str) -> String {
        format!("@@nvme-vm:{self}:start:{uname}@@")
    }

    /// The line to print at the end.
    pub fn exit(&self, status: i32) -> String {
        format!("@@nvme-vm:{self}:exit:{status}@@")
    }

    /// Splits a line: text before a message stays output, since a program may end without a newline.
    pub(crate) fn read(&self, line: &str) -> Vec<Message> {
        let mut messages = Vec::new();
        let mark = format!("@@nvme-vm:{self}:");
        let line = line.trim_end_matches(['\r', '\n']);
        let Some(at) = line.find(&mark) else { return vec![Message::Output(line.to_owned())] };
        let (before, rest) = (&line[..at], &line[at + mark.len()..]);
        let message = rest.strip_suffix("@@").and_then(|rest| rest.split_once(':')).and_then(
            |(kind, value)| match kind {
                "start" => Some(Message::Start(value.to_owned())),
                "stderr" => Some(Message::Error(value.to_owned())),
                "exit" => value.parse().ok().map(Message::Exit),
                _ => None,
            },
        );
        let Some(message) = message else { return vec![Message::Output(line.to_owned())] };
        if !before.is_empty() {
            messages.push(Message::Output(before.to_owned()));
        }
        messages.push(message);
        messages
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_back() {
        let token = Token::random().unwrap();
        assert_eq!(
            token.read(&format!("{}\r\n", token.start("6.1.0-x"))),
            [Message::Start("6.1.0-x".into())]
        );
        let line = format!("no newline{}", token.exit(101));
        assert_eq!(token.read(&line), [Message::Output("no newline".into()), Message::Exit(101)]);
        assert_eq!(token.read("plain\r\n"), [Message::Output("plain".into())]);
        let error = format!("@@nvme-vm:{token}:stderr:error: a@@b@@\n");
        assert_eq!(token.read(&error), [Message::Error("error: a@@b".into())]);
    }

    #[test]
    fn another_token_or_a_cut_message_is_output() {
        let (token, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(token, other);
        let forged = other.exit(0);
        assert_eq!(token.read(&forged), [Message::Output(forged.clone())]);
        let cut = token.exit(0).trim_end_matches('@').to_owned();
        assert_eq!(token.read(&cut), [Message::Output(cut.clone())]);
        let odd = token.exit(0).replace(":0", ":x");
        assert_eq!(token.read(&odd), [Message::Output(odd.clone())]);
    }

    #[test]
    fn token_comes_over_the_command_line() {
        let token = Token::random().unwrap();
        let line = format!("console=ttyS0 {TOKEN_PARAMETER}={token} panic=-1\n");
        assert_eq!(Token::from_command_line(&line), Some(token));
        assert_eq!(Token::from_command_line("quiet"), None);
    }
}
