//! Secrets and keys: nvme-cli, a program of others, makes the same from the same; the kernel's keyring takes, shows, gives and forgets them.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nvme_examples::vm::Release;
use nvme_fabrics::kernel::keyring::{KeyState, KeyringError, TlsKeyring};
use nvme_fabrics::keys::{
    ConfiguredPsk, DhchapSecret, KeyFile, PskHash, SecretOf, TlsKey, VersionOfIdentity, transformed,
};
use nvme_fabrics::{Errno, Sysfs};
use nvme_proto::auth::HashId;
use nvme_proto::tls::LabelEncoding;
use nvme_proto::{HostNqn, SubsysNqn};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_keys::secrets_are_those_of_nvme_cli", secrets_are_those_of_nvme_cli),
    Case::new("fabrics_keys::tls_keys_are_those_of_nvme_cli", tls_keys_are_those_of_nvme_cli),
    Case::new("fabrics_keys::the_kernels_keyring", the_kernels_keyring),
    Case::new("fabrics_keys::files_go_both_ways", files_go_both_ways),
];

const HOST: &str = "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const SUBSYSTEM: &str = "nqn.2024-01.com.example:subsys1";
/// The program of Debian 12 and that of Debian 13.
const BOTH: [&str; 2] = ["nvme", "nvme-2.13"];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secrets_are_those_of_nvme_cli(ctx: &mut Ctx) -> Result<(), Failure> {
    let bytes: Vec<u8> = (0..64).collect();
    let host = HostNqn::new(HOST)?;
    for program in BOTH {
        for (hmac, len) in [("0", 32), ("0", 48), ("0", 64), ("1", 32), ("2", 48), ("3", 64)] {
            let plain = &bytes[..len];
            let (shown, length) = (hex(plain), len.to_string());
            let hash = match hmac.parse()? {
                0 => None,
                number => Some(HashId(number)),
            };
            let secret = DhchapSecret::new(hash, plain)?;
            let made = ctx.run(
                program,
                [
                    "gen-dhchap-key",
                    "--hmac",
                    hmac,
                    "--key-length",
                    &length,
                    "--secret",
                    &shown,
                    "--nqn",
                    HOST,
                ],
            )?;
            let ours = transformed(&secret, SecretOf::Host(&host))?;
            ensure_eq!(made.stdout.trim(), ours.expose_text().as_str(), program);
            ensure_eq!(made.stdout.trim().parse::<DhchapSecret>()?, ours, "read back");
            for secret in [secret, ours] {
                let text = secret.expose_text();
                let said = ctx.run(program, ["check-dhchap-key", "--key", text.as_str()])?.stdout;
                ensure!(said.starts_with(&format!("Key is valid (HMAC {hmac}, length {len},")), "{said}");
            }
        }
    }
    Ok(())
}

fn tls_keys_are_those_of_nvme_cli(ctx: &mut Ctx) -> Result<(), Failure> {
    let bytes: Vec<u8> = (0..48).collect();
    let (host, subsystem) = (HostNqn::new(HOST)?, SubsysNqn::new(SUBSYSTEM)?);
    for (hash, len) in [(PskHash::Sha256, 32), (PskHash::Sha384, 48)] {
        let psk = ConfiguredPsk::new(Some(hash), &bytes[..len])?;
        let number = hash.number().to_string();
        // That of Debian 12 takes half of the secret that it is given, and refuses what is left: it makes only keys of its own.
        let made = ctx.run("nvme", ["gen-tls-key", "--hmac", &number])?;
        let read: ConfiguredPsk = made.stdout.trim().parse()?;
        ensure_eq!((read.hash(), read.expose_bytes().len()), (Some(hash), len), "a key of nvme-cli 2.3");
        let secret = hex(&bytes[..len]);
        let args = ["gen-tls-key", "--hmac", &*number, "--secret", &*secret, "--hostnqn", HOST];
        let made = ctx.run("nvme-2.13", [&args[..], &["--subsysnqn", SUBSYSTEM]].concat())?;
        ensure_eq!(made.stdout.trim(), psk.expose_text().as_str(), "a key of nvme-cli 2.13");
        // That of Debian 13 (libnvme 1.13) derives in its own way.
        for (version, number) in [(VersionOfIdentity::V0, "0"), (VersionOfIdentity::V1, "1")] {
            let ours = TlsKey::derive(&psk, &host, &subsystem, version, LabelEncoding::Libnvme115)?;
            let text = psk.expose_text();
            let args = ["check-tls-key", "--identity", number, "--keydata", text.as_str(), "--hostnqn", HOST];
            let said = ctx.run("nvme-2.13", [&args[..], &["--subsysnqn", SUBSYSTEM]].concat())?.stdout;
            ensure_eq!(said.trim(), ours.identity().to_string(), "identity");
        }
    }
    Ok(())
}

/// Debian builds 6.1 without TLS in NVMe: that is said, with the module.
fn keyring(ctx: &mut Ctx) -> Result<Option<TlsKeyring>, Failure> {
    scene::load(ctx)?;
    match TlsKeyring::open(&Sysfs::system()) {
        Ok(ring) if ctx.release() != Release::V6_1 => Ok(Some(ring)),
        Ok(_) => Err(Failure::new("this kernel has the keyring")),
        Err(error @ KeyringError::NoKeyring { .. }) if ctx.release() == Release::V6_1 => {
            let text = error.to_string();
            ensure!(text.contains("modprobe nvme-tcp") && text.contains("CONFIG_NVME_TCP_TLS"), "{text}");
            ctx.note(&text);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn key(byte: u8, version: VersionOfIdentity) -> Result<TlsKey, Failure> {
    let psk = ConfiguredPsk::new(Some(PskHash::Sha256), &[byte; 32])?;
    let (host, subsystem) = (HostNqn::new(HOST)?, SubsysNqn::new(SUBSYSTEM)?);
    Ok(TlsKey::derive(&psk, &host, &subsystem, version, LabelEncoding::Rfc8446)?)
}

fn the_kernels_keyring(ctx: &mut Ctx) -> Result<(), Failure> {
    let Some(ring) = keyring(ctx)? else { return Ok(()) };
    let sysfs = Sysfs::system();
    let (v0, v1) = (key(1, VersionOfIdentity::V0)?, key(1, VersionOfIdentity::V1)?);
    ensure_eq!(ring.find(v0.identity())?, None, "before");
    let (first, second) = (v0.insert(&ring)?, v1.insert(&ring)?);
    ensure_eq!((ring.find(v0.identity())?, ring.find(v1.identity())?), (Some(first), Some(second)), "found");
    ensure_eq!(*ring.read(first)?, v0.expose_bytes().to_vec(), "the key itself");
    // The same identity once more: the key changes, or is replaced.
    let other = TlsKey::new(v0.identity().clone(), key(2, VersionOfIdentity::V0)?.expose_bytes())?;
    let first = other.insert(&ring)?;
    ensure_eq!(*ring.read(first)?, other.expose_bytes().to_vec(), "the new key");
    let listed = ring.keys(&sysfs)?;
    let mut shown: Vec<_> = listed.iter().map(|key| (key.description.clone(), key.state)).collect();
    shown.sort_by(|a, b| a.0.cmp(&b.0));
    let usable = |key: &TlsKey| (key.identity().to_string(), KeyState::Usable);
    ensure_eq!(shown, [usable(&v0), usable(&v1)], "listed");

    ring.expire(second, Duration::from_secs(1))?;
    ctx.wait_for("the key to expire", scene::PATIENCE, || Ok(ring.find(v1.identity())?.is_none()))?;
    let error = ring.read(second).err().ok_or_else(|| Failure::new("an expired key was read"))?;
    ensure!(matches!(error.errno(), Some(Errno::EKEYEXPIRED | Errno::ENOKEY)), "{error:?}");
    ctx.note(&error.to_string());
    ring.revoke(first)?;
    ensure_eq!(ring.find(v0.identity())?, None, "revoked");
    let error = ring.read(first).err().ok_or_else(|| Failure::new("a revoked key was read"))?;
    ensure!(matches!(error.errno(), Some(Errno::EKEYREVOKED | Errno::ENOKEY | Errno::EACCES)), "{error:?}");
    ctx.note(&error.to_string());

    let quota = "/proc/sys/kernel/keys/root_maxbytes";
    let before = fs::read_to_string(quota)?;
    fs::write(quota, "1")?;
    let refused = v0.insert(&ring);
    fs::write(quota, before)?;
    let error = refused.err().ok_or_else(|| Failure::new("inserted beyond the quota"))?;
    ensure_eq!(error.errno(), Some(Errno::EDQUOT), error.to_string());
    ensure!(error.to_string().contains("root_maxbytes"), "{error}");
    ctx.note(&error.to_string());

    // Somebody who is not root.
    let output = Command::new("/bin/keys").arg("list").uid(65534).gid(65534).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure_eq!(output.status.code(), Some(1), said.clone());
    ensure!(said.contains("root"), "{said}");
    ctx.note(&said);
    Ok(())
}

fn files_go_both_ways(ctx: &mut Ctx) -> Result<(), Failure> {
    let Some(ring) = keyring(ctx)? else { return Ok(()) };
    let file = ctx.scratch().join("keys");
    let path = file.to_string_lossy().into_owned();
    // Theirs into the kernel, and out of it by us.
    let psk = ConfiguredPsk::new(Some(PskHash::Sha256), &[3; 32])?;
    let text = psk.expose_text();
    for identity in ["0", "1"] {
        let args = [
            "check-tls-key",
            "--insert",
            "--identity",
            identity,
            "--keydata",
            text.as_str(),
            "--hostnqn",
            HOST,
        ];
        ctx.run("nvme-2.13", [&args[..], &["--subsysnqn", SUBSYSTEM]].concat())?;
    }
    let (host, subsystem) = (HostNqn::new(HOST)?, SubsysNqn::new(SUBSYSTEM)?);
    let mut theirs = Vec::new();
    for version in [VersionOfIdentity::V0, VersionOfIdentity::V1] {
        let key = TlsKey::derive(&psk, &host, &subsystem, version, LabelEncoding::Libnvme115)?;
        let serial = ring.find(key.identity())?;
        let serial = serial.ok_or_else(|| Failure::new(format!("there is no {}", key.identity())))?;
        ensure_eq!(*ring.read(serial)?, key.expose_bytes().to_vec(), "what nvme-cli inserted");
        theirs.push(key);
    }
    ctx.run("nvme-2.13", ["tls-key", "--export", "--keyfile", &path])?;
    // Its own export it cannot read: `NVMeTLSkey-0:` for identities of version 0.
    let said = ctx.try_run("nvme-2.13", ["tls-key", "--import", "--keyfile", &path])?;
    ctx.note(&format!("nvme-cli 2.13 of what it exported itself: {}", said.stderr.trim()));
    let mut exported = KeyFile::load(&file)?;
    ensure!(exported.faults.is_empty(), "{:?}", exported.faults);
    exported.keys.sort_by_key(|key| key.identity().to_string());
    ensure!(exported.keys == theirs, "{exported:?}");

    // Ours to a file, from where they take it.
    fs::remove_file(&file)?;
    let said = ctx.run("keys", ["export", "--file", &path])?.stdout;
    ensure!(said.contains("exported 2 keys"), "{said}");
    for listed in ring.keys(&Sysfs::system())?.iter().filter(|key| key.state == KeyState::Usable) {
        ctx.run("keys", ["revoke", &listed.serial.to_string()])?;
    }
    ensure!(ring.keys(&Sysfs::system())?.iter().all(|key| key.state != KeyState::Usable), "all are revoked");
    let said = ctx.try_run("nvme-2.13", ["tls-key", "--import", "--keyfile", &path])?;
    ensure_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "nvme-cli imports what we exported");
    for key in &theirs {
        ensure!(ring.find(key.identity())?.is_some(), "{}", key.identity());
    }
    let said = ctx.run("keys", ["import", "--file", &path])?.stdout;
    ensure!(said.contains("imported 2 keys"), "{said}");
    ensure!(Path::new(&path).exists(), "it is still there");
    for listed in ring.keys(&Sysfs::system())? {
        if listed.state == KeyState::Usable {
            ring.revoke(listed.serial)?;
        }
    }
    Ok(())
}
