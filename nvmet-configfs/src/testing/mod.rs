//! Properties that hold for any input, for fuzz targets and tests. Feature `testing`.
//!
//! Each takes bytes, makes inputs from them, and panics when the property does not hold.

mod agree;
mod attributes;
mod failures;
#[cfg(feature = "serde")]
mod files;
mod mistakes;
mod specs;

use crate::observe::observe;
use crate::spec::{DevicePath, Model, Nguid, NsUuid, PortId, Serial};
use crate::tree::{AddressField, FakeKernel, FakeTree, Instrumented, RelPath, Tree, TreeError, dump};
use crate::{Consent, Errno, Error, Foreign, Policy, reconcile};
use specs::{Controller, spec};

pub use agree::{Disagreement, agree};
pub use attributes::attributes;
pub use failures::every_failure_on;
#[cfg(feature = "serde")]
pub use files::{files, saved};
pub use mistakes::{Mistake, mistakes};

/// What the property needs to go on. Here and nowhere else in this crate a failure is a panic.
trait Must<T> {
    fn must(self, what: &str) -> T;
}

impl<T, E: std::fmt::Display> Must<T> for Result<T, E> {
    fn must(self, what: &str) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

/// Bytes as a source of choices.
struct Choices<'a> {
    bytes: &'a [u8],
    /// What follows them: zeros, or numbers made from them.
    state: Option<u64>,
}

impl<'a> Choices<'a> {
    /// These bytes, then zeros.
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, state: None }
    }

    /// Numbers that the bytes are the seed of, without end.
    fn endless(seed: &'a [u8]) -> Self {
        let hash = seed
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
        Self { bytes: &[], state: Some(hash | 1) }
    }

    fn byte(&mut self) -> u8 {
        if let Some((first, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            return *first;
        }
        let Some(state) = &mut self.state else { return 0 };
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        state.to_be_bytes()[0]
    }

    /// 0 to `n` - 1.
    fn below(&mut self, n: u8) -> u8 {
        self.byte() % n
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }
}

/// How the kernel of a tree keeps the longest addresses, for a simulated tree that shall answer like it. Makes port 65535 and removes it.
///
/// # Errors
/// What the tree answers.
pub fn address_field(tree: &dyn Tree) -> Result<AddressField, TreeError> {
    let port = RelPath::root().at("ports").at("65535");
    tree.mkdir(&port)?;
    let service = port.at("addr_trsvcid");
    let read = tree.write(&service, &[b'1'; 32]).and_then(|()| tree.read(&service));
    tree.rmdir(&port)?;
    Ok(if crate::text::line(&read?).len() == 32 { AddressField::Whole } else { AddressField::EndsInNul })
}

/// What other tools may have done; refused operations do not matter.
fn foreign_tools(choices: &mut Choices<'_>, tree: &dyn Tree) {
    for _ in 0..choices.below(12) {
        let (s, p, n) = (choices.below(5), choices.below(5) + 1, choices.below(4) + 1);
        let subsystem = format!("subsystems/nqn.2014-08.org.example:s{s}");
        let port = format!("ports/{p}");
        let path = |text: &str| RelPath::new(text).must("a path");
        let mkdir = |p: &str| drop(tree.mkdir(&path(p)));
        let write = |p: &str, v: &str| drop(tree.write(&path(p), v.as_bytes()));
        match choices.below(13) {
            0 => mkdir(&format!("hosts/other{n}")),
            1 => mkdir(&subsystem),
            2 => mkdir(&format!("{subsystem}/namespaces/{n}")),
            3 => mkdir(&format!("{subsystem}/namespaces/0x{n}")),
            4 => {
                mkdir(&subsystem);
                mkdir(&format!("{subsystem}/namespaces/{n}"));
                write(&format!("{subsystem}/namespaces/{n}/device_path"), "/dev/ram0");
                write(&format!("{subsystem}/namespaces/{n}/ana_grpid"), "128");
                write(&format!("{subsystem}/namespaces/{n}/enable"), "1");
            }
            5 => {
                mkdir(&subsystem);
                write(&format!("{subsystem}/passthru/device_path"), "/dev/nvme0");
                write(&format!("{subsystem}/passthru/enable"), "1");
                write(&format!("{subsystem}/attr_cntlid_max"), "9");
                write(&format!("{subsystem}/attr_cntlid_min"), "7");
            }
            6 => mkdir(&port),
            7 => mkdir(&format!("ports/0x{p}")),
            8 => {
                mkdir(&format!("{port}/referrals/there"));
                write(&format!("{port}/referrals/there/addr_traddr"), "192.0.2.1");
                write(&format!("{port}/referrals/there/enable"), "1");
            }
            9 => {
                mkdir(&format!("{port}/ana_groups/{}", n + 1));
                write(&format!("{port}/ana_groups/{}/ana_state", n + 1), "non-optimized");
                write(&format!("{port}/ana_groups/1/ana_state"), "change");
            }
            10 => {
                mkdir(&port);
                write(&format!("{port}/addr_trtype"), "tcp");
                write(&format!("{port}/addr_tsas"), "tls1.3");
                write(&format!("{port}/addr_adrfam"), "ipv4");
                write(&format!("{port}/addr_traddr"), "127.0.0.1");
                write(&format!("{port}/addr_trsvcid"), &format!("0x{:x}", 4000 + u16::from(p) * 10));
            }
            11 => drop(tree.symlink(&path(&format!("{port}/subsystems/any{n}")), &path(&subsystem))),
            _ => {
                let target = path(&format!("hosts/nqn.2014-08.org.example:host{}", n - 1));
                drop(tree.mkdir(&target));
                drop(tree.symlink(&path(&format!("{subsystem}/allowed_hosts/any{n}")), &target));
            }
        }
    }
}

/// Any target can be brought to any state, or is left exactly as it was.
///
/// From the bytes come a kernel, a first state, what other tools did to it, a second state, a policy, and where a call
/// fails. A failed run leaves the tree as before, a successful one needs no second run.
///
/// # Panics
/// When that does not hold.
pub fn plan(data: &[u8]) {
    let (which, data) = data.split_first().unwrap_or((&0, &[]));
    let kernel = FakeKernel::ALL[usize::from(*which) % 3];
    let tree = FakeTree::new(kernel).with_controller("/dev/nvme0");
    any_state(tree, kernel, Controller::There, data);
}

/// The same on a given tree, which is empty and so again afterwards: the tree of a real kernel that answers like `kernel`,
/// on a machine with `/dev/ram0` to `/dev/ram3`.
///
/// # Panics
/// When that does not hold.
pub fn plan_on(tree: impl Tree, kernel: FakeKernel, data: &[u8]) {
    any_state(tree, kernel, Controller::Absent, data);
}

fn any_state(tree: impl Tree, kernel: FakeKernel, controller: Controller, data: &[u8]) {
    let mut choices = Choices::new(data);
    let tree = Instrumented::new(tree);
    let empty = dump(&tree).must("a readable tree");
    let first = spec(&mut choices, kernel, controller);
    match reconcile(&tree, &first, &Policy::default()) {
        // A namespace may be meant to be enabled, and have no device.
        Err(Error::Spec(_)) => return,
        other => drop(other.must("an empty target takes any valid spec")),
    }
    foreign_tools(&mut choices, tree.inner());
    let second = spec(&mut choices, kernel, controller);
    let foreign = if choices.flag() { Foreign::Remove } else { Foreign::Keep };
    let policy = Policy::foreign(foreign).consent(Consent::Given);
    let at = usize::from(choices.below(64)); // plans are rarely longer
    let before = dump(&tree).must("a readable tree");

    let errno = if choices.flag() { Errno::EINTR } else { Errno::EIO };
    tree.fail_mutation(at, errno);
    let mutations = tree.mutations();
    match reconcile(&tree, &second, &policy) {
        Err(Error::Spec(_)) => {
            assert_eq!(tree.mutations(), mutations, "a refused spec writes nothing");
            tree.clear_failures();
            crate::clear(&tree).must("anything can be removed");
            return;
        }
        Err(Error::Apply(error)) => {
            assert!(error.rollback.is_complete(), "{error}");
            let after = dump(&tree).must("a readable tree");
            assert_eq!(after, before, "{error}\n{}", tree.log().join("\n"));
        }
        Err(error) => Err(error).must("a readable tree"),
        Ok(applied) => {
            assert!(applied.steps().len() <= at, "the failing call came too late to be one of the plan");
        }
    }

    tree.clear_failures();
    let result = reconcile(&tree, &second, &policy);
    if let Err(error) = result {
        // What other tools made may stand in the way; then nothing has changed.
        assert_eq!(policy.foreign, Foreign::Keep, "{error}");
        assert_eq!(dump(&tree).must("a readable tree"), before, "{error}");
        crate::clear(&tree).must("anything can be removed");
        return;
    }
    let mutations = tree.mutations();
    let again = reconcile(&tree, &second, &policy).must("a second run");
    assert!(!again.changed(), "a second run has nothing to do");
    assert_eq!(tree.mutations(), mutations, "a second run writes nothing");
    if policy.foreign == Foreign::Remove {
        let observed = observe(&tree).must("a readable tree");
        assert_eq!(observed.hosts.len(), second.hosts.len());
        assert_eq!(observed.subsystems.len(), second.subsystems.len());
        assert_eq!(observed.ports.len(), second.ports.len());
    }
    crate::clear(&tree).must("anything can be removed");
    assert_eq!(dump(&tree).must("a readable tree"), empty);
}

/// Any text of an attribute or name is read without a panic, and what is understood prints as it was meant.
///
/// # Panics
/// When that does not hold.
pub fn text(data: &[u8]) {
    use crate::observe::LinkTarget;
    use crate::text;

    if let Ok(n) = text::unsigned(data, u64::from(u32::MAX)) {
        assert_eq!(text::unsigned(n.to_string().as_bytes(), u64::from(u32::MAX)), Ok(n));
        assert_eq!(text::unsigned(format!("0x{n:x}\n").as_bytes(), u64::from(u32::MAX)), Ok(n));
    }
    if let Some((bytes, _)) = text::hex_pairs(data) {
        assert_eq!(text::hex_pairs(text::hyphenated(&bytes).as_bytes()), Some((bytes, &b""[..])));
    }
    let _ = text::boolean(data);
    let _ = LinkTarget::parse(data);
    if let Ok(path) = RelPath::new(data) {
        assert_eq!(path.as_bytes(), data);
        let rejoined = path.components().fold(RelPath::root(), |p, c| {
            p.join(&crate::Name::new(c).must("a component of a path is a name"))
        });
        assert_eq!(rejoined, path);
        let _ = (crate::Object::of(&path), path.to_string());
        for errno in [Errno::EINVAL, Errno::EPERM, Errno::ENOENT] {
            let _ = crate::TreeError::new(crate::Op::Write, &path, errno).to_string();
        }
    }
    if let Ok(text) = str::from_utf8(data) {
        if let Ok(path) = text.parse::<DevicePath>() {
            assert_eq!(path.as_str(), text);
        }
        if let Ok(uuid) = text.parse::<NsUuid>() {
            assert!(uuid.to_string().eq_ignore_ascii_case(text));
        }
        if let Ok(id) = text.parse::<PortId>() {
            assert_eq!(id.to_string(), text);
        }
        let _ = (text.parse::<Nguid>(), text.parse::<Serial>(), text.parse::<Model>());
    }
}
