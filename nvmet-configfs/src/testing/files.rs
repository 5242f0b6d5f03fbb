//! Properties of files: what is read is written the same, what is written is read the same.

use super::specs::{Controller, spec};
use super::{Choices, Must, foreign_tools};
use crate::file::{self, Format, Secrets, spec_of};
use crate::nvmetcli::Document;
use crate::observe::observe;
use crate::spec::TargetSpec;
use crate::tree::{FakeKernel, FakeTree, dump};
use crate::{Consent, Error, Foreign, Policy, plan, reconcile};

const OWN: [Format; 2] = [Format::Toml, Format::Json];

/// Any text is a file of some format or is refused with a reason; what is read of it survives being written in each of this crate's own
/// formats, and a document of nvmetcli comes back with everything that was in it.
///
/// # Panics
/// When that does not hold.
pub fn files(data: &[u8]) {
    match file::parse(data) {
        Ok(loaded) => {
            survives(&loaded.spec);
            for note in &loaded.notes {
                assert!(!note.to_string().is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(secrets) = Secrets::parse(data) {
        for format in OWN {
            assert_eq!(Secrets::parse(&secrets.to_text(format)).must("a file of keys"), secrets);
        }
    }
    if let Ok(document) = Document::parse(data) {
        let text = document.to_json();
        let again = Document::parse(&*text).must("a document");
        assert!(again == document, "a document changed by being written");
        assert_eq!(*again.to_json(), *text);
    }
}

/// A spec is the same after it was written and read. Keys go into a file of their own, and come back from there.
fn survives(spec: &TargetSpec) {
    let secrets = Secrets::of(spec);
    for format in OWN {
        let text = file::to_text(spec, format);
        let mut again = match file::parse(&text) {
            Ok(loaded) => loaded.spec,
            Err(error) => panic!("{format}: {error}\n{}", text.to_str().unwrap_or("?")),
        };
        let keys = Secrets::parse(&secrets.to_text(format)).must("a file of keys");
        assert!(keys.add_to(&mut again).is_empty(), "every host is in the file");
        assert_eq!(again, *spec, "{format}");
    }
}

/// What a target says of itself makes the same target: from the bytes come a kernel, a state, and what other tools did to it. The spec of
/// that needs no change on it, survives each format, and makes an empty target the same.
///
/// # Panics
/// When that does not hold.
pub fn saved(data: &[u8]) {
    let (which, data) = data.split_first().unwrap_or((&0, &[]));
    let kernel = FakeKernel::ALL[usize::from(*which) % 3];
    let mut choices = Choices::new(data);
    let tree = FakeTree::new(kernel).with_controller("/dev/nvme0");
    let first = spec(&mut choices, kernel, Controller::There);
    if let Err(error) = reconcile(&tree, &first, &Policy::default()) {
        assert!(matches!(error, Error::Spec(_)), "{error}");
        return;
    }
    foreign_tools(&mut choices, &tree);
    let observed = observe(&tree).must("a readable tree");
    let said = spec_of(&observed);
    survives(&said.spec);
    // nvmetcli's format says less, and says what it leaves out.
    let written = Document::from_observed(&observed);
    let text = written.document.to_json();
    assert!(Document::parse(&*text).must("a document") == written.document);
    if !said.notes.is_empty() || has_two_spellings(&tree) {
        return;
    }
    let policy = Policy::foreign(Foreign::Remove).consent(Consent::Given);
    match plan(&tree, &said.spec, &policy) {
        Ok(plan) => assert!(plan.is_empty(), "the target's own spec changes it:\n{plan}"),
        // What the kernel lets other tools do, and a spec cannot say: namespaces beside a pass-through, two ports at one address.
        Err(Error::Spec(_)) => return,
        Err(error) => panic!("{error}"),
    }
    let copy = FakeTree::new(kernel).with_controller("/dev/nvme0");
    match reconcile(&copy, &said.spec, &policy) {
        Ok(_) => {}
        Err(error) => panic!("{error}\n{}", dump(&tree).must("a readable tree")),
    }
    let again = spec_of(&observe(&copy).must("a readable tree"));
    assert_eq!(again.spec, said.spec);
}

/// Whether an object is there under another spelling of its number than the plain one: a spec has only that one.
fn has_two_spellings(tree: &FakeTree) -> bool {
    dump(tree).must("a readable tree").contains("/0x")
}
