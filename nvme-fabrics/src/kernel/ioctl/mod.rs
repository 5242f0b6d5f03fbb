//! Commands through the device nodes of controllers and namespaces.
//!
//! | function | command | needs |
//! |---|---|---|
//! | [`ControllerNode::identify_controller`], [`identify_namespace`](ControllerNode::identify_namespace) and others | Identify | root, or since 6.2 the permission to open the node |
//! | [`ControllerNode::get_log_page`], [`read_log`](ControllerNode::read_log), [`ana_log`](ControllerNode::ana_log) and others | Get Log Page | root (`CAP_SYS_ADMIN`) |
//! | [`ControllerNode::rescan`], [`reset`](ControllerNode::reset), [`reset_subsystem`](ControllerNode::reset_subsystem) | none: requests to the driver | root |
//! | [`ControllerNode::admin`], [`NamespaceNode::io`] | any command that `nvme-proto` has a type for | root; since 6.2 harmless ones of [`NamespaceNode`] by the node's permission |
//! | [`ControllerNode::admin_raw`], [`NamespaceNode::io_raw`] | any other command; `unsafe` | root |
//! | `IoRing`, `AdminRing` (feature `uring`) | the same by io_uring | the same |
//!
//! What a command moves is between this process's memory and the controller, and only the command tells the controller how much. The safe functions know
//! from the command how much that is and take memory of just that size; where that is not known, the function is `unsafe` and the caller has to know.
//!
//! The structures and request numbers are proved at compile time in `uapi`; `call`, `uring` and the system calls of [`keyring`](super::keyring) are the
//! crate's only `unsafe` code that does something. Source:
//! `include/uapi/linux/nvme_ioctl.h`, `drivers/nvme/host/ioctl.c`.

mod call;
mod controller;
mod data;
mod error;
mod log;
mod namespace;
mod node;
mod uapi;
#[cfg(feature = "uring")]
mod uring;

pub use controller::ControllerNode;
pub use data::{Answer, Data};
pub use error::{AdminError, AdminFailure, AdminOp};
pub use namespace::NamespaceNode;
pub use node::Access;
#[cfg(feature = "uring")]
#[cfg_attr(docsrs, doc(cfg(feature = "uring")))]
pub use uring::{AdminRing, Done, IoRing, Refused};

#[cfg(test)]
mod tests {
    use nvme_proto::Status;
    use nvme_proto::command::AdminCommand;
    use nvme_proto::command::admin::AsyncEventRequest;
    use nvme_proto::discovery::{GetLogPage, LogId};
    use nvme_proto::fabrics::{FabricsCommand, Property, PropertyGet};
    use nvme_proto::sqe::Sqe;

    use super::*;
    use crate::kernel::errno::Errno;

    fn null() -> ControllerNode {
        ControllerNode::open("/dev/null").unwrap()
    }

    #[test]
    fn what_is_no_controller_says_so() {
        for error in [
            null().identify_controller().unwrap_err(),
            null().get_log_page(&GetLogPage::new(LogId::DISCOVERY, 0, 4096).unwrap()).unwrap_err(),
            null().active_namespaces().unwrap_err(),
            null().health_log().unwrap_err(),
            null().admin(FabricsCommand::from(PropertyGet::new(Property::CAP)), Data::None).unwrap_err(),
            null().rescan().unwrap_err(),
            null().reset().unwrap_err(),
            null().reset_subsystem().unwrap_err(),
        ] {
            assert_eq!(error.errno(), Some(Errno::ENOTTY), "{error}");
        }
        let error = ControllerNode::open("/nonexistent/nvme0").unwrap_err();
        assert_eq!((error.op, error.errno()), (AdminOp::Open, Some(Errno::ENOENT)));
    }

    #[test]
    fn a_positive_answer_is_a_status_and_no_error_number() {
        let error = null().node.answer(AdminOp::Identify, 0x4002, 0).unwrap_err();
        assert_eq!(error.status(), Some(Status(0x4002)));
        assert_eq!(error.errno(), None);
        assert_eq!(error.status().map(Status::code), Some(0x002));
        assert!(error.status().is_some_and(Status::dnr));
        assert_eq!(null().node.answer(AdminOp::Identify, 0, 7).unwrap().result, 7);
        let odd = null().node.answer(AdminOp::Identify, i32::MAX, 0).unwrap_err();
        assert_eq!(odd.status(), Some(Status(u16::MAX)));
    }

    #[test]
    fn a_huge_piece_is_refused_before_memory_is_taken() {
        let command = GetLogPage::new(LogId::DISCOVERY, 0, u32::MAX - 3).unwrap();
        let error = null().get_log_page(&command).unwrap_err();
        assert!(matches!(error.failure, AdminFailure::TooLong { .. }), "{error}");
        let error = null().read_log(&command, 1 << 40).unwrap_err();
        assert!(matches!(error.failure, AdminFailure::TooLong { .. }), "{error}");
    }

    #[test]
    fn what_belongs_to_the_driver_and_what_has_no_known_length_is_not_sent() {
        let error = null().admin(AsyncEventRequest::from_sqe(&Sqe::new(0x0c)), Data::None).unwrap_err();
        assert!(matches!(error.failure, AdminFailure::Driver), "{error}");
        let vendor = AdminCommand::Other(Sqe::new(0xc0));
        let error = null().admin(vendor, Data::None).unwrap_err();
        assert!(matches!(error.failure, AdminFailure::UnknownLength), "{error}");
        let page = GetLogPage::new(LogId::HEALTH, 0, 512).unwrap();
        let error = null().admin(AdminCommand::GetLogPage(page), Data::In(&mut [0; 511])).unwrap_err();
        assert!(matches!(error.failure, AdminFailure::Length { len: 511, wanted: 512 }), "{error}");
    }
}
