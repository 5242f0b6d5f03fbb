//! The device protocol itself: what the kernel lists, what it refuses, and that our table of options says the same.

use nvme_examples::vm::Release;
use nvme_fabrics::options::OPTIONS;
use nvme_fabrics::{
    ConnectOptions, DeviceError, Errno, FabricsDevice, OptionList, OsDevice, Sysfs, connect, modules,
};

use super::scene;
use crate::guest::{Case, Ctx, Failure};
use crate::{ensure, ensure_eq};

/// The cases of this file.
pub const CASES: &[Case] = &[
    Case::new("fabrics_options::the_table_is_the_kernels_list", the_table_is_the_kernels_list),
    Case::new("fabrics_options::what_the_kernel_refuses", what_the_kernel_refuses),
    Case::new("fabrics_options::one_controller_a_descriptor", one_controller_a_descriptor),
    Case::new("fabrics_options::numbers_in_c_notation", numbers_in_c_notation),
    Case::new("fabrics_options::newer_options_are_refused_by_name", newer_options_are_refused_by_name),
];

/// `6.12` of `6.12.118+deb13-cloud-amd64`.
fn running(ctx: &Ctx) -> Result<(u16, u16), Failure> {
    let mut numbers = ctx.uname().split(|c: char| !c.is_ascii_digit()).map(str::parse::<u16>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(Failure::new(format!("`{}` is no release", ctx.uname()))),
    }
}

fn the_table_is_the_kernels_list(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let running = running(ctx)?;
    let list = OsDevice::system().option_list()?;
    let OptionList::Listed(names) = &list else { return Err(Failure::new("the kernel has no list")) };
    for option in OPTIONS {
        let old_enough = (option.since.major, option.since.minor) <= running;
        let listed = list.knows(option.name) == Some(true);
        match option.config {
            None => ensure_eq!(listed, old_enough, option.name),
            // Built without it, the kernel does not know it; too old, it cannot.
            Some(_) => ensure!(old_enough || !listed, "{} since {}", option.name, option.since),
        }
    }
    let newer: Vec<_> =
        names.iter().filter(|name| OPTIONS.iter().all(|o| o.name != name.as_str())).cloned().collect();
    let missing: Vec<_> =
        OPTIONS.iter().filter(|o| list.knows(o.name) == Some(false)).map(|o| o.name).collect();
    ctx.note(&format!("{} options listed; not in our table: {newer:?}; not here: {missing:?}", names.len()));
    Ok(())
}

fn write(text: &str) -> Result<String, DeviceError> {
    OsDevice::system().create(text)
}

/// Options that connect to the case's target.
fn good() -> Result<String, Failure> {
    let options =
        ConnectOptions::tcp("127.0.0.1".parse()?, scene::PORT, scene::subsystem("mysub")?, scene::me()?)?;
    Ok(options.to_option_string().expose().to_owned())
}

/// Nobody listens: what gets through every check ends in a refused connection.
fn what_the_kernel_refuses(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let good = good()?;
    let invalid = |text: &str, log: &'static str| (text.to_owned(), Errno::EINVAL, log);
    let bad_value = |option: &str| invalid(&format!("{good},{option}"), "");
    let long = format!("transport=tcp,traddr=127.0.0.1,nqn={}", "n".repeat(223));
    let mut cases = vec![
        (good.clone(), Errno::ECONNREFUSED, ""),
        (format!("{good},,\n,"), Errno::ECONNREFUSED, ""),
        (good.replace("nqn=mysub", &format!("nqn={}", "n".repeat(222))), Errno::ECONNREFUSED, ""),
        invalid(&long, "needs to be < 223 bytes"),
        invalid("\n", "missing parameter 'transport=%s'"),
        invalid("transport=tcp", "missing parameter 'nqn=%s'"),
        invalid("transport=tcp,nqn=x", "missing parameter 'traddr=%s'"),
        invalid("transport=bogus,nqn=x,traddr=1.2.3.4", "no handler found for transport bogus."),
        invalid(
            &format!("{good},foo=1"),
            "unknown parameter or missing value 'foo=1' in ctrl creation request",
        ),
        bad_value("hdr_digest=true"),
        bad_value("tls=1"),
        bad_value("duplicate_connect="),
        bad_value("queue_size=15"),
        bad_value("queue_size=1025"),
        bad_value("queue_size=16abc"),
        bad_value("queue_size="),
        bad_value("nr_io_queues=0"),
        bad_value("nr_write_queues=0"),
        bad_value("nr_poll_queues=0"),
        bad_value("reconnect_delay=0"),
        bad_value("keep_alive_tmo=-1"),
        bad_value("tos=-1"),
        invalid(&format!("{good},hostid=1234"), "Invalid hostid 1234"),
        invalid(&good.replace("127.0.0.1", "localhost"), "malformed address passed: localhost:4420"),
        invalid(&good.replace("127.0.0.1", "[::1]"), "malformed address passed: [::1]:4420"),
        invalid(&good.replace("trsvcid=4420", "trsvcid=http"), "malformed address passed"),
        invalid(&good.replace("trsvcid=4420", "trsvcid=70000"), "malformed address passed"),
        (format!("{good},host_iface=nosuch0"), Errno::ENODEV, "invalid interface passed: nosuch0"),
        (format!("{good},host_traddr=203.0.113.77"), Errno::EADDRNOTAVAIL, ""),
        (format!("{good},{}", "x".repeat(4096)), Errno::ENOMEM, ""),
        // The kernel's own port is that of discovery: without one, nobody answers at 4420's place.
        (good.replace(",trsvcid=4420", ""), Errno::ECONNREFUSED, ""),
    ];
    if modules::state(&Sysfs::system(), "nvme-loop") != modules::ModuleState::Missing {
        ctx.modprobe("nvme-loop")?;
        let host = &good[good.find("hostnqn=").unwrap_or_default()..];
        for (option, log) in [
            ("trsvcid=4420", "invalid parameter 'trsvcid=%s'"),
            ("hdr_digest", "invalid parameter 'hdr_digest'"),
            ("host_iface=lo", "invalid parameter 'host_iface=%s'"),
        ] {
            cases.push((format!("transport=loop,nqn=x,{host},{option}"), Errno::EINVAL, log));
        }
    }
    other_transports(ctx, &good, &mut cases)?;
    secured(ctx, &good, &mut cases);
    for (text, errno, log) in &cases {
        let mark = ctx.kernel_log_mark()?;
        match write(text) {
            Ok(reply) => return Err(Failure::new(format!("`{text}` was taken: {reply}"))),
            Err(error) => ensure_eq!(error.errno(), Some(*errno), text),
        }
        let said = ctx.kernel_log_since(&mark)?;
        ensure!(
            log.is_empty() || said.iter().any(|line| line.contains(log)),
            "`{text}`: {log:?} is not in {said:?}"
        );
    }
    ctx.note(&format!("{} option strings, each with its error number and its line in the log", cases.len()));
    Ok(())
}

/// An option string, its error number, and a line of the log.
type Refused = (String, Errno, &'static str);

/// RDMA and Fibre Channel: their modules are there, hardware is not.
fn other_transports(ctx: &mut Ctx, good: &str, cases: &mut Vec<Refused>) -> Result<(), Failure> {
    ctx.modprobe("nvme-rdma")?;
    ctx.modprobe("nvme-fc")?;
    let host = &good[good.find("nqn=").unwrap_or_default()..];
    let rdma = format!("transport=rdma,traddr=192.0.2.1,trsvcid=4420,{host}");
    for (option, log) in [
        ("host_iface=lo", "invalid parameter 'host_iface=%s'"),
        ("hdr_digest", "invalid parameter 'hdr_digest'"),
    ] {
        cases.push((format!("{rdma},{option}"), Errno::EINVAL, log));
    }
    let port = |n: u32| format!("nn-0x{n:016x}:pn-0x{n:016x}");
    let fc = |remote: &str, local: &str| format!("transport=fc,traddr={remote},host_traddr={local},{host}");
    cases.push((fc("nn-0x1:pn-0x2", "nn-0x3:pn-0x4"), Errno::EINVAL, ""));
    cases.push((fc(&port(1), &port(2)), Errno::ENOENT, ""));
    cases.push((fc(&port(1), &port(2)) + ",trsvcid=4420", Errno::EINVAL, "invalid parameter 'trsvcid=%s'"));
    cases.push((
        format!("transport=fc,traddr={},{host}", port(1)),
        Errno::EINVAL,
        "missing parameter 'host_traddr=%s'",
    ));
    Ok(())
}

/// What secures a connection and goes wrong before the network is asked.
fn secured(ctx: &Ctx, good: &str, cases: &mut Vec<Refused>) {
    let mut add = |option: &str, errno, log| cases.push((format!("{good},{option}"), errno, log));
    let unknown = "unknown parameter or missing value";
    match ctx.release() {
        Release::V6_1 => add("tls_key=2147483647", Errno::EINVAL, unknown),
        _ => {
            add("tls_key=0", Errno::EINVAL, "");
            add("tls_key=2147483647", Errno::ENOKEY, "");
            add("keyring=2147483647", Errno::ENOKEY, "");
        }
    }
    match ctx.release() {
        Release::V7 => {
            add("concat", Errno::EINVAL, "secure concatenation");
            let secret = "dhchap_secret=DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
            add(
                &format!("{secret},concat,tls"),
                Errno::EINVAL,
                "Secure concatenation over TLS is not supported",
            );
        }
        _ => add("concat", Errno::EINVAL, unknown),
    }
}

fn one_controller_a_descriptor(ctx: &mut Ctx) -> Result<(), Failure> {
    use std::fs::OpenOptions;
    use std::io::{Read, Write};
    scene::load(ctx)?;
    let good = good()?;
    let open = || OpenOptions::new().read(true).write(true).open("/dev/nvme-fabrics");
    let mut device = open()?;
    ensure_eq!(
        device.write(good.as_bytes()).err().and_then(|e| Errno::of(&e)),
        Some(Errno::ECONNREFUSED),
        "1"
    );
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    // The same descriptor is good after a failure, and used up after a success.
    ensure_eq!(device.write(good.as_bytes())?, good.len(), "bytes written");
    let again = good.clone() + ",duplicate_connect";
    ensure_eq!(device.write(again.as_bytes()).err().and_then(|e| Errno::of(&e)), Some(Errno::EINVAL), "3");
    let mut reply = String::new();
    device.read_to_string(&mut reply)?;
    let reply = nvme_fabrics::kernel::device::Reply::parse(&reply)?;
    // Closing it changes nothing.
    drop(device);
    let found = nvme_fabrics::Controller::read(&Sysfs::system(), reply.controller);
    ensure!(found.is_some_and(|c| c.state.is_live()), "{}", reply.controller);
    // After reading the list the position is at its end: the reply would be lost. So the list gets a descriptor of its own.
    let mut device = open()?;
    let mut list = String::new();
    device.read_to_string(&mut list)?;
    ensure!(list.starts_with("instance=-1,cntlid=-1,transport=%s,") && list.ends_with('\n'), "{list}");
    device.write_all(again.as_bytes())?;
    let mut nothing = String::new();
    device.read_to_string(&mut nothing)?;
    ensure_eq!(nothing, "", "a reply after the list");
    // The same again is one controller too many, and the error names the first.
    let error = scene::refused(scene::connect_as(scene::me()?, "mysub", "127.0.0.1"))?;
    ensure!(error.conflicting().is_some(), "{error}");
    for controller in nvme_fabrics::Inventory::scan(&Sysfs::system())?.controllers().map(|(_, c)| c.name) {
        scene::leave(controller)?;
    }
    scene::clear_target()
}

fn numbers_in_c_notation(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    scene::configure(&scene::guide_spec("mysub", &ctx.ram_disk(0)?, "127.0.0.1")?)?;
    for (option, entries) in [("queue_size=0x20", 32), ("queue_size=040", 32), ("queue_size=33", 33)] {
        let reply = write(&format!("{},{option}", good()?))?;
        let reply = nvme_fabrics::kernel::device::Reply::parse(&reply)?;
        let found = nvme_fabrics::Controller::read(&Sysfs::system(), reply.controller);
        ensure_eq!(found.and_then(|c| c.queue_size), Some(entries), option);
        scene::leave(reply.controller)?;
    }
    scene::clear_target()
}

fn newer_options_are_refused_by_name(ctx: &mut Ctx) -> Result<(), Failure> {
    scene::load(ctx)?;
    let options =
        ConnectOptions::tcp("127.0.0.1".parse()?, scene::PORT, scene::subsystem("mysub")?, scene::me()?)?
            .newer_value("option_of_the_year_2040", "1")?;
    let mark = ctx.kernel_log_mark()?;
    let Err(error) = connect(&OsDevice::system(), &Sysfs::system(), &options) else {
        return Err(Failure::new("the kernel knows an option of the year 2040"));
    };
    ensure_eq!(error.option(), Some("option_of_the_year_2040"), "option");
    ctx.note(&error.to_string());
    ensure!(ctx.kernel_log_since(&mark)?.is_empty(), "something was written");
    Ok(())
}
