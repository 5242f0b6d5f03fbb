//! `connect` when the kernel's connect fails: the target is asked directly, and its answer is printed in words.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use nvme_examples::vm::Release;
use nvme_proto::auth::{DhchapSecret, HashId};
use nvme_proto::digest::Digests;
use nvme_proto::pdu::{DataAlignment, IcResp};
use nvmet_configfs::{HostSpec, PortId, PortSpec, SubsystemSpec, TargetSpec};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("soft_explain::connect_says_what_the_target_has_against_it", what_the_target_has_against_it),
    Case::new("soft_explain::connect_says_who_listens_there", connect_says_who_listens_there),
    Case::new(
        "soft_explain::connect_says_that_no_controller_is_free",
        connect_says_that_no_controller_is_free,
    ),
    Case::new("soft_explain::connect_says_that_a_secret_is_wanted", connect_says_that_a_secret_is_wanted),
];

const NQN: &str = "nqn.2024-05.org.example:disk";
const ADDRESS: &str = "127.0.0.1";
const STRANGER: &str = "nqn.2024-05.org.example:stranger";

/// `connect`, which must fail, print these words and leave no controller behind.
fn fails(ctx: &mut Ctx, port: u16, more: &[&str], wanted: &[&str]) -> Result<(), Failure> {
    let (me, port) = (scene::me()?, port.to_string());
    let id = me.id.to_string();
    let place = ["-t", "tcp", "-a", ADDRESS, "-s", &port];
    let host = match more.contains(&"-q") {
        true => vec![],
        false => vec!["-q", me.nqn.as_str(), "-I", &id],
    };
    let ran = ctx.try_run("connect", [&place[..], &host[..], more].concat())?;
    ctx.note(ran.stderr.trim());
    ensure_eq!(ran.code, Some(1), format!("exit status of {more:?}: {}", ran.stderr));
    for words in [&["asked directly, "], wanted].concat() {
        ensure!(ran.stderr.contains(words), "`{words}` is not in: {}", ran.stderr);
    }
    let left = nvme_fabrics::Inventory::scan(&nvme_fabrics::Sysfs::system())?;
    ensure_eq!(left.controllers().count(), 0, "controllers that are left");
    Ok(())
}

/// A subsystem that only this host may use.
fn only_for(ctx: &mut Ctx, host: HostSpec, settings: &[(&str, &str)]) -> Result<(), Failure> {
    let (nsid, namespace) = scene::disk(&ctx.ram_disk(0)?)?;
    let (nqn, me) = (scene::subsystem(NQN)?, scene::me()?);
    let mut subsystem = SubsystemSpec::nobody().allow(me.nqn.clone()).namespace(nsid, namespace);
    for (name, value) in settings {
        subsystem = subsystem.set(name, value)?;
    }
    let spec = TargetSpec::new()
        .host_with(me.nqn, host)
        .subsystem(nqn.clone(), subsystem)
        .port(PortId(1), PortSpec::tcp(ADDRESS.parse()?, scene::PORT).export(nqn));
    scene::configure(&spec).map(drop)
}

fn what_the_target_has_against_it(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    only_for(ctx, HostSpec::new(), &[])?;
    let typo = "nqn.2024-05.org.example:dsik";
    fails(ctx, scene::PORT, &["-n", typo], &["no such subsystem", &format!("a similar one: `{NQN}`")])?;
    fails(
        ctx,
        scene::PORT,
        &["-n", NQN, "-q", STRANGER],
        &[
            "the subsystem is there, and does not allow this host",
            &format!("allow host `{STRANGER}` on the target"),
        ],
    )?;
    fails(
        ctx,
        scene::PORT + 1,
        &["-n", NQN],
        &["nothing listens at that address and port", "check address and port"],
    )?;
    scene::clear_target()
}

/// Takes connections and answers the first 128 bytes of each, the size of an ICReq, with these.
fn peer(answer: Vec<u8>) -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    // It ends with the guest.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut stream = stream;
                let mut request = [0; 128];
                // Who leaves before the end wants no answer.
                let _ = stream.read_exact(&mut request).and_then(|()| stream.write_all(&answer));
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    });
    Ok(port)
}

/// Nothing of the kernel's: a target without digests, and services that are none.
fn connect_says_who_listens_there(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.modprobe("nvme-tcp")?;
    let plain = IcResp::new(DataAlignment::DWORD, Digests::NONE, 0x20_000).encode();
    let without_digests = peer(plain.to_vec())?;
    fails(
        ctx,
        without_digests,
        &["-n", NQN, "-g", "-G"],
        &[
            "does not use the digests asked for (asked for: header and data, used: none)",
            "connect without these digests",
        ],
    )?;
    let mut greeting = b"SSH-2.0-OpenSSH_10.0p2 Debian-7\r\n".to_vec();
    greeting.resize(128, b' ');
    let other = peer(greeting)?;
    fails(ctx, other, &["-n", NQN], &["does not speak NVMe/TCP; it says `SSH-2.0-OpenSSH", "check the port"])
}

/// A subsystem with two controllers, which two hosts have.
fn connect_says_that_no_controller_is_free(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let (nsid, namespace) = scene::disk(&ctx.ram_disk(0)?)?;
    let nqn = scene::subsystem(NQN)?;
    let subsystem = SubsystemSpec::any_host()
        .namespace(nsid, namespace)
        .set("attr_cntlid_min", "1")?
        .set("attr_cntlid_max", "2")?;
    let spec = TargetSpec::new()
        .subsystem(nqn.clone(), subsystem)
        .port(PortId(1), PortSpec::tcp(ADDRESS.parse()?, scene::PORT).export(nqn));
    scene::configure(&spec)?;
    // Taken by hosts in user space, so that nothing of this kernel's is in the way.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let peer = std::net::SocketAddr::new(ADDRESS.parse()?, scene::PORT);
    let mut taken = Vec::new();
    for name in ["nqn.2024-05.org.example:one", "nqn.2024-05.org.example:two"] {
        let connect = nvme_fabrics::tcp::Connect::new(peer, scene::subsystem(NQN)?, scene::host(name)?);
        taken.push(runtime.block_on(connect.connect())?);
    }
    fails(ctx, scene::PORT, &["-n", NQN], &["no controller free at the moment", "raise the target's limit"])?;
    for controller in taken {
        runtime.block_on(controller.disconnect());
    }
    scene::clear_target()
}

fn connect_says_that_a_secret_is_wanted(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    if ctx.release() == Release::V6_1 {
        // Built without authentication: it does not know such a setting, which the plan says before anything is written.
        let host = HostSpec::new().set("dhchap_key", secret(1)?.expose_text().as_str())?;
        let Err(error) = only_for(ctx, host, &[]) else {
            return Err(Failure::new("this kernel has authentication after all"));
        };
        ctx.note(&error.to_string());
        return scene::clear_target();
    }
    let (right, wrong) = (secret(1)?, secret(2)?);
    only_for(ctx, HostSpec::new().set("dhchap_key", right.expose_text().as_str())?, &[])?;
    fails(
        ctx,
        scene::PORT,
        &["-n", NQN],
        &["the target accepts this host, and demands that it authenticates", "give the DH-HMAC-CHAP secret"],
    )?;
    let file = ctx.scratch().join("secret");
    std::fs::write(&file, wrong.expose_text().as_str())?;
    let file = format!("@{}", file.display());
    fails(
        ctx,
        scene::PORT,
        &["-n", NQN, "-S", &file],
        &["demands that it authenticates", "compare it with the one that the target has for this host"],
    )?;
    scene::clear_target()
}

fn secret(seed: u64) -> Result<DhchapSecret, Failure> {
    let mut bytes = [0; 32];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    Ok(DhchapSecret::new(Some(HashId::SHA256), &bytes)?)
}
