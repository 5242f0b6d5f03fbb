//! The kernel's host for async programs: the same operations as futures. Feature `tokio`.
//!
//! The kernel's calls block, a connect for up to a minute and without a way to interrupt it. Here they run on tokio's threads for blocking work.
//!
//! | function | when its future is dropped |
//! |---|---|
//! | [`KernelHost::connect`] | the kernel goes on; what comes of it is disconnected: no orphan stays |
//! | [`KernelHost::discover`] | goes on to its end, which removes the discovery controller |
//! | [`KernelHost::disconnect`] | goes on to its end: the kernel does not stop in the middle |
//! | [`KernelHost::wait_live`], [`wait_for_namespace`](KernelHost::wait_for_namespace), [`wait_gone`](KernelHost::wait_gone) | the wait ends within 50 ms |
//! | [`KernelHost::inventory`], [`KernelHost::identify`] | goes on, and its result is dropped |
//!
//! A program that ends right after it has dropped a future may end before the rest is done. Events are a stream of their own:
//! [`EventStream`](super::events::EventStream).

use std::sync::Arc;
use std::time::Duration;

use nvme_proto::identify::IdentifyController;
use tokio::sync::oneshot;
use tokio::task::{JoinError, spawn_blocking};

use super::connect::{ConnectError, Connected, connect_with};
use super::device::{FabricsDevice, OsDevice};
use super::disconnect::{DisconnectError, DisconnectPlan, Disconnected, Force, Selector, disconnect};
use super::ioctl::{AdminError, ControllerNode};
use super::log::{KernelLog, OsKernelLog};
use super::names::ControllerName;
use super::sysfs::{Controller, Inventory, Namespace, ScanError, Sysfs};
use super::wait::{Cancel, Patience, WaitError, WhichNamespace, wait_for_namespace, wait_gone, wait_live};
use crate::discovery::{DiscoverError, Discovered, DiscoveryRequest, discover};
use crate::options::ConnectOptions;

/// How long the removal of what a dropped connect has made is waited for.
const UNDO_PATIENCE: Duration = Duration::from_secs(60);

/// A blocking operation could not be run to its end, or it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingError<E> {
    /// The operation failed.
    #[error(transparent)]
    Failed(E),
    /// The runtime was shut down before the operation ended.
    #[error("the runtime was shut down before the operation ended")]
    Shutdown,
}

/// The kernel's host: its connect device and its sysfs.
#[derive(Clone)]
pub struct KernelHost {
    device: Arc<dyn FabricsDevice + Send + Sync>,
    sysfs: Sysfs,
}

impl std::fmt::Debug for KernelHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelHost").field("device", &self.device.path()).field("sysfs", &self.sysfs).finish()
    }
}

impl KernelHost {
    /// This machine's.
    #[must_use]
    pub fn system() -> Self {
        Self::new(OsDevice::system(), Sysfs::system())
    }

    /// With another device, and another tree.
    #[must_use]
    pub fn new(device: impl FabricsDevice + Send + Sync + 'static, sysfs: Sysfs) -> Self {
        Self { device: Arc::new(device), sysfs }
    }

    /// As [`connect`](super::connect::connect). Dropping the future leaves no controller behind: when the kernel is done, what it made is disconnected.
    ///
    /// # Errors
    /// [`BlockingError`] with a [`ConnectError`].
    pub async fn connect(&self, options: &ConnectOptions) -> Result<Connected, BlockingError<ConnectError>> {
        self.connect_with_log(options, OsKernelLog::system()).await
    }

    async fn connect_with_log(
        &self,
        options: &ConnectOptions,
        mut log: impl KernelLog + Send + 'static,
    ) -> Result<Connected, BlockingError<ConnectError>> {
        let (host, options) = (self.clone(), options.clone());
        let (sender, receiver) = oneshot::channel();
        let mut waiting = Connecting { receiver, sysfs: self.sysfs.clone() };
        spawn_blocking(move || {
            let result = connect_with(&*host.device, &host.sysfs, &mut log, &options);
            // Nobody waits any more.
            if let Err(Ok(connected)) = sender.send(result) {
                undo(&host.sysfs, connected);
            }
        });
        match (&mut waiting.receiver).await {
            Ok(result) => result.map_err(BlockingError::Failed),
            Err(_) => Err(BlockingError::Shutdown),
        }
    }

    /// As [`discover`].
    ///
    /// # Errors
    /// [`BlockingError`] with a [`DiscoverError`].
    pub async fn discover(
        &self,
        request: &DiscoveryRequest,
    ) -> Result<Discovered, BlockingError<DiscoverError>> {
        let (host, request) = (self.clone(), request.clone());
        run(move || discover(&*host.device, &host.sysfs, &request)).await
    }

    /// As [`disconnect`].
    ///
    /// # Errors
    /// [`BlockingError`] with a [`DisconnectError`].
    pub async fn disconnect(
        &self,
        selector: &Selector,
        force: Force,
        timeout: Duration,
    ) -> Result<Disconnected, BlockingError<DisconnectError>> {
        let (host, selector) = (self.clone(), selector.clone());
        run(move || disconnect(&host.sysfs, &selector, force, timeout)).await
    }

    /// As [`Inventory::scan`].
    ///
    /// # Errors
    /// [`BlockingError`] with a [`ScanError`].
    pub async fn inventory(&self) -> Result<Inventory, BlockingError<ScanError>> {
        let host = self.clone();
        run(move || Inventory::scan(&host.sysfs)).await
    }

    /// What a controller says about itself.
    ///
    /// # Errors
    /// [`BlockingError`] with an [`AdminError`].
    pub async fn identify(
        &self,
        controller: ControllerName,
    ) -> Result<IdentifyController<Vec<u8>>, BlockingError<AdminError>> {
        let node = self.sysfs.dev().join(controller.to_string());
        run(move || ControllerNode::open(node)?.identify_controller()).await
    }

    /// As [`wait_live`]. Dropping the future ends the wait.
    ///
    /// # Errors
    /// [`BlockingError`] with a [`WaitError`].
    pub async fn wait_live(
        &self,
        controller: ControllerName,
        timeout: Duration,
    ) -> Result<Controller, BlockingError<WaitError>> {
        self.wait(timeout, move |sysfs, patience| wait_live(sysfs, controller, patience)).await
    }

    /// As [`wait_for_namespace`]. Dropping the future ends the wait.
    ///
    /// # Errors
    /// [`BlockingError`] with a [`WaitError`].
    pub async fn wait_for_namespace(
        &self,
        controller: ControllerName,
        which: WhichNamespace,
        timeout: Duration,
    ) -> Result<Namespace, BlockingError<WaitError>> {
        self.wait(timeout, move |sysfs, patience| wait_for_namespace(sysfs, controller, which, patience))
            .await
    }

    /// As [`wait_gone`]. Dropping the future ends the wait.
    ///
    /// # Errors
    /// [`BlockingError`] with a [`WaitError`].
    pub async fn wait_gone(
        &self,
        connection: &Controller,
        timeout: Duration,
    ) -> Result<(), BlockingError<WaitError>> {
        let connection = connection.clone();
        self.wait(timeout, move |sysfs, patience| wait_gone(sysfs, &connection, patience)).await
    }

    async fn wait<T: Send + 'static>(
        &self,
        timeout: Duration,
        wait: impl FnOnce(&Sysfs, Patience) -> Result<T, WaitError> + Send + 'static,
    ) -> Result<T, BlockingError<WaitError>> {
        let cancel = Cancel::new();
        let patience = Patience::new(timeout).cancelled_by(&cancel);
        let _stops = StopWhenDropped(cancel);
        let sysfs = self.sysfs.clone();
        run(move || wait(&sysfs, patience)).await
    }
}

/// Runs what blocks elsewhere.
async fn run<T: Send + 'static, E: Send + 'static>(
    operation: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, BlockingError<E>> {
    match spawn_blocking(operation).await {
        Ok(result) => result.map_err(BlockingError::Failed),
        Err(error) => Err(ended(error)),
    }
}

/// The operation was never begun, or panicked: the panic goes on here.
fn ended<E>(error: JoinError) -> BlockingError<E> {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => BlockingError::Shutdown,
    }
}

/// Ends a wait when its future is dropped.
struct StopWhenDropped(Cancel);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A connect that is waited for. When it is dropped with the result in it, nobody has seen the controller: it is disconnected.
struct Connecting {
    receiver: oneshot::Receiver<Result<Connected, ConnectError>>,
    sysfs: Sysfs,
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(Ok(connected)) = self.receiver.try_recv() {
            let sysfs = self.sysfs.clone();
            // A thread of its own: the runtime may be on its way down.
            let thread = std::thread::Builder::new().name("nvme-undo".to_owned());
            // Without a thread the controller stays: it is listed, and can be disconnected.
            let _ = thread.spawn(move || undo(&sysfs, connected));
        }
    }
}

/// Takes back a connect whose result nobody waits for.
fn undo(sysfs: &Sysfs, connected: Connected) {
    if let Some(connection) = Controller::read(sysfs, connected.controller) {
        // There is nobody to tell. What stays is listed.
        let _ = DisconnectPlan::of_one(connection).execute(sysfs, Force::Yes, UNDO_PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::super::device::{DeviceError, OptionList, ScriptedDevice};
    use super::super::log::NoLog;
    use super::super::sysfs::fixture::{Fixture, TCP};
    use super::super::wait::poll;
    use super::*;
    use crate::identity::HostIdentity;

    const LONG: Duration = Duration::from_secs(30);

    /// A device whose writes wait until the test lets them go on.
    struct Slow {
        inner: ScriptedDevice,
        begun: Mutex<Sender<()>>,
        go_on: Mutex<Receiver<()>>,
    }

    impl FabricsDevice for Slow {
        fn option_list(&self) -> Result<OptionList, DeviceError> {
            self.inner.option_list()
        }

        fn create(&self, options: &str) -> Result<String, DeviceError> {
            self.begun.lock().unwrap().send(()).unwrap();
            self.go_on.lock().unwrap().recv_timeout(LONG).unwrap();
            self.inner.create(options)
        }

        fn path(&self) -> &Path {
            self.inner.path()
        }
    }

    struct Rig {
        tree: Fixture,
        host: KernelHost,
        begun: Receiver<()>,
        go_on: Sender<()>,
    }

    fn rig() -> Rig {
        let tree = Fixture::new();
        // The controller is there when the kernel answers; its removal is asked for by a write.
        tree.controller("nvme3", TCP, &[("delete_controller", "")]);
        let (begun, seen) = channel();
        let (go_on, gate) = channel();
        let inner = ScriptedDevice::new(OptionList::Unavailable).answer(Ok("instance=3,cntlid=1\n"));
        let device = Slow { inner, begun: Mutex::new(begun), go_on: Mutex::new(gate) };
        let host = KernelHost::new(device, tree.sysfs());
        Rig { tree, host, begun: seen, go_on }
    }

    fn options() -> ConnectOptions {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf7".parse().unwrap());
        ConnectOptions::tcp("192.0.2.99".parse().unwrap(), 4420, "other".parse().unwrap(), host).unwrap()
    }

    fn deletion_asked(tree: &Fixture) -> bool {
        let path = tree.root().join("sys/class/nvme/nvme3/delete_controller");
        std::fs::read(path).is_ok_and(|text| text.starts_with(b"1"))
    }

    #[tokio::test]
    async fn a_connect_that_is_waited_for_stays() {
        let Rig { tree, host, go_on, begun: _begun } = rig();
        go_on.send(()).unwrap();
        let connected = host.connect_with_log(&options(), NoLog).await.unwrap();
        assert_eq!(connected.controller, ControllerName::new(3));
        assert!(!deletion_asked(&tree));
    }

    #[tokio::test]
    async fn a_connect_that_is_dropped_leaves_no_controller() {
        let Rig { tree, host, begun, go_on } = rig();
        let task = tokio::spawn(async move { host.connect_with_log(&options(), NoLog).await });
        tokio::task::spawn_blocking(move || begun.recv_timeout(LONG).unwrap()).await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!deletion_asked(&tree), "the kernel is not done yet");
        go_on.send(()).unwrap();
        let undone = tokio::task::spawn_blocking(move || {
            let asked = poll(LONG, || deletion_asked(&tree).then_some(()));
            // What the kernel does when it is asked.
            tree.remove("sys/class/nvme/nvme3");
            asked
        });
        assert_eq!(undone.await.unwrap(), Some(()));
    }

    #[test]
    fn a_result_that_nobody_has_taken_is_undone() {
        let tree = Fixture::new();
        tree.controller("nvme3", TCP, &[("delete_controller", "")]);
        let (sender, receiver) = oneshot::channel();
        let waiting = Connecting { receiver, sysfs: tree.sysfs() };
        let connected = Connected { controller: ControllerName::new(3), cntlid: nvme_proto::Cntlid(1) };
        sender.send(Ok(connected)).unwrap();
        drop(waiting);
        assert_eq!(poll(LONG, || deletion_asked(&tree).then_some(())), Some(()));
        tree.remove("sys/class/nvme/nvme3");
    }

    #[tokio::test]
    async fn waits_and_scans_are_futures_and_a_dropped_wait_ends() {
        let f = Fixture::guide();
        let host = KernelHost::new(ScriptedDevice::new(OptionList::Unavailable), f.sysfs());
        let nvme0 = ControllerName::new(0);
        let live = host.wait_live(nvme0, LONG).await.unwrap();
        assert_eq!(host.wait_for_namespace(nvme0, WhichNamespace::Any, LONG).await.unwrap().nsid, 1);
        assert_eq!(host.inventory().await.unwrap().subsystems.len(), 1);
        assert!(matches!(host.identify(nvme0).await, Err(BlockingError::Failed(_))));
        // The runtime waits for its blocking threads when it ends: this wait would be ten minutes long.
        let never = host.wait_gone(&live, Duration::from_secs(600));
        assert!(tokio::time::timeout(Duration::from_millis(20), never).await.is_err());
    }
}
