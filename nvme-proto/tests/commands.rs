//! The commands and completions of the golden PDUs: each field as its own decoder tells it and an independent one told it, and the same bytes again.
//!
//! The PDUs are those of `vectors/pdus.json`, the fields of their entries those of `vectors/commands.json`, by name; see
//! `vectors/PROVENANCE.md`: sent to running targets, and read by Wireshark.

#[path = "common/entries.rs"]
mod entries;

use std::collections::BTreeMap;

use entries::Vector;
use nvme_proto::command::admin::DiscoveryInformation;
use nvme_proto::command::io::{CopySource, ReservationKeys, ReservationRelease};
use nvme_proto::command::{AdminCommand, IoCommand};
use nvme_proto::connect::{ConnectParameter, ParameterPlace};
use nvme_proto::cqe::Cqe;
use nvme_proto::event::AsyncEvent;
use nvme_proto::fabrics::{
    Capabilities, ConnectData, ConnectResponse, ControllerConfiguration, ControllerStatus, FabricsCommand,
};
use nvme_proto::feature::{AsyncEventConfiguration, KeepAliveTimer, NumberOfQueues};
use nvme_proto::sgl::{Sgl, SglPlace};
use nvme_proto::sqe::{DataDirection, Sqe};
use proptest::prelude::*;
use serde_json::{Value, json};

fn is_io(name: &str) -> bool {
    let prefixes = [
        "read_",
        "write_",
        "flush",
        "dsm_",
        "compare_",
        "copy_",
        "reservation_",
        "zone_",
        "connect_io",
        "disconnect_io",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Takes fields by their names in the vectors.
type Set<'a> = dyn FnMut(&[(&'static str, Value)]) + 'a;

/// What the typed commands say, under the names of the vectors.
fn describe(vector: &Vector, sqe: &Sqe) -> BTreeMap<&'static str, Value> {
    let mut fields = BTreeMap::from([
        ("opcode", json!(sqe.opcode)),
        ("psdt", json!(sqe.flags.psdt())),
        ("cid", json!(sqe.cid)),
        ("nsid", json!(sqe.nsid)),
        ("sgl_type", json!(sqe.sgl.identifier)),
        ("sgl_address", json!(sqe.sgl.address)),
        ("sgl_length", json!(sqe.sgl.length)),
        ("cdw11", json!(sqe.cdw11)),
    ]);
    let mut set = |pairs: &[(&'static str, Value)]| fields.extend(pairs.iter().cloned());
    if is_io(&vector.name) {
        io_fields(vector, IoCommand::from_sqe(sqe), &mut set);
    } else {
        admin_fields(vector, AdminCommand::from_sqe(sqe), &mut set);
    }
    fields
}

fn admin_fields(vector: &Vector, command: AdminCommand, set: &mut Set<'_>) {
    match command {
        AdminCommand::Identify(c) => set(&[("cns", json!(c.cns)), ("nsid", json!(c.nsid))]),
        AdminCommand::GetLogPage(c) => {
            let numd = c.len() / 4 - 1;
            set(&[
                ("lid", json!(c.lid)),
                ("lsp", json!(c.lsp)),
                ("rae", json!(c.cdw10() >> 15 & 1)),
                ("numd", json!(numd)),
                ("numdl", json!(numd & 0xffff)),
                ("numdu", json!(numd >> 16)),
                ("lpo", json!(c.offset())),
                ("lpol", json!(c.offset() & 0xffff_ffff)),
                ("lpou", json!(c.offset() >> 32)),
                ("nsid", json!(c.nsid)),
            ]);
        }
        AdminCommand::SetFeatures(c) => {
            set(&[("fid", json!(c.feature))]);
            let queues = NumberOfQueues(c.value);
            if c.feature.0 == 7 {
                set(&[
                    ("nsqr", json!(queues.submission_less_one())),
                    ("ncqr", json!(queues.completion_less_one())),
                ]);
            } else if c.feature.0 == 0x0b {
                let expected = AsyncEventConfiguration::default().with_namespace(true).with_ana(true);
                assert_eq!(AsyncEventConfiguration(c.value), expected);
            } else {
                assert_eq!(KeepAliveTimer(c.value).timeout(), 15_000);
            }
        }
        AdminCommand::GetFeatures(c) => set(&[("fid", json!(c.feature)), ("sel", json!(c.select))]),
        AdminCommand::Abort(c) => set(&[("sqid", json!(c.queue)), ("abort_cid", json!(c.command))]),
        AdminCommand::KeepAlive(_) | AdminCommand::AsyncEventRequest(_) => {}
        AdminCommand::Fabrics(c) => fabrics_fields(vector, c, set),
        other => panic!("{}: {other:?}", vector.name),
    }
}

fn fabrics_fields(vector: &Vector, command: FabricsCommand, set: &mut Set<'_>) {
    set(&[("fctype", json!(command.fctype()))]);
    match command {
        FabricsCommand::Connect(c) => {
            let data = ConnectData::new_checked(vector.data()).unwrap();
            let (subnqn, hostnqn) = data.names().unwrap();
            let hostid: String = data.host_id().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            set(&[
                ("recfmt", json!(c.record_format)),
                ("qid", json!(c.qid)),
                ("sqsize", json!(c.queue_size)),
                ("cattr", json!(c.attributes)),
                ("disable_sq_flow_control", json!(u8::from(c.attributes.disables_flow_control()))),
                ("kato_ms", json!(c.keep_alive)),
                ("hostid", json!(hostid)),
                ("cntlid", json!(data.cntlid())),
                ("subnqn", json!(subnqn.as_str())),
                ("hostnqn", json!(hostnqn.as_str())),
            ]);
            let again = ConnectData::new(data.host_id(), data.cntlid(), &subnqn, &hostnqn);
            assert_eq!(again.as_bytes(), vector.data());
        }
        FabricsCommand::PropertyGet(c) => {
            assert!(c.is_valid());
            set(&[("attrib", json!(c.size)), ("ofst", json!(c.property))]);
        }
        FabricsCommand::PropertySet(c) => {
            assert!(c.is_valid());
            let config = ControllerConfiguration(u32::try_from(c.value).unwrap());
            set(&[
                ("attrib", json!(c.size)),
                ("ofst", json!(c.property)),
                ("value", json!(c.value)),
                ("en", json!(u8::from(config.enable()))),
                ("css", json!(config.command_set())),
                ("mps", json!(config.page())),
                ("iosqes", json!(config.sq_entry_size())),
                ("iocqes", json!(config.cq_entry_size())),
            ]);
        }
        FabricsCommand::AuthenticationSend(c) => {
            assert!(c.is_dh_hmac_chap() && vector.data().len() == 72);
            set(&[
                ("spsp0", json!(c.specific_0)),
                ("spsp1", json!(c.specific_1)),
                ("secp", json!(c.protocol)),
                ("tl", json!(c.transfer_length)),
            ]);
        }
        FabricsCommand::AuthenticationReceive(c) => {
            assert!(c.is_dh_hmac_chap());
            set(&[
                ("spsp0", json!(c.specific_0)),
                ("spsp1", json!(c.specific_1)),
                ("secp", json!(c.protocol)),
                ("al", json!(c.allocation_length)),
            ]);
        }
        FabricsCommand::Disconnect(c) => set(&[("recfmt", json!(c.record_format))]),
        other => panic!("{}: {other:?}", vector.name),
    }
}

fn io_fields(vector: &Vector, command: IoCommand, set: &mut Set<'_>) {
    let mut blocks = |lba: u64, less_one: u16, blocks: u32| {
        set(&[("slba", json!(lba)), ("nlb", json!(less_one)), ("blocks", json!(blocks))]);
    };
    match command {
        IoCommand::Flush(_) => {}
        IoCommand::Read(c) => blocks(c.lba, c.blocks_less_one, c.blocks()),
        IoCommand::Write(c) => blocks(c.lba, c.blocks_less_one, c.blocks()),
        IoCommand::Compare(c) => blocks(c.lba, c.blocks_less_one, c.blocks()),
        IoCommand::WriteZeroes(c) => {
            blocks(c.lba, c.blocks_less_one, c.blocks());
            set(&[("deac", json!(u8::from(c.deallocate)))]);
        }
        IoCommand::DatasetManagement(c) => {
            let ranges: Vec<_> = c.ranges(vector.data()).unwrap().collect();
            let again: Vec<u8> = ranges.iter().flat_map(|range| range.encode()).collect();
            assert_eq!(again, vector.data());
            let range = |at: usize| json!({ "cattr": ranges[at].attributes, "nlb": ranges[at].blocks, "slba": ranges[at].lba });
            set(&[
                ("nr", json!(c.ranges_less_one)),
                ("ranges", json!(ranges.len())),
                ("ad", json!(u8::from(c.deallocate))),
                ("range0", range(0)),
                ("range1", range(1)),
            ]);
        }
        IoCommand::Copy(c) => {
            let ranges: Vec<_> = c.ranges(vector.data()).unwrap().collect();
            let CopySource::Range(range) = ranges[0] else { panic!("another format") };
            assert_eq!(range.encode(), vector.data());
            set(&[
                ("sdlba", json!(c.lba)),
                ("nr", json!(c.ranges_less_one)),
                ("descriptor_format", json!(c.format)),
                ("range0", json!({ "slba": range.lba, "nlb": range.blocks_less_one })),
            ]);
        }
        IoCommand::ReservationRegister(c) => {
            let keys = ReservationKeys::decode(vector.data()).unwrap();
            assert_eq!(keys.encode(), vector.data());
            set(&[
                ("rrega", json!(c.action)),
                ("iekey", json!(u8::from(c.ignore_key))),
                ("cptpl", json!(c.persist)),
                ("crkey", json!(keys.current)),
                ("nrkey", json!(keys.other)),
            ]);
        }
        IoCommand::ReservationAcquire(c) => {
            let keys = ReservationKeys::decode(vector.data()).unwrap();
            set(&[("racqa", json!(c.action)), ("rtype", json!(c.kind)), ("crkey", json!(keys.current))]);
        }
        IoCommand::ReservationRelease(c) => {
            let key = ReservationRelease::key(vector.data()).unwrap();
            assert_eq!(ReservationRelease::data(key), vector.data());
            set(&[("rrela", json!(c.action)), ("rtype", json!(c.kind))]);
        }
        IoCommand::ReservationReport(c) => {
            set(&[("numd", json!(c.dwords_less_one)), ("eds", json!(u8::from(c.extended)))]);
        }
        IoCommand::ZoneManagementSend(c) => set(&[("slba", json!(c.lba)), ("zsa", json!(c.action))]),
        IoCommand::ZoneManagementReceive(c) => set(&[
            ("numd", json!(c.dwords_less_one)),
            ("zra", json!(c.action)),
            ("zrasf", json!(c.filter)),
            ("partial", json!(u8::from(c.partial))),
        ]),
        IoCommand::Fabrics(c) => fabrics_fields(vector, c, set),
        other => panic!("{}: {other:?}", vector.name),
    }
}

#[test]
fn commands_say_what_the_vectors_say() {
    let vectors = Vector::of_type(4);
    assert_eq!(vectors.len(), 37);
    let mut compared = 0;
    for vector in &vectors {
        let sqe = Sqe::from_bytes(vector.entry());
        compared += vector.compare(&describe(vector, &sqe));
    }
    assert_eq!(compared, 159, "fields compared");
}

/// An entry goes through its typed command and comes out as the same bytes.
#[test]
fn commands_encode_to_the_bytes_they_came_from() {
    for vector in Vector::of_type(4) {
        let bytes: &[u8; 64] = vector.entry();
        let sqe = Sqe::from_bytes(bytes);
        assert_eq!(sqe.encode(), *bytes, "{}", vector.name);
        let typed = if is_io(&vector.name) {
            IoCommand::from_sqe(&sqe).to_sqe()
        } else {
            AdminCommand::from_sqe(&sqe).to_sqe()
        };
        assert_eq!(typed.with_cid(sqe.cid).with_sgl(sqe.sgl).encode(), *bytes, "{}", vector.name);
    }
}

/// The SGL of every vector is in one of the two forms, says how many bytes the capsule holds, and agrees with the direction.
#[test]
fn the_data_is_where_the_descriptor_says() {
    for vector in Vector::of_type(4) {
        let sqe = Sqe::from_bytes(vector.entry());
        match sqe.sgl.place() {
            Ok(SglPlace::InCapsule { offset, length }) => {
                assert_eq!((offset, length as usize), (0, vector.data().len()), "{}", vector.name);
                assert_eq!(sqe.direction(), DataDirection::HostToController, "{}", vector.name);
                assert_eq!(sqe.sgl, Sgl::in_capsule(length));
            }
            Ok(SglPlace::Transport { length }) => {
                assert!(vector.data().is_empty(), "{}", vector.name);
                assert!(length != 0 || sqe.sgl == Sgl::NONE || sqe.sgl == Sgl::no_data(), "{}", vector.name);
                let moves = sqe.direction() != DataDirection::None;
                // Get Features has a direction, and data for some features only.
                assert!(length == 0 || moves, "{}", vector.name);
            }
            Err(status) => panic!("{}: {status}", vector.name),
        }
    }
}

#[test]
fn completions_say_what_the_vectors_say() {
    let vectors = Vector::of_type(5);
    assert_eq!(vectors.len(), 19);
    let mut compared = 0;
    for vector in &vectors {
        let cqe = Cqe::from_bytes(vector.entry());
        assert_eq!(cqe.encode(), *vector.entry::<16>(), "{}", vector.name);
        let connect = ConnectResponse(cqe.dw0);
        let parameter = ConnectParameter::from_dw0(cqe.dw0);
        let event = AsyncEvent(cqe.dw0);
        let cap = Capabilities(cqe.result());
        let fields = BTreeMap::from([
            ("dw0", json!(cqe.dw0)),
            ("sqhd", json!(cqe.sqhd)),
            ("cid", json!(cqe.cid)),
            ("status", json!(cqe.status)),
            ("status_u16", json!(cqe.status.to_cqe())),
            ("sct", json!(cqe.status.sct())),
            ("sc", json!(cqe.status.sc())),
            ("crd", json!(cqe.status.crd())),
            ("dnr", json!(u8::from(cqe.status.dnr()))),
            ("cntlid", json!(connect.cntlid())),
            ("authreq", json!(cqe.dw0 >> 16)),
            ("atr", json!(u8::from(connect.requires_authentication()))),
            ("ascr", json!(u8::from(connect.requires_secure_channel()))),
            ("ipo", json!(parameter.offset)),
            ("iattr", json!(u8::from(parameter.place == ParameterPlace::Data))),
            ("event_type", json!(event.event_type())),
            ("info", json!(event.information())),
            ("lid", json!(event.log())),
            ("ianp", json!(u8::from(!nvme_proto::command::admin::Abort::aborted(cqe.dw0)))),
            ("cap", json!(cap)),
            ("mqes", json!(cap.max_queue_entries())),
            ("cqr", json!(u8::from(cap.contiguous_queues()))),
            ("to", json!(cap.timeout())),
            ("mpsmin", json!(cap.min_page())),
            ("mpsmax", json!(cap.max_page())),
            ("rdy", json!(u8::from(ControllerStatus(cqe.dw0).ready()))),
        ]);
        compared += vector.compare(&fields);
        if vector.name == "property_get_cap_resp" {
            assert!(cap.nvm_command_set() && cap.io_command_sets());
        }
    }
    assert_eq!(compared, 75, "fields compared");
}

/// Every byte of an entry counts: changed, it is another entry, and the typed command differs exactly when the byte has a meaning for it.
#[test]
fn every_changed_byte_shows_where_it_has_a_meaning() {
    for vector in Vector::of_type(4) {
        let bytes: &[u8; 64] = vector.entry();
        let before = Sqe::from_bytes(bytes);
        let io = is_io(&vector.name);
        let command = |sqe: &Sqe| {
            if io {
                let command = IoCommand::from_sqe(sqe);
                (command.to_sqe(), command.defined())
            } else {
                let command = AdminCommand::from_sqe(sqe);
                (command.to_sqe(), command.defined())
            }
        };
        let (typed, defined) = command(&before);
        let defined = defined.unwrap_or_else(|| panic!("{} has no type", vector.name));
        for at in 4..64 {
            for bit in 0..8 {
                let mut changed = *bytes;
                changed[at] ^= 1 << bit;
                let sqe = Sqe::from_bytes(&changed);
                assert_ne!(sqe, before);
                assert_eq!(sqe.encode(), changed);
                if sqe.is_fabrics() && at == 4 {
                    continue; // another command
                }
                let has_meaning = defined[at / 4] >> (at % 4 * 8 + bit) & 1 != 0;
                let name = &vector.name;
                assert_eq!(command(&sqe).0 != typed, has_meaning, "{name} byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for vector in Vector::of_type(4) {
        let bytes: &[u8; 64] = vector.entry();
        for len in 0..64 {
            assert_eq!(Sqe::decode(&bytes[..len]).unwrap_err().at, len);
        }
    }
    for vector in Vector::of_type(5) {
        let bytes: &[u8; 16] = vector.entry();
        for len in 0..16 {
            assert_eq!(Cqe::decode(&bytes[..len]).unwrap_err().at, len);
        }
    }
    for len in 0..1024 {
        assert_eq!(ConnectData::new_checked(vec![0; len]).unwrap_err().at, len);
        assert_eq!(DiscoveryInformation::new_checked(vec![0; len]).unwrap_err().at, len);
    }
}

/// Values become JSON and come back: what a dissector prints.
#[test]
fn commands_survive_json() {
    for vector in Vector::of_type(4) {
        let sqe = Sqe::from_bytes(vector.entry());
        let again: Sqe = serde_json::from_str(&serde_json::to_string(&sqe).unwrap()).unwrap();
        assert_eq!(again, sqe);
        let command = AdminCommand::from_sqe(&sqe);
        let again: AdminCommand = serde_json::from_value(serde_json::to_value(command).unwrap()).unwrap();
        assert_eq!(again, command);
        let command = IoCommand::from_sqe(&sqe);
        let again: IoCommand = serde_json::from_value(serde_json::to_value(command).unwrap()).unwrap();
        assert_eq!(again, command);
    }
}

proptest! {
    /// What the strategies of this crate give goes into bytes and comes back, both ways.
    #[test]
    fn values_come_back(
        sqe in nvme_proto::testing::sqe(),
        cqe in nvme_proto::testing::cqe(),
        sgl in nvme_proto::testing::sgl(),
        admin in nvme_proto::testing::admin_command(),
        io in nvme_proto::testing::io_command(),
        fabrics in nvme_proto::testing::fabrics_command(),
    ) {
        prop_assert_eq!(Sqe::decode(&sqe.encode()), Ok(sqe));
        prop_assert_eq!(Cqe::decode(&cqe.encode()), Ok(cqe));
        prop_assert_eq!(Sgl::decode(&sgl.encode()), Ok(sgl));
        prop_assert_eq!(AdminCommand::from_sqe(&admin.to_sqe()), admin);
        prop_assert_eq!(IoCommand::from_sqe(&io.to_sqe()), io);
        prop_assert_eq!(FabricsCommand::from_sqe(&fabrics.to_sqe()), fabrics);
        prop_assert_eq!(fabrics.to_sqe().fctype(), fabrics.fctype());
    }

    /// The properties of the fuzz target, with data behind the entry.
    #[test]
    fn entries_with_data(sqe in nvme_proto::testing::sqe(), data in proptest::collection::vec(any::<u8>(), 0..300)) {
        nvme_proto::testing::commands(&[&sqe.encode(), data.as_slice()].concat());
    }
}
