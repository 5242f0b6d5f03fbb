//! Two parties with their secrets.

use nvme_proto::auth::{
    AuthError, AuthRandom, AuthSession, ControllerAuthConfig, ControllerAuthentication, DhGroupId,
    DhchapSecret, HashId, HostAuthConfig, HostAuthentication, HostStep, Negotiate, ProtocolDescriptor,
    SecureChannelMode,
};
use nvme_proto::{HostNqn, SubsysNqn};

pub(crate) fn host_nqn() -> HostNqn {
    HostNqn::new("nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3ccabcd").unwrap()
}

pub(crate) fn subsys_nqn() -> SubsysNqn {
    SubsysNqn::new("nqn.2024-01.org.example:auth").unwrap()
}

pub(crate) fn host_secret() -> DhchapSecret {
    "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:".parse().unwrap()
}

pub(crate) fn controller_secret() -> DhchapSecret {
    "DHHC-1:01:hz0G18jRd/Apnc51duyyy1iDFhL+hZaDwVcQLiuwip4FEvAv:".parse().unwrap()
}

pub(crate) fn other_secret() -> DhchapSecret {
    DhchapSecret::new(None, &[0x11; 32]).unwrap()
}

pub(crate) fn host_config() -> HostAuthConfig {
    HostAuthConfig::new(host_nqn(), subsys_nqn(), host_secret())
}

pub(crate) fn controller_config() -> ControllerAuthConfig {
    ControllerAuthConfig::new(host_nqn(), subsys_nqn(), host_secret())
}

/// Random bytes that are easy to tell: those of the exponent, those of the challenge, the sequence number.
pub(crate) fn random(byte: u8, sequence: u32) -> AuthRandom {
    let mut bytes = [byte; AuthRandom::LEN];
    bytes[128..].copy_from_slice(&sequence.to_le_bytes());
    AuthRandom::from_bytes(&bytes)
}

pub(crate) fn host(config: HostAuthConfig) -> HostAuthentication {
    HostAuthentication::new(config, 7, random(0xa5, 0x5566_7788)).unwrap()
}

pub(crate) fn controller(config: ControllerAuthConfig) -> ControllerAuthentication {
    ControllerAuthentication::new(config, random(0x5a, 0x1122_3344))
}

type Outcome = Result<AuthSession, AuthError>;

/// Runs both sides to their ends, and gives what was sent.
pub(crate) fn run(
    mut host: HostAuthentication,
    mut controller: ControllerAuthentication,
) -> (Outcome, Outcome, Vec<Vec<u8>>) {
    let mut seen = Vec::new();
    for _ in 0..8 {
        match host.next() {
            HostStep::Send(message) => {
                seen.push(message.to_vec());
                controller.send(message).unwrap();
                host.sent();
            }
            HostStep::Receive { len } => {
                let mut message = controller.receive(len).unwrap();
                seen.push(message.clone());
                // As Linux answers: as long as the buffer.
                message.resize(len, 0);
                host.received(&message);
            }
            HostStep::Done(_) | HostStep::Failed(_) => break,
        }
    }
    (host.into_result().unwrap(), controller.into_result().unwrap(), seen)
}

pub(crate) fn negotiate() -> Vec<u8> {
    let everything = ProtocolDescriptor::dh_hmac_chap(HashId::NAMED, DhGroupId::NAMED).unwrap();
    Negotiate::new(7, SecureChannelMode::NONE, everything).encode()
}
