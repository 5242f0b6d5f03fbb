//! The texts of a controller's files.

use std::time::Duration;

use super::{ControllerState, HostAddress, Session};
use crate::spec::PortId;
use crate::text;

/// Takes the text of a file, without its newline; whether it was understood.
pub(super) fn field(session: &mut Session, name: &[u8], value: &[u8]) -> bool {
    let number = |max: u64| text::unsigned(value, max).ok();
    match name {
        // The kernel stores the number of seconds in an unsigned int and prints it as a signed one.
        b"kato" => put(&mut session.keep_alive, number(0x7fff_ffff).map(Duration::from_secs)),
        b"port" => put(&mut session.port, number(0xffff).and_then(|n| u16::try_from(n).ok()).map(PortId)),
        b"hostnqn" => put(&mut session.host, str::from_utf8(value).ok().map(str::to_owned)),
        b"state" => match str::from_utf8(value) {
            Ok(words) => {
                session.state = words.split('|').filter(|w| !w.is_empty()).map(state).collect();
                true
            }
            Err(_) => false,
        },
        b"host_traddr" => match str::from_utf8(value) {
            Ok("") => true, // the transport does not say
            Ok(text) => put(&mut session.address, Some(address(text))),
            Err(_) => false,
        },
        b"tls_key" if value.is_empty() => true,
        // Eight hexadecimal digits without a prefix.
        b"tls_key" => {
            let serial = str::from_utf8(value).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()));
            let serial = serial.and_then(|t| u32::from_str_radix(t, 16).ok());
            put(&mut session.tls_key, serial.filter(|s| *s != 0)) || serial == Some(0)
        }
        b"tls_concat" if value.is_empty() => true,
        b"tls_concat" => put(&mut session.tls_concatenation, text::boolean(value)),
        _ => false,
    }
}

fn put<T>(into: &mut Option<T>, value: Option<T>) -> bool {
    *into = value;
    into.is_some()
}

/// `debugfs.c:csts_state_names`; without a name the kernel prints the number of the field.
fn state(word: &str) -> ControllerState {
    match word {
        "ready" | "1" => ControllerState::Ready,
        "fatal" | "2" => ControllerState::Fatal,
        "shutdown" | "4" => ControllerState::ShuttingDown,
        "completed" | "8" => ControllerState::ShutDown,
        "reset" | "16" => ControllerState::Reset,
        "paused" | "32" => ControllerState::Paused,
        other => ControllerState::Other(other.to_owned()),
    }
}

fn address(text: &str) -> HostAddress {
    text.parse().map_or_else(|_| HostAddress::Other(text.to_owned()), HostAddress::Socket)
}
