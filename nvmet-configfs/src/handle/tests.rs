//! Handles on the simulated target.

use std::collections::BTreeSet;

use nvme_proto::Nsid;

use super::*;
use crate::attr::{ATTRIBUTES, Mode};
use crate::errno::Errno;
use crate::object::Object;
use crate::spec::{AnaGroupId, AnaState, Buffering, PortTransport};
use crate::tree::{FakeKernel, FakeTree, Instrumented, dump};

/// Not a secret of anyone.
const KEY: &str = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:";

fn alice() -> HostNqn {
    "nqn.2014-08.org.example:alice".parse().unwrap()
}

fn mysub() -> SubsysNqn {
    "mysub".parse().unwrap()
}

#[test]
fn every_attribute_of_the_list_has_its_methods() {
    let address = ["addr_trtype", "addr_adrfam", "addr_traddr", "addr_trsvcid"]; // transport, set_transport
    let typed: [(Object, &[&str], &[&str]); 8] = [
        (Object::Root, Target::TYPED, &[]),
        (Object::Host, Host::TYPED, &["dhchap_key", "dhchap_ctrl_key"]),
        (Object::Subsystem, Subsystem::TYPED, &[]),
        (Object::Namespace, Namespace::TYPED, &["revalidate_size"]),
        (Object::Passthru, Passthru::TYPED, &[]),
        (Object::Port, Port::TYPED, &address),
        (Object::AnaGroup, AnaGroup::TYPED, &[]),
        (Object::Referral, Referral::TYPED, &address),
    ];
    for (owner, typed, by_hand) in typed {
        let have: BTreeSet<&str> = typed.iter().chain(by_hand).copied().collect();
        let listed: BTreeSet<&str> = ATTRIBUTES.iter().filter(|a| a.owner == owner).map(|a| a.name).collect();
        assert_eq!(have, listed, "{owner:?}");
    }
    let listed = ATTRIBUTES.iter().map(|a| a.owner).collect::<BTreeSet<_>>();
    assert_eq!(listed.len(), 8, "an object without a handle");
}

#[test]
fn everything_can_be_made_read_and_removed() {
    let tree = FakeTree::new(FakeKernel::V7_3).with_controller("/dev/nvme0");
    let empty = dump(&tree).unwrap();
    let target = Target::new(&tree);
    let host = target.create_host(&alice()).unwrap();
    host.set_dhchap_key(KEY).unwrap();
    host.set_dhchap_hash(DhchapHash::Sha512).unwrap();
    host.set_dhchap_dhgroup(DhchapGroup::Null).unwrap();
    assert_eq!(host.dhchap_key().unwrap().to_str(), Some(KEY));
    assert_eq!(host.dhchap_hash().unwrap(), DhchapHash::Sha512);
    host.set_dhchap_key("").unwrap();
    assert!(host.dhchap_key().unwrap().is_empty());

    let subsystem = target.create_subsystem(&mysub()).unwrap();
    subsystem.set_serial("S1".parse().unwrap()).unwrap();
    subsystem.set_vendor_id(0x1af4).unwrap();
    subsystem.set_cntlid_max(9).unwrap();
    assert_eq!(subsystem.serial().unwrap().as_str(), "S1");
    assert_eq!((subsystem.vendor_id().unwrap(), subsystem.cntlid_max().unwrap()), (0x1af4, 9));
    assert_eq!(subsystem.version().unwrap().to_string(), "2.1.0");
    subsystem.permit(&alice()).unwrap();
    assert_eq!(subsystem.permitted().unwrap(), [(&alice()).into()]);

    let namespace = subsystem.create_namespace(Nsid::ONE).unwrap();
    assert_eq!(namespace.device_path().unwrap(), None);
    namespace.set_device_path("/dev/ram0".parse().unwrap()).unwrap();
    namespace.set_buffering(Buffering::Direct).unwrap();
    namespace.set_ana_group(AnaGroupId::new(7).unwrap()).unwrap();
    namespace.enable().unwrap();
    namespace.revalidate_size().unwrap();
    assert_eq!(namespace.ana_group().unwrap(), 7);
    assert_eq!(namespace.set_reservations(Switch::On).unwrap_err().errno(), Some(Errno::EINVAL));
    assert_eq!(namespace.attributes().unwrap().get("enable"), Some(&b"1"[..]));

    let port = target.create_port(PortId(1)).unwrap();
    assert_eq!(port.transport().unwrap(), None);
    let tcp = PortTransport::Tcp { traddr: "127.0.0.1".parse().unwrap(), trsvcid: 4420 };
    port.set_transport(&tcp).unwrap();
    port.set_security(PortSecurity::Tls13).unwrap();
    assert_eq!(port.secure_channel().unwrap(), SecureChannel::Required);
    assert_eq!(port.inline_data_size().unwrap(), None);
    port.export(&mysub()).unwrap();
    assert_eq!(port.inline_data_size().unwrap(), Some(16384));
    assert_eq!((port.transport().unwrap(), port.exports().unwrap().len()), (Some(tcp), 1));
    let group = port.create_ana_group(AnaGroupId::new(7).unwrap()).unwrap();
    group.set_state(AnaState::NonOptimized).unwrap();
    assert_eq!(port.ana_groups().unwrap().len(), 2);
    let referral = port.create_referral(&"there".parse().unwrap()).unwrap();
    let there = PortTransport::Tcp { traddr: "192.0.2.1".parse().unwrap(), trsvcid: 8009 };
    referral.set_transport(&there).unwrap();
    referral.set_port_id(3).unwrap();
    referral.enable().unwrap();
    assert_eq!(referral.transport().unwrap(), Some(there));
    let error = referral.set_port_id(4).unwrap_err();
    assert!(error.to_string().contains("the referral is enabled"), "{error}");

    referral.remove().unwrap();
    group.remove().unwrap();
    assert_eq!(port.clone().remove().unwrap_err().errno(), Some(Errno::ENOTEMPTY));
    port.unexport(&mysub()).unwrap();
    port.remove().unwrap();
    namespace.remove().unwrap();
    subsystem.revoke(&alice()).unwrap();
    let passthru = subsystem.passthru();
    passthru.set_device_path("/dev/nvme0".parse().unwrap()).unwrap();
    passthru.set_io_timeout(30).unwrap();
    passthru.enable().unwrap();
    assert!(passthru.state().unwrap().is_on() && passthru.io_timeout().unwrap() == 30);
    passthru.disable().unwrap();
    subsystem.remove().unwrap();
    host.remove().unwrap();
    assert_eq!(dump(&tree).unwrap(), empty);
}

#[test]
fn revoking_the_last_host_leaves_nobody_whatever_the_link_is_called() {
    let tree = FakeTree::new(FakeKernel::V6_12);
    let target = Target::new(&tree);
    target.create_host(&alice()).unwrap();
    let subsystem = target.create_subsystem(&mysub()).unwrap();
    let link = RelPath::new("subsystems/mysub/allowed_hosts/other-name").unwrap();
    tree.symlink(&link, target.host(&alice()).path()).unwrap();
    assert_eq!(subsystem.set_any_host(Switch::On).unwrap_err().errno(), Some(Errno::EINVAL));
    subsystem.revoke(&alice()).unwrap();
    assert_eq!((subsystem.any_host().unwrap(), subsystem.permitted().unwrap().len()), (Switch::Off, 0));
    let error = subsystem.revoke(&alice()).unwrap_err();
    assert!(matches!(error, HandleError::NotLinked { .. }), "{error}");
}

#[test]
fn what_harms_the_kernel_is_not_written() {
    let tree = Instrumented::new(FakeTree::new(FakeKernel::V6_12));
    let target = Target::new(&tree);
    let namespace = target.create_subsystem(&mysub()).unwrap().create_namespace(Nsid::ONE).unwrap();
    namespace.set_buffering(Buffering::PageCache).unwrap();
    let before = tree.mutations();
    assert!(matches!(namespace.enable(), Err(HandleError::NoDevice { .. })));
    assert!(matches!(namespace.set_attribute("enable", "yes"), Err(HandleError::NoDevice { .. })));
    let nqn = "nqn.2014-08.org.example:discovery".parse().unwrap();
    assert_eq!(target.set_discovery_nqn(&nqn, DiscoveryNqn::Refuse), Err(HandleError::DiscoveryNqn));
    assert_eq!(target.set_attribute("discovery_nqn", "x"), Err(HandleError::DiscoveryNqn));
    let subsystem = target.subsystem(&mysub());
    assert!(matches!(subsystem.set_qid_max(129), Err(HandleError::Value { .. })));
    assert!(matches!(subsystem.set_attribute("../x", "1"), Err(HandleError::Name { .. })));
    assert_eq!(tree.mutations(), before);
    target.set_discovery_nqn(&nqn, DiscoveryNqn::Write).unwrap();
    assert_eq!(target.discovery_nqn().unwrap(), nqn);
}

#[test]
fn a_namespace_that_stays_disabled_is_not_called_enabled() {
    let tree = FakeTree::new(FakeKernel::V6_12).with_controller("/dev/nvme0");
    let subsystem = Target::new(&tree).create_subsystem(&mysub()).unwrap();
    let namespace = subsystem.create_namespace(Nsid::ONE).unwrap();
    namespace.set_device_path("/dev/ram0".parse().unwrap()).unwrap();
    subsystem.passthru().set_device_path("/dev/nvme0".parse().unwrap()).unwrap();
    subsystem.passthru().enable().unwrap();
    let error = namespace.enable().unwrap_err();
    assert!(matches!(&error, HandleError::NotTaken { .. }) && error.to_string().contains("pass-through"));
}

#[test]
fn secrets_are_in_no_error_and_unknown_attributes_pass() {
    let tree = FakeTree::new(FakeKernel::V6_1);
    let target = Target::new(&tree);
    let host = target.create_host(&alice()).unwrap();
    let error = host.set_dhchap_key("DHHC-1:00:hush:").unwrap_err();
    assert!(!format!("{error} {error:?} {host:?}").contains("hush"));
    let error = host.set_dhchap_key(KEY).unwrap_err();
    assert!(error.errno() == Some(Errno::ENOENT) && !format!("{error} {error:?}").contains("ia6z"));
    assert!(error.hint().unwrap().contains("CONFIG_NVME_TARGET_AUTH"));
    let subsystem = target.create_subsystem(&mysub()).unwrap();
    assert_eq!(subsystem.set_attribute("attr_of_tomorrow", "x").unwrap_err().errno(), Some(Errno::ENOENT));
    assert_eq!(target.create_host(&alice()).unwrap_err().errno(), Some(Errno::EEXIST));
    assert!(target.hosts().unwrap().len() == 1 && !target.port(PortId(1)).exists().unwrap());
    assert!(ATTRIBUTES.iter().any(|a| a.mode == Mode::WriteOnly), "revalidate_size has no getter");
}
