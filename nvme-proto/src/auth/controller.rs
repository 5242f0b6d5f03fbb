//! The controller's side of a transaction.

use alloc::vec::Vec;
use core::mem;

use super::compute::{DhKeyPair, ResponseInput, TransformedKey};
use super::message::{AuthMessage, Challenge, Failure1, Negotiate, Reply, Success1};
use super::secret::DhchapSecret;
use super::session::{
    AuthError, AuthRandom, AuthSession, Proven, decode, generated_psk, same_hash_len, same_transaction,
};
use super::terms::{AuthProtocolId, DhGroupId, HashId, HashLen, SecureChannelMode};
use super::value::HashValue;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::status::Status;
use crate::types::{HostNqn, SubsysNqn};

/// What a controller needs to authenticate a host.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ControllerAuthConfig {
    /// The host, as in Connect.
    pub host: HostNqn,
    /// This subsystem, as in Connect.
    pub subsystem: SubsysNqn,
    /// The host's secret.
    pub host_secret: DhchapSecret,
    /// The controller's secret; without one, hosts that ask the controller to authenticate itself are refused.
    pub controller_secret: Option<DhchapSecret>,
    /// Hash functions that are allowed, the preferred one first. The first that the host offers is chosen.
    pub hashes: Vec<HashId>,
    /// Groups that are allowed, the preferred one first. The first that the host offers is chosen.
    pub groups: Vec<DhGroupId>,
    /// What the host may ask for. Which modes make sense depends on the connection: [`SecureChannelMode::NEW_TLS_PSK`] on an admin queue without TLS,
    /// [`SecureChannelMode::REPLACE_TLS_PSK`] on one with TLS that uses a generated key, [`SecureChannelMode::NONE`] everywhere unless
    /// concatenation is required.
    pub secure_channels: Vec<SecureChannelMode>,
}

impl ControllerAuthConfig {
    /// Authentication of the host with every hash function and every group but NULL, the strongest first; no key for TLS.
    #[must_use]
    pub fn new(host: HostNqn, subsystem: SubsysNqn, host_secret: DhchapSecret) -> Self {
        let groups = DhGroupId::NAMED.iter().rev().copied().filter(|group| *group != DhGroupId::NULL);
        Self {
            host,
            subsystem,
            host_secret,
            controller_secret: None,
            hashes: HashId::NAMED.iter().rev().copied().collect(),
            groups: groups.collect(),
            secure_channels: alloc::vec![SecureChannelMode::NONE],
        }
    }
}

/// The controller's side of a transaction, without input and output.
///
/// **Give the data of each Authentication Send to [`send`](Self::send) and answer each Authentication Receive with what
/// [`receive`](Self::receive) gives, until [`result`](Self::result) says how it ended.**
///
/// | the host sent                                        | the controller answers                              |
/// |------------------------------------------------------|-----------------------------------------------------|
/// | less than 8 bytes                                    | status Invalid Field in Command                     |
/// | something out of turn                                | AUTH_Failure1, incorrect protocol message           |
/// | a malformed message, another transaction, bytes behind the message | AUTH_Failure1, incorrect payload      |
/// | no protocol, hash function or group in common        | AUTH_Failure1 with the explanation for it           |
/// | a mode that is not allowed, or one with the group NULL | AUTH_Failure1, secure channel concatenation mismatch |
/// | a wrong response                                     | AUTH_Failure1, authentication failed                |
/// | anything after the end                               | status Command Sequence Error                       |
///
/// The whole transaction has to end within the keep-alive time-out, or 2 minutes where there is none: the caller watches the clock. After a failure the
/// connection is closed. When a host authenticates anew, that is another value with random bytes of its own.
///
/// Source: NVMe Base 2.0 section 8.13.5, kernel `drivers/nvme/target/fabrics-cmd-auth.c`.
#[derive(Debug)]
pub struct ControllerAuthentication {
    config: ControllerAuthConfig,
    random: AuthRandom,
    transaction: u16,
    state: State,
}

#[derive(Debug)]
enum State {
    Negotiate,
    /// The challenge waits to be received.
    Challenge(Chosen, Vec<u8>),
    Reply(Chosen),
    /// Success waits to be received.
    Success1(AuthSession, Vec<u8>),
    Success2(AuthSession),
    /// Failure waits to be received.
    Failure1(AuthError),
    Done(AuthSession),
    Failed(AuthError),
}

/// What was chosen of the host's offer.
#[derive(Debug)]
struct Chosen {
    hash: HashId,
    hash_len: HashLen,
    group: DhGroupId,
    pair: Option<DhKeyPair>,
    secure_channel: SecureChannelMode,
    challenge: HashValue,
    sequence: u32,
}

/// The shortest message: a failure.
const MIN_LEN: usize = 8;

impl ControllerAuthentication {
    /// Waits for AUTH_Negotiate.
    #[must_use]
    pub const fn new(config: ControllerAuthConfig, random: AuthRandom) -> Self {
        Self { config, random, transaction: 0, state: State::Negotiate }
    }

    /// Takes the data of Authentication Send. What is wrong with a message the host learns when it receives the answer.
    ///
    /// # Errors
    /// The status to complete the command with: [`Status::INVALID_FIELD`] for less than 8 bytes, [`Status::COMMAND_SEQUENCE_ERROR`] once the transaction
    /// has ended.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Status> {
        if data.len() < MIN_LEN {
            return Err(Status::INVALID_FIELD.with_dnr());
        }
        if matches!(self.state, State::Done(_) | State::Failed(_)) {
            return Err(Status::COMMAND_SEQUENCE_ERROR.with_dnr());
        }
        let state = mem::replace(&mut self.state, State::Negotiate);
        self.state = self.take(state, data).unwrap_or_else(|error| match error {
            AuthError::Peer { .. } => State::Failed(error),
            error => State::Failure1(error),
        });
        Ok(())
    }

    /// The answer to Authentication Receive with a buffer of `len` bytes: the message alone, which Linux fills up with zeros.
    ///
    /// # Errors
    /// The status to complete the command with: [`Status::INVALID_FIELD`] when the message does not fit (it waits for another command then),
    /// [`Status::COMMAND_SEQUENCE_ERROR`] when it is the host's turn or the transaction has ended.
    pub fn receive(&mut self, len: usize) -> Result<Vec<u8>, Status> {
        let fits = |message: &[u8]| {
            if message.len() > len { Err(Status::INVALID_FIELD.with_dnr()) } else { Ok(()) }
        };
        match mem::replace(&mut self.state, State::Negotiate) {
            State::Challenge(chosen, message) => {
                if let Err(status) = fits(&message) {
                    self.state = State::Challenge(chosen, message);
                    return Err(status);
                }
                self.state = State::Reply(chosen);
                Ok(message)
            }
            State::Success1(session, message) => {
                if let Err(status) = fits(&message) {
                    self.state = State::Success1(session, message);
                    return Err(status);
                }
                self.state = match session.proven {
                    Proven::Both => State::Success2(session),
                    Proven::Host => State::Done(session),
                };
                Ok(message)
            }
            State::Failure1(error) => {
                let message = Failure1::new(self.transaction, error.explanation()).encode();
                if let Err(status) = fits(&message) {
                    self.state = State::Failure1(error);
                    return Err(status);
                }
                self.state = State::Failed(error);
                Ok(message.into())
            }
            state => {
                self.state = state;
                Err(Status::COMMAND_SEQUENCE_ERROR.with_dnr())
            }
        }
    }

    /// How the transaction ended; `None` while it runs. A failure is known here once the host has received it.
    #[must_use]
    pub const fn result(&self) -> Option<Result<&AuthSession, &AuthError>> {
        match &self.state {
            State::Done(session) => Some(Ok(session)),
            State::Failed(error) => Some(Err(error)),
            _ => None,
        }
    }

    /// Ends with this result, if it has ended.
    #[must_use]
    pub fn into_result(self) -> Option<Result<AuthSession, AuthError>> {
        match self.state {
            State::Done(session) => Some(Ok(session)),
            State::Failed(error) => Some(Err(error)),
            _ => None,
        }
    }

    fn take(&mut self, state: State, data: &[u8]) -> Result<State, AuthError> {
        let (expected, failure) = match &state {
            State::Negotiate => ("AUTH_Negotiate", "AUTH_Negotiate"),
            State::Reply(_) => ("DH-HMAC-CHAP_Reply", "AUTH_Failure2"),
            State::Success2(_) => ("DH-HMAC-CHAP_Success2", "AUTH_Failure2"),
            // It is the controller's turn: nothing is expected.
            _ => ("Authentication Receive", "AUTH_Failure2"),
        };
        if matches!(state, State::Negotiate) {
            self.transaction = crate::layout::Field::read(data, 4);
        }
        let message = decode(data, expected, failure)?;
        let len = message.encoded_len();
        if data.len() > len {
            let kind = DecodeErrorKind::TooLong { max: len, have: data.len() };
            return Err(DecodeError { structure: message.name(), at: len, kind }.into());
        }
        match (state, message) {
            (State::Negotiate, AuthMessage::Negotiate(message)) => self.negotiated(&message),
            (State::Reply(chosen), AuthMessage::Reply(message)) => {
                same_transaction(self.transaction, message.transaction())?;
                self.replied(&chosen, &message)
            }
            (State::Success2(session), AuthMessage::Success2(message)) => {
                same_transaction(self.transaction, message.transaction)?;
                Ok(State::Done(session))
            }
            (_, AuthMessage::Failure2(message)) => Err(AuthError::Peer { explanation: message.explanation }),
            (_, other) => Err(AuthError::Unexpected { expected, found: other.name() }),
        }
    }

    fn negotiated(&self, message: &Negotiate) -> Result<State, AuthError> {
        let config = &self.config;
        let mut offers = message.protocols.iter();
        let offer = offers
            .find(|offer| offer.protocol() == AuthProtocolId::DH_HMAC_CHAP)
            .ok_or(AuthError::Protocol)?;
        let mode = message.secure_channel;
        if !config.secure_channels.contains(&mode) {
            return Err(AuthError::SecureChannel);
        }
        let concatenates = mode != SecureChannelMode::NONE;
        let usable = |hash: &HashId| {
            offer.hashes().any(|offered| offered == *hash) && !(concatenates && *hash == HashId::SHA512)
        };
        let hash = config.hashes.iter().copied().find(usable).ok_or(AuthError::Hash)?;
        let hash_len = hash.hash_len().ok_or(AuthError::Hash)?;
        let offered = |group: &DhGroupId| offer.groups().any(|offered| offered == *group);
        let mut common = config.groups.iter().copied().filter(offered).peekable();
        if common.peek().is_none() {
            return Err(AuthError::Group);
        }
        let group = common
            .find(|group| !(concatenates && *group == DhGroupId::NULL))
            .ok_or(AuthError::SecureChannel)?;
        if group.value_len().is_none() {
            return Err(AuthError::Group);
        }
        let pair = self.random.key_pair(group);
        let public = pair.as_ref().map(|pair| pair.public().to_vec()).unwrap_or_default();
        let (challenge, sequence) = (self.random.challenge(hash_len), self.random.sequence());
        let message = Challenge::new(self.transaction, sequence, (hash, challenge), (group, public))?;
        let chosen = Chosen { hash, hash_len, group, pair, secure_channel: mode, challenge, sequence };
        Ok(State::Challenge(chosen, message.encode()))
    }

    fn replied(&self, chosen: &Chosen, message: &Reply) -> Result<State, AuthError> {
        let config = &self.config;
        same_hash_len(chosen.hash_len, message.response().len())?;
        let session_key = match &chosen.pair {
            Some(pair) => Some(pair.shared_secret(message.dh_value())?.session_key(chosen.hash_len)),
            None if message.dh_value().is_empty() => None,
            None => {
                let have = message.dh_value().len();
                return Err(super::DhValueError::Length { have, need: 0 }.into());
            }
        };
        let input = ResponseInput {
            challenge: &chosen.challenge,
            session_key: session_key.as_ref(),
            sequence: chosen.sequence,
            transaction: self.transaction,
            secure_channel: chosen.secure_channel,
            host: &config.host,
            subsystem: &config.subsystem,
        };
        if !input.verify_host(&config.host_secret.transform_for_host(&config.host), message.response()) {
            return Err(AuthError::HostResponse);
        }
        let concatenates = chosen.secure_channel != SecureChannelMode::NONE;
        let own = match (message.challenge(), message.sequence()) {
            (Some(challenge), 1..) => {
                let key = self.controller_key()?;
                let input = ResponseInput { challenge, sequence: message.sequence(), ..input };
                Some(input.controller_response(&key))
            }
            (Some(_), 0) if concatenates => None,
            (None, _) if !concatenates => None,
            _ => return Err(AuthError::Challenge),
        };
        let generated_psk = match message.challenge() {
            Some(challenge) if concatenates => {
                let psk = generated_psk(session_key.as_ref(), &chosen.challenge, challenge);
                Some(psk.ok_or(AuthError::SecureChannel)?)
            }
            _ => None,
        };
        let (proven, success) = match own {
            Some(response) => (Proven::Both, Success1::with_response(self.transaction, response)),
            None => (Proven::Host, Success1::new(self.transaction, chosen.hash_len)),
        };
        let session = AuthSession {
            transaction: self.transaction,
            hash: chosen.hash,
            group: chosen.group,
            proven,
            generated_psk,
        };
        Ok(State::Success1(session, success.encode()))
    }

    fn controller_key(&self) -> Result<TransformedKey, AuthError> {
        let secret = self.config.controller_secret.as_ref().ok_or(AuthError::NoControllerSecret)?;
        Ok(secret.transform_for_subsystem(&self.config.subsystem))
    }
}
