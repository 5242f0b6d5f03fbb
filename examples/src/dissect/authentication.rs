//! Authentication as it is seen on the wire, and checking its responses with the secrets.
//!
//! A response of DH-HMAC-CHAP is a keyed hash over the challenge. With a Diffie-Hellman group the challenge is mixed with a value that neither
//! of the two sends: then even who has the secrets cannot check a response.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use nvme_proto::auth::{
    AuthMessage, Challenge, DhGroupId, DhchapSecret, HashValue, KeyTextError, ResponseInput,
    SecureChannelMode,
};
use nvme_proto::{HostNqn, SubsysNqn};

/// Secrets to check with.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<DhchapSecret>);

/// Bytes of a file of secrets at most.
const MOST: u64 = 1 << 20;

/// Why a file of secrets cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A word in it is no secret.
    #[error("{}: word {word} of line {line} is no secret of the form DHHC-1:..:", .path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The word in it, from 1.
        word: usize,
        /// Why.
        source: KeyTextError,
    },
    /// It is no file of secrets: they would be too many.
    #[error("{} is longer than 1 MiB, which is no file of secrets", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// There is none in it.
    #[error("{} has no secret; write each as DHHC-1:..:", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Keys {
    /// These secrets.
    pub fn new(secrets: Vec<DhchapSecret>) -> Self {
        Self(secrets)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a file: secrets separated by blanks or line ends; a line that starts with `#` is passed over.
    ///
    /// # Errors
    /// [`KeysError`]; it never shows a secret.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let read = |source| KeysError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text)).map_err(read)?;
        if text.len() as u64 > MOST {
            return Err(KeysError::TooLong { path: path.to_owned() });
        }
        let mut secrets = Vec::new();
        for (line, text) in text.lines().enumerate().filter(|(_, text)| !text.trim_start().starts_with('#')) {
            for (word, text) in text.split_whitespace().enumerate() {
                let secret = text.parse().map_err(|source| KeysError::Secret {
                    path: path.to_owned(),
                    line: line + 1,
                    word: word + 1,
                    source,
                })?;
                secrets.push(secret);
            }
        }
        if secrets.is_empty() {
            return Err(KeysError::Empty { path: path.to_owned() });
        }
        Ok(Self(secrets))
    }
}

/// What checking a response came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Made with the secret of this number, from 1.
    Made(usize),
    /// With none of the secrets.
    Foreign,
    /// It cannot be told.
    Untold(&'static str),
}

impl Proof {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Made(number) => format!("right: made with secret {number} of the file"),
            Self::Foreign => "wrong: made with none of the secrets in the file".to_owned(),
            Self::Untold(why) => format!("not checked: {why}"),
        }
    }
}

/// The transaction of a queue.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    names: Option<(HostNqn, SubsysNqn)>,
    secure_channel: Option<SecureChannelMode>,
    challenge: Option<Challenge>,
    /// The host's challenge and its sequence number.
    asked: Option<(HashValue, u32)>,
}

impl Transaction {
    /// Who connects to what.
    pub fn between(&mut self, host: HostNqn, subsystem: SubsysNqn) {
        self.names = Some((host, subsystem));
    }

    /// Follows a message; when it has a response, says who made it.
    pub fn follow(&mut self, message: &AuthMessage, keys: &Keys) -> Option<Proof> {
        match message {
            AuthMessage::Negotiate(message) => {
                self.secure_channel = Some(message.secure_channel);
                (self.challenge, self.asked) = (None, None);
                None
            }
            AuthMessage::Challenge(message) => {
                self.challenge = Some(message.clone());
                None
            }
            AuthMessage::Reply(message) => {
                self.asked = message.challenge().map(|challenge| (*challenge, message.sequence()));
                let Some(challenge) = self.challenge.clone() else { return Some(Proof::Untold(UNSEEN)) };
                let asked = (*challenge.challenge(), challenge.sequence());
                Some(self.prove(keys, asked, |input, secret| {
                    input.verify_host(&secret.transform_for_host(input.host), message.response())
                }))
            }
            AuthMessage::Success1(message) => {
                let response = message.response()?;
                let Some(asked) = self.asked else { return Some(Proof::Untold(UNSEEN)) };
                Some(self.prove(keys, asked, |input, secret| {
                    input.verify_controller(&secret.transform_for_subsystem(input.subsystem), response)
                }))
            }
            _ => None,
        }
    }

    fn prove(
        &self,
        keys: &Keys,
        (challenge, sequence): (HashValue, u32),
        right: impl Fn(&ResponseInput<'_>, &DhchapSecret) -> bool,
    ) -> Proof {
        let (Some((host, subsystem)), Some(first), Some(secure_channel)) =
            (&self.names, &self.challenge, self.secure_channel)
        else {
            return Proof::Untold(UNSEEN);
        };
        if first.group() != DhGroupId::NULL {
            return Proof::Untold("the Diffie-Hellman group mixes in a value that nobody sends");
        }
        let input = ResponseInput {
            challenge: &challenge,
            session_key: None,
            sequence,
            transaction: first.transaction(),
            secure_channel,
            host,
            subsystem,
        };
        match keys.0.iter().position(|secret| right(&input, secret)) {
            Some(index) => Proof::Made(index + 1),
            None => Proof::Foreign,
        }
    }
}

const UNSEEN: &str = "what it answers is not in the capture";

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use std::io::Write as _;

    const SECRET: &str = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";

    fn read(text: &str) -> Result<Keys, KeysError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Keys::read(file.path())
    }

    #[test]
    fn files_of_secrets() {
        assert_eq!(read(&format!("# two\n{SECRET} {SECRET}\n\n")).unwrap().0.len(), 2);
        let error = read(&format!("{SECRET}\n{SECRET} hunter2")).unwrap_err();
        assert!(error.to_string().contains("word 2 of line 2"), "{error}");
        assert!(!format!("{error} {:?} {}", error, error.source().unwrap()).contains("hunter2"));
        assert!(matches!(read("# nothing\n"), Err(KeysError::Empty { .. })));
        assert!(matches!(Keys::read(Path::new("/no/such/file")), Err(KeysError::Read { .. })));
    }
}
