//! Identify: what controllers and namespaces are like.
//!
//! | CNS | structure | I/O controller | discovery controller |
//! |---|---|---|---|
//! | 00h | Identify Namespace; zeros for one that is not there | yes | |
//! | 01h | Identify Controller | yes | yes |
//! | 02h, 07h, 10h | namespaces behind a number: active, of the NVM command set, allocated | yes | |
//! | 03h | identifiers of a namespace | yes | |
//! | 05h, 06h | of the NVM command set: namespace, controller | yes | |
//! | 08h | namespace, of any command set | yes | |
//! | 11h | Identify Namespace of an allocated one | yes | |
//! | 12h, 13h | controllers: of a namespace, all | yes | |
//! | 1Ch | combinations of command sets | yes | |
//! | others | Invalid Field (02h) | | |

mod controller;
mod namespace;

use std::sync::Arc;

use nvme_proto::identify::{
    Cns, CommandSet, CommandSetCombination, CommandSetCombinations, ControllerList, IdentifyCommand,
    NamespaceList, Version,
};
use nvme_proto::{Cntlid, Nsid, Status};

use super::config::Settings;
use super::state::{Controller, ControllerKind, NamespaceState};

/// The version of NVMe that controllers follow.
pub(crate) const VERSION: Version = Version(0x0002_0000);

/// The data of an Identify command that was checked.
pub(crate) fn answer(
    controller: &Arc<Controller>,
    settings: &Settings,
    command: &IdentifyCommand,
) -> Result<Vec<u8>, Status> {
    if command.cns == Cns::CONTROLLER {
        return Ok(controller::identify(controller, settings));
    }
    if controller.kind == ControllerKind::Discovery {
        return Err(Status::INVALID_FIELD.with_dnr());
    }
    let nvm_only = |data: Vec<u8>| match CommandSet(command.command_set) {
        CommandSet::NVM => Ok(data),
        _ => Err(Status::INVALID_FIELD.with_dnr()),
    };
    let namespaces = controller.subsystem.namespaces();
    let behind = || {
        let ids = namespaces.keys().map(|nsid| nsid.get()).filter(|nsid| *nsid > command.nsid);
        Vec::from(NamespaceList::of(ids).into_inner())
    };
    let at = || Nsid::new(command.nsid).ok().and_then(|nsid| namespaces.get(&nsid));
    let named = || at().ok_or(Status::INVALID_NAMESPACE_OR_FORMAT.with_dnr());
    match command.cns {
        Cns::NAMESPACE | Cns::ALLOCATED_NAMESPACE => match at() {
            Some(namespace) => Ok(namespace::identify(namespace, &controller.port)),
            // All namespaces have nothing in common that could be said.
            None if matches!(command.nsid, 0 | Nsid::BROADCAST) => {
                Err(Status::INVALID_NAMESPACE_OR_FORMAT.with_dnr())
            }
            None => Ok(vec![0; IdentifyCommand::DATA_LEN]),
        },
        Cns::ACTIVE_NAMESPACES | Cns::ALLOCATED_NAMESPACES => Ok(behind()),
        Cns::IO_ACTIVE_NAMESPACES => nvm_only(behind()),
        Cns::NAMESPACE_DESCRIPTORS => named().map(|namespace| namespace::descriptors(namespace)),
        Cns::IO_NAMESPACE => {
            nvm_only(named().map(|namespace: &Arc<NamespaceState>| namespace::nvm(namespace))?)
        }
        Cns::IO_CONTROLLER => nvm_only(controller::nvm()),
        Cns::INDEPENDENT_NAMESPACE => named().map(|namespace| namespace::independent(namespace)),
        Cns::ATTACHED_CONTROLLERS => {
            named()?;
            Ok(controllers(controller, command.controller_id))
        }
        Cns::CONTROLLERS => Ok(controllers(controller, command.controller_id)),
        Cns::IO_COMMAND_SETS => {
            let mut combinations = CommandSetCombinations::zeroed();
            combinations.set_combination(0, CommandSetCombination(1));
            Ok(combinations.into_inner().into())
        }
        _ => Err(Status::INVALID_FIELD.with_dnr()),
    }
}

/// The controllers of the subsystem from this number on.
fn controllers(controller: &Controller, from: u16) -> Vec<u8> {
    let all = controller.subsystem.controllers();
    let ids = all.iter().map(|controller| controller.cntlid).filter(|id| *id >= Cntlid(from));
    ControllerList::of(ids).into_inner().into()
}

/// Whether there is such a structure, as a controller answers that has namespace 1.
#[cfg(test)]
pub(crate) fn has(cns: u8) -> bool {
    use super::exercise::{Host, Line};
    let target = super::tests::target();
    let (mut line, _) = Line::admin(&target, 1, &super::tests::nqn("disk"), &Host::number(1));
    let behind =
        matches!(Cns(cns), Cns::ACTIVE_NAMESPACES | Cns::ALLOCATED_NAMESPACES | Cns::IO_ACTIVE_NAMESPACES);
    let command = IdentifyCommand::new(Cns(cns), u32::from(!behind));
    line.fetch(command.to_sqe(), 4096).status() == Some(Status::SUCCESS)
}
