//! A controller for tests, over any stream: it behaves, except where a test says otherwise.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use nvme_proto::connect::{ConnectParameter, ParameterPlace};
use nvme_proto::controller::{CommandData, Config, Controller, Event, Reply, Tag};
use nvme_proto::discovery::{DiscoveryLog, GetLogPage, LogId};
use nvme_proto::fabrics::{
    Capabilities, Connect, ConnectData, ConnectResponse, ControllerConfiguration, ControllerStatus, Fctype,
    Property, PropertyGet, PropertySet, ShutdownNotification, ShutdownStatus,
};
use nvme_proto::identify::{AsyncEvents, Cns, ControllerType, IdentifyController, Multipath, SglSupport};
use nvme_proto::machine::Close;
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, Status, SubsysNqn};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;

use crate::net::{BusyPoll, Clock, Link, Plain, Stream, Tcp};

/// A command as a test sees it.
pub(crate) struct Ask<'a> {
    pub(crate) qid: u16,
    pub(crate) sqe: Sqe,
    pub(crate) data: &'a [u8],
}

/// What becomes of a command.
pub(crate) enum Answer {
    Reply(Reply),
    Data(Vec<u8>),
    /// It waits: Asynchronous Event Requests until there is an event, others for ever.
    Wait,
    /// The connection is cut instead.
    Cut,
}

pub(crate) fn fails(status: Status) -> Option<Answer> {
    Some(Answer::Reply(Reply::failed(status.with_dnr())))
}

type Rule = Box<dyn FnMut(&Ask<'_>) -> Option<Answer> + Send>;

/// The target that all connections lead to.
#[derive(Clone)]
pub(crate) struct Fake(Arc<Mutex<Inner>>);

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) subsystem: SubsysNqn,
    pub(crate) identify: IdentifyController<Box<[u8]>>,
    pub(crate) log: DiscoveryLog,
    /// What goes before the usual answers.
    pub(crate) rule: Rule,
    /// CC as it was set last.
    pub(crate) configuration: ControllerConfiguration,
    /// Every command, for a look afterwards: queue and opcode, or 0x100 and the type of a Fabrics command.
    pub(crate) seen: Vec<(u16, u16)>,
    /// Connections made, and ended.
    pub(crate) connections: (usize, usize),
    waiting: Vec<Tag>,
    /// Events to be told.
    events: VecDeque<u32>,
    /// All connections are to be cut.
    cut: bool,
    wakers: Vec<Waker>,
}

/// Which subsystem a fake has, and what kind.
pub(crate) fn subsystem(nqn: &str, kind: ControllerType) -> Fake {
    let mut identify = IdentifyController::zeroed();
    let subsystem: SubsysNqn = nqn.parse().unwrap();
    identify.set_subnqn(&subsystem);
    identify.set_model(b"fake");
    identify.set_controller_type(kind);
    identify.set_cntlid(Cntlid(7));
    identify.set_keep_alive_granularity(10);
    identify.set_io_capsule_size(4 + 256);
    identify.set_io_response_size(1);
    identify.set_sq_entry_size(0x66);
    identify.set_cq_entry_size(0x44);
    identify.set_max_commands(128);
    identify.set_async_event_limit(3);
    identify.set_async_events(AsyncEvents::DISCOVERY);
    identify.set_sgl_support(SglSupport(SglSupport::SUPPORTED.0 | SglSupport::OFFSET.0));
    identify.set_multipath(Multipath::CONTROLLERS);
    Fake(Arc::new(Mutex::new(Inner {
        config: Config::new(),
        subsystem,
        identify,
        log: DiscoveryLog::new(1, Vec::new()),
        rule: Box::new(|_| None),
        configuration: ControllerConfiguration(0),
        seen: Vec::new(),
        connections: (0, 0),
        waiting: Vec::new(),
        events: VecDeque::new(),
        cut: false,
        wakers: Vec::new(),
    })))
}

impl Fake {
    /// Changes something; looks at something.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    /// Says what goes before the usual answers.
    pub(crate) fn rule(self, rule: impl FnMut(&Ask<'_>) -> Option<Answer> + Send + 'static) -> Self {
        self.with(|inner| inner.rule = Box::new(rule));
        self
    }

    /// A new connection: the host's end of it. It is served until it ends.
    pub(crate) fn connect(&self) -> DuplexStream {
        let (here, there) = tokio::io::duplex(64 << 10);
        tokio::spawn(self.clone().serve(Plain(there)));
        here
    }

    /// Listens on this machine, for as long as the runtime lives.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(fake.clone().serve(Tcp::new(stream).unwrap()));
            }
        });
        address
    }

    /// Tells an event.
    pub(crate) fn tell(&self, event: u32) {
        self.with(|inner| {
            inner.events.push_back(event);
            inner.wakers.drain(..).for_each(Waker::wake);
        });
    }

    /// Cuts all connections there are.
    pub(crate) fn cut(&self) {
        self.with(|inner| {
            inner.cut = true;
            inner.wakers.drain(..).for_each(Waker::wake);
        });
    }

    async fn serve(self, stream: impl Stream) {
        let clock = Clock::new();
        let config = self.with(|inner| {
            inner.connections.0 += 1;
            inner.cut = false;
            inner.config
        });
        let machine: Controller<Vec<u8>, Vec<u8>> = Controller::new(config, clock.now()).unwrap();
        let mut link = Link::new(machine, stream, clock, BusyPoll::Off);
        let mut qid = 0;
        poll_fn(|cx| {
            link.poll_turn(cx, |machine, now, cx| {
                self.with(|inner| inner.wakers.push(cx.waker().clone()));
                if self.with(|inner| inner.cut) {
                    return Some(Close::Reset);
                }
                while qid == 0
                    && let Some((tag, event)) = self.with(Inner::event)
                {
                    // A tag of a connection that is gone is refused.
                    let _ = machine.respond(tag, Reply::with_result(event.into()));
                }
                while let Some(event) = machine.poll(now) {
                    let (tag, answer) = match event {
                        Event::Command(command) => {
                            let data = match command.data {
                                CommandData::InCapsule(data) => data,
                                _ => &[],
                            };
                            if command.sqe.is_fabrics() && command.sqe.fctype() == Fctype::CONNECT {
                                qid = Connect::from_sqe(command.sqe).qid;
                            }
                            let ask = Ask { qid, sqe: *command.sqe, data };
                            (command.tag, self.with(|inner| inner.answer(&ask, command.tag)))
                        }
                        Event::Close(how) => return Some(how),
                        _ => continue,
                    };
                    match answer {
                        Answer::Reply(reply) => machine.respond(tag, reply).unwrap(),
                        Answer::Data(data) => {
                            machine.respond_with_data(tag, data, Reply::success()).unwrap();
                        }
                        Answer::Wait => {}
                        Answer::Cut => return Some(Close::Reset),
                    }
                }
                None
            })
        })
        .await;
        self.with(|inner| inner.connections.1 += 1);
    }
}

impl Inner {
    fn event(&mut self) -> Option<(Tag, u32)> {
        if self.waiting.is_empty() {
            return None;
        }
        let event = self.events.pop_front()?;
        self.waiting.pop().map(|tag| (tag, event))
    }

    fn answer(&mut self, ask: &Ask<'_>, tag: Tag) -> Answer {
        let sqe = &ask.sqe;
        let what = if sqe.is_fabrics() { 0x100 | u16::from(sqe.fctype().0) } else { u16::from(sqe.opcode) };
        self.seen.push((ask.qid, what));
        if let Some(answer) = (self.rule)(ask) {
            return answer;
        }
        match what {
            0x100 => self.set(&PropertySet::from_sqe(sqe)),
            0x101 => self.connected(ask),
            0x104 => self.get(&PropertyGet::from_sqe(sqe)),
            0x02 => self.page(&GetLogPage::from_sqe(sqe)),
            0x06 if sqe.cdw10 & 0xff == u32::from(Cns::CONTROLLER.0) => {
                Answer::Data(self.identify.as_bytes().to_vec())
            }
            0x09 | 0x0a => Answer::Reply(Reply::success()),
            0x0c => {
                self.waiting.push(tag);
                Answer::Wait
            }
            0x18 => Answer::Reply(Reply::success()),
            _ => Answer::Reply(Reply::failed(Status::INVALID_OPCODE.with_dnr())),
        }
    }

    fn connected(&self, ask: &Ask<'_>) -> Answer {
        let names = ConnectData::new_checked(ask.data).unwrap().names().unwrap();
        let well_known =
            names.0.is_discovery() && self.identify.controller_type() == ControllerType::DISCOVERY;
        if names.0 != self.subsystem && !well_known {
            let parameter = ConnectParameter { place: ParameterPlace::Data, offset: 256 };
            let status = Status::CONNECT_INVALID_PARAMETERS.with_dnr();
            return Answer::Reply(Reply { status, result: parameter.to_dw0().into() });
        }
        Answer::Reply(Reply::with_result(ConnectResponse::new(self.identify.cntlid()).0.into()))
    }

    fn set(&mut self, set: &PropertySet) -> Answer {
        if set.property == Property::CC {
            self.configuration = ControllerConfiguration(set.value as u32);
        }
        Answer::Reply(Reply::success())
    }

    fn get(&self, get: &PropertyGet) -> Answer {
        let value = match get.property {
            Property::CAP => {
                Capabilities::default()
                    .with_max_queue_entries(127)
                    .with_timeout(2)
                    .with_nvm_command_set(true)
                    .0
            }
            Property::CSTS => {
                let shut = self.configuration.shutdown() != ShutdownNotification::NONE;
                let shutdown = if shut { ShutdownStatus::COMPLETE } else { ShutdownStatus::NORMAL_OPERATION };
                let status = ControllerStatus::default().with_ready(self.configuration.enable());
                status.with_shutdown(shutdown).0.into()
            }
            Property::VS => 0x0002_0100,
            Property::CC => self.configuration.0.into(),
            _ => 0,
        };
        Answer::Reply(Reply::with_result(value))
    }

    fn page(&self, get: &GetLogPage) -> Answer {
        if get.lid != LogId::DISCOVERY {
            return Answer::Reply(Reply::failed(Status::INVALID_LOG_PAGE.with_dnr()));
        }
        let mut page = self.log.encode();
        let len = get.len() as usize;
        page.drain(..(get.offset() as usize).min(page.len()));
        page.resize(len, 0);
        Answer::Data(page)
    }
}
