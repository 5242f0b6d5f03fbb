//! No type of this crate shows a secret that it holds, whatever it is asked to print.
#![cfg(all(feature = "auth", feature = "tokio", feature = "testing"))]

use std::fmt::Debug;

use nvme_fabrics::kernel::device::OptionList;
use nvme_fabrics::keys::{ConfiguredPsk, DhchapSecret, KeyFile, PskHash, TlsKey, VersionOfIdentity};
use nvme_fabrics::testing::ScriptedDevice;
use nvme_fabrics::{ConnectOptions, Errno, HostIdentity, NoLog, Sysfs, connect_with, tcp};
use nvme_proto::auth::HashId;
use nvme_proto::tls::LabelEncoding;

/// Every byte of the host's secret; base64 makes `WlpaWlpa…` of it, a list of bytes `90, 90, …`, hexadecimal `5a5a…`.
const BYTE: u8 = 0x5a;
/// Forms in which it might show.
const FORMS: [&str; 6] = ["WlpaWlpa", "90, 90", "5a5a", "5A5A", "0x5a, 0x5a", "ZZZZ"];

fn hidden(what: &str, text: &str) {
    for form in FORMS {
        assert!(!text.contains(form), "{what} shows a secret: {text}");
    }
}

fn debug(what: &str, value: &impl Debug) {
    hidden(what, &format!("{value:?}"));
    hidden(what, &format!("{value:#?}"));
}

fn secret() -> DhchapSecret {
    DhchapSecret::new(Some(HashId::SHA256), &[BYTE; 32]).unwrap()
}

fn psk() -> ConfiguredPsk {
    ConfiguredPsk::new(Some(PskHash::Sha256), &[BYTE; 32]).unwrap()
}

fn host() -> HostIdentity {
    HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
}

fn options() -> ConnectOptions {
    ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host())
        .and_then(|o| o.authenticate(secret()))
        .and_then(|o| o.authenticate_controller(secret()))
        .unwrap()
}

#[test]
fn the_forms_that_are_looked_for_are_those_that_would_show() {
    assert!(secret().expose_text().as_str().contains(FORMS[0]));
    assert!(psk().expose_text().as_str().contains(FORMS[0]));
    assert!(format!("{:?}", secret().expose_bytes()).contains(FORMS[1]));
    assert!(String::from_utf8_lossy(secret().expose_bytes()).contains(FORMS[5]));
    assert!(options().to_option_string().expose().contains(FORMS[0]));
}

#[test]
fn values() {
    debug("a secret", &secret());
    debug("its text", &secret().expose_text());
    debug("options", &options());
    hidden("options", &options().to_string());
    debug("the option string", &options().to_option_string());
    hidden("the option string", &options().to_option_string().redacted());
    debug("a configured key", &psk());
    debug("its text", &psk().expose_text());
    let retained = psk().retain(&host().nqn, LabelEncoding::Rfc8446);
    debug("a retained key", &retained);
    // What is derived is other bytes: it is looked for by them.
    for version in [VersionOfIdentity::V0, VersionOfIdentity::V1] {
        let key =
            TlsKey::derive(&psk(), &host().nqn, &"mysub".parse().unwrap(), version, LabelEncoding::Rfc8446)
                .unwrap();
        let text = key.expose_text();
        let file = KeyFile::new([key.clone()]);
        for shown in [format!("{key:?}"), format!("{text:?}"), format!("{file:?}")] {
            assert!(!shown.contains(&text.as_str()[16..40]), "{shown}");
            assert!(!shown.contains(&format!("{:?}", &key.expose_bytes()[..4])), "{shown}");
        }
    }
    debug(
        "the host in user space",
        &tcp::Connect::new("192.0.2.10:4420".parse().unwrap(), "mysub".parse().unwrap(), host())
            .secrets(secret(), Some(secret())),
    );
}

#[test]
fn errors_of_texts_that_are_nearly_secrets() {
    let texts = [secret().expose_text().as_str().to_owned(), psk().expose_text().as_str().to_owned()];
    for text in texts {
        for at in 0..text.len() {
            for to in ["!", "B", ""] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, to);
                for error in [changed.parse::<DhchapSecret>().err(), changed.parse::<ConfiguredPsk>().err()] {
                    debug("an error", &error);
                    hidden("an error", &error.map(|error| error.to_string()).unwrap_or_default());
                }
                let file = KeyFile::parse(&format!("NVMe0R01 nqn.a nqn.b {changed}\n{changed}\n"));
                debug("a file of keys", &file);
                for fault in &file.faults {
                    hidden("a fault of a file", &causes(fault));
                }
            }
        }
    }
}

/// An error with its causes.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[test]
fn every_error_of_a_connect() {
    let root = tempfile::tempdir().unwrap();
    for dir in ["sys/class/nvme", "sys/class/nvme-subsystem", "proc", "dev"] {
        std::fs::create_dir_all(root.path().join(dir)).unwrap();
    }
    let list = OptionList::parse("transport=%s,traddr=%s,trsvcid=%s,nqn=%s,hostnqn=%s,hostid=%s\n");
    let devices = [
        ScriptedDevice::new(list),
        ScriptedDevice::unopenable(Errno::ENOENT),
        ScriptedDevice::new(OptionList::Unavailable).answer(Ok("nonsense")),
    ];
    let numbers = (1..140).map(|n| ScriptedDevice::new(OptionList::Unavailable).answer(Err(Errno(n))));
    for device in devices.into_iter().chain(numbers) {
        let error = connect_with(&device, &Sysfs::at(root.path()), &mut NoLog, &options()).unwrap_err();
        debug("an error of connect", &error);
        hidden("an error of connect", &causes(&error));
        hidden("a hint", &error.hint());
    }
}
