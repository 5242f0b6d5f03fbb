//! Properties of the list of attributes against the simulated target.

use super::{Choices, Must};
use crate::attr::{ATTRIBUTES, Attribute, Mode, ValueKind};
use crate::object::Object;
use crate::text;
use crate::tree::{FakeKernel, FakeTree, RelPath, Tree};

/// A fresh object of each kind.
fn place(owner: Object) -> RelPath {
    RelPath::new(match owner {
        Object::Host => "hosts/h",
        Object::Subsystem => "subsystems/s",
        Object::Namespace => "subsystems/s/namespaces/1",
        Object::Passthru => "subsystems/s/passthru",
        Object::Port => "ports/1",
        Object::AnaGroup => "ports/1/ana_groups/1",
        Object::Referral => "ports/1/referrals/r",
        _ => return RelPath::root(),
    })
    .must("a path")
}

/// A text made of the bytes, or of what values of this kind look like.
fn value(choices: &mut Choices<'_>, kind: ValueKind) -> Vec<u8> {
    let number = |choices: &mut Choices<'_>, min: u32, max: u32| {
        let bytes = [choices.byte(), choices.byte(), choices.byte(), choices.byte()];
        let any = u32::from_be_bytes(bytes);
        let near = [min, max, min.wrapping_sub(1), max.wrapping_add(1), any, any % max.max(1)];
        let n = near[usize::from(choices.below(6))];
        match choices.below(3) {
            0 => format!("{n:#x}"),
            1 => format!("-{n}"),
            _ => n.to_string(),
        }
    };
    let like = match kind {
        ValueKind::Choice(words) => words[usize::from(choices.byte()) % words.len()].to_owned(),
        ValueKind::Number { min, max } | ValueKind::Auto { min, max } => number(choices, min, max),
        ValueKind::Version => format!("{}.{}.{}", choices.byte(), choices.byte(), choices.byte()),
        ValueKind::Uuid | ValueKind::Nguid => text::hyphenated(&[choices.byte(); 16]),
        ValueKind::Path => "/dev/ram0".to_owned(),
        _ => ["0", "1", "on", "no"][usize::from(choices.below(4))].to_owned(),
    };
    let mut value = like.into_bytes();
    match choices.below(8) {
        0 => value.clear(),
        1 => value.insert(0, choices.byte()),
        2 => value.push(choices.byte()),
        _ => return value,
    }
    for _ in 0..choices.below(64) {
        value.push(choices.byte());
    }
    value
}

/// Values of any attribute: the spelling that this crate would write is spelled the same again, a new object of each kernel takes it, and
/// what is read back afterwards is the same value. What this crate refuses says why.
///
/// # Panics
/// When that does not hold.
pub fn attributes(data: &[u8]) {
    let mut choices = Choices::new(data);
    let kernel = FakeKernel::ALL[usize::from(choices.below(3))];
    let tree = FakeTree::new(kernel);
    for owner in [Object::Host, Object::Subsystem, Object::Namespace, Object::Port, Object::Referral] {
        tree.mkdir(&place(owner)).must("an object");
    }
    tree.write(&place(Object::Port).at("addr_trtype"), b"tcp").must("a transport");
    for _ in 0..=choices.below(16) {
        let attribute = &ATTRIBUTES[usize::from(choices.byte()) % ATTRIBUTES.len()];
        let text = value(&mut choices, attribute.kind);
        one(&tree, kernel, attribute, &text);
    }
}

fn one(tree: &FakeTree, kernel: FakeKernel, attribute: &Attribute, text: &[u8]) {
    let kind = attribute.kind;
    let written = match kind.canonical(text) {
        Ok(written) => written,
        Err(fault) => {
            assert!(!fault.to_string().is_empty());
            return;
        }
    };
    let name = attribute.name;
    let again = kind.canonical(&written).must("the spelling of this crate");
    assert!(*again == *written && kind.is_same(&written, &written), "{name} is spelled in two ways");
    let path = place(attribute.owner).at(name);
    let there = tree.kind(&path).must("a readable tree").is_some();
    if !there || written.is_empty() {
        return;
    }
    if let Err(error) = tree.write(&path, &written) {
        assert!(may_refuse(kernel, attribute, &written), "{kernel}: {error}: {}", written.escape_ascii());
        assert!(error.hint().is_some(), "{error}");
        return;
    }
    if attribute.mode == Mode::ReadWrite {
        let read = tree.read(&path).must("a readable attribute");
        let read = text::line(&read);
        assert!(
            kind.is_same(&written, read),
            "{name}: {} reads back as {}",
            written.escape_ascii(),
            read.escape_ascii()
        );
    }
    if attribute.name == "enable" {
        // What is enabled refuses the rest.
        tree.write(&path, b"0").must("what is enabled can be disabled");
    }
}

/// What depends on other attributes, on the kernel, or on whether the object is in service.
fn may_refuse(kernel: FakeKernel, attribute: &Attribute, value: &[u8]) -> bool {
    match attribute.name {
        // Each bound limits the other; a secure channel depends on the security, that on the transport.
        "attr_cntlid_min" | "attr_cntlid_max" | "addr_treq" | "addr_tsas" => true,
        // -1 cannot be written back; a subsystem's name may begin so; it is not enabled.
        "param_mdts" | "discovery_nqn" | "revalidate_size" => true,
        "enable" => *value == *b"1", // it has no device
        "p2pmem" => value.len() > 1, // there is no such device
        "addr_trtype" | "addr_adrfam" => *value == *b"pci" && kernel < FakeKernel::V7_3,
        _ => false,
    }
}
