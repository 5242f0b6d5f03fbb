//! What a file says in words for people, made fit for the kernel when it is connected.
//!
//! | in the file | becomes |
//! |---|---|
//! | the name of a machine as `traddr` or `host-traddr` | the first address that the resolver gives for it |
//! | `keyring` by its name | its serial number |
//! | `tls-key` in clear, `NVMeTLSkey-1:…` (feature `auth`) | the key of this host and this subsystem, put into that keyring or `.nvme`, and its serial number |
//! | `tls-key-identity` with such a key | its version says which identity the key gets, 0 or 1; the whole must be the one that comes out. Without it: version 1 |
//! | `tls-key-identity` alone | the serial number of the key that has it |
//!
//! The keyring keeps what was put into it, under the same identity again when it is connected again, so that nothing piles up.

use nvme_proto::tls::PskIdentity;

use super::connection::Connection;
use super::error::{BadValue, Fault, Finding};
use super::settings::serial;
use crate::identity::HostIdentity;
use crate::kernel::keyring::TlsKeyring;
use crate::kernel::sysfs::Sysfs;
use crate::options::{KeySerial, TransportName, is_name, lookup};

/// How a key in clear begins.
const IN_CLEAR: &str = "NVMeTLSkey-";

impl Connection {
    /// The same connection with numeric addresses and serial numbers of keys. Asks the resolver for names, and changes the kernel's keyring when there
    /// is a key in clear: call it just before [`options`](Self::options), on the thread that connects. `system` is the machine's identity.
    ///
    /// # Errors
    /// [`Finding`]: what is not known or not allowed here, and where it stands. Secrets are not shown.
    pub fn prepared(&self, sysfs: &Sysfs, system: &HostIdentity) -> Result<Self, Box<Finding>> {
        let mut ready = self.clone();
        if matches!(self.address.transport, TransportName::Tcp | TransportName::Rdma) {
            for (key, part) in
                [("traddr", &mut ready.address.traddr), ("host-traddr", &mut ready.address.host_traddr)]
            {
                if let Some(name) = part.as_ref().filter(|text| is_name(text)) {
                    let address =
                        lookup(name).map_err(|_| self.at(key, BadValue::UnknownName(name.clone())))?;
                    *part = Some(address.to_string());
                }
            }
        }
        self.keys(&mut ready, sysfs, system)?;
        Ok(ready)
    }

    fn at(&self, key: &'static str, cause: BadValue) -> Box<Finding> {
        let position = self.settings.position(key).unwrap_or(self.position);
        self.finding(position, Fault::Value { key, cause })
    }

    fn keys(&self, ready: &mut Self, sysfs: &Sysfs, system: &HostIdentity) -> Result<(), Box<Finding>> {
        let named = self.settings.get("keyring").filter(|text| serial(text).is_err());
        let clear = self.settings.get("tls-key").filter(|text| text.starts_with(IN_CLEAR));
        let wanted = self.settings.get("tls-key-identity");
        if named.is_none() && clear.is_none() && wanted.is_none() {
            return Ok(());
        }
        let keyring = match (named, self.settings.get("keyring")) {
            (Some(name), _) => TlsKeyring::named(sysfs, name),
            // A number names a keyring, and does not open it.
            (None, Some(number)) => {
                return Err(self.at("keyring", BadValue::Keyring(number.to_owned())));
            }
            (None, None) => TlsKeyring::open(sysfs),
        };
        let keyring = keyring.map_err(|_| {
            self.at(
                "keyring",
                BadValue::Keyring(named.unwrap_or(crate::kernel::keyring::NVME_KEYRING).to_owned()),
            )
        })?;
        if named.is_some() {
            ready.settings.replace("keyring", keyring.serial().to_string());
        }
        match (clear, wanted) {
            (Some(text), _) => {
                let key = self.insert(&keyring, text, wanted, system)?;
                ready.settings.replace("tls-key", key.to_string());
            }
            (None, Some(identity)) if self.settings.get("tls-key").is_none() => {
                let identity: PskIdentity =
                    identity.parse().map_err(|_| self.at("tls-key-identity", BadValue::KeyIdentity))?;
                let found = keyring.find(&identity).ok().flatten();
                let key = found.ok_or_else(|| self.at("tls-key-identity", BadValue::NoSuchKey))?;
                ready.settings.set_key("tls-key-identity", key);
            }
            // A key by its number, whose identity is its own.
            (None, _) => {}
        }
        ready.settings.remove("tls-key-identity");
        Ok(())
    }

    #[cfg(feature = "auth")]
    fn insert(
        &self,
        keyring: &TlsKeyring,
        text: &str,
        wanted: Option<&str>,
        system: &HostIdentity,
    ) -> Result<KeySerial, Box<Finding>> {
        use nvme_proto::tls::{ConfiguredPsk, LabelEncoding};

        use crate::keys::{TlsKey, VersionOfIdentity};

        let psk: ConfiguredPsk = text.parse().map_err(|_| self.at("tls-key", BadValue::ClearKey))?;
        let version = match wanted {
            Some(identity) if identity.starts_with("NVMe0") => VersionOfIdentity::V0,
            _ => VersionOfIdentity::V1,
        };
        let host = self.host(system).nqn;
        let key = TlsKey::derive(&psk, &host, &self.nqn, version, LabelEncoding::Rfc8446)
            .map_err(|_| self.at("tls-key", BadValue::KeyIdentity))?;
        if wanted.is_some_and(|identity| identity != key.identity().to_string()) {
            return Err(self.at("tls-key-identity", BadValue::KeyIdentity));
        }
        key.insert(keyring).map_err(|_| self.at("tls-key", BadValue::KeyNotInserted))
    }

    #[cfg(not(feature = "auth"))]
    fn insert(
        &self,
        _: &TlsKeyring,
        _: &str,
        _: Option<&str>,
        _: &HostIdentity,
    ) -> Result<KeySerial, Box<Finding>> {
        Err(self.at("tls-key", BadValue::Key))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::fabrics_conf::{self, FabricsConf};
    use super::*;

    fn system() -> HostIdentity {
        HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
    }

    fn prepared(section: &str, path: &str) -> Result<String, String> {
        let text = format!("[Subsystem]\nnqn = vol\n{section}controller = transport=tcp;{path}\n");
        let file = fabrics_conf::parse(Path::new("f"), &text).unwrap();
        let connection = file.connections(&FabricsConf::default()).next().unwrap();
        // There are no keyrings below this root.
        let root = tempfile::tempdir().unwrap();
        let ready = connection.prepared(&Sysfs::at(root.path()), &system()).map_err(|f| f.to_string())?;
        Ok(ready.options(&system()).map_err(|f| f.to_string())?.to_option_string().expose().to_owned())
    }

    #[test]
    fn names_of_machines_become_addresses() {
        let got = prepared("", "traddr=localhost;host-traddr=localhost").unwrap();
        assert!(!got.contains("localhost"), "{got}");
        assert!(got.contains("traddr=127.0.0.1") || got.contains("traddr=::1"), "{got}");
        let error = prepared("", "traddr=nowhere.invalid").unwrap_err();
        assert!(error.contains("`nowhere.invalid` has no address that is known here"), "{error}");
        let error = prepared("", "traddr=010.0.0.1").unwrap_err();
        assert!(error.contains("traddr"), "{error}");
    }

    #[test]
    fn without_a_keyring_its_place_in_the_file_is_told_and_no_key_is_shown() {
        let key = "NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:";
        for (section, words) in [
            ("keyring = .mine\n".to_owned(), "f:3:11: `keyring`: `.mine` is no keyring"),
            (format!("tls-key = {key}\n"), "`.nvme` is no keyring"),
            ("tls-key-identity = NVMe0R01 a b\n".to_owned(), "`.nvme` is no keyring"),
            (format!("keyring = 5\ntls-key = {key}\n"), "`5` is no keyring"),
        ] {
            let error = prepared(&section, "traddr=::1").unwrap_err();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains("VRLbtn"), "{error}");
        }
        let got = prepared("keyring = 5\ntls-key = 0x10\n", "traddr=::1").unwrap();
        assert!(got.contains("keyring=5") && got.contains("tls_key=16"), "{got}");
    }
}
