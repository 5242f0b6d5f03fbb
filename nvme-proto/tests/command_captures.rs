//! Every command a Linux host sent in the recorded conversations, and every answer: typed, without a reserved bit set, by the rules, and the same
//! bytes again.

mod common;

use std::collections::BTreeMap;

use nvme_proto::command::check::{self, ConnectRules, ControllerModel, Strictness};
use nvme_proto::command::{AdminCommand, IoCommand};
use nvme_proto::cqe::Cqe;
use nvme_proto::fabrics::{
    Capabilities, ConnectData, ConnectResponse, ControllerConfiguration, ControllerStatus, FabricsCommand,
    Property, ShutdownNotification, ShutdownStatus,
};
use nvme_proto::feature::NumberOfQueues;
use nvme_proto::sqe::Sqe;
use nvme_proto::{CommandContext, Status};

const RULES: ConnectRules = ConnectRules {
    max_admin_queue: 127,
    max_io_queue: 1023,
    io_queues: 128,
    model: ControllerModel::Dynamic,
};

/// The PDUs of a direction, all of which are whole and well-formed.
fn pdus(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut pdus = Vec::new();
    while let Some(len) = bytes.get(4..8) {
        let len = u32::from_le_bytes(len.try_into().unwrap());
        let (pdu, rest) = bytes.split_at(usize::try_from(len).unwrap());
        pdus.push(pdu);
        bytes = rest;
    }
    assert!(bytes.is_empty());
    pdus
}

/// Checks a command and gives its name and what its status is to be read as.
fn command(sqe: &Sqe, admin: bool, data: &[u8]) -> (&'static str, CommandContext) {
    check::entry(sqe, Strictness::Linux).unwrap();
    let (name, context, typed, data_len) = if admin {
        let command = AdminCommand::from_sqe(sqe);
        match command {
            AdminCommand::Fabrics(FabricsCommand::Connect(connect)) => {
                check::connect(&connect, &ConnectData::new_checked(data).unwrap(), &RULES).unwrap();
            }
            other => check::admin(&other).unwrap(),
        }
        (command.name(), command.context(), command.to_sqe(), command.data_len())
    } else {
        let command = IoCommand::from_sqe(sqe);
        match command {
            IoCommand::Fabrics(FabricsCommand::Connect(connect)) => {
                check::connect(&connect, &ConnectData::new_checked(data).unwrap(), &RULES).unwrap();
            }
            other => check::io(&other).unwrap(),
        }
        (command.name(), command.context(), command.to_sqe(), command.data_len(512))
    };
    check::data(&sqe.sgl, data_len).unwrap();
    assert_eq!(typed.with_cid(sqe.cid).with_sgl(sqe.sgl), *sqe, "reserved bits are zero");
    (name.unwrap(), context)
}

/// What an answer to a Fabrics command or feature says must make sense.
fn result(sqe: &Sqe, cqe: &Cqe, admin: bool) {
    if !admin || !cqe.status.is_success() {
        return;
    }
    match AdminCommand::from_sqe(sqe) {
        AdminCommand::Fabrics(FabricsCommand::Connect(_)) => {
            assert!(ConnectResponse(cqe.dw0).cntlid().is_assigned());
        }
        AdminCommand::Fabrics(FabricsCommand::PropertyGet(get)) => match get.property {
            Property::CAP => {
                let cap = Capabilities(cqe.result());
                assert_eq!((cap.max_queue_entries(), cap.timeout(), cap.min_page()), (1023, 15, 0));
                assert_eq!(cap.0 & !Capabilities::DEFINED, 0);
            }
            Property::CSTS => {
                let status = ControllerStatus(cqe.dw0);
                assert!(status.ready() || status.shutdown() == ShutdownStatus::COMPLETE);
            }
            property => assert_eq!((property, cqe.dw0 >> 16), (Property::VS, 1)),
        },
        AdminCommand::Fabrics(FabricsCommand::PropertySet(set)) => {
            let config = ControllerConfiguration(u32::try_from(set.value).unwrap());
            assert_eq!(config.0 & !ControllerConfiguration::DEFINED, 0);
            assert_eq!(check::configuration(config, Capabilities(0x0000_0820_0f00_03ff)), Ok(()));
            let known = [ShutdownNotification::NONE, ShutdownNotification::NORMAL];
            assert!(known.contains(&config.shutdown()));
        }
        AdminCommand::SetFeatures(set) if set.feature.0 == 7 => {
            assert!(NumberOfQueues(cqe.dw0).usable_pairs() > 1);
        }
        _ => {}
    }
}

/// The names of the commands in order, and how many ended with which status.
fn story(host: &[u8], controller: &[u8]) -> (Vec<&'static str>, BTreeMap<u16, usize>) {
    let mut names = Vec::new();
    let mut open = BTreeMap::new();
    let mut admin = None;
    for pdu in pdus(host).into_iter().filter(|pdu| pdu[0] == 4) {
        let sqe = Sqe::from_bytes(pdu[8..].first_chunk().unwrap());
        assert_eq!(sqe.encode(), pdu[8..72]);
        let digest = usize::from(pdu[1] & 2) * 2;
        let data = if pdu[3] == 0 { &[] } else { &pdu[usize::from(pdu[3])..pdu.len() - digest] };
        if let FabricsCommand::Connect(connect) = FabricsCommand::from_sqe(&sqe)
            && sqe.is_fabrics()
        {
            admin = Some(connect.is_admin());
        }
        let admin = admin.expect("Connect comes first");
        let (name, context) = command(&sqe, admin, data);
        names.push(name);
        open.insert(sqe.cid, (sqe, context, admin));
    }
    let mut statuses = BTreeMap::new();
    for pdu in pdus(controller).into_iter().filter(|pdu| pdu[0] == 5) {
        let cqe = Cqe::from_bytes(pdu[8..].first_chunk().unwrap());
        assert_eq!(cqe.encode(), pdu[8..24]);
        assert_eq!(cqe.phase, 0);
        if let Some((sqe, context, admin)) = open.get(&cqe.cid) {
            assert!(cqe.status.name_for(*context).is_some());
            result(sqe, &cqe, *admin);
        }
        *statuses.entry(cqe.status.0).or_default() += 1;
    }
    (names, statuses)
}

macro_rules! conversation {
    ($file:literal) => {
        story(
            &common::parse(include_str!(concat!("vectors/wire/", $file, "-host.hex"))),
            &common::parse(include_str!(concat!("vectors/wire/", $file, "-controller.hex"))),
        )
    };
}

/// What every Linux host begins an admin queue with.
const BEGINNING: [&str; 8] = [
    "Connect",
    "Property Get",
    "Property Set",
    "Property Get",
    "Property Set",
    "Property Get",
    "Property Get",
    "Identify",
];

const SUCCEEDED: u16 = 0;

#[test]
fn a_discovery_from_connect_to_shutdown() {
    let (names, statuses) = conversation!("discover");
    assert_eq!(names[..8], BEGINNING);
    let rest = [
        "Set Features",
        "Asynchronous Event Request",
        "Identify",
        "Get Log Page",
        "Get Log Page",
        "Get Log Page",
        "Property Set",
        "Property Get",
    ];
    assert_eq!(names[8..], rest);
    // The event request is completed when the host shuts the controller down.
    let internal_error = Status::INTERNAL_ERROR.with_dnr().0;
    assert_eq!(statuses, BTreeMap::from([(SUCCEEDED, 15), (internal_error, 1)]));
}

#[test]
fn admin_queues() {
    for (names, statuses) in [conversation!("admin-plain"), conversation!("admin-digests")] {
        assert_eq!(names[..8], BEGINNING);
        let rest =
            ["Get Log Page", "Get Log Page", "Set Features", "Set Features", "Asynchronous Event Request"];
        assert_eq!(names[8..13], rest);
        assert_eq!(names[13..], [&["Identify"; 8][..], &["Get Log Page", "Identify"]].concat());
        assert_eq!(statuses, BTreeMap::from([(SUCCEEDED, 14)]));
    }
}

#[test]
fn io_queues() {
    for ((names, statuses), answers) in
        [(conversation!("io-header-digest"), 9), (conversation!("io-digests"), 8)]
    {
        assert_eq!(names, ["Connect", "Read", "Read", "Write"]);
        assert_eq!(statuses, BTreeMap::from([(SUCCEEDED, answers)]));
    }
    let host = include_bytes!("vectors/wire/write-digests-host.bin");
    let controller = common::parse(include_str!("vectors/wire/write-digests-controller.hex"));
    assert_eq!(story(host, &controller), (vec!["Connect", "Write"], BTreeMap::from([(SUCCEEDED, 2)])));
}

#[test]
fn authentication_and_refusal() {
    let exchange = ["Connect", "Authentication Send", "Authentication Receive", "Authentication Send"];
    let (names, statuses) = conversation!("auth");
    assert_eq!(names[..4], exchange);
    assert_eq!(names[4..], ["Authentication Receive", "Authentication Send", "Read", "Write"]);
    assert_eq!(statuses, BTreeMap::from([(SUCCEEDED, 8)]));
    let (names, statuses) = conversation!("auth-refused");
    assert_eq!((&names[..4], names[4]), (&exchange[..], "Authentication Receive"));
    assert_eq!(statuses, BTreeMap::from([(SUCCEEDED, 5)]));
    let (names, statuses) = conversation!("denied");
    assert_eq!(names, ["Connect"]);
    assert_eq!(statuses, BTreeMap::from([(Status::CONNECT_INVALID_PARAMETERS.with_dnr().0, 1)]));
}
