//! The guide's whole story in this process alone: a target on the loopback interface, and a host that uses it. No kernel
//! module, no privileges.

use std::net::SocketAddr;

use bytes::Bytes;
use nvme_fabrics::discovery::tcp as discovery_tcp;
use nvme_fabrics::kernel::wait::Cancel;
use nvme_fabrics::target::{BusyPoll, Hosts, Namespace as Exported, Port, PortId, Subsystem};
use nvme_fabrics::tcp::{self, Connect, Controller};
use nvme_fabrics::{DiscoveryRequest, HostIdentity, IdentityFiles, discovery};
use nvme_proto::digest::Digests;
use nvme_proto::{IpTraddr, Nsid};
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

use super::backing::Backing;
use super::story::{Step, Story, Telling};
use super::{Guide, Played, StepError};
use crate::bench::disk::Content;
use crate::bench::remote::{self, Remote};
use crate::bench::{BenchError, Job, Pattern};
use crate::size;
use crate::soft::device::Caching;
use crate::soft::serving::How;
use crate::soft::{Device, DeviceError, Devices, Serving, ServingError, Wanted};

/// Why a step of the story in user space failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoftStepError {
    /// No runtime.
    #[error("cannot start a runtime")]
    Runtime(#[source] std::io::Error),
    /// Who this host is cannot be found out.
    #[error(transparent)]
    Identity(#[from] nvme_fabrics::IdentityError),
    /// The disk holds data.
    #[error(transparent)]
    Backing(#[from] super::BackingError),
    /// The disk cannot be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The namespace number is none.
    #[error(transparent)]
    Nsid(#[from] nvme_proto::NsidError),
    /// The subsystem cannot be made.
    #[error(transparent)]
    Subsystem(#[from] nvme_fabrics::target::SubsystemError),
    /// The target cannot be served.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// An option is out of range.
    #[error(transparent)]
    Option(#[from] nvme_fabrics::OptionError),
    /// The target did not answer, or not with its log.
    #[error(transparent)]
    Discover(#[from] discovery_tcp::DiscoverError),
    /// The target answered and does not export the subsystem to this host.
    #[error("the target's discovery log does not list {0}")]
    NotExported(String),
    /// The connection was refused.
    #[error(transparent)]
    Connect(Box<tcp::ConnectError>),
    /// A command failed.
    #[error(transparent)]
    Command(#[from] tcp::CommandError),
    /// What was read is not what was written.
    #[error("the namespace does not hold what was written: wanted SHA-256 {wanted}, read {read}")]
    Mismatch {
        /// SHA-256 of what was written.
        wanted: String,
        /// SHA-256 of what came back.
        read: String,
    },
    /// The I/O profile failed.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A step needs what an earlier one makes.
    #[error("there is no {0} yet")]
    Missing(&'static str),
}

impl From<tcp::ConnectError> for SoftStepError {
    fn from(error: tcp::ConnectError) -> Self {
        Self::Connect(Box::new(error))
    }
}

/// What the story has made so far.
#[derive(Default)]
struct Made {
    runtime: Option<Runtime>,
    target: Option<Serving>,
    host: Option<Host>,
}

/// The host, as far as it has come.
struct Host {
    identity: HostIdentity,
    address: SocketAddr,
    controller: Option<Controller>,
}

impl Guide {
    /// Bytes of the disk in memory.
    pub const MEMORY_SIZE: u64 = 64 << 20;

    /// Plays the story without the kernel's target and host, as [`Guide::play`] does with them.
    pub fn play_soft(&self, telling: Telling, stop: Cancel) -> Played {
        let mut story = Story::new(telling, stop);
        let mut made = Made::default();
        let outcome = self.soft_steps(&mut story, &mut made);
        let put_back = match made.target.is_some() || made.host.is_some() {
            false => Ok(()),
            true => {
                let title = if outcome.is_ok() { "Tear the target down" } else { "Put everything back" };
                story.last_step(title, |step| Ok(made.put_back(step)?))
            }
        };
        Played { outcome, put_back, steps: story.finish() }
    }

    fn soft_steps(&self, story: &mut Story, made: &mut Made) -> Result<(), StepError> {
        story.step("Configure the target", |step| Ok(made.configure(self, step)?))?;
        story.step("Discover the target", |step| Ok(made.discover(self, step)?))?;
        story.step("Connect", |step| Ok(made.connect(self, step)?))?;
        story.step("List the namespace", |step| Ok(made.list(step)?))?;
        story.step("Write, read back and compare", |step| Ok(made.use_disk(step)?))?;
        story.step("Random 4 KiB reads and writes, queue depth 32, 16 jobs", |step| {
            Ok(made.load_disk(self, step)?)
        })?;
        story.step("Disconnect", |step| Ok(made.leave(step)?))
    }
}

impl Made {
    /// Makes the disk, the subsystem and the port, and serves them.
    fn configure(&mut self, guide: &Guide, step: &mut Step<'_>) -> Result<(), SoftStepError> {
        // Its one thread goes on between the steps: connections live there.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = self.runtime.insert(runtime.map_err(SoftStepError::Runtime)?);
        let device = match &guide.device {
            Some(path) => {
                let backing = Backing::prepare(Some(path), guide.overwrite)?;
                Device::File(backing.path().to_owned())
            }
            None => Device::Memory(Guide::MEMORY_SIZE),
        };
        let disk = Devices::default().open(&device, Caching::Direct, 0)?;
        let hosts = match &guide.host_nqn {
            None => Hosts::Any,
            Some(host) => [host.clone()].into_iter().collect(),
        };
        let who = match &guide.host_nqn {
            None => "any host may connect".to_owned(),
            Some(host) => format!("only {host} may connect"),
        };
        let subsystem = Subsystem::new(guide.nqn.clone()).hosts(hosts);
        let subsystem = subsystem.namespace(Exported::new(Nsid::new(1)?, disk))?;
        step.did(format!("subsystem {}: namespace 1 is {device}; {who}", guide.nqn));
        let address = SocketAddr::new(guide.traddr.ip(), guide.trsvcid);
        let port = Port::tcp(PortId(1), address).export(guide.nqn.clone());
        let wanted = Wanted { subsystems: vec![subsystem], ports: vec![port], ..Wanted::default() };
        let how = How { threads: 1, busy_poll: BusyPoll::Off };
        let serving = self.target.insert(runtime.block_on(Serving::start(wanted, how))?);
        for listener in serving.listeners() {
            step.did(format!(
                "port {} is enabled: tcp {} exports {}",
                listener.port, listener.address, guide.nqn
            ));
        }
        Ok(())
    }

    fn address(&self) -> Result<SocketAddr, SoftStepError> {
        let serving = self.target.as_ref().ok_or(SoftStepError::Missing("target"))?;
        let listeners = serving.listeners();
        Ok(listeners.first().ok_or(SoftStepError::Missing("listener"))?.address)
    }

    fn runtime(&self) -> Result<&Runtime, SoftStepError> {
        self.runtime.as_ref().ok_or(SoftStepError::Missing("runtime"))
    }

    /// Asks the discovery service and checks that the subsystem is in its log.
    fn discover(&mut self, guide: &Guide, step: &mut Step<'_>) -> Result<(), SoftStepError> {
        let sourced = IdentityFiles::system().resolve(guide.host_nqn.clone(), None)?;
        step.did(format!("as host {} ({})", sourced.identity.nqn, sourced.source));
        let address = self.address()?;
        let traddr = IpTraddr::from(address.ip());
        let request = DiscoveryRequest::tcp(traddr, address.port(), sourced.identity.clone())?;
        let options = discovery_tcp::Options::default();
        let asked = discovery_tcp::discover(&request, &options);
        let log = self.runtime()?.block_on(asked)?.log;
        step.did(discovery::text::render(&log).trim());
        let wanted = guide.nqn.as_str();
        if !log.entries.iter().any(|entry| discovery::text::subnqn(entry) == wanted) {
            return Err(SoftStepError::NotExported(wanted.to_owned()));
        }
        self.host = Some(Host { identity: sourced.identity, address, controller: None });
        Ok(())
    }

    fn connect(&mut self, guide: &Guide, step: &mut Step<'_>) -> Result<(), SoftStepError> {
        let host = self.host.as_ref().ok_or(SoftStepError::Missing("host"))?;
        let connect = Connect::new(host.address, guide.nqn.clone(), host.identity.clone()).queues(2);
        let controller = self.runtime()?.block_on(connect.connect())?;
        let limits = controller.limits();
        step.did(format!(
            "controller {} of {}: {} I/O queues of {} commands, up to {} a command",
            controller.id(),
            guide.nqn,
            limits.queues,
            limits.depth,
            size::show(limits.max_transfer.into())
        ));
        if let Some(host) = &mut self.host {
            host.controller = Some(controller);
        }
        Ok(())
    }

    fn controller(&self) -> Result<&Controller, SoftStepError> {
        let host = self.host.as_ref().ok_or(SoftStepError::Missing("host"))?;
        host.controller.as_ref().ok_or(SoftStepError::Missing("controller"))
    }

    fn namespace(&self) -> Result<tcp::Namespace, SoftStepError> {
        Ok(self.runtime()?.block_on(self.controller()?.namespace(Nsid::new(1)?))?)
    }

    /// What Identify tells, in the columns of `nvme list`.
    fn list(&self, step: &mut Step<'_>) -> Result<(), SoftStepError> {
        let identify = self.controller()?.identify();
        step.did(format!(
            "{:<20}  {:<30}  {:<9}  {:>12}  {:>10}  {:<8}",
            "SN", "Model", "Namespace", "Size", "Block", "FW Rev"
        ));
        for namespace in self.runtime()?.block_on(self.controller()?.namespaces())? {
            step.did(format!(
                "{:<20}  {:<30}  {:<9}  {:>12}  {:>10}  {:<8}",
                identify.serial(),
                identify.model(),
                namespace.nsid(),
                size::show(namespace.len()),
                size::show(namespace.block_size().into()),
                identify.firmware(),
            ));
        }
        Ok(())
    }

    /// Writes what no compression or cache of zeroes can fake, and compares what comes back.
    fn use_disk(&self, step: &mut Step<'_>) -> Result<(), SoftStepError> {
        let namespace = self.namespace()?;
        let (chunk, block) = (1u32 << 20, namespace.block_size());
        let (blocks, chunks) = (chunk / block, (namespace.len() / u64::from(chunk)).min(32));
        let mut random = fastrand::Rng::with_seed(1);
        self.runtime()?.block_on(async {
            let mut wrote = Sha256::new();
            for index in 0..chunks {
                let mut bytes = vec![0; 1 << 20];
                random.fill(&mut bytes);
                wrote.update(&bytes);
                namespace.write(index * u64::from(blocks), Bytes::from(bytes)).await?;
            }
            namespace.flush().await?;
            let wanted = hex(&wrote.finalize());
            step.did(format!("wrote {chunks} MiB and flushed, SHA-256 {wanted}"));
            let mut found = Sha256::new();
            for index in 0..chunks {
                found.update(&namespace.read(index * u64::from(blocks), blocks).await?);
            }
            let read = hex(&found.finalize());
            if read != wanted {
                return Err(SoftStepError::Mismatch { wanted, read });
            }
            step.did("read back: the same");
            Ok(())
        })
    }

    /// Runs the profile over connections of its own.
    fn load_disk(&self, guide: &Guide, step: &mut Step<'_>) -> Result<(), SoftStepError> {
        let host = self.host.as_ref().ok_or(SoftStepError::Missing("host"))?;
        let remote = Remote {
            address: host.address,
            nqn: guide.nqn.clone(),
            nsid: Nsid::new(1)?,
            host: host.identity.clone(),
            digests: Digests::default(),
            busy_poll: tcp::BusyPoll::Off,
        };
        for pattern in [Pattern::RandRead, Pattern::RandWrite] {
            let job = Job::guide(pattern, guide.runtime);
            let bar = step.bar(pattern.to_string(), guide.runtime);
            let report = remote::run(&remote, &job, Content::Overwrite, |tick| {
                bar.set_position(u64::try_from(tick.passed.as_millis()).unwrap_or(u64::MAX));
                step.goes_on()
            });
            bar.finish_and_clear();
            step.did(report?.to_string());
        }
        Ok(())
    }

    /// Disconnects, as far as there is something to disconnect.
    fn leave(&mut self, step: &mut Step<'_>) -> Result<(), SoftStepError> {
        if let Some(controller) = self.host.as_mut().and_then(|host| host.controller.take()) {
            let id = controller.id();
            self.runtime()?.block_on(controller.disconnect());
            step.did(format!("controller {id} shut down and disconnected"));
        }
        Ok(())
    }

    /// Ends the target after the host, whatever became of that.
    fn put_back(&mut self, step: &mut Step<'_>) -> Result<(), SoftStepError> {
        let left = self.leave(step);
        if let Some(target) = self.target.take() {
            let commands = target.commands();
            let cut_off = self.runtime()?.block_on(target.shutdown());
            step.did(format!(
                "the target served {commands} commands and is gone; {cut_off} connections were cut off"
            ));
        }
        left
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
