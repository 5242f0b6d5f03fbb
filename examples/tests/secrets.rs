//! What the programs print of secrets: nothing, unless it is what they were asked to make; and nothing of them stands among their arguments.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Thirty-two times `Z`, without its final colon.
const SECRET: &str = "DHHC-1:01:WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWloj0TmR";
const KEYS: &str = env!("CARGO_BIN_EXE_keys");
const CONNECT: &str = env!("CARGO_BIN_EXE_connect");

fn run(program: &str, words: &[&str]) -> (Output, String) {
    let output = Command::new(program)
        .args(words)
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat();
    (output, said)
}

fn succeeds(words: &[&str]) -> String {
    let (output, said) = run(KEYS, words);
    assert!(output.status.success(), "keys {words:?}: {said}");
    said
}

#[test]
fn what_is_made_is_valid_and_a_file_is_its_owners() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let file = path.to_str().unwrap();
    for (hmac, length, said) in [
        ("0", "64", "valid: a secret of DH-HMAC-CHAP, hash number 00, 64 bytes"),
        ("1", "32", "valid: a secret of DH-HMAC-CHAP, hash number 01, 32 bytes"),
        ("3", "64", "valid: a secret of DH-HMAC-CHAP, hash number 03, 64 bytes"),
    ] {
        let printed = succeeds(&["gen-secret", "-m", hmac, "-l", length]);
        assert!(printed.starts_with(&format!("DHHC-1:0{hmac}:")), "{printed}");
        let quiet = succeeds(&["gen-secret", "-m", hmac, "-l", length, "--out", file]);
        assert_eq!(quiet, "");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(succeeds(&["check", file]).trim(), said);
        let (output, said) = run(KEYS, &["gen-secret", "--out", file]);
        assert_eq!(output.status.code(), Some(1), "it does not overwrite: {said}");
        fs::remove_file(&path).unwrap();
    }
    for (hmac, said) in [("1", "hash number 01, 32 bytes"), ("2", "hash number 02, 48 bytes")] {
        succeeds(&["gen-psk", "-m", hmac, "--out", file]);
        assert!(succeeds(&["check", file]).contains(said));
        let identity = succeeds(&["identity", "--psk", file, "-n", "mysub", "-q", "nqn.me", "-I", "0"]);
        assert_eq!(identity.trim(), format!("NVMe0R0{hmac} nqn.me mysub"));
        fs::remove_file(&path).unwrap();
    }
    let (output, _) = run(KEYS, &["gen-secret", "-m", "2", "-l", "32"]);
    assert_eq!(output.status.code(), Some(1), "SHA-384 has secrets of 48 bytes");
}

/// A secret and texts that are nearly one, in a file and among the arguments.
#[test]
fn nothing_that_is_said_shows_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let file = path.to_str().unwrap();
    let at = format!("@{file}");
    for text in
        [format!("{SECRET}:"), SECRET.to_owned(), format!("x{SECRET}:"), SECRET.replace("Wloj", "Wlok")]
    {
        fs::write(&path, &text).unwrap();
        let place = ["-t", "tcp", "-a", "127.0.0.1", "-s", "1", "-n", "mysub", "-q", "nqn.me"];
        let with = |option: &str, value: &str| -> Vec<String> {
            place.iter().copied().chain([option, value]).map(str::to_owned).collect()
        };
        let calls = [
            (KEYS, vec!["check".to_owned(), file.to_owned()]),
            (KEYS, ["insert", "--psk", file, "-n", "mysub", "-q", "nqn.me"].map(str::to_owned).to_vec()),
            (CONNECT, with("-S", &at)),
            (CONNECT, with("-S", &text)),
            (CONNECT, [with("-S", &at), with("-C", &text)[10..].to_vec()].concat()),
        ];
        for (program, words) in calls {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let (output, said) = run(program, &words);
            let is_right = words.first() == Some(&"check") && text == format!("{SECRET}:");
            assert_eq!(output.status.code() == Some(0), is_right, "{program} {words:?}: {said}");
            assert!(!said.contains("WlpaWlpa"), "{program} {words:?} says {said}");
        }
    }
}

#[test]
fn help_tells_of_the_ways_that_show_nothing() {
    let (_, said) = run(CONNECT, &["--help"]);
    assert!(
        said.contains("@FILE") && said.contains("standard input") && !said.contains("WlpaWlpa"),
        "{said}"
    );
    for verb in ["gen-secret", "gen-psk", "check", "insert", "list", "revoke", "export", "import"] {
        assert!(succeeds(&[verb, "--help"]).contains("Usage: keys"), "{verb}");
    }
    assert!(Path::new(KEYS).is_file());
}
