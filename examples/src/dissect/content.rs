//! What commands and completions mean, in a title and fields.

use std::collections::BTreeMap;
use std::fmt;

use nvme_proto::CommandContext;
use nvme_proto::command::{AdminCommand, IoCommand};
use nvme_proto::connect;
use nvme_proto::cqe::Cqe;
use nvme_proto::event::AsyncEvent;
use nvme_proto::fabrics::{
    Capabilities, Connect, ConnectData, ConnectResponse, ControllerConfiguration, ControllerStatus,
    FabricsCommand, Property, ReadyTimeouts,
};
use nvme_proto::feature::Feature;
use nvme_proto::identify::Version;
use nvme_proto::sqe::Sqe;
use serde::Serialize;
use serde_json::{Value, json};

use super::fields::Fields;

/// The meaning of something.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Content {
    /// What it is.
    pub title: String,
    /// What it says.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What its data are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<Self>>,
}

impl Content {
    /// A title and fields.
    pub fn new(title: impl Into<String>, fields: Fields) -> Self {
        Self { title: title.into(), fields, data: None }
    }

    /// The same with data.
    #[must_use]
    pub fn carrying(mut self, data: Option<Self>) -> Self {
        self.data = data.map(Box::new);
        self
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        let fields = self.fields.to_string();
        if !fields.is_empty() {
            let separator = match &self.title {
                title if title.is_empty() => "",
                title if title.contains(": ") => ", ",
                _ => ": ",
            };
            write!(f, "{separator}{fields}")?;
        }
        match self.data.as_ref().map(ToString::to_string) {
            Some(data) if !data.is_empty() => write!(f, "; {data}"),
            _ => Ok(()),
        }
    }
}

/// Which kind of queue a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Not known (yet): Connect was not seen.
    Unknown,
    /// The admin queue.
    Admin,
    /// The I/O queue of this number.
    Io(u16),
}

impl Queue {
    /// Where its statuses belong.
    fn context(self, sqe: &Sqe) -> CommandContext {
        match self {
            _ if sqe.is_fabrics() => CommandContext::Fabrics,
            Self::Io(_) => IoCommand::from_sqe(sqe).context(),
            Self::Admin | Self::Unknown => AdminCommand::from_sqe(sqe).context(),
        }
    }
}

/// The name of a command, with what it is about.
pub fn title(queue: Queue, sqe: &Sqe) -> String {
    let name = |name: Option<&str>| match name {
        Some(name) => name.to_owned(),
        None => format!("command {:#04x}", sqe.opcode),
    };
    if sqe.is_fabrics() {
        return match FabricsCommand::from_sqe(sqe) {
            FabricsCommand::PropertyGet(get) => format!("Property Get {}", get.property),
            FabricsCommand::PropertySet(set) => format!("Property Set {}", set.property),
            other => {
                other.name().map_or_else(|| format!("Fabrics command {:#04x}", sqe.fctype().0), str::to_owned)
            }
        };
    }
    let admin = AdminCommand::from_sqe(sqe);
    let io = IoCommand::from_sqe(sqe);
    match (queue, admin) {
        (Queue::Io(_), _) => name(io.name()),
        (Queue::Unknown, admin) if io.name().is_some() => match admin.name() {
            Some(admin) => format!("{admin} or {}", name(io.name())),
            None => name(io.name()),
        },
        (_, AdminCommand::Identify(identify)) => match identify.cns.name() {
            Some(name) if name.starts_with("Identify") => name.to_owned(),
            _ => format!("Identify {}", identify.cns),
        },
        (_, AdminCommand::GetLogPage(page)) => format!("Get Log Page {}", page.lid),
        (_, AdminCommand::SetFeatures(set)) => format!("Set Features {}", set.feature),
        (_, AdminCommand::GetFeatures(get)) => format!("Get Features {}", get.feature),
        (_, admin) => name(admin.name()),
    }
}

/// A command and the data that came with it.
pub fn command(queue: Queue, sqe: &Sqe, data: &[u8]) -> Content {
    let title = title(queue, sqe);
    if sqe.is_fabrics() {
        return match FabricsCommand::from_sqe(sqe) {
            FabricsCommand::Connect(connect) => {
                Content::new(title, Fields::of(&connect)).carrying(connect_data(data))
            }
            FabricsCommand::PropertyGet(get) => Content::new(title, Fields::of(&get)),
            FabricsCommand::PropertySet(set) => {
                Content::new(title, Fields::of(&set)).carrying(property(set.property, set.value))
            }
            FabricsCommand::AuthenticationSend(send) => Content::new(title, Fields::of(&send)),
            FabricsCommand::AuthenticationReceive(receive) => Content::new(title, Fields::of(&receive)),
            FabricsCommand::Disconnect(disconnect) => Content::new(title, Fields::of(&disconnect)),
            _ => Content::new(title, dwords(sqe)),
        };
    }
    let found = match queue {
        Queue::Io(_) => inner(&IoCommand::from_sqe(sqe)),
        Queue::Admin => inner(&AdminCommand::from_sqe(sqe)),
        Queue::Unknown => None,
    };
    let content = Content::new(title, found.unwrap_or_else(|| dwords(sqe)));
    match (queue, AdminCommand::from_sqe(sqe)) {
        (Queue::Admin, AdminCommand::SetFeatures(set)) => {
            content.carrying(feature(&Feature::new(set.feature, set.value)))
        }
        _ => content,
    }
}

/// The fields of the command in an enumeration of commands; `None` for one without a type.
fn inner(command: &impl Serialize) -> Option<Fields> {
    // Through text, which keeps the order of the fields.
    let text = serde_json::to_string(command).ok()?;
    let variants: BTreeMap<String, Fields> = serde_json::from_str(&text).ok()?;
    let (variant, fields) = variants.into_iter().next()?;
    (variant != "Other").then_some(fields)
}

fn dwords(sqe: &Sqe) -> Fields {
    Fields::new()
        .with("nsid", sqe.nsid)
        .with("cdw10", sqe.cdw10)
        .with("cdw11", sqe.cdw11)
        .with("cdw12", sqe.cdw12)
        .with("cdw13", sqe.cdw13)
        .with("cdw14", sqe.cdw14)
        .with("cdw15", sqe.cdw15)
}

fn connect_data(bytes: &[u8]) -> Option<Content> {
    let data = ConnectData::new_checked(bytes).ok()?;
    let fields = Fields::new()
        .with("host_id", data.host_id().to_string())
        .with("cntlid", data.cntlid().0)
        .with("subnqn", data.subnqn_text())
        .with("hostnqn", data.hostnqn_text());
    Some(Content::new("", fields))
}

fn property(property: Property, value: u64) -> Option<Content> {
    let low = u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
    let fields = match property {
        Property::CAP => Fields::of_debug(&Capabilities(value)),
        Property::VS => Fields::new().with("version", Version(low).to_string()),
        Property::CC => Fields::of_debug(&ControllerConfiguration(low)),
        Property::CSTS => Fields::of_debug(&ControllerStatus(low)),
        Property::CRTO => Fields::of_debug(&ReadyTimeouts(low)),
        _ => return None,
    };
    Some(Content::new("", fields))
}

fn feature(feature: &Feature) -> Option<Content> {
    let Fields(mut variants) = Fields(debug_inner(feature));
    variants.retain(|(name, _)| name != "raw");
    if variants.is_empty() { None } else { Some(Content::new("", Fields(variants))) }
}

/// The fields that the value inside a variant shows: `NumberOfQueues(NumberOfQueues { .. })`.
fn debug_inner(feature: &Feature) -> Vec<(String, Value)> {
    let text = format!("{feature:?}");
    let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or_default();
    Fields::of_debug(&format_args!("{inner}")).0
}

/// A completion, and what its dwords say as the answer to this command.
pub fn completion(queue: Queue, command: Option<&Sqe>, cqe: &Cqe) -> Content {
    let Some(sqe) = command else {
        let fields =
            Fields::new().with("status", cqe.status.to_string()).with("dw0", cqe.dw0).with("dw1", cqe.dw1);
        return Content::new("completion of a command that was not seen", fields.with("sqhd", cqe.sqhd));
    };
    let title = title(queue, sqe);
    let status = status(queue, sqe, cqe);
    let content = Content::new(format!("{title}: {status}"), Fields::new());
    if !cqe.status.is_success() {
        let fields = Fields::new().with("dw0", cqe.dw0).with("dw1", cqe.dw1).with("sqhd", cqe.sqhd);
        return Content { fields, ..content };
    }
    let plain = Fields::new().with("sqhd", cqe.sqhd);
    if sqe.is_fabrics() {
        return match FabricsCommand::from_sqe(sqe) {
            FabricsCommand::Connect(_) => {
                let response = ConnectResponse(cqe.dw0);
                let fields = Fields::new()
                    .with("cntlid", response.cntlid().0)
                    .with("authentication_required", response.requires_authentication())
                    .with("secure_channel_required", response.requires_secure_channel())
                    .with("sqhd", cqe.sqhd);
                Content { fields, ..content }
            }
            FabricsCommand::PropertyGet(get) => {
                let fields =
                    Fields::new().with("value", format!("{:#x}", cqe.result())).with("sqhd", cqe.sqhd);
                Content { fields, ..content }.carrying(property(get.property, cqe.result()))
            }
            _ => Content { fields: plain, ..content },
        };
    }
    let fields = Fields::new().with("dw0", cqe.dw0).with("dw1", cqe.dw1).with("sqhd", cqe.sqhd);
    match (queue, AdminCommand::from_sqe(sqe)) {
        (Queue::Admin, AdminCommand::AsyncEventRequest(_)) => {
            let fields = fields.with("event", AsyncEvent(cqe.dw0).to_string());
            Content { fields, ..content }
        }
        (Queue::Admin, AdminCommand::GetFeatures(get)) => {
            Content { fields, ..content }.carrying(feature(&Feature::new(get.feature, cqe.dw0)))
        }
        (Queue::Admin, AdminCommand::SetFeatures(set)) if cqe.dw0 != 0 => {
            Content { fields, ..content }.carrying(feature(&Feature::new(set.feature, cqe.dw0)))
        }
        _ => Content { fields, ..content },
    }
}

/// The status in words, with its command's context.
fn status(queue: Queue, sqe: &Sqe, cqe: &Cqe) -> String {
    if cqe.status.is_success() {
        return "success".to_owned();
    }
    if sqe.is_fabrics()
        && let FabricsCommand::Connect(_) = FabricsCommand::from_sqe(sqe)
        && let Some(reject) = connect::explain(cqe.status, cqe.dw0)
    {
        return reject.to_string();
    }
    cqe.status.in_words(queue.context(sqe)).to_string()
}

/// A command that ended with its data, without a completion.
pub fn ended_by_data(queue: Queue, sqe: &Sqe) -> String {
    format!("{}: success, without a completion", title(queue, sqe))
}

/// The queue that a Connect asks for, and its entries.
pub fn queue_of(connect: &Connect) -> (Queue, u32) {
    let queue = if connect.is_admin() { Queue::Admin } else { Queue::Io(connect.qid) };
    (queue, u32::from(connect.queue_size) + 1)
}

/// Names as a JSON value.
pub fn list<T: ToString>(values: impl IntoIterator<Item = T>) -> Value {
    json!(values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>())
}
