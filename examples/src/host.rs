//! What the host-side binaries share: who this host is, and what is connected.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::time::Duration;

use nvme_fabrics::identity::{Inconsistency, Repair};
use nvme_fabrics::{HostIdentity, IdentityFiles, Inventory, KeySerial, Sysfs};
use nvme_proto::auth::DhchapSecret;
use nvme_proto::{HostId, HostNqn, IpTraddr};
use zeroize::Zeroizing;

use crate::cli;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Version of the JSON that the binaries print; raised when a field changes its meaning or goes.
pub const JSON_VERSION: u32 = 1;

/// The identity to connect with: what the user gave, else `/etc/nvme`, else generated, and then said on stderr, since an
/// identity that is not saved may be another one next time.
///
/// # Errors
/// The files cannot be read, or what was given does not fit together.
pub fn identity(nqn: Option<HostNqn>, id: Option<HostId>) -> Result<HostIdentity, BoxError> {
    let given = nqn.is_some() || id.is_some();
    let files = IdentityFiles::system();
    let sourced = files.resolve(nqn, id)?;
    if !given && let Some(Repair { reason: Inconsistency::HalvesDiffer, .. }) = files.check()? {
        cli::note(&format!(
            "note: {} in /etc/nvme; connecting with both as they are (`keys host` shows the ways out)",
            Inconsistency::HalvesDiffer
        ));
    }
    if !given && files.load()?.is_none() {
        cli::note(&format!(
            "note: this host has no /etc/nvme/hostnqn; connecting as {} ({})",
            sourced.identity.nqn, sourced.source
        ));
    }
    Ok(sourced.identity)
}

/// The secret that an argument stands for: `@FILE`, `-` for standard input, or the secret itself. Then it is said that everybody can read it: the
/// arguments of a process are no secret.
///
/// # Errors
/// It cannot be read, or is no secret. Neither message shows any of it.
pub fn secret(argument: &str) -> Result<DhchapSecret, BoxError> {
    let (from, text) = match argument.strip_prefix('@') {
        Some(file) => (file, secret_text(Path::new(file))?),
        None if argument == "-" => ("standard input", secret_text(Path::new("-"))?),
        None => {
            cli::note(
                "note: every user of this machine can read a secret among the arguments of a program: use @FILE or -",
            );
            ("the secret among the arguments", Zeroizing::new(argument.to_owned()))
        }
    };
    let secret = text.trim_ascii().parse::<DhchapSecret>();
    Ok(secret
        .map_err(|e| format!("{from} holds no secret of DH-HMAC-CHAP: {e} (`keys gen-secret` makes one)"))?)
}

/// The text of a secret or key in a file; `-` is standard input.
///
/// # Errors
/// It cannot be read. The message shows none of it.
pub fn secret_text(file: &Path) -> Result<Zeroizing<String>, BoxError> {
    if file == Path::new("-") {
        return read_secret(std::io::stdin());
    }
    read_secret(File::open(file).map_err(|e| format!("cannot open {}: {e}", file.display()))?)
}

/// A secret is one short line; more than this is something else.
const MAX_SECRET: u64 = 1024;

fn read_secret(from: impl Read) -> Result<Zeroizing<String>, BoxError> {
    let mut text = Zeroizing::new(String::with_capacity(2048));
    from.take(MAX_SECRET).read_to_string(&mut text).map_err(|e| format!("cannot read the secret: {e}"))?;
    Ok(text)
}

/// The serial number of a key: decimal, or hexadecimal with `0x`, as `/proc/keys` has it.
///
/// # Errors
/// It is none.
pub fn key_serial(text: &str) -> Result<KeySerial, String> {
    let serial = match text.strip_prefix("0x") {
        Some(hex) => KeySerial::from_hex(hex),
        None => text.parse().ok().and_then(KeySerial::new),
    };
    serial.ok_or_else(|| format!("`{}` is not the serial number of a key", text.escape_debug()))
}

/// Scans this machine's sysfs; where an older kernel does not tell all there, asks the controllers.
///
/// # Errors
/// `/sys` cannot be read.
pub fn inventory(sysfs: &Sysfs) -> Result<Inventory, BoxError> {
    #[cfg_attr(not(target_os = "linux"), allow(unused_mut, reason = "only Linux has controllers to ask"))]
    let mut inventory = Inventory::scan(sysfs)?;
    #[cfg(target_os = "linux")]
    inventory.complete(sysfs);
    Ok(inventory)
}

/// Address and port for a socket of this machine. The scope of an IPv6 address is one of its interfaces, by name or number.
///
/// # Errors
/// There is no such interface.
pub fn socket_address(traddr: &IpTraddr, port: u16) -> io::Result<SocketAddr> {
    let IpAddr::V6(ip) = traddr.ip() else { return Ok(SocketAddr::new(traddr.ip(), port)) };
    let scope = match traddr.scope() {
        None => 0,
        Some(scope) => scope.parse().or_else(|_| nix::net::if_::if_nametoindex(scope))?,
    };
    Ok(SocketAddrV6::new(ip, port, 0, scope).into())
}

/// A usage error, shown and exited on as clap does (status 2).
pub fn usage(command: &mut clap::Command, text: impl std::fmt::Display) -> ! {
    command.error(clap::error::ErrorKind::ValueValidation, text).exit()
}

/// Seconds as a duration, for clap: 0 to [`u32::MAX`], 136 years, so that adding a few to a time never overflows.
///
/// # Errors
/// The text is not a whole number, or too large.
pub fn seconds(text: &str) -> Result<Duration, cli::Failure> {
    text.parse::<u32>()
        .map(|seconds| Duration::from_secs(seconds.into()))
        .map_err(|_| cli::Failure(format!("`{text}` is not a whole number of seconds, 0 to {}", u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_interfaces() {
        let address = |text: &str| socket_address(&text.parse().unwrap(), 4420);
        assert_eq!(address("192.0.2.1").unwrap().to_string(), "192.0.2.1:4420");
        assert_eq!(address("fe80::1%3").unwrap().to_string(), "[fe80::1%3]:4420");
        assert!(address("fe80::1%no-such-if").is_err());
    }

    #[test]
    fn seconds_are_whole_and_can_be_added_to_a_time() {
        assert_eq!(seconds("7").unwrap(), Duration::from_secs(7));
        let most = seconds("4294967295").unwrap();
        assert!(std::time::Instant::now().checked_add(2 * most).is_some());
        for text in ["", "-1", "1.5", "4294967296", "18446744073709551615"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
