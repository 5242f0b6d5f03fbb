//! Who is connected, as the kernel's list in debugfs says, against the hosts that are.

use std::time::Duration;

use nvme_fabrics::{ConnectOptions, Connected, OsDevice, Sysfs, connect};
use nvmet_configfs::sessions::{HostAddress, Session, SessionsError, open, open_at, sessions};
use nvmet_configfs::{PortId, PortSpec, TargetSpec};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[Case::new("configfs_sessions::the_list_is_the_hosts", the_list_is_the_hosts)];

const ONE: &str = "nqn.2024-05.org.example:one";
const TWO: &str = "nqn.2024-05.org.example:two";
const ALICE: &str = "nqn.2024-05.org.example:alice";
const BOB: &str = "nqn.2024-05.org.example:bob";

fn connected(host: &str, nqn: &str, address: &str, keep_alive: u64) -> Result<Connected, Failure> {
    let options =
        ConnectOptions::tcp(address.parse()?, scene::PORT, scene::subsystem(nqn)?, scene::host(host)?)?
            .keep_alive(Duration::from_secs(keep_alive))?;
    Ok(connect(&OsDevice::system(), &Sysfs::system(), &options)?)
}

/// What is compared of a session: subsystem, host, port, keep-alive time-out in seconds, whether it is live, address.
type Shown = (String, Option<String>, Option<u16>, Option<u64>, bool, Option<String>);

fn shown(session: &Session) -> Shown {
    let address = session.address.as_ref().map(|address| match address {
        HostAddress::Socket(socket) => socket.ip().to_string(),
        other => other.to_string(),
    });
    let keep_alive = session.keep_alive.map(|time| time.as_secs());
    let port = session.port.map(|port| port.0);
    (session.subsystem.to_string(), session.host.clone(), port, keep_alive, session.is_live(), address)
}

fn wanted(nqn: &str, host: &str, port: u16, keep_alive: u64, address: &str) -> Shown {
    (nqn.to_owned(), Some(host.to_owned()), Some(port), Some(keep_alive), true, Some(address.to_owned()))
}

fn the_list_is_the_hosts(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let (one, two) = (scene::subsystem(ONE)?, scene::subsystem(TWO)?);
    scene::configure(
        &TargetSpec::new()
            .subsystem(one.clone(), scene::open_subsystem(&ctx.ram_disk(0)?)?)
            .subsystem(two.clone(), scene::open_subsystem(&ctx.ram_disk(1)?)?)
            .port(
                PortId(1),
                PortSpec::tcp("127.0.0.1".parse()?, scene::PORT).export(one.clone()).export(two.clone()),
            )
            .port(PortId(9), PortSpec::tcp("::1".parse()?, scene::PORT).export(two)),
    )?;
    ensure!(matches!(open(), Err(SessionsError::NotMounted { .. })), "without debugfs: {:?}", open());
    let debugfs = ctx.mount("none", "debugfs")?;
    let tree = match open_at(&debugfs) {
        Ok(tree) => tree,
        // No kernel of Debian has it so far; one that does is compared from its first day on. Until then: build `drivers/nvme/target` of
        // Debian's linux-source against its linux-headers with CONFIG_NVME_TARGET_DEBUGFS=y (also as -D in KCFLAGS), put the modules
        // into a copy of the cache, and name that in NVME_VM_CACHE. On 6.12.118 this case passed so.
        Err(error @ SessionsError::Unsupported { .. }) => {
            ensure!(!debugfs.join("nvmet").exists(), "{error}, and yet it is there");
            ctx.note(&error.to_string());
            return scene::clear_target();
        }
        Err(error) => return Err(error.into()),
    };
    let seen = || -> Result<Vec<_>, Failure> {
        let mut seen: Vec<_> = sessions(&tree)?.iter().map(shown).collect();
        seen.sort();
        Ok(seen)
    };
    ensure_eq!(seen()?, Vec::new(), "before anybody is connected");
    let mut hosts = vec![
        connected(ALICE, ONE, "127.0.0.1", 5)?,
        connected(ALICE, TWO, "::1", 7)?,
        connected(BOB, TWO, "127.0.0.1", 30)?,
    ];
    let mut all = vec![
        wanted(ONE, ALICE, 1, 5, "127.0.0.1"),
        wanted(TWO, ALICE, 9, 7, "::1"),
        wanted(TWO, BOB, 1, 30, "127.0.0.1"),
    ];
    ensure_eq!(seen()?, all, "with three hosts");
    for session in sessions(&tree)? {
        ctx.note(&session.to_string());
        ensure!(session.other.is_empty(), "not understood: {:?}", session.other);
    }
    while let Some(host) = hosts.pop() {
        scene::leave(host.controller)?;
        all.pop();
        // The target learns of it a little later.
        let gone = || -> Result<bool, Failure> { Ok(seen()? == all) };
        ctx.wait_for("the list to lose a host", scene::PATIENCE, gone)?;
    }
    scene::clear_target()
}
