//! TLS 1.3 with a pre-shared key, between the kernel's host and target, with Debian's handshake daemon: encrypted as a capture shows, and refused
//! in words whatever is missing.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nvme_examples::vm::Release;
use nvme_fabrics::kernel::keyring::{KeyState, TlsKeyring, listing};
use nvme_fabrics::keys::{ConfiguredPsk, PskHash, TlsKey, VersionOfIdentity};
use nvme_fabrics::{ConnectErrorKind, ConnectOptions, Connected, KeySerial, OsDevice, Stage, Sysfs, connect};
use nvme_proto::auth::{DhchapSecret, HashId};
use nvme_proto::tls::LabelEncoding;
use nvmet_configfs::{PortId, PortSpec, SubsystemSpec, TargetSpec};

use super::capture::{Capture, Caught};
use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_tls::sealed_as_a_capture_shows", sealed_as_a_capture_shows),
    Case::new("fabrics_tls::keys_of_every_kind", keys_of_every_kind),
    Case::new("fabrics_tls::keys_of_configuration_files", keys_of_configuration_files),
    Case::new("fabrics_tls::authenticated_then_sealed", authenticated_then_sealed),
    Case::new("fabrics_tls::what_is_missing_is_said", what_is_missing_is_said),
    Case::new("fabrics_tls::keys_that_are_wrong_are_said", keys_that_are_wrong_are_said),
];

const NQN: &str = "nqn.2024-05.org.example:sealed";
/// Stands in what is written, and must not be seen on the way. 32 bytes, so that whole ones fill a block.
const MARKER: &[u8; 32] = b"not to be readable on the wire. ";
const BYTES: usize = 64 << 10;
/// ICReq: type 0, no flags, a header of 128 bytes, no data, 128 bytes in all.
const IC_REQ: [u8; 8] = [0, 0, 128, 0, 128, 0, 0, 0];
/// How a handshake of TLS begins, and how a record of data does.
const HANDSHAKE: [u8; 2] = [22, 3];
const DATA: [u8; 3] = [23, 3, 3];

/// The daemon, until this is dropped.
struct Tlshd {
    child: Child,
    log: PathBuf,
}

impl Tlshd {
    fn start(ctx: &Ctx) -> Result<Self, Failure> {
        let (config, log) = (ctx.scratch().join("tlshd.conf"), ctx.scratch().join("tlshd.log"));
        fs::write(
            &config,
            "[debug]\nloglevel=1\ntls=0\nnl=0\n\n[authenticate]\n\n[authenticate.client]\n\n[authenticate.server]\n",
        )?;
        let out = File::create(&log)?;
        let child = Command::new("/sbin/tlshd")
            .arg("--stderr")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .map_err(|e| Failure::from(e).while_doing("start tlshd"))?;
        let daemon = Self { child, log };
        let pid = daemon.child.id();
        ctx.wait_for("tlshd to listen", scene::PATIENCE, || listens(pid))?;
        Ok(daemon)
    }

    fn said(&self) -> Result<String, Failure> {
        Ok(fs::read_to_string(&self.log)?)
    }
}

impl Drop for Tlshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the process has a socket of generic netlink.
fn listens(pid: u32) -> Result<bool, Failure> {
    let table = fs::read_to_string("/proc/net/netlink")?;
    let is_its = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (protocol, port) = (words.next(), words.next().and_then(|port| port.parse::<u32>().ok()));
        protocol == Some("16") && port.is_some_and(|port| port & 0x3f_ffff == pid)
    };
    Ok(table.lines().any(is_its))
}

/// The target; `treq` of a port with TLS: `required` or `not required`.
fn target(ctx: &mut Ctx, treq: Option<&str>) -> Result<(), Failure> {
    let nqn = scene::subsystem(NQN)?;
    let mut port = PortSpec::tcp("127.0.0.1".parse()?, scene::PORT).export(nqn.clone());
    if let Some(treq) = treq {
        port = port.set("addr_treq", treq)?.set("addr_tsas", "tls1.3")?;
    }
    let subsystem = scene::open_subsystem(&ctx.ram_disk(0)?)?;
    scene::configure(&TargetSpec::new().subsystem(nqn, subsystem).port(PortId(1), port))?;
    Ok(())
}

/// A key of this machine, made of one byte again and again.
fn key(byte: u8, hash: PskHash, version: VersionOfIdentity) -> Result<TlsKey, Failure> {
    let psk = ConfiguredPsk::new(Some(hash), &vec![byte; hash.hash_len().bytes()])?;
    let (host, subsystem) = (scene::me()?.nqn, scene::subsystem(NQN)?);
    Ok(TlsKey::derive(&psk, &host, &subsystem, version, LabelEncoding::Rfc8446)?)
}

fn options() -> Result<ConnectOptions, Failure> {
    Ok(ConnectOptions::tcp("127.0.0.1".parse()?, scene::PORT, scene::subsystem(NQN)?, scene::me()?)?)
}

/// Connects; again when the target has reset the connection, which was seen once on 6.12, with ECONNRESET right after the handshake; why is not known.
fn join(options: &ConnectOptions) -> Result<Connected, Failure> {
    for _ in 0..5 {
        match connect(&OsDevice::system(), &Sysfs::system(), options) {
            Err(error) if error.is_retryable() => {}
            result => return Ok(result?),
        }
    }
    Ok(connect(&OsDevice::system(), &Sysfs::system(), options)?)
}

/// The keyring; `None` on 6.1, which Debian builds without TLS in NVMe: the option is refused by name, and nothing is sent.
fn keyring(ctx: &mut Ctx) -> Result<Option<TlsKeyring>, Failure> {
    scene::load(ctx)?;
    if ctx.release() != Release::V6_1 {
        return Ok(Some(TlsKeyring::open(&Sysfs::system())?));
    }
    let Err(error) = connect(&OsDevice::system(), &Sysfs::system(), &options()?.tls()?) else {
        return Err(Failure::new("this kernel speaks TLS"));
    };
    ensure_eq!((error.kind(), error.option()), (ConnectErrorKind::UnknownOption, Some("tls")), "6.1");
    ensure!(error.to_string().contains("CONFIG_NVME_TCP_TLS"), "{error}");
    ctx.note(&error.to_string());
    Ok(None)
}

/// Takes back what a case has put in.
fn empty(ring: &TlsKeyring) -> Result<(), Failure> {
    for key in ring.keys(&Sysfs::system())? {
        if key.state == KeyState::Usable {
            ring.revoke(key.serial)?;
        }
    }
    Ok(())
}

/// The key that a controller's connections use, as sysfs shows it.
fn key_in_use(connected: &Connected) -> Result<Option<KeySerial>, Failure> {
    let text = fs::read_to_string(format!("/sys/class/nvme/{}/tls_key", connected.controller))?;
    Ok(KeySerial::from_hex(&text))
}

/// Writes the marker through the namespace, reads it over the network, and finds it on the target's disk; gives what was on the wire.
fn caught(ctx: &mut Ctx, options: &ConnectOptions) -> Result<(Caught, Connected), Failure> {
    let capture = Capture::start(scene::PORT)?;
    let connected = join(options)?;
    let disk = scene::device_of(connected.controller)?;
    let written = MARKER.repeat(BYTES / MARKER.len());
    let mut file = OpenOptions::new().write(true).open(&disk)?;
    file.write_all(&written)?;
    file.sync_all()?;
    drop(file);
    let read = |path: &Path| -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0; BYTES];
        File::open(path)?.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    // The last one who closes a disk takes its pages out of memory.
    ensure!(read(&disk)? == written, "other data came back");
    ensure!(read(&ctx.ram_disk(0)?)? == written, "other data arrived at the target");
    Ok((capture.stop()?, connected))
}

fn sealed_as_a_capture_shows(ctx: &mut Ctx) -> Result<(), Failure> {
    let Some(ring) = keyring(ctx)? else { return Ok(()) };
    // Without TLS everything can be read, so that the capture is known to see.
    target(ctx, None)?;
    let (plain, connected) = caught(ctx, &options()?)?;
    scene::leave(connected.controller)?;
    ensure!(
        plain.shows(MARKER) && plain.shows(&IC_REQ) && plain.shows(NQN.as_bytes()),
        "the capture is blind"
    );
    ensure!(plain.first().starts_with(&IC_REQ), "it begins with {:?}", &plain.first().get(..8));
    scene::clear_target()?;

    target(ctx, Some("required"))?;
    let serial = key(1, PskHash::Sha256, VersionOfIdentity::V1)?.insert(&ring)?;
    let daemon = Tlshd::start(ctx)?;
    let (sealed, connected) = caught(ctx, &options()?.tls_key(serial)?)?;
    ensure_eq!(key_in_use(&connected)?, Some(serial), "tls_key in sysfs");
    scene::leave(connected.controller)?;
    ensure!(sealed.first().starts_with(&HANDSHAKE), "it begins with {:?}", &sealed.first().get(..8));
    ensure!(sealed.shows(&DATA), "there are no records of data");
    ensure!(!sealed.shows(MARKER), "what was written can be read");
    ensure!(!sealed.shows(&IC_REQ), "NVMe/TCP headers can be read");
    // Its identity has to be: the target looks the key up by it.
    ensure!(sealed.len() > 2 * BYTES, "only {} bytes were caught", sealed.len());
    ctx.note(&format!(
        "{} bytes without TLS show marker, ICReq and NQN; {} bytes with it begin with {:02x?}, then records of data, and show none",
        plain.len(),
        sealed.len(),
        sealed.first().get(..5).unwrap_or_default()
    ));
    drop(daemon);
    empty(&ring)?;
    scene::clear_target()
}

fn keys_of_every_kind(ctx: &mut Ctx) -> Result<(), Failure> {
    let Some(ring) = keyring(ctx)? else { return Ok(()) };
    target(ctx, Some("required"))?;
    let daemon = Tlshd::start(ctx)?;
    for hash in [PskHash::Sha256, PskHash::Sha384] {
        for version in [VersionOfIdentity::V0, VersionOfIdentity::V1] {
            let serial = key(1, hash, version)?.insert(&ring)?;
            for options in [options()?.tls_key(serial)?, options()?.tls()?] {
                let connected = join(&options).map_err(|e| e.while_doing(format!("{hash:?} {version:?}")))?;
                ensure_eq!(key_in_use(&connected)?, Some(serial), "the key");
                scene::device_of(connected.controller)?;
                scene::leave(connected.controller)?;
            }
            ring.revoke(serial)?;
        }
    }
    // The host's in a keyring of its own.
    let own = TlsKeyring::create("keys-of-the-host")?;
    key(2, PskHash::Sha256, VersionOfIdentity::V0)?.insert(&ring)?;
    let serial = key(2, PskHash::Sha256, VersionOfIdentity::V0)?.insert(&own)?;
    let connected = join(&options()?.tls()?.keyring(own.serial())?)?;
    ensure_eq!(key_in_use(&connected)?, Some(serial), "that of the host's keyring");
    scene::leave(connected.controller)?;
    drop(daemon);
    empty(&own)?;
    empty(&ring)?;
    scene::clear_target()
}

/// A key in clear, a keyring by its name, and the identity of a key that is there.
fn keys_of_configuration_files(ctx: &mut Ctx) -> Result<(), Failure> {
    let Some(ring) = keyring(ctx)? else { return Ok(()) };
    target(ctx, Some("required"))?;
    let daemon = Tlshd::start(ctx)?;
    let psk = ConfiguredPsk::new(Some(PskHash::Sha256), &[5; 32])?;
    let (text, identity) =
        (psk.expose_text(), key(5, PskHash::Sha256, VersionOfIdentity::V0)?.identity().to_string());
    let me = scene::me()?;
    let path = ctx.scratch().join("nvme-fabrics.conf").to_string_lossy().into_owned();
    for security in [
        format!("keyring = .nvme\ntls-key = {}\ntls-key-identity = {identity}", text.as_str()),
        format!("tls-key-identity = {identity}"),
        format!("tls-key = {}", text.as_str()),
    ] {
        let file = format!(
            "[Host]\nhostnqn = {}\nhostid = {}\n[Subsystem]\nnqn = {NQN}\ntls = yes\n{security}\n\
             controller = transport=tcp;traddr=127.0.0.1;trsvcid=4420\n",
            me.nqn, me.id
        );
        fs::write(&path, file)?;
        let mut ran = ctx.try_run("connect", ["--config", &*path])?;
        // As `join` does.
        for _ in 0..5 {
            if ran.code == Some(0) {
                break;
            }
            ran = ctx.try_run("connect", ["--config", &*path])?;
        }
        ensure!(ran.code == Some(0), "{security}: {ran:?}");
        ensure!(
            !ran.stderr.contains(text.as_str()) && !ran.stdout.contains(text.as_str()),
            "the key is shown"
        );
        let inventory = nvme_fabrics::Inventory::scan(&Sysfs::system())?;
        let in_use = inventory.controllers().find_map(|(_, c)| c.tls_key);
        let listed = ring.keys(&Sysfs::system())?;
        let named = listed.iter().find(|key| Some(key.serial) == in_use).map(|key| key.description.clone());
        ctx.note(&format!("{named:?}"));
        let version = if security.contains("identity") { "NVMe0R01 " } else { "NVMe1R01 " };
        ensure!(named.is_some_and(|named| named.starts_with(version)), "{listed:?}");
        super::fabrics_discover::leave_all()?;
    }
    drop(daemon);
    empty(&ring)?;
    scene::clear_target()
}

/// Secure channel concatenation: DH-HMAC-CHAP, then TLS with the key that comes of it. Since 6.15 on both sides.
fn authenticated_then_sealed(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let secret = DhchapSecret::new(Some(HashId::SHA256), &[7; 32])?;
    let asked = || Ok::<_, Failure>(options()?.authenticate(secret.clone())?.secure_concatenation()?);
    if ctx.release() != Release::V7 {
        let Err(error) = connect(&OsDevice::system(), &Sysfs::system(), &asked()?) else {
            return Err(Failure::new("this kernel concatenates"));
        };
        ctx.note(&error.to_string());
        ensure_eq!(error.kind(), ConnectErrorKind::UnknownOption, "an older kernel");
        return Ok(());
    }
    let ring = TlsKeyring::open(&Sysfs::system())?;
    let me = scene::me()?;
    let nqn = scene::subsystem(NQN)?;
    let (nsid, disk) = scene::disk(&ctx.ram_disk(0)?)?;
    let port = PortSpec::tcp("127.0.0.1".parse()?, scene::PORT).export(nqn.clone());
    let port = port.set("addr_treq", "not required")?.set("addr_tsas", "tls1.3")?;
    let subsystem = SubsystemSpec::nobody().allow(me.nqn.clone()).namespace(nsid, disk);
    scene::configure(
        &TargetSpec::new().host(me.nqn.clone()).subsystem(nqn, subsystem).port(PortId(1), port),
    )?;
    let dir = Path::new("/sys/kernel/config/nvmet/hosts").join(me.nqn.as_str());
    fs::write(dir.join("dhchap_key"), secret.expose_text().as_str())?;
    // The key comes of the Diffie-Hellman exchange, so there has to be one.
    fs::write(dir.join("dhchap_dhgroup"), "ffdhe2048")?;
    let daemon = Tlshd::start(ctx)?;
    let mark = ctx.kernel_log_mark()?;
    let outcome = caught(ctx, &asked()?);
    ctx.note(&format!("kernel: {:?}\n    tlshd: {}", ctx.kernel_log_since(&mark)?, daemon.said()?.trim()));
    let (sealed, connected) = outcome?;
    ensure!(sealed.first().starts_with(&IC_REQ), "authentication comes first, in clear");
    ensure!(sealed.shows(&DATA) && !sealed.shows(MARKER), "what was written can be read");
    scene::leave(connected.controller)?;
    drop(daemon);
    empty(&ring)?;
    scene::clear_target()
}

/// A connect that must fail for this reason, and what nvme-cli says of it.
fn refused(
    ctx: &mut Ctx,
    what: &str,
    options: &ConnectOptions,
    kind: ConnectErrorKind,
) -> Result<(), Failure> {
    let mark = ctx.kernel_log_mark()?;
    let error = match connect(&OsDevice::system(), &Sysfs::system(), options) {
        Ok(connected) => {
            scene::leave(connected.controller)?;
            return Err(Failure::new(format!("{what}: not refused")));
        }
        Err(error) => error,
    };
    let (said, text) = (ctx.kernel_log_since(&mark)?, nvme_examples::cli::explain(&error));
    ctx.note(&format!("{what}: {} ({:?})\n    {text}\n    kernel: {said:?}", error.kind(), error.errno()));
    ensure_eq!(error.kind(), kind, what);
    if options.begins_with_tls() {
        ensure_eq!(error.stage(), Stage::Tls, what);
    }
    Ok(())
}

fn what_is_missing_is_said(ctx: &mut Ctx) -> Result<(), Failure> {
    use ConnectErrorKind as Kind;
    let Some(ring) = keyring(ctx)? else { return Ok(()) };
    let me = scene::me()?;
    target(ctx, Some("required"))?;
    refused(ctx, "no key", &options()?.tls()?, Kind::NoKey)?;
    scene::nvme_cli_is_refused(ctx, &me, NQN, &["--tls"])?;
    let none = KeySerial::new(i32::MAX).ok_or_else(|| Failure::new("no number"))?;
    refused(ctx, "a number that is no key's", &options()?.tls_key(none)?, Kind::KeyNotFound)?;
    scene::nvme_cli_is_refused(ctx, &me, NQN, &["--tls", "--tls_key", "2147483647"])?;
    let serial = key(1, PskHash::Sha256, VersionOfIdentity::V0)?.insert(&ring)?;
    refused(ctx, "no daemon", &options()?.tls()?, Kind::NoHandshakeDaemon)?;
    scene::nvme_cli_is_refused(ctx, &me, NQN, &["--tls"])?;
    let daemon = Tlshd::start(ctx)?;
    refused(ctx, "a target that demands TLS, asked without", &options()?, Kind::Initialize)?;
    scene::nvme_cli_is_refused(ctx, &me, NQN, &[])?;
    scene::clear_target()?;
    target(ctx, None)?;
    refused(ctx, "a target without TLS", &options()?.tls_key(serial)?, Kind::HandshakeFailed)?;
    scene::nvme_cli_is_refused(ctx, &me, NQN, &["--tls"])?;
    scene::clear_target()?;
    target(ctx, Some("required"))?;
    let connected = join(&options()?.tls()?)?;
    scene::leave(connected.controller)?;
    ensure!(daemon.said()?.contains("successful"), "the daemon's log: {}", daemon.said()?);
    drop(daemon);
    empty(&ring)?;
    scene::clear_target()
}

fn keys_that_are_wrong_are_said(ctx: &mut Ctx) -> Result<(), Failure> {
    use ConnectErrorKind as Kind;
    let Some(ring) = keyring(ctx)? else { return Ok(()) };
    let own = TlsKeyring::create("wrong-keys-of-the-host")?;
    target(ctx, Some("required"))?;
    let daemon = Tlshd::start(ctx)?;
    let wrong = key(2, PskHash::Sha256, VersionOfIdentity::V0)?.insert(&own)?;
    let asked = options()?.tls_key(wrong)?.keyring(own.serial())?;
    refused(ctx, "a key that the target does not have", &asked, Kind::HandshakeFailed)?;
    let right = key(1, PskHash::Sha256, VersionOfIdentity::V0)?.insert(&ring)?;
    refused(ctx, "another key than the target's", &asked, Kind::HandshakeFailed)?;
    let connected = join(&options()?.tls_key(right)?)?;
    scene::leave(connected.controller)?;
    let listed =
        || Ok::<_, Failure>(ring.keys(&Sysfs::system())?.into_iter().find(|key| key.serial == right));
    ring.expire(right, Duration::from_secs(1))?;
    ctx.wait_for("the key to expire", scene::PATIENCE, || {
        Ok(listed()?.is_none_or(|key| key.state == KeyState::Expired))
    })?;
    refused(ctx, "an expired key", &options()?.tls_key(right)?, Kind::KeyUnusable)?;
    let again = key(1, PskHash::Sha256, VersionOfIdentity::V0)?.insert(&ring)?;
    ring.revoke(again)?;
    ctx.wait_for("the key to be collected", scene::PATIENCE, || {
        Ok(ring.keys(&Sysfs::system())?.iter().all(|key| key.serial != again)
            && listing::list(&Sysfs::system())?.iter().all(|key| key.serial != again))
    })?;
    refused(ctx, "a key that was revoked and removed", &options()?.tls_key(again)?, Kind::KeyNotFound)?;
    let failures = daemon.said()?;
    ensure!(failures.contains("failed"), "the daemon's log: {failures}");
    drop(daemon);
    empty(&own)?;
    empty(&ring)?;
    scene::clear_target()
}
