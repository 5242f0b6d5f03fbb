//! The table of hints: each row can be reached, and has been given by a kernel.

use super::*;
use crate::tree::TreeError;

fn hint(op: Op, path: &str, target: Option<&str>, errno: Errno) -> &'static str {
    let target = target.map(|t| RelPath::new(t).unwrap());
    lookup(op, &RelPath::new(path).unwrap(), target.as_ref(), errno).map_or("", |row| row.text)
}

#[test]
fn every_row_names_its_source_and_can_be_reached() {
    let all: Vec<&Hint> = hints().collect();
    for (i, row) in all.iter().enumerate() {
        assert!(row.source.contains(".c"), "{}", row.source);
        assert!(!row.text.ends_with('.'), "{}", row.text);
        let shadow = all[..i].iter().find(|earlier| {
            earlier.op == row.op
                && (earlier.object.is_none() || earlier.object == row.object)
                && earlier.errno == row.errno
                && (earlier.name.is_empty() || earlier.name == row.name)
                && (earlier.target.is_none() || earlier.target == row.target)
        });
        assert!(shadow.is_none(), "{row} is shadowed");
    }
}

#[test]
fn explains_the_singular_directory() {
    assert!(hint(Op::Mkdir, "subsystems/mysub/namespace", None, Errno::EPERM).contains("plural"));
    assert!(hint(Op::Mkdir, "subsystems/mysub/namespace/1", None, Errno::ENOENT).contains("namespaces/1"));
    assert!(hint(Op::Write, "subsystems/mysub/namespace/1/enable", None, Errno::ENOENT).contains("plural"));
}

#[test]
fn explains_namespaces() {
    let enable = "subsystems/mysub/namespaces/1/enable";
    assert!(hint(Op::Write, enable, None, Errno::EINVAL).contains("device_path"));
    assert!(hint(Op::Write, enable, None, Errno::ENOENT).contains("names nothing"));
    assert!(hint(Op::Write, enable, None, Errno::EISDIR).contains("directory"));
    let path = "subsystems/mysub/namespaces/1/device_path";
    assert!(hint(Op::Write, path, None, Errno::EBUSY).contains("enable"));
    assert!(
        hint(Op::Write, "subsystems/mysub/namespaces/1/buffered_io", None, Errno::EINVAL).contains("enabled")
    );
    assert!(hint(Op::Mkdir, "subsystems/mysub/namespaces/0", None, Errno::EINVAL).contains("4294967294"));
}

#[test]
fn explains_a_host_nqn_in_place_of_a_subsystem_nqn() {
    let link = "ports/1/subsystems/h";
    assert!(hint(Op::Symlink, link, Some("hosts/h"), Errno::EINVAL).contains("host NQN cannot stand"));
    assert!(hint(Op::Symlink, link, Some("subsystems/h"), Errno::ENOENT).contains("allowed_hosts"));
    assert!(hint(Op::Symlink, link, Some("ports/1"), Errno::EINVAL).contains("only a subsystem"));
}

#[test]
fn explains_ports() {
    let link = "ports/1/subsystems/s";
    let to = Some("subsystems/s");
    assert!(hint(Op::Symlink, link, to, Errno::EINVAL).contains("modprobe nvmet-tcp"));
    assert!(hint(Op::Symlink, link, to, Errno::EADDRINUSE).contains("taken"));
    assert!(hint(Op::Symlink, link, to, Errno::EADDRNOTAVAIL).contains("0.0.0.0"));
    assert!(hint(Op::Write, "ports/1/addr_traddr", None, Errno::EACCES).contains("in service"));
    assert!(hint(Op::Rmdir, "ports/1", None, Errno::ENOTEMPTY).contains("exports"));
}

#[test]
fn explains_what_holds_everywhere_and_keeps_quiet_otherwise() {
    assert!(hint(Op::Mkdir, "ports/1/x", None, Errno::EPERM).contains("no objects"));
    assert!(hint(Op::Write, "ports/1/addr_traddr", None, Errno::EFAULT).contains("empty"));
    assert_eq!(hint(Op::List, "ports/1", None, Errno::EIO), "");
}

/// Failures that say all there is to say by themselves.
fn is_plain(error: &TreeError) -> bool {
    error.errno() == Errno::ENOENT && error.op() != Op::Write
}

/// The mistakes on all kernels of the simulation.
fn mistakes() -> &'static [(crate::FakeKernel, crate::testing::Mistake)] {
    use crate::{FakeKernel, FakeTree};
    static ALL: std::sync::OnceLock<Vec<(FakeKernel, crate::testing::Mistake)>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        let on =
            |kernel| crate::testing::mistakes(&FakeTree::new(kernel)).into_iter().map(move |m| (kernel, m));
        FakeKernel::ALL.into_iter().flat_map(on).collect()
    })
}

#[test]
fn every_mistake_has_a_hint() {
    let mut missing = Vec::new();
    for (kernel, mistake) in mistakes() {
        let Err(error) = &mistake.result else { continue };
        if !is_plain(error) && error.hint().is_none() {
            missing.push(format!("{kernel}: {}: {:?}", mistake.line, error.errno()));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Rows as their `Display` shows them that no recording has, with the case of the suite that provokes them on real kernels.
///
/// One answer that the kernel's source has is no row: `EINTR` of a `rmdir` (`fs/configfs/dir.c:configfs_rmdir`) is given to processes that
/// are being killed, and so never seen by one.
const ELSEWHERE: &[(&str, &str)] = &[
    ("write NamespaceAttribute enable: EACCES", "case hints: a block device that was made read-only"),
    ("write NamespaceAttribute enable: EROFS", "case hints: a file on a read-only mount"),
    ("write NamespaceAttribute enable: ETXTBSY", "case hints: a program that runs"),
    ("write NamespaceAttribute enable: ENXIO", "case hints: a device node without a driver"),
    ("make link Export: EACCES", "case hints: port 1023 without CAP_NET_BIND_SERVICE"),
    ("make link Export: EAFNOSUPPORT", "case hints: a kernel started with ipv6.disable=1"),
    ("list Root: ENOENT", "case hints: the module is unloaded under an open tree"),
    ("make directory anything: EACCES", "case hints: without being root"),
    ("remove directory anything: EACCES", "case hints: without being root"),
    ("make link anything: EACCES", "case hints: without being root"),
    ("remove link anything: EACCES", "case hints: without being root"),
    ("write anything: EACCES", "case hints: without being root"),
];

/// What three kernels answered (see `tests/observed.rs`).
const RECORDED: [&str; 3] = [
    include_str!("../../tests/observed/configfs-observed-6.1.json"),
    include_str!("../../tests/observed/configfs-observed-6.12.json"),
    include_str!("../../tests/observed/configfs-observed-7.3.json"),
];

/// The rows that recorded failures have.
fn recorded() -> Vec<&'static Hint> {
    let mut rows = Vec::new();
    for recording in RECORDED {
        let steps: Vec<serde_json::Value> = serde_json::from_str(recording).unwrap();
        for step in &steps {
            let field = |name: &str| step.get(name).and_then(|v| v.as_str());
            let path = |name| field(name).and_then(|p| RelPath::new(p.trim_start_matches("./")).ok());
            let (Some(op), Some(result), Some(at)) = (field("op"), field("result"), path("path")) else {
                continue;
            };
            let Some(errno) = Errno::from_name(result) else { continue };
            let op = match op {
                "mkdir" => Op::Mkdir,
                "rmdir" => Op::Rmdir,
                "ln" => Op::Symlink,
                "unlink" => Op::Unlink,
                "write" => Op::Write,
                "read" => Op::Read,
                "ls" => Op::List,
                other => panic!("{other}"),
            };
            rows.extend(lookup(op, &at, path("target").as_ref(), errno));
            // A write was followed by a read of the same attribute.
            let read = field("reads").and_then(|r| r.strip_prefix('!')).and_then(Errno::from_name);
            rows.extend(read.and_then(|errno| lookup(Op::Read, &at, None, errno)));
        }
    }
    rows
}

#[test]
fn every_row_was_given_by_a_kernel() {
    let mut recorded = recorded();
    // The mistakes are made on the real kernels too, with the same answers (case `mistakes` of the suite).
    recorded.extend(mistakes().iter().filter_map(|(_, m)| m.result.as_ref().err()?.explanation()));
    let missing: Vec<String> = hints()
        .filter(|row| !recorded.iter().any(|r| std::ptr::eq(*r, *row)))
        .map(ToString::to_string)
        .filter(|row| !ELSEWHERE.iter().any(|(known, _)| known == row))
        .collect();
    assert!(missing.is_empty(), "{} rows:\n{}", missing.len(), missing.join("\n"));
    for (row, how) in ELSEWHERE {
        let rows: Vec<_> = hints().filter(|r| r.to_string() == *row).collect();
        assert!(rows.len() == 1, "{row} ({how}) is no row");
        assert!(!recorded.iter().any(|r| std::ptr::eq(*r, rows[0])), "{row} is recorded by now");
    }
}
