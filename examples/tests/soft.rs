//! The programs in user space as a person uses them: `guide --soft`, and `soft-target` with `discover --user` and `bench -a`.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const NQN: &str = "nqn.2024-05.org.example:disk";

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program).args(words).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn succeeds(program: &str, words: &[&str]) -> String {
    let output = run(program, words);
    assert!(output.status.success(), "{program} {words:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn guide(words: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_guide"), &[&["--soft", "--runtime", "1"], words].concat())
}

#[test]
fn the_guide_plays_without_a_kernel() {
    let output = guide(&["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = story["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 8, "{story}");
    let did = story.to_string();
    for wanted in [
        "mysub",
        "port 1 is enabled",
        "controller 1",
        "read back: the same",
        "random write: ",
        "disconnected",
    ] {
        assert!(did.contains(wanted), "{wanted:?} in {did}");
    }
    assert!(did.contains(" 0 connections were cut off"), "{did}");
}

#[test]
fn the_guide_uses_a_file_and_only_a_blank_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(40 << 20).unwrap();
    let path = file.path().to_str().unwrap();
    let output = guide(&["--device", path, "-q", "nqn.2024-05.org.example:me", "-n", NQN]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.ends_with("nothing is left behind\n") && text.contains("only nqn.2024-05.org.example:me"),
        "{text}"
    );
    let before = std::fs::read(path).unwrap();
    assert!(before.iter().any(|byte| *byte != 0), "the profile wrote to the file");
    let output = guide(&["--device", path]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--overwrite"), "{}", said(&output));
    assert!(std::fs::read(path).unwrap() == before, "the file was written to");
}

/// A running `soft-target`. Dropping it kills it.
struct Soft {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: String,
}

impl Soft {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_soft-target"))
            .args(words)
            .arg("--json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut soft = Self { child, lines, port: String::new() };
        let line = soft.line();
        soft.port = line["listeners"][0]["trsvcid"].as_str().unwrap().to_owned();
        soft
    }

    /// The next line it prints; that of a start, or of a reload.
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| {
            let mut said = String::new();
            let _ = self.child.kill();
            let _ = self.child.stderr.take().unwrap().read_to_string(&mut said);
            panic!("{error} in {line:?}; stderr: {said}")
        })
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn stop(mut self) -> String {
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(status.success(), "{status}: {said}");
        said
    }

    fn discovered(&self, more: &[&str]) -> Value {
        let words = [&["--user", "-a", "127.0.0.1", "-s", &*self.port, "--json"], more].concat();
        serde_json::from_str(&succeeds(env!("CARGO_BIN_EXE_discover"), &words)).unwrap()
    }
}

impl Drop for Soft {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn names(discovered: &Value) -> Vec<&str> {
    discovered["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["subnqn"].as_str().unwrap())
        .collect()
}

#[test]
fn a_target_is_found_measured_and_ended() {
    let soft =
        Soft::start(&["-a", "127.0.0.1", "-s", "0", "-n", NQN, "--device", "mem:16m", "--threads", "1"]);
    assert!(names(&soft.discovered(&[])).contains(&NQN));
    let dir = tempfile::tempdir().unwrap();
    let plot = dir.path().join("plot.svg");
    let words = [
        "-a",
        "127.0.0.1",
        "-s",
        &*soft.port,
        "-n",
        NQN,
        "--rw",
        "randrw",
        "--numjobs",
        "2",
        "--iodepth",
        "4",
        "--runtime",
        "1",
        "-g",
        "-G",
        "--json",
        "--plot",
        plot.to_str().unwrap(),
    ];
    let bench = env!("CARGO_BIN_EXE_bench");
    let measured: Value = serde_json::from_str(&succeeds(bench, &words)).unwrap();
    for side in ["read", "write"] {
        assert!(measured["jobs"][0][side]["total_ios"].as_u64() > Some(0), "{measured}");
    }
    assert!(std::fs::read_to_string(&plot).unwrap().contains("</svg>"));
    // It has data now.
    let output = run(bench, &words);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--overwrite"), "{}", said(&output));
    assert!(soft.stop().contains("served "));
}

#[test]
fn an_address_that_others_reach_needs_a_word_about_hosts() {
    let words = ["-a", "0.0.0.0", "-s", "0", "-n", NQN, "--device", "mem:1m"];
    let output = run(env!("CARGO_BIN_EXE_soft-target"), &words);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--allow-any-host"), "{}", said(&output));
}

fn configuration(path: &Path, subsystems: &[(&str, &Path)], referral: Option<&str>) {
    let subsystem = |(nqn, disk): &(&str, &Path)| {
        json!({ "nqn": nqn, "attr": { "allow_any_host": "1" }, "allowed_hosts": [],
                "namespaces": [{ "nsid": 1, "enable": 1, "device": { "path": disk.to_str().unwrap() } }] })
    };
    let referrals: Vec<Value> = referral
        .into_iter()
        .map(|port| json!({ "name": "other", "enable": 1, "addr": { "trtype": "tcp", "adrfam": "ipv4", "traddr": "127.0.0.1", "trsvcid": port } }))
        .collect();
    let value = json!({
        "hosts": [],
        "subsystems": subsystems.iter().map(subsystem).collect::<Vec<_>>(),
        "ports": [{
            "portid": 1,
            "addr": { "trtype": "tcp", "adrfam": "ipv4", "traddr": "127.0.0.1", "trsvcid": "0" },
            "subsystems": subsystems.iter().map(|(nqn, _)| nqn).collect::<Vec<_>>(),
            "referrals": referrals,
        }],
    });
    std::fs::File::create(path).unwrap().write_all(value.to_string().as_bytes()).unwrap();
}

#[test]
fn the_kernels_configuration_is_served_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (file, one, two) = (dir.path().join("config.json"), dir.path().join("one"), dir.path().join("two"));
    for disk in [&one, &two] {
        std::fs::File::create(disk).unwrap().set_len(1 << 20).unwrap();
    }
    let other = Soft::start(&[
        "-a",
        "127.0.0.1",
        "-s",
        "0",
        "-n",
        "nqn.2024-05.org.example:far",
        "--device",
        "mem:1m",
    ]);
    configuration(&file, &[(NQN, &one)], None);
    let mut soft = Soft::start(&["--config", file.to_str().unwrap()]);
    assert!(names(&soft.discovered(&[])).contains(&NQN));

    let second = "nqn.2024-05.org.example:second";
    configuration(&file, &[(NQN, &one), (second, &two)], Some(&other.port));
    soft.signal(Signal::SIGHUP);
    let line = soft.line();
    assert_eq!(line["listeners"][0]["trsvcid"].as_str(), Some(&*soft.port), "the port stays");
    let found = soft.discovered(&["--follow-referrals"]);
    assert!(names(&found).contains(&NQN) && names(&found).contains(&second), "{found}");
    assert!(names(&found["referrals"][0]).contains(&"nqn.2024-05.org.example:far"), "{found}");

    // What cannot be served changes nothing.
    std::fs::write(&file, "{").unwrap();
    soft.signal(Signal::SIGHUP);
    assert!(names(&soft.discovered(&[])).contains(&second));
    // Our own format does as well.
    let own = format!(
        "version = 1\n[subsystems.\"{NQN}\"]\nhosts = \"any\"\n[subsystems.\"{NQN}\".namespaces.1]\ndevice_path = {one:?}\n\
         [ports.1]\naddr_trtype = \"tcp\"\naddr_adrfam = \"ipv4\"\naddr_traddr = \"127.0.0.1\"\naddr_trsvcid = 0\nsubsystems = [\"{NQN}\"]\n"
    );
    std::fs::write(&file, own).unwrap();
    soft.signal(Signal::SIGHUP);
    assert_eq!(soft.line()["listeners"][0]["trsvcid"].as_str(), Some(&*soft.port), "the port stays");
    let found = soft.discovered(&[]);
    assert!(names(&found).contains(&NQN) && !names(&found).contains(&second), "{found}");
    assert!(soft.stop().contains("not reloaded"));
    other.stop();
}
