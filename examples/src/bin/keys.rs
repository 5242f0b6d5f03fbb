//! `keys`: makes and checks secrets and keys, puts keys for TLS where the kernel finds them, and says who this host is.
//!
//! Secrets come from files or standard input and never stand among the arguments, which every user of the machine can read. What is made goes to standard
//! output, or with --out to a new file that only its owner may read.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nvme_examples::{cli, host};
use nvme_fabrics::identity::{Proposal, Repair};
use nvme_fabrics::kernel::keyring::{KeyState, NVME_KEYRING, TlsKeyring};
use nvme_fabrics::keys::{
    ConfiguredPsk, DhchapSecret, KeyFile, PskHash, SecretLen, TlsKey, VersionOfIdentity, generate_psk,
    generate_secret,
};
use nvme_fabrics::{HostIdentity, IdentityFiles, IdentitySource, KeySerial, Sysfs};
use nvme_proto::auth::HashId;
use nvme_proto::tls::LabelEncoding;
use nvme_proto::{HostNqn, SubsysNqn};
use serde_json::{Value, json};

/// Secrets of DH-HMAC-CHAP and keys for TLS.
#[derive(Parser)]
#[command(name = "keys", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a secret for DH-HMAC-CHAP
    GenSecret {
        /// Function it is transformed with: 0 none, 1 SHA-256, 2 SHA-384, 3 SHA-512
        #[arg(short = 'm', long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=3))]
        hmac: u8,
        /// Bytes: 32, 48 or 64 [default: those of the function]
        #[arg(short = 'l', long, value_name = "BYTES")]
        key_length: Option<usize>,
        /// Write it to this new file
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Make a key for TLS, to be configured on both sides
    GenPsk {
        /// Hash function: 1 SHA-256, 2 SHA-384
        #[arg(short = 'm', long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
        hmac: u8,
        /// Write it to this new file
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check a secret or a key: FILE, or - for standard input
    Check {
        /// Where it is
        file: PathBuf,
    },
    /// Say who this host is, whether the files in /etc/nvme fit together, and what could be done if not
    Host {
        /// Do it: keep the host NQN, keep the host ID, or save both where there is neither
        #[arg(long, value_enum)]
        keep: Option<Keep>,
    },
    /// Say the identity of a key for TLS
    Identity(Derived),
    /// Derive the key for TLS of one host and one subsystem, and insert it into the kernel's keyring
    Insert {
        #[command(flatten)]
        derived: Derived,
        /// Let it expire after this time, in seconds
        #[arg(long, value_name = "SECS", value_parser = host::seconds)]
        expire: Option<Duration>,
        #[command(flatten)]
        ring: Ring,
    },
    /// List the keys for TLS in the kernel's keyring
    List(Ring),
    /// Revoke a key
    Revoke {
        /// Its serial number, decimal or 0x…
        #[arg(value_parser = host::key_serial)]
        key: KeySerial,
        #[command(flatten)]
        ring: Ring,
    },
    /// Write all keys of the keyring that can be used to a file, as nvme-cli does
    Export {
        /// The file; it is replaced
        #[arg(long, default_value = "/etc/nvme/tls-keys")]
        file: PathBuf,
        #[command(flatten)]
        ring: Ring,
    },
    /// Insert all keys of such a file
    Import {
        /// The file
        #[arg(long, default_value = "/etc/nvme/tls-keys")]
        file: PathBuf,
        #[command(flatten)]
        ring: Ring,
    },
}

/// Which half of a host's identity is right.
#[derive(Clone, Copy, ValueEnum)]
enum Keep {
    Nqn,
    Id,
    Generated,
}

impl Keep {
    /// Whether this is what a proposal comes from.
    fn is_it(self, proposal: &Proposal) -> bool {
        match self {
            Self::Nqn => proposal.source == IdentitySource::HostNqnFile,
            Self::Id => proposal.source == IdentitySource::HostIdFile,
            Self::Generated => {
                !matches!(proposal.source, IdentitySource::HostNqnFile | IdentitySource::HostIdFile)
            }
        }
    }

    /// The flag that asks for a proposal.
    fn of(proposal: &Proposal) -> &'static str {
        match proposal.source {
            IdentitySource::HostNqnFile => "nqn",
            IdentitySource::HostIdFile => "id",
            _ => "generated",
        }
    }
}

/// A key of one host and one subsystem.
#[derive(Args)]
struct Derived {
    /// File with the configured key (NVMeTLSkey-1:…), or - for standard input
    #[arg(long, value_name = "FILE")]
    psk: PathBuf,
    /// NQN of the subsystem; for a discovery service its own
    #[arg(short = 'n', long, value_name = "NQN")]
    nqn: SubsysNqn,
    /// NQN of the host
    #[arg(short = 'q', long, value_name = "NQN")]
    hostnqn: Option<HostNqn>,
    /// Version of the identity; Linux up to 6.11 looks for 0 only
    #[arg(short = 'I', long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    identity: u8,
    /// Derive as nvme-cli before 2.16 did
    #[arg(long)]
    compat: bool,
}

#[derive(Args)]
struct Ring {
    /// Keyring
    #[arg(long, default_value = NVME_KEYRING)]
    keyring: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    cli::exit(run(&arguments.verb, arguments.json))
}

fn run(verb: &Verb, as_json: bool) -> cli::Outcome {
    let sysfs = Sysfs::system();
    match verb {
        Verb::GenSecret { hmac, key_length, out } => {
            let hash = (*hmac > 0).then_some(HashId(*hmac));
            let len = match key_length {
                None => hash.and_then(SecretLen::of).unwrap_or_default(),
                Some(bytes) => SecretLen::from_bytes(*bytes)
                    .ok_or_else(|| cli::failure("a secret has 32, 48 or 64 bytes"))?,
            };
            hand_over(generate_secret(hash, len)?.expose_text().as_str(), out.as_deref())
        }
        Verb::GenPsk { hmac, out } => {
            let hash = PskHash::from_number(*hmac).unwrap_or(PskHash::Sha256);
            hand_over(generate_psk(hash)?.expose_text().as_str(), out.as_deref())
        }
        Verb::Check { file } => check(file, as_json),
        Verb::Host { keep } => this_host(*keep, as_json),
        Verb::Identity(derived) => {
            let key = derived.key()?;
            said(as_json, &json!({ "identity": key.identity().to_string() }), &key.identity().to_string())
        }
        Verb::Insert { derived, expire, ring } => {
            let (ring, key) = (ring.open(&sysfs)?, derived.key()?);
            let serial = key.insert(&ring)?;
            if let Some(time) = expire {
                ring.expire(serial, *time)?;
            }
            let identity = key.identity().to_string();
            said(
                as_json,
                &json!({ "key": serial.as_u32(), "identity": identity }),
                &format!("inserted key {serial} (0x{:08x}): {identity}", serial.as_u32()),
            )
        }
        Verb::List(ring) => list(&ring.open(&sysfs)?, &sysfs, as_json),
        Verb::Revoke { key, ring } => {
            ring.open(&sysfs)?.revoke(*key)?;
            said(as_json, &json!({ "revoked": key.as_u32() }), &format!("revoked key {key}"))
        }
        Verb::Export { file, ring } => export(&ring.open(&sysfs)?, &sysfs, file, as_json),
        Verb::Import { file, ring } => import(&ring.open(&sysfs)?, file, as_json),
    }
}

impl Ring {
    fn open(&self, sysfs: &Sysfs) -> Result<TlsKeyring, nvme_fabrics::kernel::keyring::KeyringError> {
        TlsKeyring::named(sysfs, &self.keyring)
    }
}

impl Derived {
    fn key(&self) -> Result<TlsKey, Box<dyn std::error::Error + Send + Sync>> {
        let psk: ConfiguredPsk = host::secret_text(&self.psk)?.trim_ascii().parse()?;
        let host = host::identity(self.hostnqn.clone(), None)?.nqn;
        let version = if self.identity == 0 { VersionOfIdentity::V0 } else { VersionOfIdentity::V1 };
        let labels = if self.compat { LabelEncoding::Libnvme115 } else { LabelEncoding::Rfc8446 };
        Ok(TlsKey::derive(&psk, &host, &self.nqn, version, labels)?)
    }
}

/// Prints a fact.
fn said(as_json: bool, value: &Value, text: &str) -> cli::Outcome {
    if as_json { cli::print_json(value) } else { Ok(cli::print(text)?) }
}

/// Who this host is. What does not fit together is shown with the ways out, and mended only when one of them is named.
fn this_host(keep: Option<Keep>, as_json: bool) -> cli::Outcome {
    let files = IdentityFiles::system();
    let repair = files.check()?;
    if let Some(keep) = keep {
        let proposals = repair.iter().flat_map(|repair| &repair.proposals);
        let Some(proposal) = proposals.into_iter().find(|proposal| keep.is_it(proposal)) else {
            return Err(cli::failure("nothing of the kind is to be mended: see `keys host`"));
        };
        files.repair(proposal)?;
        for change in &proposal.changes {
            cli::note(&change.to_string());
        }
        return said(as_json, &who(&proposal.identity, &[]), &proposal.identity.to_string());
    }
    let identity = files.load_or_generate()?.identity;
    let Some(Repair { reason, proposals, .. }) = repair else {
        return said(as_json, &who(&identity, &[]), &identity.to_string());
    };
    let mut value = who(&identity, &proposals);
    value["inconsistency"] = reason.to_string().into();
    let mut text = format!("{identity}\n{reason}; nothing is changed. What could be done:\n");
    for proposal in &proposals {
        let _ = writeln!(text, "  keys host --keep {}", Keep::of(proposal));
        for change in &proposal.changes {
            let _ = writeln!(text, "    {change}");
        }
    }
    said(as_json, &value, &text)
}

fn who(identity: &HostIdentity, proposals: &[Proposal]) -> Value {
    let ways = proposals.iter().map(|proposal| {
        let changes = proposal
            .changes
            .iter()
            .map(|change| json!({ "file": change.path, "from": change.from, "to": change.to }));
        json!({ "keep": Keep::of(proposal), "changes": changes.collect::<Vec<_>>() })
    });
    json!({
        "version": host::JSON_VERSION, "host_nqn": identity.nqn.as_str(), "host_id": identity.id.to_string(),
        "proposals": ways.collect::<Vec<_>>(),
    })
}

/// What was made: to a file of the owner's alone, or to standard output.
fn hand_over(text: &str, out: Option<&Path>) -> cli::Outcome {
    let Some(path) = out else { return Ok(cli::print(text)?) };
    let failed = |e| cli::failure(format!("cannot write {}: {e}", path.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    writeln!(file, "{text}").map_err(failed)
}

fn check(file: &Path, as_json: bool) -> cli::Outcome {
    let text = host::secret_text(file)?;
    let text = text.trim_ascii();
    let (kind, hash, len) = if text.starts_with("NVMeTLSkey") {
        let psk: ConfiguredPsk = text.parse()?;
        ("key for TLS", psk.hash().map_or(0, PskHash::number), psk.expose_bytes().len())
    } else {
        let secret: DhchapSecret = text.parse()?;
        ("secret of DH-HMAC-CHAP", secret.hash().map_or(0, |hash| hash.0), secret.expose_bytes().len())
    };
    said(
        as_json,
        &json!({ "kind": kind, "hmac": hash, "bytes": len }),
        &format!("valid: a {kind}, hash number {hash:02}, {len} bytes"),
    )
}

fn list(ring: &TlsKeyring, sysfs: &Sysfs, as_json: bool) -> cli::Outcome {
    let keys = ring.keys(sysfs)?;
    if as_json {
        let keys = keys.iter().map(|key| {
            json!({
                "key": key.serial.as_u32(), "state": key.state.as_str(), "time_left": key.time_left,
                "identity": key.description,
            })
        });
        return cli::print_json(
            &json!({ "keyring": ring.serial().as_u32(), "keys": keys.collect::<Vec<_>>() }),
        );
    }
    let lines = keys.iter().map(|key| {
        format!(
            "{:08x} {:8} {:>4} {}\n",
            key.serial.as_u32(),
            key.state.as_str(),
            key.time_left,
            key.description
        )
    });
    Ok(cli::print(&lines.collect::<String>())?)
}

fn export(ring: &TlsKeyring, sysfs: &Sysfs, file: &Path, as_json: bool) -> cli::Outcome {
    let (mut keys, mut failed) = (Vec::new(), 0_usize);
    for listed in ring.keys(sysfs)? {
        if listed.state != KeyState::Usable {
            cli::note(&format!("note: key {} is left out, it is {}", listed.serial, listed.state.as_str()));
            continue;
        }
        let key = ring.read(listed.serial).map_err(|error| cli::explain(&error)).and_then(|bytes| {
            let identity = listed.description.parse().map_err(|error| cli::explain(&error))?;
            TlsKey::new(identity, &bytes).map_err(|error| cli::explain(&error))
        });
        match key {
            Ok(key) => keys.push(key),
            Err(why) => {
                failed += 1;
                cli::note(&format!("key {} is left out: {why}", listed.serial));
            }
        }
    }
    KeyFile::new(keys.iter().cloned()).save(file)?;
    let text = format!("exported {} keys to {}", keys.len(), file.display());
    said(as_json, &json!({ "exported": keys.len(), "failed": failed }), &text)?;
    complete(failed)
}

fn import(ring: &TlsKeyring, file: &Path, as_json: bool) -> cli::Outcome {
    let content = KeyFile::load(file)?;
    let (mut inserted, mut failed) = (0_usize, content.faults.len());
    for fault in &content.faults {
        cli::note(&cli::explain(fault));
    }
    for key in &content.keys {
        match key.insert(ring) {
            Ok(_) => inserted += 1,
            Err(error) => {
                failed += 1;
                cli::note(&cli::explain(&error));
            }
        }
    }
    let text = format!("imported {inserted} keys from {}", file.display());
    said(as_json, &json!({ "imported": inserted, "failed": failed }), &text)?;
    complete(failed)
}

/// Some were not done: a failure.
fn complete(failed: usize) -> cli::Outcome {
    if failed == 0 { Ok(()) } else { Err(cli::failure(format!("{failed} could not be done"))) }
}
