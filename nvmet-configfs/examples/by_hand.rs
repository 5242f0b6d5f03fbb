//! One object at a time, as with a shell but with errors that say what to do.
//!
//! `cargo run --example by_hand --features testing`

use nvme_proto::Nsid;
use nvmet_configfs::handle::{Switch, Target};
use nvmet_configfs::{Errno, FakeKernel, FakeTree, Object, PortId, PortTransport, Presence, support};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tree = FakeTree::new(FakeKernel::V6_12);
    let target = Target::new(&tree);
    let mysub = "mysub".parse()?;
    let subsystem = target.create_subsystem(&mysub)?;
    subsystem.set_any_host(Switch::On)?;
    let namespace = subsystem.create_namespace(Nsid::ONE)?;

    // A typing error in the path of the device.
    namespace.set_device_path("/dev/rma0".parse()?)?;
    let error = namespace.enable().unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOENT));
    println!("{error}"); // cannot write subsystems/mysub/namespaces/1/enable: `device_path` names nothing that is here: …
    namespace.set_device_path("/dev/ram0".parse()?)?;
    namespace.enable()?;

    let port = target.create_port(PortId(1))?;
    port.set_transport(&PortTransport::Tcp { traddr: "127.0.0.1".parse()?, trsvcid: 4420 })?;
    port.export(&mysub)?;

    // What this kernel has, told by its tree.
    let support = support(&tree)?;
    if support.presence(Object::Namespace, "resv_enable") == Presence::No {
        println!("no reservations on this kernel");
    }
    Ok(())
}
