//! Messages of real kernels, and what is understood of them.
//!
//! `data/uevents/linux-RELEASE.txt` has one message a line, each NUL as `\0`: what a socket received while a subsystem with one namespace was connected by TCP and
//! disconnected again, its namespace resized, and the log of a discovery controller changed. Everything of other subsystems than NVMe and its disks is left out.

use std::fs;
use std::path::Path;

use nvme_fabrics::kernel::events::{Change, Event, Uevent};

fn messages(release: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/uevents/linux-{release}.txt"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let messages: Vec<_> = text.lines().map(|line| line.replace("\\0", "\0").into_bytes()).collect();
    assert!(messages.len() > 10, "{} messages of {release}", messages.len());
    messages
}

const RELEASES: [&str; 3] = ["6.1", "6.12", "7.x"];

#[test]
fn every_message_is_understood_and_written_back() {
    for release in RELEASES {
        for bytes in messages(release) {
            let uevent = Uevent::parse(&bytes).unwrap();
            assert_eq!(uevent.encode(), bytes, "{release}");
            assert!(uevent.sequence().is_some() && !uevent.subsystem().is_empty(), "{release}: {uevent:?}");
            assert_eq!(uevent.variable("DEVPATH"), Some(uevent.device()), "{release}");
            assert_eq!(uevent.variable("ACTION"), Some(uevent.action().as_str()), "{release}");
            assert_eq!(Event::of(uevent.clone()).map(|event| event.uevent), Some(uevent), "{release}");
        }
    }
}

#[test]
fn each_kernel_tells_the_whole_story() {
    for release in RELEASES {
        let changes: Vec<Change> = messages(release)
            .iter()
            .filter_map(|bytes| Event::of(Uevent::parse(bytes).unwrap()))
            .map(|event| event.change)
            .collect();
        let has = |is: &dyn Fn(&Change) -> bool| changes.iter().any(is);
        let added = |c: &Change| {
            matches!(c, Change::ControllerAdded { place, .. } if place.transport.as_deref() == Some("tcp")
                && place.traddr.as_deref() == Some("127.0.0.1") && place.host_traddr.is_none())
        };
        assert!(has(&added), "{release}");
        assert!(has(&|c| matches!(c, Change::ControllerLive { .. })), "{release}");
        assert!(has(&|c| matches!(c, Change::NamespaceAdded { .. })), "{release}");
        assert!(has(&|c| matches!(c, Change::NamespaceResized { .. })), "{release}");
        assert!(has(&|c| matches!(c, Change::NamespaceRemoved { .. })), "{release}");
        assert!(has(&|c| matches!(c, Change::GenericAdded { .. })), "{release}");
        assert!(has(&|c| matches!(c, Change::GenericRemoved { .. })), "{release}");
        assert!(has(&|c| matches!(c, Change::SubsystemAdded { .. })), "{release}");
        assert!(has(&|c| matches!(c, Change::SubsystemRemoved { .. })), "{release}");
        assert!(has(&|c| matches!(c, Change::DiscoveryLogChanged { .. })), "{release}");
        assert!(has(&|c| matches!(c, Change::ControllerRemoved { .. })), "{release}");
        assert!(
            !has(&|c| matches!(c, Change::PathAdded { .. })),
            "{release}: hidden disks are not announced"
        );
        assert!(has(&|c| matches!(c, Change::Rediscover { .. })), "{release}");
    }
}

#[test]
fn every_cut_message_is_refused_or_says_less() {
    for bytes in messages("6.12") {
        for end in 0..bytes.len() {
            if let Ok(uevent) = Uevent::parse(&bytes[..end]) {
                let _ = Event::of(uevent);
            }
        }
    }
}
