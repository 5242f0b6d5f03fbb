//! Entries and commands: strategies, and what must hold for every 64 bytes.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::Status;
use crate::command::admin::{DiscoveryInformation, GetFeatures, NamespaceTemplate, SetFeatures};
use crate::command::io::{ReservationKeys, ReservationStatus, ZoneReport};
use crate::command::{AdminCommand, AdminOpcode, IoCommand, IoOpcode};
use crate::cqe::Cqe;
use crate::event::{AsyncEvent, EventCode};
use crate::fabrics::{ConnectData, FabricsCommand, Fctype};
use crate::feature::{
    Feature, FeatureId, HostBehavior, HostIdentifier, LbaRange, PowerTransitions, Timestamp,
};
use crate::sgl::{Sgl, SglIdentifier};
use crate::sqe::Sqe;

/// Any SGL descriptor, mostly one that NVMe/TCP has.
pub fn sgl() -> impl Strategy<Value = Sgl> {
    prop_oneof![
        2 => any::<u32>().prop_map(Sgl::in_capsule),
        2 => any::<u32>().prop_map(Sgl::transport),
        1 => Just(Sgl::NONE),
        1 => (any::<u64>(), 0..1_u32 << 24, any::<u32>())
            .prop_map(|(address, length, key)| Sgl::keyed(address, length, key)),
        1 => any::<[u8; 16]>().prop_map(|bytes| Sgl::from_bytes(&bytes)),
    ]
}

/// Any submission queue entry; every second one with an opcode that has a name on one of the queues.
pub fn sqe() -> impl Strategy<Value = Sqe> {
    let named = AdminOpcode::NAMED.iter().map(|opcode| opcode.0);
    let named: Vec<u8> = named.chain(IoOpcode::NAMED.iter().map(|opcode| opcode.0)).collect();
    let fctypes: Vec<u8> = Fctype::NAMED.iter().map(|fctype| fctype.0).collect();
    let bytes = prop::array::uniform32(any::<u16>());
    (bytes, sgl(), any::<bool>(), prop::sample::select(named), prop::sample::select(fctypes)).prop_map(
        |(words, sgl, by_name, opcode, fctype)| {
            let mut bytes = [0; Sqe::LEN];
            for (to, word) in bytes.chunks_exact_mut(2).zip(words) {
                to.copy_from_slice(&word.to_le_bytes());
            }
            let mut sqe = Sqe::from_bytes(&bytes).with_sgl(sgl);
            if by_name {
                sqe.opcode = opcode;
                if sqe.is_fabrics() {
                    sqe.nsid = sqe.nsid & !0xff | u32::from(fctype);
                }
            }
            sqe
        },
    )
}

/// Any command of the admin queue.
pub fn admin_command() -> impl Strategy<Value = AdminCommand> {
    sqe().prop_map(|sqe| AdminCommand::from_sqe(&sqe))
}

/// Any command of an I/O queue.
pub fn io_command() -> impl Strategy<Value = IoCommand> {
    sqe().prop_map(|sqe| IoCommand::from_sqe(&sqe))
}

/// Any Fabrics command.
pub fn fabrics_command() -> impl Strategy<Value = FabricsCommand> {
    (sqe(), 0..10_u8).prop_map(|(mut sqe, fctype)| {
        sqe.opcode = Sqe::FABRICS;
        sqe.nsid = sqe.nsid & !0xff | u32::from(fctype);
        FabricsCommand::from_sqe(&sqe)
    })
}

/// Any completion queue entry.
pub fn cqe() -> impl Strategy<Value = Cqe> {
    (any::<[u8; 16]>(), any::<bool>()).prop_map(|(bytes, success)| {
        let cqe = Cqe::from_bytes(&bytes);
        if success { Cqe { status: Status::SUCCESS, ..cqe } } else { cqe }
    })
}

/// Every 64 bytes are an entry that encodes to the same bytes, and a command on both queues that keeps exactly the bits it gives a meaning; every
/// 16 bytes are a completion and a descriptor; the data of commands are read within their bytes.
///
/// The first 64 bytes are the entry, the others its data.
pub fn commands(data: &[u8]) {
    let mut bytes = [0; Sqe::LEN];
    for (to, from) in bytes.iter_mut().zip(data) {
        *to = *from;
    }
    let sqe = Sqe::from_bytes(&bytes);
    assert_eq!(sqe.encode(), bytes);
    let admin = AdminCommand::from_sqe(&sqe);
    kept(&sqe, &admin.to_sqe(), admin.defined());
    assert_eq!(AdminCommand::from_sqe(&admin.to_sqe()), admin);
    let io = IoCommand::from_sqe(&sqe);
    kept(&sqe, &io.to_sqe(), io.defined());
    assert_eq!(IoCommand::from_sqe(&io.to_sqe()), io);
    assert!(!format!("{sqe:?} {admin:?} {io:?} {:?} {:?}", admin.name(), io.name()).is_empty());
    assert_eq!(Sgl::from_bytes(&sqe.sgl.encode()), sqe.sgl);
    if let Err(status) = sqe.sgl.place() {
        assert!(!matches!(sqe.sgl.identifier, SglIdentifier::IN_CAPSULE | SglIdentifier::TRANSPORT));
        assert!(status.dnr());
    }
    answers(&bytes);
    command_data(&io, data.get(Sqe::LEN..).unwrap_or_default());
}

/// A command took from the entry what it gives a meaning, and nothing else.
fn kept(sqe: &Sqe, typed: &Sqe, defined: Option<[u32; 16]>) {
    let Some(defined) = defined else {
        assert_eq!(sqe, typed);
        return;
    };
    assert_eq!(typed.opcode, sqe.opcode);
    let before = sqe.dwords().into_iter().zip(defined);
    for (at, ((dword, mask), after)) in before.zip(typed.dwords()).enumerate() {
        if matches!(at, 1..=3 | 10..) {
            assert_eq!(dword & mask, after, "dword {at}");
        }
    }
}

/// The same bytes as completions and as what completions and features hold.
fn answers(bytes: &[u8; Sqe::LEN]) {
    let (entries, _) = bytes.as_chunks::<16>();
    for entry in entries {
        let cqe = Cqe::from_bytes(entry);
        assert_eq!(cqe.encode(), *entry);
        assert_eq!(Cqe::success(cqe.cid).with_result(cqe.result()).result(), cqe.result());
        let event = AsyncEvent(cqe.dw0);
        assert!(!event.to_string().is_empty());
        assert_eq!(EventCode::new(event.event_type(), event.information()), event.code());
        let [id, ..] = cqe.dw1.to_le_bytes();
        let feature = Feature::new(FeatureId(id), cqe.dw0);
        assert_eq!((feature.id(), feature.value()), (FeatureId(id), cqe.dw0));
        assert_eq!(SetFeatures::new(feature.id(), feature.value()).to_sqe().cdw11, cqe.dw0);
        assert_eq!(GetFeatures::from_sqe(&GetFeatures::new(FeatureId(id)).to_sqe()).feature.0, id);
    }
}

/// Structures of fixed size: what they decode encodes to what they decode again; fewer bytes are refused with where they end.
macro_rules! fixed {
    ($bytes:expr; $($structure:ty),+ $(,)?) => {$(
        match <$structure>::decode($bytes) {
            Ok(value) => assert_eq!(<$structure>::decode(&value.encode()), Ok(value)),
            Err(error) => assert!(error.at == $bytes.len() && error.at < <$structure>::LEN),
        }
    )+};
}

fn command_data(io: &IoCommand, data: &[u8]) {
    match io {
        IoCommand::DatasetManagement(command) => {
            if let Ok(ranges) = command.ranges(data) {
                let again: Vec<u8> = ranges.flat_map(|range| range.encode()).collect();
                assert_eq!(Some(again.as_slice()), data.get(..again.len()));
            }
        }
        IoCommand::Copy(command) => {
            if let Ok(ranges) = command.ranges(data) {
                let need = command.data_len();
                assert!(need.is_some_and(|need| need <= data.len()));
                assert!(ranges.map(|range| u64::from(range.blocks())).sum::<u64>() <= 256 << 16);
            }
        }
        _ => {}
    }
    if let Ok(status) = ReservationStatus::new(data) {
        let counted = usize::from(status.header().registrants);
        assert!(status.registrants().count() <= counted.min(data.len() / 24));
        assert!(status.registrants_extended().count() <= counted.min(data.len() / 64));
    }
    if let Ok(report) = ZoneReport::new(data) {
        let count = report.descriptors().count();
        assert!(u64::try_from(count).is_ok_and(|count| count <= report.zones()) && count <= data.len() / 64);
        assert!(report.descriptors_extended(data.first().copied().unwrap_or(0)).count() <= count);
    }
    if let Ok(information) = DiscoveryInformation::new_checked(data) {
        assert!(information.basic_entries().count() <= data.len() / 1024);
        assert!(!format!("{information:?}").is_empty());
    }
    if let Ok(view) = ConnectData::new_checked(data) {
        assert_eq!(Some(view.as_bytes()), data.get(..1024));
        assert!(!format!("{view:?}").is_empty());
        match view.names() {
            Ok((subnqn, hostnqn)) => {
                let made = ConnectData::new(view.host_id(), view.cntlid(), &subnqn, &hostnqn);
                assert_eq!(made.names(), Ok((subnqn, hostnqn)));
                assert_eq!(made.as_bytes().get(..18), data.get(..18));
            }
            Err(error) => assert!(matches!(error.parameter.offset, 256 | 512)),
        }
    }
    fixed!(
        data;
        NamespaceTemplate, ReservationKeys, Timestamp, HostBehavior, HostIdentifier, LbaRange, PowerTransitions,
    );
}
