//! The tables of the manual are those of the code. `BLESS=1 cargo test` writes them.

use std::fmt::Write as _;
use std::path::Path;

use crate::attr::{ATTRIBUTES, Attribute, Mode, ValueKind};
use crate::hint::{Hint, hints};
use crate::object::Object;
use crate::support::{OWNERS, Presence, support};
use crate::tree::{FakeKernel, FakeTree, Op, RelPath, Tree};

const BEGIN: &str = "<!-- from here on made by the test `manual` -->\n";

/// The part of a chapter behind the mark is `made`; with `BLESS` it becomes so.
fn is_up_to_date(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, tail) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{file} has no mark"));
    if tail == made {
        return;
    }
    assert!(std::env::var_os("BLESS").is_some(), "{file} is out of date: BLESS=1 writes it");
    std::fs::write(&path, format!("{head}{BEGIN}{made}")).unwrap();
}

/// As it stands in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What a row is about, in words.
fn tried(row: &Hint) -> String {
    let file = |object: Object| match object {
        Object::MisspeltNamespaces => "`subsystems/S/namespace…`",
        Object::AllowedHost => "`subsystems/S/allowed_hosts/…`",
        Object::Export => "`ports/P/subsystems/…`",
        Object::Root => "the target's tree",
        _ => "",
    };
    let what = match (row.object, row.name) {
        (_, name) if !name.is_empty() => format!("`{name}`"),
        (Some(object), _) if !file(object).is_empty() => file(object).to_owned(),
        (Some(object), _) if row.op == Op::Write => format!("any {}", object.noun()),
        (Some(object), _) => format!("a {}", object.noun()),
        (None, _) => "anything".to_owned(),
    };
    let verb = match row.op {
        Op::Mkdir => "make".to_owned(),
        Op::Rmdir => "remove".to_owned(),
        Op::Symlink => "link".to_owned(),
        Op::Unlink => "unlink".to_owned(),
        op => op.to_string(),
    };
    match row.target {
        Some(target) => format!("{verb} {what} to a {}", target.noun()),
        None => format!("{verb} {what}"),
    }
}

/// Which section of the chapter a row stands in.
fn section(row: &Hint) -> usize {
    match row.object {
        Some(Object::Root | Object::RootAttribute) => 0,
        Some(Object::Host | Object::HostAttribute | Object::AllowedHost) => 1,
        Some(Object::Subsystem | Object::SubsystemAttribute) => 2,
        Some(Object::Namespace | Object::NamespaceAttribute | Object::MisspeltNamespaces) => 3,
        Some(Object::Passthru | Object::PassthruAttribute) => 4,
        Some(Object::Port | Object::PortAttribute | Object::Export) => 5,
        Some(Object::AnaGroup | Object::AnaGroupAttribute) => 6,
        Some(Object::Referral | Object::ReferralAttribute) => 7,
        _ => 8,
    }
}

const SECTIONS: [&str; 9] = [
    "The target",
    "Hosts and their permissions",
    "Subsystems",
    "Namespaces",
    "Pass-through",
    "Ports and exports",
    "ANA groups",
    "Referrals",
    "Everything else",
];

#[test]
fn the_chapter_on_refusals_has_every_row() {
    let mut text = String::new();
    for (n, title) in SECTIONS.iter().enumerate() {
        let _ = write!(
            text,
            "\n# {title}\n\n| tried | answer | cause and remedy | kernel function |\n|---|---|---|---|\n"
        );
        for row in hints().filter(|row| section(row) == n) {
            let errno = row.errno.name().unwrap();
            let _ = writeln!(
                text,
                "| {} | `{errno}` | {} | `{}` |",
                cell(&tried(row)),
                cell(row.text),
                cell(row.source)
            );
        }
    }
    is_up_to_date("src/manual/refusals.md", &text);
}

/// What an attribute holds, in words.
fn holds(kind: ValueKind) -> String {
    match kind {
        ValueKind::Flag => "0 or 1".into(),
        ValueKind::Choice(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
        ValueKind::Number { min, max } => format!("{min} to {max}"),
        ValueKind::Auto { min, max } => format!("{min} to {max}, or -1"),
        ValueKind::Version => "`M.m` or `M.m.t`".into(),
        ValueKind::Ascii { max } => format!("1 to {max} printable ASCII characters"),
        ValueKind::Line { max } => format!("1 to {max} bytes, one line"),
        ValueKind::Word { max } => format!("1 to {max} bytes without white space"),
        ValueKind::Path => "absolute path".into(),
        ValueKind::Uuid => "UUID".into(),
        ValueKind::Nguid => "NGUID".into(),
        ValueKind::Key => "`DHHC-1:…:` (secret)".into(),
        ValueKind::Peer => "0, 1 or a PCI address".into(),
        ValueKind::Opaque => "any text".into(),
    }
}

/// Trees with one object of each kind.
fn kernels() -> Vec<(FakeKernel, crate::Support)> {
    let full = |kernel| {
        let tree = FakeTree::new(kernel);
        for dir in ["hosts/h", "subsystems/s", "subsystems/s/namespaces/1", "ports/1", "ports/1/referrals/r"]
        {
            tree.mkdir(&RelPath::new(dir).unwrap()).unwrap();
        }
        (kernel, support(&tree).unwrap())
    };
    FakeKernel::ALL.into_iter().map(full).collect()
}

fn row(a: &Attribute, kernels: &[(FakeKernel, crate::Support)]) -> String {
    let there: Vec<&str> = kernels
        .iter()
        .map(|(_, s)| if s.presence(a.owner, a.name) == Presence::Yes { "●" } else { "–" })
        .collect();
    let build = if a.build.is_empty() { String::new() } else { format!(", `{}`", a.build) };
    let mode = if a.mode == Mode::WriteOnly { " (write-only)" } else { "" };
    let fresh = if a.fresh.is_empty() { String::new() } else { format!("`{}`", a.fresh) };
    format!(
        "| `{}`{mode} | {} | {fresh} | {} | {}{build} | {} | {} |\n",
        a.name,
        cell(&holds(a.kind)),
        a.writable,
        a.since,
        there.join(" | "),
        cell(a.quirk)
    )
}

#[test]
fn the_table_of_support_is_that_of_the_list() {
    let kernels = kernels();
    let mut text = String::new();
    for owner in OWNERS {
        let mut title = owner.noun().to_owned();
        title.get_mut(..1).unwrap().make_ascii_uppercase();
        let _ = write!(
            text,
            "\n## {title}\n\n| attribute | holds | at first | writable | since | 6.1 | 6.12 | 7.3 | remarks |\n\
             |---|---|---|---|---|---|---|---|---|\n"
        );
        for a in ATTRIBUTES.iter().filter(|a| a.owner == owner) {
            text.push_str(&row(a, &kernels));
        }
    }
    is_up_to_date("support.md", &text);
}
