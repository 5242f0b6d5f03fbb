//! Rows that a command alone decides, whatever the controller: what `command::check` says, in the order in which a controller asks it.

use nvme_proto::HostId;
use nvme_proto::command::check::{self, ConnectRules, ControllerModel, Refusal, Strictness};
use nvme_proto::command::io::{DatasetManagement, Flush, Read, Write};
use nvme_proto::command::{AdminCommand, IoCommand};
use nvme_proto::connect::ParameterPlace;
use nvme_proto::discovery::{GetLogPage, LogId};
use nvme_proto::fabrics::{
    AuthenticationSend, Capabilities, CommandSetSelected, Connect, ConnectData, ControllerConfiguration,
    Disconnect, FabricsCommand, Fctype, Property, PropertyGet, PropertySet, PropertySize, SecurityProtocol,
};
use nvme_proto::feature::{FeatureId, NumberOfQueues};
use nvme_proto::identify::{Cns, IdentifyCommand};
use nvme_proto::sgl::Sgl;
use nvme_proto::sqe::{Fuse, Psdt, Sqe};
use nvme_proto::{Cntlid, HostNqn, SubsysNqn};

const BLOCK: u32 = 512;
const RULES: ConnectRules =
    ConnectRules { max_admin_queue: 127, max_io_queue: 127, io_queues: 128, model: ControllerModel::Dynamic };

/// What is answered: taken, or SCT, SC and, of Connect, the parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Taken,
    Status(u8, u8),
    Parameter(ParameterPlace, u16),
}

fn answer(result: Result<(), Refusal>) -> Want {
    match result {
        Ok(()) => Want::Taken,
        Err(Refusal { parameter: Some(at), status, .. }) => {
            assert_eq!((status.sct(), status.sc(), status.dnr()), (1, 0x82, true));
            Want::Parameter(at.place, at.offset)
        }
        Err(Refusal { status, .. }) => {
            assert!(status.dnr());
            Want::Status(status.sct(), status.sc())
        }
    }
}

fn admin(sqe: &Sqe) -> Want {
    answer((|| {
        check::entry(sqe, Strictness::Specification)?;
        let command = AdminCommand::from_sqe(sqe);
        check::admin(&command)?;
        check::data(&sqe.sgl, command.data_len())?;
        Ok(())
    })())
}

fn io(sqe: &Sqe) -> Want {
    answer((|| {
        check::entry(sqe, Strictness::Specification)?;
        let command = IoCommand::from_sqe(sqe);
        check::io(&command)?;
        check::io_data(&sqe.sgl, &command, BLOCK)?;
        Ok(())
    })())
}

fn connect(sqe: &Sqe, data: &ConnectData<[u8; 1024]>) -> Want {
    answer((|| {
        check::entry(sqe, Strictness::Specification)?;
        check::data(&sqe.sgl, Some(1024))?;
        let AdminCommand::Fabrics(FabricsCommand::Connect(command)) = AdminCommand::from_sqe(sqe) else {
            panic!("{sqe:?}")
        };
        check::connect(&command, data, &RULES)?;
        Ok(())
    })())
}

fn connect_data(cntlid: u16) -> ConnectData<[u8; 1024]> {
    let subnqn = SubsysNqn::new("nqn.2024-01.org.example:disk1").unwrap();
    let hostnqn = HostNqn::new("nqn.2024-01.org.example:host").unwrap();
    ConnectData::new(HostId::from_bytes([7; 16]), Cntlid(cntlid), &subnqn, &hostnqn)
}

fn connect_sqe() -> Sqe {
    Connect::admin(31, 0).to_sqe().with_sgl(Sgl::in_capsule(1024))
}

/// Bytes of the data replaced.
fn data_with(at: usize, bytes: &[u8]) -> ConnectData<[u8; 1024]> {
    let mut data = connect_data(0xffff).into_inner();
    data[at..][..bytes.len()].copy_from_slice(bytes);
    ConnectData::new_checked(data).unwrap()
}

#[test]
fn connect_and_its_data() {
    use ParameterPlace::{Command, Data};
    let good = connect_data(0xffff);
    let row = |row: &str, sqe: &Sqe, want| assert_eq!(connect(sqe, &good), want, "{row}");
    let sqe = connect_sqe();
    row("the good one", &sqe, Want::Taken);
    row("C59", &sqe.with_sgl(Sgl::in_capsule(1023)), Want::Status(0, 0x0f));
    row("C62", &sqe.with_sgl(Sgl::in_capsule(1020)), Want::Status(0, 0x0f));
    row("C63", &sqe.with_sgl(Sgl::in_capsule(1028)), Want::Status(0, 0x0f));
    row("C68", &Sqe { flags: sqe.flags.with_psdt(Psdt::PRP), ..sqe }, Want::Taken);
    row("C69", &Sqe { flags: sqe.flags.with_fuse(Fuse::FIRST), ..sqe }, Want::Status(0, 0x02));
    row("C70", &Sqe { cdw10: 1, ..sqe }, Want::Status(1, 0x80));
    row("C71", &Sqe { cdw11: 0, ..sqe }, Want::Parameter(Command, 44));
    row("C72", &Sqe { cdw11: 0xffff, ..sqe }, Want::Parameter(Command, 44));
    row("C73", &Connect::io(1, 31).to_sqe().with_sgl(sqe.sgl), Want::Parameter(Data, 16));
    row("C84", &Sqe { cdw11: sqe.cdw11 | 0x00f0_0000, ..sqe }, Want::Taken);
    row("C85", &Sqe { cdw11: sqe.cdw11 | 0x0004_0000, ..sqe }, Want::Taken);
    let io = connect_data(1);
    let io_row = |row: &str, command: Connect, want| {
        assert_eq!(connect(&command.to_sqe().with_sgl(Sgl::in_capsule(1024)), &io), want, "{row}");
    };
    io_row("C93", Connect::io(512, 31), Want::Parameter(Command, 42));
    io_row("C94", Connect::io(1, 128), Want::Parameter(Command, 44));

    let row = |row: &str, data: &ConnectData<[u8; 1024]>, want| {
        assert_eq!(connect(&sqe, data), want, "{row}");
    };
    row("C74", &connect_data(0), Want::Parameter(Data, 16));
    row("C75", &connect_data(0xfffe), Want::Parameter(Data, 16));
    row("C77", &data_with(256, &[b'n'; 256]), Want::Parameter(Data, 256));
    let mut long = [0; 256];
    long[..224].fill(b'n');
    row("C78", &data_with(256, &long), Want::Parameter(Data, 256));
    row("C79", &data_with(512, &[0; 256]), Want::Parameter(Data, 512));
    row("C80", &data_with(512, &[b'n'; 256]), Want::Parameter(Data, 512));
    row("C81", &data_with(512, &[0xff, 0]), Want::Parameter(Data, 512));
    row("C82", &data_with(0, &[0; 16]), Want::Taken);
    let mut reserved = data_with(18, &[0xff; 238]).into_inner();
    reserved[768..].fill(0xff);
    row("C83", &ConnectData::new_checked(reserved).unwrap(), Want::Taken);
    row("C86", &data_with(256 + 40, &[0xee; 216]), Want::Taken);
}

#[test]
fn fabrics_commands() {
    let row = |row: &str, command: FabricsCommand, want| {
        let sqe = command.to_sqe();
        let len = AdminCommand::from_sqe(&sqe).data_len().unwrap_or(0);
        let sgl = if len > 0 { Sgl::transport(u32::try_from(len).unwrap()) } else { Sgl::no_data() };
        assert_eq!(admin(&sqe.with_sgl(sgl)), want, "{row}");
    };
    let invalid = Want::Status(0, 0x02);
    for fctype in [0x07, 0x33, 0xc0] {
        row("C97", FabricsCommand::from_sqe(&Sqe::fabrics(Fctype(fctype))), invalid);
    }
    let get = |offset: u32, size: u8| {
        let mut get = PropertyGet::new(Property(offset));
        get.size = PropertySize(size);
        FabricsCommand::from(get)
    };
    row("the good one", get(0, 1), Want::Taken);
    row("C98", PropertySet::new(Property::CAP, 0).into(), invalid);
    row("C99", PropertySet::new(Property::CSTS, 0).into(), invalid);
    row("C100", get(0x0c, 0), invalid);
    row("C101", get(0x24, 0), invalid);
    row("C102", get(1, 0), invalid);
    row("C103", get(0, 0), invalid);
    row("C104", get(8, 1), invalid);
    row("C105", get(0x14, 7), invalid);
    row("C106", get(0xffff_fffc, 0), invalid);
    let mut set = PropertySet::new(Property::CC, 0);
    set.size = PropertySize::EIGHT;
    row("C107", set.into(), invalid);
    row("C109", Disconnect::default().into(), Want::Status(1, 0x85));
    let mut send = AuthenticationSend::dh_hmac_chap(8);
    send.protocol = SecurityProtocol(0);
    row("C113", send.into(), invalid);
    row("C114", AuthenticationSend::dh_hmac_chap(0).into(), invalid);

    let config = ControllerConfiguration::enabled(CommandSetSelected::ALL).with_page(15);
    let linux = Capabilities(0x0000_0820_0f00_03ff);
    assert_eq!(answer(check::configuration(config, linux)), invalid, "C108");
    let get = PropertyGet::new(Property::CAP).to_sqe();
    assert_eq!(io(&get.with_sgl(Sgl::no_data())), invalid, "C110");
    let prp = Sqe { flags: get.flags.with_psdt(Psdt::PRP), ..get };
    assert_eq!(admin(&prp.with_sgl(Sgl::no_data())), Want::Taken, "C115");
}

#[test]
fn admin_commands() {
    let row = |row: &str, sqe: Sqe, want| assert_eq!(admin(&sqe), want, "{row}");
    let page = Sgl::transport(4096);
    let identify = |cns, nsid| IdentifyCommand::new(cns, nsid).to_sqe().with_sgl(page);
    row("the good one", identify(Cns::CONTROLLER, 0), Want::Taken);
    row("C116", Sqe::new(0x01), Want::Status(0, 0x01));
    row("C117", Sqe::new(0xc1), Want::Status(0, 0x01));
    row("C118", identify(Cns(0xee), 0), Want::Status(0, 0x02));
    row("C119", identify(Cns::NAMESPACE, 0), Want::Status(0, 0x0b));
    row("C122", identify(Cns::ACTIVE_NAMESPACES, 0xffff_fffe), Want::Status(0, 0x0b));
    let mut unknown = IdentifyCommand::new(Cns::IO_NAMESPACE, 1);
    unknown.command_set = 7;
    row("C124", unknown.to_sqe().with_sgl(page), Want::Status(0, 0x02));
    let controller = identify(Cns::CONTROLLER, 0);
    row("C125", controller.with_sgl(Sgl::transport(512)), Want::Status(0, 0x0f));
    row("C126", controller.with_sgl(Sgl::transport(8192)), Want::Status(0, 0x0f));
    row("C128", Sqe { flags: controller.flags.with_psdt(Psdt::PRP), ..controller }, Want::Status(0, 0x02));
    row("C129", Sqe { flags: controller.flags.with_fuse(Fuse::FIRST), ..controller }, Want::Status(0, 0x02));

    let log = |lid, offset| GetLogPage::new(LogId(lid), offset, 512).unwrap().to_sqe();
    let sgl = Sgl::transport(512);
    row("the good one", log(2, 0).with_sgl(sgl), Want::Taken);
    row("C130", log(0xbb, 0).with_sgl(sgl), Want::Status(1, 0x09));
    row("C131", Sqe { cdw12: 2, ..log(2, 0) }.with_sgl(sgl), Want::Status(0, 0x02));
    row("C133", log(2, 0).with_sgl(Sgl::transport(1024)), Want::Status(0, 0x0f));

    let set = |feature: FeatureId, value| {
        let mut sqe = Sqe::new(0x09).with_sgl(Sgl::no_data());
        (sqe.cdw10, sqe.cdw11) = (u32::from(feature.0), value);
        sqe
    };
    row("C134", set(FeatureId::NUMBER_OF_QUEUES, 0xffff), Want::Status(0, 0x02));
    row("a good one", set(FeatureId::NUMBER_OF_QUEUES, NumberOfQueues::pairs(7).0), Want::Taken);
    row("C135", set(FeatureId(0xbb), 0), Want::Status(0, 0x02));
    row("C138", set(FeatureId::HOST_IDENTIFIER, 1), Want::Status(0, 0x0c));
    row("C139", Sqe { opcode: 0x0a, ..set(FeatureId::HOST_IDENTIFIER, 0) }, Want::Status(0, 0x18));
}

#[test]
fn io_commands() {
    let row = |row: &str, sqe: Sqe, want| assert_eq!(io(&sqe), want, "{row}");
    row("C144", Sqe::new(0x7e), Want::Status(0, 0x01));
    let read = |nsid| Read::new(nsid, 0, 7).to_sqe();
    row("the good one", read(1).with_sgl(Sgl::transport(4096)), Want::Taken);
    // 99 is the controller's to know.
    for nsid in [0, u32::MAX] {
        row("C145", read(nsid).with_sgl(Sgl::transport(4096)), Want::Status(0, 0x0b));
    }
    row("C147", read(1).with_sgl(Sgl::transport(4092)), Want::Status(0, 0x0f));
    row("C148", read(1).with_sgl(Sgl::transport(8192)), Want::Status(0, 0x0f));
    row("C149", read(1).with_sgl(Sgl::transport(0)), Want::Status(0, 0x0f));
    let write = Write::new(1, 0, 0).to_sqe().with_sgl(Sgl::in_capsule(512));
    row("C155", Sqe { flags: write.flags.with_fuse(Fuse::FIRST), ..write }, Want::Status(0, 0x02));
    row("C156", write.with_sgl(Sgl::transport(0x8000_0000)), Want::Status(0, 0x0f));
    row("a good one", Flush::new(1).to_sqe().with_sgl(Sgl::no_data()), Want::Taken);
    let deallocate = DatasetManagement::deallocate(1, 255).to_sqe();
    row("C158", deallocate.with_sgl(Sgl::in_capsule(16)), Want::Status(0, 0x0f));
}
