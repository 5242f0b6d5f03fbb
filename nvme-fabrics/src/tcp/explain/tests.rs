//! Peers of every kind, and what is found about them.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nvme_proto::connect::{ConnectParameter, ParameterPlace};
use nvme_proto::controller::Reply;
use nvme_proto::digest::Digests;
use nvme_proto::discovery::DiscoveryEntry;
use nvme_proto::fabrics::{ControllerConfiguration, ShutdownNotification};
use nvme_proto::identify::ControllerType;
use nvme_proto::{Cntlid, DataAlignment, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::identity::HostIdentity;
use crate::net::Plain;
use crate::tcp::fake::{Answer, Ask, Fake, fails, subsystem};

fn options(nqn: &str) -> ConnectOptions {
    let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
    ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, nqn.parse().unwrap(), host).unwrap()
}

impl Reach for Fake {
    type Stream = Plain<DuplexStream>;

    async fn open(&self) -> io::Result<Self::Stream> {
        Ok(Plain(self.connect()))
    }
}

async fn found(fake: &Fake, options: &ConnectOptions) -> Finding {
    let finding = probe::ask(fake, options, ExplainOptions::default()).await;
    // Every connection is closed, in order where there is an order.
    for _ in 0..1000 {
        if fake.with(|inner| inner.connections.0 == inner.connections.1) {
            return finding;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("connections are left open: {finding}");
}

async fn cause(fake: &Fake, options: &ConnectOptions) -> Cause {
    found(fake, options).await.cause().clone()
}

fn disk() -> Fake {
    subsystem("mysub", ControllerType::IO)
}

/// A rule for one kind of command: 0x100 and the type of a Fabrics command, or an opcode.
fn on(qid: u16, what: u16, answer: fn() -> Option<Answer>) -> impl FnMut(&Ask<'_>) -> Option<Answer> + Send {
    move |ask| {
        let sqe = &ask.sqe;
        let this = if sqe.is_fabrics() { 0x100 | u16::from(sqe.fctype().0) } else { sqe.opcode.into() };
        if (ask.qid, this) == (qid, what) { answer() } else { None }
    }
}

fn refuses(status: Status, place: ParameterPlace, offset: u16) -> Option<Answer> {
    let result = ConnectParameter { place, offset }.to_dw0().into();
    Some(Answer::Reply(Reply { status: status.with_dnr(), result }))
}

const CONNECT: u16 = 0x101;

#[tokio::test(start_paused = true)]
async fn a_target_that_has_nothing_against_it_is_left_as_it_was() {
    let fake = disk();
    let finding = found(&fake, &options("mysub")).await;
    assert_eq!(*finding.cause(), Cause::Accepts { several_controllers: true });
    assert!(finding.accepts() && finding.offers().is_none());
    fake.with(|inner| {
        let expected = ControllerConfiguration::default().with_shutdown(ShutdownNotification::NORMAL);
        assert_eq!(inner.configuration.shutdown(), expected.shutdown(), "the controller was shut down");
        let io: Vec<_> = inner.seen.iter().filter(|(qid, _)| *qid > 0).collect();
        assert_eq!(io, [&(1, CONNECT)], "one I/O queue, and no command on it");
        assert_eq!(inner.connections.0, 2);
    });
}

#[tokio::test(start_paused = true)]
async fn what_connect_is_refused_for() {
    use ParameterPlace::{Command, Data};
    const INVALID: Status = Status::CONNECT_INVALID_PARAMETERS;
    let of = async |answer: fn() -> Option<Answer>| {
        cause(&disk().rule(on(0, CONNECT, answer)), &options("mysub")).await
    };
    assert_eq!(of(|| refuses(Status::CONNECT_INVALID_HOST, Data, 512)).await, Cause::HostRefused);
    assert_eq!(of(|| refuses(INVALID, Data, 512)).await, Cause::HostNqnRefused);
    assert_eq!(of(|| refuses(INVALID, Data, 0)).await, Cause::HostIdRefused);
    let queue = Cause::QueueSizeRefused { queue: 0, entries: 32 };
    assert_eq!(of(|| refuses(INVALID, Command, 44)).await, queue);
    assert_eq!(of(|| fails(Status::CONNECT_CONTROLLER_BUSY)).await, Cause::Busy);
    assert_eq!(of(|| fails(Status::AUTHENTICATION_REQUIRED)).await, Cause::AuthenticationRequired);
    assert!(matches!(of(|| fails(Status::INTERNAL_ERROR)).await, Cause::Refused { queue: 0, .. }));
    let asks = |bits: u64| Some(Answer::Reply(Reply::with_result(7 | bits << 16)));
    let of = async |bits| {
        let fake = disk().rule(move |ask| if ask.sqe.fctype().0 == 1 { asks(bits) } else { None });
        cause(&fake, &options("mysub")).await
    };
    assert_eq!(of(2).await, Cause::AuthenticationRequired);
    assert_eq!(of(6).await, Cause::SecureChannelRequired);
}

#[tokio::test(start_paused = true)]
async fn an_i_o_queue_that_is_refused_is_told_from_the_admin_queue() {
    let invalid = || refuses(Status::CONNECT_INVALID_PARAMETERS, ParameterPlace::Command, 44);
    let fake = disk().rule(on(1, CONNECT, invalid));
    let asked = options("mysub").queue_size(64).unwrap();
    assert_eq!(cause(&fake, &asked).await, Cause::QueueSizeRefused { queue: 1, entries: 64 });
    let fake = disk().rule(on(1, CONNECT, || Some(Answer::Cut)));
    let Cause::Ended { during: "Connect", .. } = cause(&fake, &asked).await else { panic!() };
    let fake = disk().rule(on(0, 0x09, || fails(Status::INTERNAL_ERROR)));
    assert!(
        matches!(cause(&fake, &asked).await, Cause::CommandFailed { status, .. } if status.is(Status::INTERNAL_ERROR))
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_subsystem_leads_to_what_there_is() {
    let fake = subsystem("nqn.2014-08.org.nvmexpress.discovery", ControllerType::DISCOVERY);
    fake.with(|inner| {
        let entry = |nqn: &str, port| {
            let (nqn, traddr) = (nqn.parse().unwrap(), "192.0.2.10".parse().unwrap());
            DiscoveryEntry::tcp(nvme_proto::discovery::SubsystemType::NVM, &nqn, &traddr, port)
        };
        inner.log.entries = vec![entry("other", 4420), entry("mysub", 4421)];
    });
    let finding = found(&fake, &options("mysub")).await;
    assert_eq!(*finding.cause(), Cause::UnknownSubsystem);
    assert_eq!(finding.hint(), "the discovery service of this port names it at 192.0.2.10:4421");
    assert_eq!(finding.offers().map(<[Offer]>::len), Some(2));
    // A target without discovery at this port says nothing.
    let finding = found(&disk(), &options("yoursub")).await;
    assert_eq!((finding.cause(), finding.offers()), (&Cause::UnknownSubsystem, None));
}

#[tokio::test(start_paused = true)]
async fn discovery_and_disk_are_told_apart() {
    let unique = subsystem("own", ControllerType::DISCOVERY);
    assert_eq!(cause(&unique, &options("own")).await, Cause::IsDiscovery);
    let accepts = Cause::Accepts { several_controllers: true };
    assert_eq!(cause(&unique, &options("own").discovery().unwrap()).await, accepts);
    assert_eq!(cause(&disk(), &options("mysub").discovery().unwrap()).await, Cause::NotDiscovery);
    let well_known = options("nqn.2014-08.org.nvmexpress.discovery");
    assert_eq!(cause(&unique, &well_known).await, accepts);
}

#[tokio::test(start_paused = true)]
async fn controllers_that_linux_does_not_take() {
    let of = async |change: fn(&mut crate::tcp::fake::Inner)| {
        let fake = disk();
        fake.with(change);
        cause(&fake, &options("mysub")).await
    };
    let unsupported = Cause::Unsupported;
    assert_eq!(of(|i| i.identify.set_keep_alive_granularity(0)).await, unsupported(Unsupported::KeepAlive));
    assert_eq!(of(|i| i.identify.set_io_capsule_size(3)).await, unsupported(Unsupported::CapsuleSize));
    assert_eq!(of(|i| i.identify.set_io_response_size(0)).await, unsupported(Unsupported::ResponseSize));
    assert_eq!(of(|i| i.identify.set_in_capsule_offset(1)).await, unsupported(Unsupported::CapsuleOffset));
    assert_eq!(
        of(|i| i.identify.set_sgl_support(nvme_proto::identify::SglSupport(0))).await,
        unsupported(Unsupported::Sgl)
    );
    let alignment = of(|i| i.config.alignment = DataAlignment::new(3).unwrap()).await;
    assert_eq!(alignment, unsupported(Unsupported::Alignment));
    let fake = disk().rule(on(0, CONNECT, || Some(Answer::Reply(Reply::with_result(8)))));
    assert_eq!(cause(&fake, &options("mysub")).await, unsupported(Unsupported::ControllerId));
    let fake = disk().rule(on(0, 0x104, || Some(Answer::Reply(Reply::with_result(1 << 48)))));
    assert_eq!(cause(&fake, &options("mysub")).await, unsupported(Unsupported::PageSize));
    assert_eq!(Cntlid(7), disk().with(|i| i.identify.cntlid()));
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_does_not_get_ready() {
    let never = disk().rule(on(0, 0x100, || Some(Answer::Reply(Reply::success()))));
    let Cause::NotReady { waited, status } = cause(&never, &options("mysub")).await else { panic!() };
    assert_eq!((waited, status.fatal()), (Duration::from_secs(1), false), "CAP.TO of the fake is 2");
    let fatal = disk().rule(|ask| {
        let csts = ask.sqe.fctype().0 == 4 && ask.sqe.is_fabrics() && ask.sqe.cdw11 == 0x1c;
        csts.then_some(Answer::Reply(Reply::with_result(2)))
    });
    assert!(
        matches!(cause(&fatal, &options("mysub")).await, Cause::NotReady { status, .. } if status.fatal())
    );
    let silent = disk().rule(on(0, CONNECT, || Some(Answer::Wait)));
    let waited = Duration::from_secs(5);
    assert_eq!(cause(&silent, &options("mysub")).await, Cause::Unanswered { command: "Connect", waited });
    let cut = disk().rule(on(0, 0x06, || Some(Answer::Cut)));
    assert!(matches!(
        cause(&cut, &options("mysub")).await,
        Cause::Ended { during: "Identify Controller", .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn digests_have_to_be_granted_and_required_ones_to_be_asked_for() {
    let both = options("mysub").header_digest().unwrap().data_digest().unwrap();
    assert!(found(&disk(), &both).await.accepts());
    let fake = disk();
    fake.with(|inner| inner.config.digests = Digests::HEADER);
    let refused = Cause::DigestsRefused { required: Digests::BOTH, granted: Digests::HEADER };
    assert_eq!(cause(&fake, &both).await, refused);
    fake.with(|inner| inner.config.required = Digests::DATA);
    let Cause::Terminated { fei: 11, .. } = cause(&fake, &options("mysub")).await else { panic!() };
}

/// A peer that is no controller: what it does with each connection, by its number.
struct Peer<F>(F, AtomicUsize);

impl<F: Fn(usize, DuplexStream) -> Fut, Fut: Future<Output = ()> + Send + 'static> Reach for Peer<F> {
    type Stream = Plain<DuplexStream>;

    async fn open(&self) -> io::Result<Self::Stream> {
        let (here, there) = tokio::io::duplex(4096);
        tokio::spawn((self.0)(self.1.fetch_add(1, Ordering::Relaxed), there));
        Ok(Plain(here))
    }
}

async fn of_peer<Fut>(peer: impl Fn(usize, DuplexStream) -> Fut) -> Cause
where
    Fut: Future<Output = ()> + Send + 'static,
{
    let limits = ExplainOptions::default();
    probe::ask(&Peer(peer, AtomicUsize::new(0)), &options("mysub"), limits).await.cause().clone()
}

#[tokio::test(start_paused = true)]
async fn what_else_may_listen_there() {
    let ssh = of_peer(async |_, mut stream: DuplexStream| {
        stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    assert_eq!(ssh.await, Cause::OtherProtocol { first: b"SSH-2.0-OpenSSH_9.6\r\n".to_vec() });
    assert_eq!(of_peer(async |_, stream| drop(stream)).await, Cause::ClosesAtOnce);
    let silent = of_peer(async |_, mut stream: DuplexStream| {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    assert_eq!(silent.await, Cause::Silent { waited: Duration::from_secs(5) });
    // TLS that complains, and TLS that closes without a word when it is not spoken to in TLS.
    const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 10];
    let complains = of_peer(async |_, mut stream: DuplexStream| {
        let _ = stream.write_all(&ALERT).await;
    });
    assert_eq!(complains.await, Cause::Tls);
    let closes = of_peer(async |_, mut stream: DuplexStream| {
        let mut first = [0; 5];
        let _ = stream.read_exact(&mut first).await;
        if first[0] == 0x16 {
            let _ = stream.write_all(&ALERT).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    assert_eq!(closes.await, Cause::Tls);
    // It answers with its half of the handshake, of a version that there is not.
    let odd = of_peer(async |_, mut stream: DuplexStream| {
        let mut response = [0; 128];
        response[..10].copy_from_slice(&[1, 0, 128, 0, 128, 0, 0, 0, 1, 0]);
        let _ = stream.write_all(&response).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    assert!(matches!(odd.await, Cause::BadInitialize(error) if error.fei == 8));
}

#[tokio::test(start_paused = true)]
async fn addresses_where_nobody_is() {
    struct Nobody(io::ErrorKind);
    impl Reach for Nobody {
        type Stream = Plain<DuplexStream>;
        async fn open(&self) -> io::Result<Self::Stream> {
            if self.0 == io::ErrorKind::WouldBlock {
                std::future::pending::<()>().await;
            }
            Err(self.0.into())
        }
    }
    let of = async |kind| {
        probe::ask(&Nobody(kind), &options("mysub"), ExplainOptions::default()).await.cause().clone()
    };
    use io::ErrorKind as Kind;
    assert_eq!(of(Kind::ConnectionRefused).await, Cause::NothingListens);
    assert_eq!(of(Kind::HostUnreachable).await, Cause::Unreachable { kind: Kind::HostUnreachable });
    assert_eq!(of(Kind::AddrNotAvailable).await, Cause::Local { kind: Kind::AddrNotAvailable });
    let waited = Duration::from_secs(3);
    assert_eq!(of(Kind::WouldBlock).await, Cause::NoAnswer { waited });
}

#[test]
fn without_a_runtime_and_within_one() {
    // A port that was just free: nothing listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
    let options =
        ConnectOptions::tcp("127.0.0.1".parse().unwrap(), port, "mysub".parse().unwrap(), host.clone())
            .unwrap();
    let limits = ExplainOptions::default();
    assert_eq!(*blocking(&options, &limits).cause(), Cause::NothingListens);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let finding = runtime.block_on(async { blocking(&options, &limits) });
    assert_eq!(*finding.cause(), Cause::NothingListens);
    let looped = ConnectOptions::loopback("mysub".parse().unwrap(), host).unwrap();
    assert_eq!(*blocking(&looped, &limits).cause(), Cause::NotTcp);
}
