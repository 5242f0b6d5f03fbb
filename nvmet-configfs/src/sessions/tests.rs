//! Sessions of directories that look like debugfs.

use std::fs::{create_dir_all, write};
use std::path::Path;

use super::*;

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join("nvmet").join(path);
    create_dir_all(path.parent().unwrap()).unwrap();
    write(path, text).unwrap();
}

fn controller(root: &Path, subsystem: &str, id: u16, files: &[(&str, &str)]) {
    for (name, text) in files {
        put(root, &format!("{subsystem}/ctrl{id}/{name}"), text);
    }
}

const HOST: &str = "nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3ccabcd";

#[test]
fn controllers_are_listed_by_subsystem_and_id() {
    let dir = tempfile::tempdir().unwrap();
    let plain = [
        ("hostnqn", concat!("nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-2fa1-11d2-883f-0016d3ccabcd", "\n")),
        ("port", "1\n"),
        ("kato", "15\n"),
        ("state", "ready\n"),
        ("host_traddr", "127.0.0.1:38776\n"),
    ];
    controller(dir.path(), "mysub", 10, &plain);
    controller(dir.path(), "mysub", 9, &plain);
    let tls = [("tls_key", "1a2b3c4d\n"), ("tls_concat", "0\n"), ("host_traddr", "[fe80::1%2]:4000\n")];
    controller(dir.path(), "mysub", 9, &tls);
    create_dir_all(dir.path().join("nvmet/nqn.2014-08.org.nvmexpress.discovery")).unwrap();
    let all = sessions(&open_at(dir.path()).unwrap()).unwrap();
    assert_eq!(all.iter().map(|s| s.controller.0).collect::<Vec<_>>(), [9, 10]);
    let [tls, plain] = all.as_slice() else { panic!("two controllers") };
    assert_eq!((tls.tls_key, tls.tls_concatenation), (Some(0x1a2b_3c4d), Some(false)));
    assert_eq!(tls.address, Some(HostAddress::Socket("[fe80::1%2]:4000".parse().unwrap())));
    assert_eq!((plain.host.as_deref(), plain.port), (Some(HOST), Some(PortId(1))));
    assert_eq!(plain.keep_alive, Some(Duration::from_secs(15)));
    assert!(plain.is_live() && plain.other.is_empty() && plain.tls_key.is_none());
    let text = format!("controller 10 of mysub: {HOST} from 127.0.0.1:38776 through port 1");
    assert_eq!(plain.to_string(), text);
}

#[test]
fn odd_values_are_kept_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let odd = [
        ("hostnqn", "\n"),
        ("port", "-1\n"),
        ("kato", "-5\n"),
        ("state", "ready|fatal|64\n"),
        ("host_traddr", "\n"),
        ("tls_key", "00000000\n"),
        ("tls_concat", "maybe\n"),
        ("news_of_tomorrow", "42\n"),
    ];
    controller(dir.path(), "mysub", 1, &odd);
    // No state at all, not even a newline: the host has not enabled it yet.
    controller(dir.path(), "mysub", 2, &[("state", ""), ("kato", "0\n")]);
    create_dir_all(dir.path().join("nvmet/mysub/ctrl3")).unwrap(); // gone between listing and reading
    for other in ["mysub/ctrl", "mysub/ctrlx", "mysub/ctrl65536", "mysub/other"] {
        create_dir_all(dir.path().join("nvmet").join(other)).unwrap();
    }
    put(dir.path(), "file", "of no subsystem\n");
    let all = sessions(&open_at(dir.path()).unwrap()).unwrap();
    let [odd, new] = all.as_slice() else { panic!("{all:?}") };
    let words = [ControllerState::Ready, ControllerState::Fatal, ControllerState::Other("64".into())];
    assert_eq!(odd.state, words);
    assert!(!odd.is_live() && odd.port.is_none() && odd.keep_alive.is_none() && odd.address.is_none());
    let kept: Vec<String> = odd.other.keys().map(ToString::to_string).collect();
    assert_eq!(kept, ["kato", "news_of_tomorrow", "port", "tls_concat"]);
    assert!(new.state.is_empty() && !new.is_live() && new.keep_alive == Some(Duration::ZERO));
}

#[test]
fn what_is_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let error = open_at(dir.path()).unwrap_err();
    assert!(matches!(error, SessionsError::Unsupported { .. }));
    assert!(error.to_string().contains("CONFIG_NVME_TARGET_DEBUGFS"), "{error}");
    create_dir_all(dir.path().join("nvmet")).unwrap();
    assert_eq!(sessions(&open_at(dir.path()).unwrap()).unwrap(), []);
}
