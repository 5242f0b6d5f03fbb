//! Odd and hostile input: what the commands of the catalogue of malformed input are answered, by the numbers of its rows.
//!
//! Rows about PDUs and their digests are answered by the machine of a connection, before a command gets here.

use nvme_proto::Status;
use nvme_proto::command::admin::{
    Abort, AsyncEventRequest, FeatureSelect, GetFeatures, KeepAlive, SetFeatures,
};
use nvme_proto::command::io::{DatasetManagement, Flush, Read, Write};
use nvme_proto::connect::ConnectParameter;
use nvme_proto::fabrics::{
    AuthenticationReceive, AuthenticationSend, CommandSetSelected, Connect, ConnectAttributes, ConnectData,
    ControllerConfiguration, Disconnect, Fctype, Property, PropertyGet, PropertySet, PropertySize,
    SecurityProtocol,
};
use nvme_proto::feature::{FeatureId, KeepAliveTimer, NumberOfQueues};
use nvme_proto::identify::{Cns, IdentifyCommand};
use nvme_proto::log::{GetLogPage, LogId};
use nvme_proto::sgl::Sgl;
use nvme_proto::sqe::{Sqe, SqeFlags};

use super::*;
use crate::target::connection::Payload;

/// An expected refusal: the status, and for Connect the parameter: in the data or in the command, and its offset.
type Refused = (Status, Option<(&'static str, u16)>);

const INVALID: Status = Status::CONNECT_INVALID_PARAMETERS;

#[track_caller]
fn connect_refused(row: &str, outcome: &Outcome, (status, parameter): Refused) {
    assert_eq!(outcome.status(), Some(status), "{row}: {outcome:?}");
    let Some((place, offset)) = parameter else { return };
    let found = ConnectParameter::from_dw0(outcome.result() as u32);
    assert_eq!((format!("{:?}", found.place).as_str(), found.offset), (place, offset), "{row}");
}

/// Connect data with some bytes changed.
fn connect_data(cntlid: u16, changes: &[(usize, &[u8])]) -> [u8; 1024] {
    let host = Host::number(1);
    let data = ConnectData::new(host.id, Cntlid(cntlid), &nqn("disk"), &host.nqn);
    let mut bytes = [0; 1024];
    bytes.copy_from_slice(data.as_bytes());
    for (at, new) in changes {
        bytes[*at..][..new.len()].copy_from_slice(new);
    }
    bytes
}

#[test]
fn connect_rows_of_the_admin_queue() {
    let target = target();
    let admin = Connect::admin(31, 0);
    let long = [b'n'; 256];
    let just_too_long = [[b'n'; 224].as_slice(), &[0]].concat();
    let unknown = [b"nqn.2014-08.org.example:nothing".as_slice(), &[0]].concat();
    for (row, command, data, expected) in [
        (
            "C70",
            with!(admin, record_format: 1),
            connect_data(0xffff, &[]),
            Some((Status::CONNECT_INCOMPATIBLE_FORMAT, None)),
        ),
        ("C71", Connect::admin(0, 0), connect_data(0xffff, &[]), Some((INVALID, Some(("Command", 44))))),
        ("C72", Connect::admin(0xffff, 0), connect_data(0xffff, &[]), Some((INVALID, Some(("Command", 44))))),
        ("C73", Connect::io(1, 31), connect_data(0xffff, &[]), Some((INVALID, Some(("Data", 16))))),
        ("C74", admin, connect_data(0, &[]), Some((INVALID, Some(("Data", 16))))),
        ("C75", admin, connect_data(0xfffe, &[]), Some((INVALID, Some(("Data", 16))))),
        ("C76", admin, connect_data(0xffff, &[(256, &unknown)]), Some((INVALID, Some(("Data", 256))))),
        ("C77", admin, connect_data(0xffff, &[(256, &long)]), Some((INVALID, Some(("Data", 256))))),
        ("C78", admin, connect_data(0xffff, &[(256, &just_too_long)]), Some((INVALID, Some(("Data", 256))))),
        ("C79", admin, connect_data(0xffff, &[(512, &[0])]), Some((INVALID, Some(("Data", 512))))),
        ("C80", admin, connect_data(0xffff, &[(512, &long)]), Some((INVALID, Some(("Data", 512))))),
        (
            "C81",
            admin,
            connect_data(0xffff, &[(512, b"nqn\xff\xfe\0")]),
            Some((INVALID, Some(("Data", 512)))),
        ),
        ("C82", admin, connect_data(0xffff, &[(0, &[0; 16])]), None),
        ("C83", admin, connect_data(0xffff, &[(18, &[0xff; 238]), (768, &[0xff; 256])]), None),
        ("C84", with!(admin, attributes: ConnectAttributes(0xf0)), connect_data(0xffff, &[]), None),
        ("C85", with!(admin, attributes: ConnectAttributes(0x04)), connect_data(0xffff, &[]), None),
        ("C86", admin, connect_data(0xffff, &[(300, b"junk")]), None),
    ] {
        let outcome = Line::open(&target, 1).bring(command.to_sqe(), &data);
        match expected {
            Some(expected) => connect_refused(row, &outcome, expected),
            None => assert_eq!(outcome.status(), Some(Status::SUCCESS), "{row}: {outcome:?}"),
        }
    }
    // C57: the data may come after the capsule.
    done(&Line::open(&target, 1).bring_late(admin.to_sqe(), &connect_data(0xffff, &[])));
    // C62, C63: other lengths; C64 to C67: other descriptors.
    for (row, sgl, status) in [
        ("C62", Sgl::in_capsule(1020), Status::DATA_SGL_LENGTH_INVALID),
        ("C63", Sgl::in_capsule(1028), Status::DATA_SGL_LENGTH_INVALID),
        ("C64", Sgl::data_block(0, 1024), Status::SGL_DESCRIPTOR_TYPE_INVALID),
        ("C65", Sgl::keyed(0, 1024, 1), Status::SGL_DESCRIPTOR_TYPE_INVALID),
        ("C66", Sgl::segment(0, 1024), Status::SGL_DESCRIPTOR_TYPE_INVALID),
    ] {
        let bytes = vec![0; sgl.length as usize];
        let outcome = Line::open(&target, 1).raw(admin.to_sqe().with_sgl(sgl), Payload::Here(&bytes));
        assert_eq!(outcome.status(), Some(status), "{row}");
    }
    // C68: any data pointer in a Fabrics command; C69: no fused one.
    let with_flags = |flags| Sqe { flags: SqeFlags(flags), ..admin.to_sqe() };
    done(&Line::open(&target, 1).bring(with_flags(0), &connect_data(0xffff, &[])));
    refused(
        &Line::open(&target, 1).bring(with_flags(0x41), &connect_data(0xffff, &[])),
        Status::INVALID_FIELD,
    );
}

#[test]
fn connect_rows_of_hosts_and_places() {
    let target = target();
    target.set_hosts(&nqn("disk"), [Host::number(1).nqn].into_iter().collect()).unwrap();
    let admin = Connect::admin(31, 0);
    let connect = |port, host| {
        Line::open(&target, port).connect(admin, Cntlid::DYNAMIC, &nqn("disk"), &Host::number(host))
    };
    done(&connect(1, 1));
    connect_refused(
        "a host that may not",
        &connect(1, 2),
        (Status::CONNECT_INVALID_HOST, Some(("Data", 512))),
    );
    connect_refused("no such port", &connect(9, 1), (INVALID, Some(("Data", 256))));
    target.withdraw(PortId(1), &nqn("disk")).unwrap();
    connect_refused("not at this port", &connect(1, 1), (INVALID, Some(("Data", 256))));
    done(&connect(2, 1));
    // Nobody is noted in the error log of anybody, and no controller is left.
    assert_eq!(target.associations(), []);
}

#[test]
fn connect_rows_of_io_queues() {
    let target = target();
    let host = Host::number(1);
    let mut admin = Line::open(&target, 1);
    let outcome = admin.connect(Connect::admin(31, 0), Cntlid::DYNAMIC, &nqn("disk"), &host);
    let cntlid = Cntlid(outcome.result() as u16);
    let io = |command, cntlid, name: &str, host: &Host| {
        let mut line = Line::open(&target, 1);
        let outcome = line.connect(command, cntlid, &nqn(name), host);
        (line, outcome)
    };
    let queue = Connect::io(1, 31);
    connect_refused("C88", &io(queue, cntlid, "disk", &host).1, (INVALID, Some(("Command", 42))));
    admin.enable();
    let granted = admin.plain(SetFeatures::of(NumberOfQueues::pairs(3)).to_sqe());
    assert_eq!(granted.result(), 0x0003_0003);
    let (other_name, other_id) =
        (Host { nqn: Host::number(2).nqn, ..host.clone() }, Host { id: Host::number(2).id, ..host.clone() });
    connect_refused("C89", &io(queue, cntlid, "disk", &other_name).1, (INVALID, Some(("Data", 512))));
    connect_refused("C90", &io(queue, cntlid, "disk", &other_id).1, (INVALID, Some(("Data", 0))));
    connect_refused("C91", &io(queue, cntlid, "other", &host).1, (INVALID, Some(("Data", 256))));
    target.add_subsystem(Subsystem::new(nqn("other")).allow_any_host()).unwrap();
    target.export(PortId(1), &nqn("other")).unwrap();
    connect_refused("C91", &io(queue, cntlid, "other", &host).1, (INVALID, Some(("Data", 16))));
    let (line, outcome) = io(queue, cntlid, "disk", &host);
    done(&outcome);
    assert_eq!(outcome.result(), u64::from(cntlid.0));
    connect_refused("C92", &io(queue, cntlid, "disk", &host).1, (INVALID, Some(("Command", 42))));
    connect_refused(
        "C93",
        &io(Connect::io(5, 31), cntlid, "disk", &host).1,
        (INVALID, Some(("Command", 42))),
    );
    connect_refused(
        "C93",
        &io(Connect::io(512, 31), cntlid, "disk", &host).1,
        (INVALID, Some(("Command", 42))),
    );
    done(&io(Connect::io(4, 127), cntlid, "disk", &host).1);
    connect_refused(
        "C94",
        &io(Connect::io(2, 128), cntlid, "disk", &host).1,
        (INVALID, Some(("Command", 44))),
    );
    connect_refused(
        "C95",
        &io(Connect::io(2, 31), Cntlid(777), "disk", &host).1,
        (INVALID, Some(("Data", 16))),
    );
    // A queue of the same controller comes to the same port.
    let mut elsewhere = Line::open(&target, 2);
    let outcome = elsewhere.connect(Connect::io(2, 31), cntlid, &nqn("disk"), &host);
    connect_refused("another port", &outcome, (INVALID, Some(("Data", 16))));
    // When a queue is gone its number is free.
    drop(line);
    done(&io(queue, cntlid, "disk", &host).1);
}

#[test]
fn rows_before_connect_and_before_the_controller_is_enabled() {
    let target = target();
    for (row, sqe) in [
        ("C55", IdentifyCommand::controller().to_sqe()),
        ("C56", PropertyGet::new(Property::CAP).to_sqe()),
        ("a read", Read::new(1, 0, 0).to_sqe()),
    ] {
        let outcome = Line::open(&target, 1).fetch(sqe, 4096);
        assert_eq!(outcome.status(), Some(Status::COMMAND_SEQUENCE_ERROR), "{row}");
    }
    let mut line = Line::open(&target, 1);
    done(&line.connect(Connect::admin(31, 0), Cntlid::DYNAMIC, &nqn("disk"), &Host::number(1)));
    let again = line.connect(Connect::admin(31, 0), Cntlid::DYNAMIC, &nqn("disk"), &Host::number(1));
    assert_eq!(again.status(), Some(Status::COMMAND_SEQUENCE_ERROR), "C87");
    assert_eq!(
        line.fetch(IdentifyCommand::controller().to_sqe(), 4096).status(),
        Some(Status::COMMAND_SEQUENCE_ERROR),
        "C96"
    );
    assert_eq!(
        line.plain(KeepAlive::default().to_sqe()).status(),
        Some(Status::COMMAND_SEQUENCE_ERROR),
        "C96"
    );
    done(&line.plain(PropertyGet::new(Property::CAP).to_sqe()));
}

#[test]
fn rows_of_fabrics_commands() {
    let target = target();
    let (mut admin, mut io, _) = association(&target, 1, &Host::number(1));
    let get = |property| PropertyGet::new(Property(property)).to_sqe();
    let sized = |property, size| with!(PropertyGet::new(property), size: PropertySize(size)).to_sqe();
    let set = |property, value| PropertySet::new(property, value).to_sqe();
    let config = ControllerConfiguration::enabled(CommandSetSelected::ALL).with_enable(false);
    done(&admin.plain(set(Property::CC, config.0.into())));
    let page_15 = config.with_enable(true).with_page(15);
    for (row, sqe, status) in [
        ("C97", Sqe::fabrics(Fctype(0x07)), Status::INVALID_FIELD),
        ("C97", Sqe::fabrics(Fctype(0x33)), Status::INVALID_FIELD),
        ("C97", Sqe::fabrics(Fctype(0xc0)), Status::INVALID_FIELD),
        ("C98", set(Property::CAP, 0), Status::INVALID_FIELD),
        ("C99", set(Property::CSTS, 1), Status::INVALID_FIELD),
        ("C100", get(0x0c), Status::INVALID_FIELD),
        ("C101", get(0x24), Status::INVALID_FIELD),
        ("C102", get(1), Status::INVALID_FIELD),
        ("C103", sized(Property::CAP, 0), Status::INVALID_FIELD),
        ("C104", sized(Property::VS, 1), Status::INVALID_FIELD),
        ("C105", sized(Property::VS, 7), Status::INVALID_FIELD),
        ("C106", get(0xffff_fffc), Status::INVALID_FIELD),
        (
            "C107",
            with!(PropertySet::new(Property::CC, 0), size: PropertySize::EIGHT).to_sqe(),
            Status::INVALID_FIELD,
        ),
        ("C108", set(Property::CC, page_15.0.into()), Status::INVALID_FIELD),
        ("NSSR", set(Property::NSSR, 0x4e56_4d65), Status::INVALID_FIELD),
        ("C109", Disconnect::default().to_sqe(), Status::DISCONNECT_INVALID_QUEUE_TYPE),
        ("C115", Sqe { flags: SqeFlags(0), ..get(0) }, Status::SUCCESS),
    ] {
        let outcome = admin.plain(sqe);
        assert_eq!(outcome.status(), Some(status), "{row}: {outcome:?}");
    }
    // CSTS.NSSRO may be cleared: it is not set. Whether it may be written at all, the checks of the command decide.
    let cleared = admin.plain(set(Property::CSTS, 0x10)).status();
    assert!(matches!(cleared, Some(Status::SUCCESS | Status::INVALID_FIELD)));
    assert_eq!(io.plain(get(0)).status(), Some(Status::INVALID_FIELD), "C110");
    let send = AuthenticationSend::dh_hmac_chap(8);
    for (row, sqe, status) in [
        ("C111", send.to_sqe(), Status::COMMAND_SEQUENCE_ERROR),
        ("C113", with!(send, protocol: SecurityProtocol(0)).to_sqe(), Status::INVALID_FIELD),
    ] {
        assert_eq!(admin.bring(sqe, &[0; 8]).status(), Some(status), "{row}");
    }
    let receive = AuthenticationReceive::dh_hmac_chap(64).to_sqe();
    assert_eq!(admin.fetch(receive, 64).status(), Some(Status::COMMAND_SEQUENCE_ERROR), "C112");
    let empty = AuthenticationSend::dh_hmac_chap(0).to_sqe();
    assert_eq!(admin.plain(empty).status(), Some(Status::INVALID_FIELD), "C114");
}

#[test]
fn rows_of_admin_commands() {
    let target = target();
    let (mut admin, _io, _) = association(&target, 1, &Host::number(1));
    let identify = |cns: u8, nsid| IdentifyCommand::new(Cns(cns), nsid).to_sqe();
    let with_csi = |csi| {
        let mut command = IdentifyCommand::new(Cns::IO_NAMESPACE, 1);
        command.command_set = csi;
        command.to_sqe()
    };
    let namespace = Status::INVALID_NAMESPACE_OR_FORMAT;
    for (row, sqe, len, status) in [
        ("C118", identify(0xee, 0), 4096, Status::INVALID_FIELD),
        ("C119", identify(0x00, 0), 4096, namespace),
        ("C120", identify(0x00, 99), 4096, Status::SUCCESS),
        ("C121", identify(0x00, u32::MAX), 4096, namespace),
        ("C122", identify(0x02, 0xffff_fffe), 4096, namespace),
        ("C123", identify(0x03, 99), 4096, namespace),
        ("C124", with_csi(7), 4096, Status::INVALID_FIELD),
        ("C124", with_csi(2), 4096, Status::INVALID_FIELD),
        ("C125", identify(0x01, 0), 512, Status::DATA_SGL_LENGTH_INVALID),
        ("C126", identify(0x01, 0), 8192, Status::DATA_SGL_LENGTH_INVALID),
        ("C128", Sqe { flags: SqeFlags(0), ..identify(0x01, 0) }, 4096, Status::INVALID_FIELD),
        ("C129", Sqe { flags: SqeFlags(0x41), ..identify(0x01, 0) }, 4096, Status::INVALID_FIELD),
        ("C130", GetLogPage::new(LogId(0xee), 0, 64).unwrap().to_sqe(), 64, Status::INVALID_LOG_PAGE),
        (
            "C130",
            GetLogPage::new(LogId::TELEMETRY_HOST, 0, 512).unwrap().to_sqe(),
            512,
            Status::INVALID_LOG_PAGE,
        ),
        ("C132", GetLogPage::new(LogId::HEALTH, 512, 4).unwrap().to_sqe(), 4, Status::INVALID_FIELD),
        ("C132", GetLogPage::new(LogId::HEALTH, u64::MAX - 3, 4).unwrap().to_sqe(), 4, Status::INVALID_FIELD),
        (
            "C133",
            GetLogPage::new(LogId::HEALTH, 0, 512).unwrap().to_sqe(),
            64,
            Status::DATA_SGL_LENGTH_INVALID,
        ),
    ] {
        let outcome = admin.fetch(sqe, len);
        assert_eq!(outcome.status(), Some(status), "{row}: {outcome:?}");
        if row == "C120" {
            assert_eq!(data(outcome), [0; 4096]);
        }
    }
    let unaligned = Sqe { cdw12: 2, ..GetLogPage::new(LogId::HEALTH, 0, 64).unwrap().to_sqe() };
    assert_eq!(admin.fetch(unaligned, 64).status(), Some(Status::INVALID_FIELD), "C131");
    let in_capsule = identify(0x01, 0).with_sgl(Sgl::in_capsule(0));
    assert!(!admin.raw(in_capsule, Payload::None).status().unwrap().is_success(), "C127");
    // A page is read in parts; what is behind its end is zero.
    let tail = data(admin.fetch(GetLogPage::new(LogId::FIRMWARE, 508, 64).unwrap().to_sqe(), 64));
    assert_eq!(tail, [0; 64]);
    let saved = |command: SetFeatures| with!(command, save: true).to_sqe();
    for (row, sqe, status) in [
        ("C116", Sqe::new(0x01), Status::INVALID_OPCODE),
        ("C117", Sqe::new(0xc1), Status::INVALID_OPCODE),
        ("a firmware commit", Sqe::new(0x10), Status::INVALID_OPCODE),
        ("a format", Sqe::new(0x80), Status::INVALID_OPCODE),
        ("C134", SetFeatures::of(NumberOfQueues(0x0000_ffff)).to_sqe(), Status::INVALID_FIELD),
        ("C135", SetFeatures::new(FeatureId(0xbb), 0).to_sqe(), Status::INVALID_FIELD),
        ("C136", SetFeatures::of(KeepAliveTimer(0)).to_sqe(), Status::SUCCESS),
        ("C137", saved(SetFeatures::of(KeepAliveTimer(5000))), Status::FEATURE_IDENTIFIER_NOT_SAVEABLE),
        ("C138", SetFeatures::new(FeatureId::HOST_IDENTIFIER, 1).to_sqe(), Status::COMMAND_SEQUENCE_ERROR),
        ("C141", KeepAlive::default().to_sqe(), Status::SUCCESS),
    ] {
        let outcome = admin.plain(sqe);
        assert_eq!(outcome.status(), Some(status), "{row}: {outcome:?}");
    }
    let short_id = GetFeatures::new(FeatureId::HOST_IDENTIFIER);
    assert_eq!(
        admin.fetch(short_id.to_sqe(), 8).status(),
        Some(Status::HOST_IDENTIFIER_INCONSISTENT_FORMAT),
        "C139"
    );
    let capabilities =
        with!(GetFeatures::new(FeatureId::KEEP_ALIVE_TIMER), select: FeatureSelect::CAPABILITIES);
    assert_eq!(admin.plain(capabilities.to_sqe()).result(), 4);
    let aborted = admin.plain(Abort::new(0, 0x4242).to_sqe());
    assert_eq!((aborted.status(), aborted.result()), (Some(Status::SUCCESS), 1), "C140");
    // C142: AERL is 3.
    let outcomes: Vec<_> =
        (0..8).map(|_| admin.plain(AsyncEventRequest::default().to_sqe()).status()).collect();
    let limit = Some(Status::ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED);
    assert_eq!(outcomes, [None, None, None, None, limit, limit, limit, limit], "C142");
}

#[test]
fn rows_of_io_commands() {
    let target = target();
    let (_admin, mut io, _) = association(&target, 1, &Host::number(1));
    assert_eq!(io.plain(Sqe::new(0x7e)).status(), Some(Status::INVALID_OPCODE), "C144");
    for nsid in [0, 2, 99, u32::MAX, u32::MAX - 1] {
        for sqe in [Read::new(nsid, 0, 0).to_sqe(), Write::new(nsid, 0, 0).to_sqe()] {
            let outcome = io.fetch(sqe, 512);
            assert_eq!(outcome.status(), Some(Status::INVALID_NAMESPACE_OR_FORMAT), "C145 {nsid}");
        }
    }
    for (row, sqe, len, status) in [
        ("C146", Read::new(1, 2048, 0).to_sqe(), 512, Status::LBA_OUT_OF_RANGE),
        ("C147", Read::new(1, 0, 7).to_sqe(), 512, Status::DATA_SGL_LENGTH_INVALID),
        ("C148", Read::new(1, 0, 0).to_sqe(), 4096, Status::DATA_SGL_LENGTH_INVALID),
        ("C149", Read::new(1, 0, 0).to_sqe(), 0, Status::DATA_SGL_LENGTH_INVALID),
        ("C156", Write::new(1, 0, 0).to_sqe(), 0x8000_0000, Status::DATA_SGL_LENGTH_INVALID),
        ("C158", DatasetManagement::deallocate(1, 255).to_sqe(), 16, Status::DATA_SGL_LENGTH_INVALID),
        (
            "a report of 16 GiB",
            Sqe { nsid: 1, cdw10: u32::MAX, cdw11: 1, ..Sqe::new(0x0e) },
            u32::MAX,
            Status::DATA_SGL_LENGTH_INVALID,
        ),
    ] {
        let outcome = io.fetch(sqe, len);
        assert_eq!(outcome.status(), Some(status), "{row}: {outcome:?}");
    }
    let offset = |sqe: Sqe| sqe.with_sgl(Sgl { address: 8, ..Sgl::in_capsule(512) });
    let outcome = io.raw(offset(Write::new(1, 0, 0).to_sqe()), Payload::Here(&[0; 512]));
    assert_eq!(outcome.status(), Some(Status::SGL_OFFSET_INVALID), "C152");
    for fuse in 1..4 {
        let fused = Sqe { flags: SqeFlags(0x40 | fuse), ..Write::new(1, 0, 0).to_sqe() };
        assert_eq!(io.bring(fused, &[0; 512]).status(), Some(Status::INVALID_FIELD), "C155");
    }
    for psdt in [0x00, 0x80, 0xc0] {
        let other = Sqe { flags: SqeFlags(psdt), ..Read::new(1, 0, 0).to_sqe() };
        assert_eq!(io.fetch(other, 512).status(), Some(Status::INVALID_FIELD), "PSDT {psdt:#x}");
    }
    assert_eq!(
        io.plain(Flush::new(u32::MAX).to_sqe()).status(),
        Some(Status::INVALID_NAMESPACE_OR_FORMAT),
        "C157"
    );
    let again = io.connect(Connect::io(1, 31), Cntlid(1), &nqn("disk"), &Host::number(1));
    assert_eq!(again.status(), Some(Status::COMMAND_SEQUENCE_ERROR), "C87 on an I/O queue");
}
