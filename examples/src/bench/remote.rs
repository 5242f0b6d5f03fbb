//! I/O on a namespace of a target through the host in user space: no kernel, no privileges.
//!
//! Jobs are spread over one thread a processor, each with a connection and a runtime of its own; an I/O in flight is a task
//! there.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use nvme_fabrics::HostIdentity;
use nvme_fabrics::tcp::{BusyPoll, CommandError, Connect, Controller, Namespace};
use nvme_proto::digest::Digests;
use nvme_proto::{Nsid, SubsysNqn};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};

use super::disk::Content;
use super::drive::{Worker, drive};
use super::error::BenchError;
use super::job::{Job, Op, Stream};
use super::measure::{Latencies, Recorder, Run, Tick};
use super::report::Report;

/// Entries of each I/O queue.
const QUEUE_SIZE: u16 = 128;

/// A namespace somewhere.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where the target listens.
    pub address: SocketAddr,
    /// Its subsystem.
    pub nqn: SubsysNqn,
    /// The namespace.
    pub nsid: Nsid,
    /// Who this is.
    pub host: HostIdentity,
    /// Digests to use.
    pub digests: Digests,
    /// Whether this end waits by asking again and again.
    pub busy_poll: BusyPoll,
}

impl Remote {
    /// What it is called in reports.
    fn name(&self) -> String {
        format!("namespace {} of {} at {}", self.nsid, self.nqn, self.address)
    }

    /// A connection for so many I/Os in flight.
    async fn connect(&self, in_flight: u32) -> Result<(Controller, Namespace), BenchError> {
        let queues = in_flight.div_ceil(u32::from(QUEUE_SIZE) - 1).clamp(1, 64);
        let connect = Connect::new(self.address, self.nqn.clone(), self.host.clone())
            .digests(self.digests)
            .busy_poll(self.busy_poll)
            .queues(u16::try_from(queues).unwrap_or(1))
            .queue_size(QUEUE_SIZE);
        let controller = connect.connect().await;
        let controller = controller
            .map_err(|source| BenchError::Connect { target: self.name(), source: Box::new(source) })?;
        let namespace = controller.namespace(self.nsid).await;
        let namespace = namespace.map_err(|source| BenchError::Namespace { target: self.name(), source })?;
        Ok((controller, namespace))
    }

    /// What the namespace is like, and whether it may be written to.
    ///
    /// # Errors
    /// The target refuses; [`BenchError::NotBlank`] when the job writes and there is data at either end.
    async fn look(&self, job: &Job, content: Content) -> Result<u64, BenchError> {
        let (controller, namespace) = self.connect(1).await?;
        let (size, logical) = (namespace.len(), namespace.block_size());
        if !job.block_size.is_multiple_of(logical) {
            return Err(BenchError::Unaligned { target: self.name(), block_size: job.block_size, logical });
        }
        if job.block_size == 0 || job.blocks(size) == 0 {
            let size = job.area.min(size);
            return Err(BenchError::TooSmall { target: self.name(), size, block_size: job.block_size });
        }
        if job.pattern.writes() && content == Content::Keep {
            let blank = is_blank(&namespace).await;
            if !blank.map_err(|source| BenchError::Namespace { target: self.name(), source })? {
                return Err(BenchError::NotBlank(self.name()));
            }
        }
        controller.disconnect().await;
        Ok(size)
    }
}

/// Whether the first and the last 64 KiB hold nothing but zeroes.
async fn is_blank(namespace: &Namespace) -> Result<bool, CommandError> {
    let block = u64::from(namespace.block_size());
    let probe = (64 << 10).max(block).min(namespace.len());
    for at in [0, namespace.len() - probe] {
        let bytes = namespace.read(at / block, u32::try_from(probe / block).unwrap_or(1)).await?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Runs the job.
///
/// # Errors
/// The target cannot be reached, or the namespace does not fit the job; the first I/O that fails ends the run and is named with
/// its offset.
pub fn run(
    remote: &Remote,
    job: &Job,
    content: Content,
    tick: impl FnMut(Tick) -> bool,
) -> Result<Report, BenchError> {
    let size = runtime()?.block_on(remote.look(job, content))?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(usize::try_from(job.jobs).unwrap_or(usize::MAX)).max(1);
    let mut shares: Vec<Vec<Stream>> = (0..threads).map(|_| Vec::new()).collect();
    for (index, stream) in job.streams(size, job.io_depth).into_iter().enumerate() {
        shares[index % threads].push(stream);
    }
    let workers = shares.into_iter().map(|streams| {
        let body = move |run: &Arc<Run>, number: usize| {
            let local = LocalSet::new();
            local.block_on(&runtime()?, work(remote, streams, run, number))
        };
        Box::new(body) as Worker<'_>
    });
    let way = match threads {
        1 => "user-space host, 1 connection".to_owned(),
        _ => format!("user-space host, {threads} connections"),
    };
    drive(job, remote.name(), way, workers.collect(), tick)
}

fn runtime() -> Result<Runtime, BenchError> {
    Builder::new_current_thread().enable_all().build().map_err(BenchError::Thread)
}

/// One thread: its connection, and a task for each I/O in flight.
async fn work(
    remote: &Remote,
    streams: Vec<Stream>,
    run: &Arc<Run>,
    number: usize,
) -> Result<Latencies, BenchError> {
    let (controller, namespace) = remote.connect(u32::try_from(streams.len()).unwrap_or(u32::MAX)).await?;
    let recorder = Rc::new(RefCell::new(run.recorder(number)));
    let mut lanes = JoinSet::new();
    run.begin();
    for stream in streams {
        let lane = Lane {
            namespace: namespace.clone(),
            stream,
            run: Arc::clone(run),
            recorder: Rc::clone(&recorder),
        };
        lanes.spawn_local(lane.go());
    }
    let mut failed = None;
    while let Some(ended) = lanes.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                run.stop();
                failed.get_or_insert(error);
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    if let Some(Failed { op, offset, block_size, source }) = failed {
        return Err(BenchError::RemoteIo { target: remote.name(), op, offset, block_size, source });
    }
    controller.disconnect().await;
    let recorder = Rc::into_inner(recorder).map(RefCell::into_inner);
    // All lanes have ended, and gave theirs back.
    Ok(recorder.map(Recorder::finish).unwrap_or_default())
}

/// An I/O that failed.
struct Failed {
    op: Op,
    offset: u64,
    block_size: u32,
    source: CommandError,
}

/// One I/O in flight, again and again.
struct Lane {
    namespace: Namespace,
    stream: Stream,
    run: Arc<Run>,
    recorder: Rc<RefCell<Recorder>>,
}

impl Lane {
    async fn go(mut self) -> Result<(), Failed> {
        let block_size = self.stream.job().block_size;
        let mut buffer = vec![0; usize::try_from(block_size).unwrap_or(usize::MAX)];
        self.stream.fill(&mut buffer);
        let data = Bytes::from(buffer.clone());
        let logical = u64::from(self.namespace.block_size());
        while self.run.goes_on() {
            let (op, offset) = self.stream.next();
            let failed = |source| Failed { op, offset, block_size, source };
            let begun = Instant::now();
            match op {
                Op::Read => {
                    let read = self.namespace.read_into(offset / logical, buffer).await;
                    buffer = read.map_err(|error| failed(error.into()))?;
                }
                Op::Write => self.namespace.write(offset / logical, data.clone()).await.map_err(failed)?,
            }
            self.recorder.borrow_mut().record(op, begun);
        }
        Ok(())
    }
}
