//! The host's side of a transaction.

use alloc::vec::Vec;
use core::mem;

use super::compute::ResponseInput;
use super::message::{
    AuthMessage, Challenge, Failure2, Negotiate, ProtocolDescriptor, Reply, Success1, Success2,
};
use super::secret::DhchapSecret;
use super::session::{
    AuthError, AuthRandom, AuthSession, Proven, decode, generated_psk, same_hash_len, same_transaction,
};
use super::terms::{DhGroupId, HashId, HashLen, SecureChannelMode};
use super::value::HashValue;
use crate::error::DecodeError;
use crate::types::{HostNqn, SubsysNqn};

/// What a host needs to authenticate itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HostAuthConfig {
    /// This host, as in Connect.
    pub host: HostNqn,
    /// The subsystem, as in Connect.
    pub subsystem: SubsysNqn,
    /// The host's secret.
    pub host_secret: DhchapSecret,
    /// The controller's secret: when there is one, the controller must authenticate itself too.
    pub controller_secret: Option<DhchapSecret>,
    /// Hash functions to offer, the preferred one first; 1 to 30. The controller's choice must be one of them.
    pub hashes: Vec<HashId>,
    /// Groups to offer, the preferred one first; 1 to 30. The controller's choice must be one of them.
    pub groups: Vec<DhGroupId>,
    /// Whether a key for TLS is to come of it.
    pub secure_channel: SecureChannelMode,
}

impl HostAuthConfig {
    /// Authentication of the host alone, with everything offered as Linux offers it.
    #[must_use]
    pub fn new(host: HostNqn, subsystem: SubsysNqn, host_secret: DhchapSecret) -> Self {
        Self {
            host,
            subsystem,
            host_secret,
            controller_secret: None,
            hashes: HashId::NAMED.into(),
            groups: DhGroupId::NAMED.into(),
            secure_channel: SecureChannelMode::NONE,
        }
    }

    /// The hash functions and groups that are of use: for a key for TLS neither SHA-512, which TLS has not, nor the group NULL.
    fn offer(&self) -> Result<ProtocolDescriptor, DecodeError> {
        let concatenates = self.secure_channel != SecureChannelMode::NONE;
        let mut hashes = self.hashes.clone();
        let mut groups = self.groups.clone();
        if concatenates {
            hashes.retain(|hash| *hash != HashId::SHA512);
            groups.retain(|group| *group != DhGroupId::NULL);
        }
        ProtocolDescriptor::dh_hmac_chap(&hashes, &groups)
    }
}

/// The host's side of a transaction, without input and output.
///
/// **Ask [`next`](Self::next) and do what it says: send the message and call [`sent`](Self::sent), or receive one and give it to
/// [`received`](Self::received); until it says `Done` or `Failed`.**
///
/// The whole transaction has to end within the keep-alive time-out, or 2 minutes where there is none: the caller watches the clock. After `Failed` the
/// connection is closed. Another transaction, on another queue or later on the same one, is another value with random bytes of its own.
///
/// ```
/// use nvme_proto::auth::{AuthRandom, HostAuthConfig, HostAuthentication, HostStep};
/// use nvme_proto::{HostNqn, SubsysNqn};
///
/// # fn exchange(_: &[u8]) {}
/// # fn answer(_: usize) -> Vec<u8> { vec![0, 0xf1, 0, 0, 1, 0, 1, 1] }
/// # let random = [7; AuthRandom::LEN];
/// let config = HostAuthConfig::new(
///     HostNqn::new("nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3ccabcd")?,
///     SubsysNqn::new("nqn.2024-01.org.example:auth")?,
///     "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:".parse()?,
/// );
/// let mut authentication = HostAuthentication::new(config, 1, AuthRandom::from_bytes(&random))?;
/// let result = loop {
///     match authentication.next() {
///         HostStep::Send(message) => {
///             exchange(message); // Authentication Send
///             authentication.sent();
///         }
///         HostStep::Receive { len } => {
///             let message = answer(len); // Authentication Receive
///             authentication.received(&message);
///         }
///         HostStep::Done(session) => break Ok(session.proven),
///         HostStep::Failed(error) => break Err(*error),
///     }
/// };
/// assert!(result.unwrap_err().to_string().contains("the secrets of both sides differ"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HostAuthentication {
    config: HostAuthConfig,
    transaction: u16,
    random: AuthRandom,
    state: State,
}

/// What to do next.
#[derive(Debug)]
pub enum HostStep<'a> {
    /// Send these bytes with Authentication Send; then call [`HostAuthentication::sent`].
    Send(&'a [u8]),
    /// Receive a message with Authentication Receive; then call [`HostAuthentication::received`].
    Receive {
        /// Length of the buffer to offer, bytes.
        len: usize,
    },
    /// Authenticated.
    Done(&'a AuthSession),
    /// Not authenticated. Close the connection.
    Failed(&'a AuthError),
}

#[derive(Debug)]
enum State {
    Send { message: Vec<u8>, then: Next },
    Receive(Expected),
    Done(AuthSession),
    Failed(AuthError),
}

/// What follows once a message was sent.
#[derive(Debug)]
enum Next {
    Receive(Expected),
    Done(AuthSession),
    Failed(AuthError),
}

#[derive(Debug)]
enum Expected {
    Challenge,
    Success1 {
        hash_len: HashLen,
        session: AuthSession,
        /// The controller's response, when it has to give one.
        response: Option<HashValue>,
    },
}

/// As long as Linux asks for; every message fits.
const RECEIVE_LEN: usize = 4096;

impl HostAuthentication {
    /// Begins a transaction. The identifier only has to differ from those of other transactions of the same controller that still run; Linux numbers its
    /// queues.
    ///
    /// # Errors
    /// When a list of the configuration is empty or longer than 30. For a key for TLS, SHA-512 and the group NULL do not count.
    pub fn new(config: HostAuthConfig, transaction: u16, random: AuthRandom) -> Result<Self, DecodeError> {
        let negotiate = Negotiate::new(transaction, config.secure_channel, config.offer()?);
        let then = Next::Receive(Expected::Challenge);
        let state = State::Send { message: negotiate.encode(), then };
        Ok(Self { config, transaction, random, state })
    }

    /// What to do next. Asking again gives the same answer.
    #[must_use]
    pub fn next(&self) -> HostStep<'_> {
        match &self.state {
            State::Send { message, .. } => HostStep::Send(message),
            State::Receive(_) => HostStep::Receive { len: RECEIVE_LEN },
            State::Done(session) => HostStep::Done(session),
            State::Failed(error) => HostStep::Failed(error),
        }
    }

    /// The message of [`HostStep::Send`] was sent. Without one, nothing happens.
    pub fn sent(&mut self) {
        self.change(|_, state| match state {
            State::Send { then: Next::Receive(expected), .. } => State::Receive(expected),
            State::Send { then: Next::Done(session), .. } => State::Done(session),
            State::Send { then: Next::Failed(error), .. } => State::Failed(error),
            state => state,
        });
    }

    /// Takes what the controller answered. Without [`HostStep::Receive`], nothing happens.
    pub fn received(&mut self, bytes: &[u8]) {
        self.change(|this, state| match state {
            State::Receive(expected) => this.take(expected, bytes).unwrap_or_else(|error| match error {
                AuthError::Peer { .. } => State::Failed(error),
                error => {
                    let message = Failure2::new(this.transaction, explanation(&error)).encode().into();
                    State::Send { message, then: Next::Failed(error) }
                }
            }),
            state => state,
        });
    }

    /// Ends with this result, if it has ended.
    #[must_use]
    pub fn into_result(self) -> Option<Result<AuthSession, AuthError>> {
        match self.state {
            State::Done(session) => Some(Ok(session)),
            State::Failed(error) => Some(Err(error)),
            State::Send { .. } | State::Receive(_) => None,
        }
    }

    fn change(&mut self, change: impl FnOnce(&Self, State) -> State) {
        let state = mem::replace(&mut self.state, State::Receive(Expected::Challenge));
        self.state = change(self, state);
    }

    fn take(&self, expected: Expected, bytes: &[u8]) -> Result<State, AuthError> {
        let name = match expected {
            Expected::Challenge => "DH-HMAC-CHAP_Challenge",
            Expected::Success1 { .. } => "DH-HMAC-CHAP_Success1",
        };
        match (expected, decode(bytes, name, "AUTH_Failure1")?) {
            (_, AuthMessage::Failure1(failure)) => Err(AuthError::Peer { explanation: failure.explanation }),
            (Expected::Challenge, AuthMessage::Challenge(challenge)) => self.challenged(&challenge),
            (Expected::Success1 { hash_len, session, response }, AuthMessage::Success1(success)) => {
                self.accepted(&success, hash_len, session, response.as_ref())
            }
            (_, other) => Err(AuthError::Unexpected { expected: name, found: other.name() }),
        }
    }

    fn challenged(&self, message: &Challenge) -> Result<State, AuthError> {
        let config = &self.config;
        same_transaction(self.transaction, message.transaction())?;
        let offer = config.offer()?;
        let hash_len = message.hash().hash_len().ok_or(AuthError::Hash)?;
        if !offer.hashes().any(|hash| hash == message.hash()) {
            return Err(AuthError::Hash);
        }
        if message.group().value_len().is_none() || !offer.groups().any(|group| group == message.group()) {
            return Err(AuthError::Group);
        }
        let pair = self.random.key_pair(message.group());
        let session_key = match &pair {
            Some(pair) => Some(pair.shared_secret(message.dh_value())?.session_key(hash_len)),
            None => None,
        };
        let input = ResponseInput {
            challenge: message.challenge(),
            session_key: session_key.as_ref(),
            sequence: message.sequence(),
            transaction: self.transaction,
            secure_channel: config.secure_channel,
            host: &config.host,
            subsystem: &config.subsystem,
        };
        let response = input.host_response(&config.host_secret.transform_for_host(&config.host));
        let concatenates = config.secure_channel != SecureChannelMode::NONE;
        let own = self.random.challenge(hash_len);
        let (sequence, challenge) = match &config.controller_secret {
            Some(_) => (self.random.sequence(), Some(own)),
            // Number 0: the challenge is for the key alone.
            None if concatenates => (0, Some(own)),
            None => (self.random.sequence(), None),
        };
        let expected = config.controller_secret.as_ref().map(|secret| {
            let input = ResponseInput { challenge: &own, sequence, ..input };
            input.controller_response(&secret.transform_for_subsystem(&config.subsystem))
        });
        let generated_psk = if concatenates {
            let psk = generated_psk(session_key.as_ref(), message.challenge(), &own);
            Some(psk.ok_or(AuthError::SecureChannel)?)
        } else {
            None
        };
        let session = AuthSession {
            transaction: self.transaction,
            hash: message.hash(),
            group: message.group(),
            proven: if expected.is_some() { Proven::Both } else { Proven::Host },
            generated_psk,
        };
        let dh_value = pair.as_ref().map(|pair| pair.public().to_vec()).unwrap_or_default();
        let reply = Reply::new(self.transaction, sequence, response, challenge, dh_value)?;
        let then = Next::Receive(Expected::Success1 { hash_len, session, response: expected });
        Ok(State::Send { message: reply.encode(), then })
    }

    fn accepted(
        &self,
        message: &Success1,
        hash_len: HashLen,
        session: AuthSession,
        expected: Option<&HashValue>,
    ) -> Result<State, AuthError> {
        same_transaction(self.transaction, message.transaction())?;
        same_hash_len(hash_len, message.hash_len())?;
        let Some(expected) = expected else {
            // A response that was not asked for proves nothing.
            return Ok(State::Done(session));
        };
        let response = message.response().ok_or(AuthError::ControllerSilent)?;
        if !crate::key_text::equal(expected.as_bytes(), response.as_bytes()) {
            return Err(AuthError::ControllerResponse);
        }
        let message = Success2::new(self.transaction).encode().into();
        Ok(State::Send { message, then: Next::Done(session) })
    }
}

/// What the host's failure message says: as Linux, a wrong transaction is a wrong message there.
const fn explanation(error: &AuthError) -> super::FailureExplanation {
    match error {
        AuthError::Transaction { .. } => super::FailureExplanation::INCORRECT_MESSAGE,
        error => error.explanation(),
    }
}
