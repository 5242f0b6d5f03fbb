//! What was missing, of all that authentication and TLS need.
//!
//! | what the kernel answered | what is looked at | reason |
//! |---|---|---|
//! | ESRCH, with TLS asked for | nothing: the kernel says it when nobody listens for handshakes | [`Rejection::NoHandshakeDaemon`] |
//! | ENOKEY, with a key or keyring named | `/proc/keys`: is there one of that number, and is it still good? | [`Rejection::KeyNotFound`], [`Rejection::KeyUnusable`] |
//! | ENOKEY, with TLS asked for | `/proc/keys`: the keyring, keys of these two names | [`Rejection::NoKeyring`], [`Rejection::NoKey`] |
//! | another number, and the log tells of the handshake | `/proc/keys`: is what was named still good? | [`Rejection::KeyUnusable`], else what the log told |
//!
//! All of it is looked at after the kernel has refused, never before: only the kernel decides, and nothing that could go through is held back. Where
//! `/proc/keys` cannot be read, the kernel's answer stays as it is.
//!
//! Source: `drivers/nvme/host/tcp.c: nvme_tcp_alloc_admin_queue, nvme_tcp_start_tls`, `fabrics.c: nvmf_parse_key`,
//! `net/handshake/netlink.c: handshake_genl_notify`.

use crate::kernel::errno::Errno;
use crate::kernel::keyring::{KeyState, ListedKey, NVME_KEYRING, listing};
use crate::kernel::log::Rejection;
use crate::kernel::sysfs::Sysfs;
use crate::options::{ConnectOptions, KeySerial};

/// The reason, if it is one of the table; else the one that the log told.
pub(super) fn refine(
    sysfs: &Sysfs,
    options: &ConnectOptions,
    errno: Option<Errno>,
    told: Option<Rejection>,
) -> Option<Rejection> {
    if !options.begins_with_tls() && options.named_keyring().is_none() {
        return told;
    }
    match (errno, &told) {
        (Some(Errno::ESRCH), _) => Some(Rejection::NoHandshakeDaemon),
        (Some(Errno::ENOKEY), _) => match listing::list(sysfs) {
            // A key that was revoked is listed until the kernel has collected it.
            Ok(keys) => missing(&keys, options).or_else(|| unusable(&keys, options)).or(told),
            Err(_) => told,
        },
        (Some(Errno::EKEYEXPIRED | Errno::EKEYREVOKED), _) | (_, Some(Rejection::HandshakeFailed { .. })) => {
            listing::list(sysfs).ok().and_then(|keys| unusable(&keys, options)).or(told)
        }
        _ => told,
    }
}

/// A key or keyring that was named and can no longer be used. Kernels of today name it to the daemon all the same, and the handshake fails.
fn unusable(keys: &[ListedKey], options: &ConnectOptions) -> Option<Rejection> {
    let named = [options.named_key(), options.named_keyring()];
    let found = keys.iter().find(|key| named.contains(&Some(key.serial)) && key.state != KeyState::Usable)?;
    Some(Rejection::KeyUnusable { key: found.serial, state: found.state })
}

/// Which key or keyring is not there.
fn missing(keys: &[ListedKey], options: &ConnectOptions) -> Option<Rejection> {
    let is_there = |serial: KeySerial| keys.iter().any(|key| key.serial == serial);
    if let Some(key) =
        [options.named_key(), options.named_keyring()].into_iter().flatten().find(|key| !is_there(*key))
    {
        return Some(Rejection::KeyNotFound { key });
    }
    if options.named_key().is_some() {
        return None;
    }
    if options.named_keyring().is_none() && !keys.iter().any(|key| key.is_keyring(NVME_KEYRING)) {
        return Some(Rejection::NoKeyring { name: NVME_KEYRING.to_owned() });
    }
    let (host, subsystem) = (options.host().nqn.to_string(), options.nqn().to_string());
    let fits = |key: &&ListedKey| {
        let identity = key.identity();
        identity.is_some_and(|i| i.host().as_str() == host && i.subsystem().as_str() == subsystem)
    };
    let usable = |key: &&ListedKey| key.state == KeyState::Usable;
    let others = keys.iter().filter(fits).filter(usable).map(|key| key.serial).collect();
    Some(Rejection::NoKey { names: format!("{host} {subsystem}"), others })
}

/// One line for each reason of authentication and TLS; `None` for all others.
pub(super) fn hint(rejection: &Rejection) -> Option<String> {
    Some(match rejection {
        Rejection::AuthenticationFailed { .. } => {
            "the two sides have different secrets: compare the host's, which belongs to its NQN, and for both directions the \
             controller's"
                .to_owned()
        }
        Rejection::SecureChannelRequired => "ask for secure concatenation (concat), on Linux 6.15 or newer".to_owned(),
        Rejection::NoKeyring { .. } => {
            "load nvme-tcp; it needs a kernel built with CONFIG_NVME_TCP_TLS".to_owned()
        }
        Rejection::NoKey { others, .. } => match others.as_slice() {
            [] => "insert one into the keyring .nvme, under exactly these names".to_owned(),
            [key, ..] => format!(
                "key {key} (0x{:08x}) is for these names, but this kernel does not look for its version or into its keyring by itself: \
                 name the key",
                key.as_u32()
            ),
        },
        Rejection::KeyNotFound { .. } => {
            "numbers of keys change whenever the machine starts: look it up again".to_owned()
        }
        Rejection::KeyUnusable { .. } => "insert it again and name its new number".to_owned(),
        Rejection::NoHandshakeDaemon => "install ktls-utils and start tlshd: systemctl enable --now tlshd".to_owned(),
        Rejection::HandshakeTimeout => {
            "the target may speak no TLS, or a handshake daemon, here or there, does not answer".to_owned()
        }
        Rejection::HandshakeFailed { .. } => {
            "the target speaks no TLS, or has no key of this identity, or another one; the log of tlshd tells more".to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::HostIdentity;
    use crate::kernel::sysfs::fixture::Fixture;

    const RING: &str = "0a1b2c3d I------     3 perm 1f0b0000     0     0 keyring   .nvme: 2";
    const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn options() -> ConnectOptions {
        let host = HostIdentity::from_uuid(UUID.parse().unwrap());
        ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "nqn.b".parse().unwrap(), host).unwrap()
    }

    fn reason(listing: Option<&str>, options: &ConnectOptions, errno: Errno) -> Option<Rejection> {
        let f = Fixture::new();
        if let Some(listing) = listing {
            f.file("proc/keys", listing);
        }
        refine(&f.sysfs(), options, Some(errno), None)
    }

    #[test]
    fn the_preconditions_are_told_apart() {
        let tls = options().tls().unwrap();
        assert_eq!(reason(None, &tls, Errno::ESRCH), Some(Rejection::NoHandshakeDaemon));
        assert_eq!(reason(None, &tls, Errno::ENOKEY), None, "what cannot be seen is not concluded from");
        let no_ring = reason(Some("00000001 I------ 1 perm 0 0 0 keyring _ses: 1"), &tls, Errno::ENOKEY);
        assert_eq!(no_ring, Some(Rejection::NoKeyring { name: ".nvme".into() }));
        let Some(Rejection::NoKey { names, others }) = reason(Some(RING), &tls, Errno::ENOKEY) else {
            panic!("no key")
        };
        assert!(names.contains(UUID) && names.ends_with(" nqn.b") && others.is_empty(), "{names}");
        assert_eq!(reason(Some(RING), &tls, Errno::EIO), None);
        assert_eq!(reason(Some(RING), &options(), Errno::ENOKEY), None, "that is about authentication");
    }

    #[test]
    fn a_key_that_this_kernel_does_not_look_for_is_named() {
        let host = format!("nqn.2014-08.org.nvmexpress:uuid:{UUID}");
        let digest = "iSbjiStwJ/1TrTvDlt2fjFmzvsytOJelidNnA+X5lEU=";
        let key = |serial: u32, state: &str, subsystem: &str| {
            format!("{serial:08x} {state} 1 perm 3f010000 0 0 psk NVMe1R01 {host} {subsystem} {digest}: 32")
        };
        let listing = [
            RING.to_owned(),
            key(7, "I--Q---", "nqn.b"),
            key(8, "IR-Q---", "nqn.b"),
            key(9, "I--Q---", "nqn.c"),
        ];
        let tls = options().tls().unwrap();
        let Some(Rejection::NoKey { others, .. }) = reason(Some(&listing.join("\n")), &tls, Errno::ENOKEY)
        else {
            panic!("no key")
        };
        assert_eq!(others, [KeySerial::new(7).unwrap()]);
    }

    #[test]
    fn numbers_that_are_no_keys() {
        let serial = |n| KeySerial::new(n).unwrap();
        let named = options().tls_key(serial(7)).unwrap();
        let not_found = |n| Some(Rejection::KeyNotFound { key: serial(n) });
        assert_eq!(reason(Some(RING), &named, Errno::ENOKEY), not_found(7));
        let ring = options().keyring(serial(8)).unwrap();
        assert_eq!(reason(Some(RING), &ring, Errno::ENOKEY), not_found(8));
        let there = options().tls_key(serial(0x0a1b_2c3d)).unwrap();
        assert_eq!(reason(Some(RING), &there, Errno::ENOKEY), None, "it is there");
        let expired = RING.replace("perm", "expd");
        let unusable = Some(Rejection::KeyUnusable { key: serial(0x0a1b_2c3d), state: KeyState::Expired });
        assert_eq!(reason(Some(&expired), &there, Errno::EKEYEXPIRED), unusable);
        let f = Fixture::new();
        f.file("proc/keys", &expired);
        let failed = Some(Rejection::HandshakeFailed { errno: Errno::EIO });
        assert_eq!(refine(&f.sysfs(), &there, Some(Errno::EIO), failed.clone()), unusable);
        assert_eq!(refine(&f.sysfs(), &named, Some(Errno::EIO), failed.clone()), failed);
    }
}
