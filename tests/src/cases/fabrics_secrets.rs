//! Secrets on a real machine: nothing that our programs print or pass on shows one, nor does the kernel's log.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use nvme_examples::vm::Release;
use nvme_fabrics::Sysfs;
use nvme_fabrics::kernel::keyring::{KeyState, TlsKeyring};
use nvme_fabrics::keys::{ConfiguredPsk, DhchapSecret, PskHash};
use nvme_proto::auth::HashId;
use nvmet_configfs::SubsystemSpec;

use super::scene;
use crate::ensure;
use crate::guest::{Case, Ctx, Failure};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_secrets::nothing_printed_or_logged_shows_one", nothing_printed_or_logged_shows_one),
    Case::new("fabrics_secrets::none_among_the_arguments", none_among_the_arguments),
];

const NQN: &str = "nqn.2024-05.org.example:hidden";
/// How secrets of `Z` and of `[` begin in base64.
const FORMS: [&str; 2] = ["WlpaWlpa", "W1tbW1tb"];

fn secret(byte: u8) -> Result<DhchapSecret, Failure> {
    Ok(DhchapSecret::new(Some(HashId::SHA256), &[byte; 32])?)
}

/// Writes the text of a secret to a file of its own; gives its path.
fn file(ctx: &Ctx, name: &str, text: &str) -> Result<String, Failure> {
    let path = ctx.scratch().join(name);
    fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

fn hidden(what: &str, text: &str) -> Result<(), Failure> {
    match FORMS.iter().find(|form| text.contains(**form)) {
        Some(_) => Err(Failure::new(format!("{what} shows a secret: {text}"))),
        None => Ok(()),
    }
}

/// Runs one of our programs, as talkative as it can be; gives its exit status.
fn quiet(ctx: &Ctx, program: &str, words: &[&str]) -> Result<Option<i32>, Failure> {
    let output = Command::new(format!("/bin/{program}"))
        .args(words)
        .envs([("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")])
        .stdin(Stdio::null())
        .current_dir(ctx.scratch())
        .output()?;
    for said in [&output.stdout, &output.stderr] {
        hidden(&format!("{program} {words:?}"), &String::from_utf8_lossy(said))?;
    }
    Ok(output.status.code())
}

fn nothing_printed_or_logged_shows_one(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let me = scene::me()?;
    let mark = ctx.kernel_log_mark()?;
    let text = |byte| Ok::<_, Failure>(secret(byte)?.expose_text().as_str().to_owned());
    let right = format!("@{}", file(ctx, "right", &text(b'Z')?)?);
    let wrong = format!("@{}", file(ctx, "wrong", &text(b'[')?)?);
    let broken = format!("@{}", file(ctx, "broken", &text(b'Z')?.replacen("Wlpa", "Wlpb", 1))?);
    let psk = ConfiguredPsk::new(Some(PskHash::Sha256), b"ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ")?;
    let psk = file(ctx, "psk", psk.expose_text().as_str())?;
    let (nqn, id) = (me.nqn.to_string(), me.id.to_string());
    let place = ["-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-n", NQN, "-q", &*nqn, "-I", &*id];
    let connect = |ctx: &Ctx, more: &[&str]| quiet(ctx, "connect", &[&place[..], more].concat());

    let (nsid, disk) = scene::disk(&ctx.ram_disk(0)?)?;
    let spec = scene::guide_spec(NQN, &ctx.ram_disk(0)?, "127.0.0.1")?.host(me.nqn.clone()).subsystem(
        scene::subsystem(NQN)?,
        SubsystemSpec::nobody().allow(me.nqn.clone()).namespace(nsid, disk),
    );
    scene::configure(&spec)?;
    let authenticates = ctx.release() != Release::V6_1;
    if authenticates {
        let dir = Path::new("/sys/kernel/config/nvmet/hosts").join(&nqn);
        fs::write(dir.join("dhchap_key"), text(b'Z')?)?;
        fs::write(dir.join("dhchap_ctrl_key"), text(b'[')?)?;
    }
    for (what, options, expected) in [
        // A kernel without authentication ignores what it is given.
        ("a wrong secret", ["-S", &*wrong, "--wait", "0"], i32::from(authenticates)),
        ("a broken secret", ["-S", &*broken, "--wait", "0"], 1),
        ("the right secret", ["-S", &*right, "--wait", "0"], 0),
    ] {
        let code = connect(ctx, &options)?;
        ensure!(code == Some(expected), "{what}: {code:?}");
        for words in [&["--json"][..], &["--subsys"], &["--subsys", "--json"], &[]] {
            quiet(ctx, "list", words)?;
        }
        quiet(ctx, "disconnect", &["-n", NQN, "--json"])?;
    }
    let code = connect(ctx, &["-S", &right, "-C", &wrong, "--json"])?;
    ensure!(code == Some(0), "both directions: {code:?}");
    quiet(ctx, "disconnect", &["-n", NQN])?;
    for verb in ["insert", "identity"] {
        quiet(ctx, "keys", &[verb, "--psk", &psk, "-n", NQN, "-q", &nqn])?;
    }
    for words in [
        &["list"][..],
        &["list", "--json"],
        &["export", "--file", "exported"],
        &["import", "--file", "exported"],
    ] {
        quiet(ctx, "keys", words)?;
    }
    for line in ctx.kernel_log_since(&mark)? {
        hidden("the kernel's log", &line)?;
    }
    if let Ok(ring) = TlsKeyring::open(&Sysfs::system()) {
        let mut keys = ring.keys(&Sysfs::system())?;
        keys.retain(|key| key.state == KeyState::Usable);
        ensure!(!keys.is_empty(), "`keys insert` inserted none");
        for key in keys {
            ring.revoke(key.serial)?;
        }
    }
    scene::clear_target()
}

/// A connect that the kernel is busy with: what everybody can read of the process.
fn none_among_the_arguments(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let text = secret(b'Z')?.expose_text().as_str().to_owned();
    let path = format!("@{}", file(ctx, "secret", &text)?);
    for argument in [path.as_str(), "-"] {
        // It accepts, and says nothing until everything has been looked at.
        let silent = TcpListener::bind("127.0.0.1:0")?;
        silent.set_nonblocking(true)?;
        let port = silent.local_addr()?.port().to_string();
        let mut child = Command::new("/bin/connect")
            .args(["-t", "tcp", "-a", "127.0.0.1", "-s", &port, "-n", NQN, "-q", "nqn.me", "-S", argument])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let process = Path::new("/proc").join(child.id().to_string());
        let looked = || -> Result<(), Failure> {
            for name in ["cmdline", "environ", "comm"] {
                let seen = fs::read(process.join(name))?;
                hidden(name, &String::from_utf8_lossy(&seen))?;
            }
            Ok(())
        };
        looked()?;
        let mut stdin = child.stdin.take().ok_or_else(|| Failure::new("no standard input"))?;
        stdin.write_all(text.as_bytes())?;
        drop(stdin);
        let mut connection = None;
        ctx.wait_for("the kernel to try", scene::PATIENCE, || {
            match silent.accept() {
                Ok((stream, _)) => connection = Some(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            Ok(connection.is_some())
        })?;
        looked()?;
        drop((connection, silent));
        let output = child.wait_with_output()?;
        for said in [&output.stdout, &output.stderr] {
            hidden("connect", &String::from_utf8_lossy(said))?;
        }
        ensure!(output.status.code() == Some(1), "{:?}", output.status);
        ctx.wait_for("the kernel to give up", scene::PATIENCE, || {
            Ok(fs::read_dir("/sys/class/nvme")?.next().is_none())
        })?;
    }
    Ok(())
}
