//! Log pages.
//!
//! | LID | page | I/O controller | discovery controller |
//! |---|---|---|---|
//! | 00h | Supported Log Pages | yes | yes |
//! | 01h | Error Information, 128 entries | yes | yes |
//! | 02h | SMART / Health, of the controller or of a namespace | yes | |
//! | 03h | Firmware Slot | yes | |
//! | 04h | Changed Namespace List | yes | |
//! | 05h | Commands Supported and Effects | yes | |
//! | 0Ch | Asymmetric Namespace Access | yes | |
//! | 12h | Feature Identifiers Supported and Effects | yes | |
//! | 70h | Discovery | | yes |
//! | 80h | Reservation Notification | yes | |
//! | others | Invalid Log Page (109h) | | |
//!
//! A page may be read in parts. What is read beyond its end is zero; an offset beyond its end is Invalid Field. A command sees one state of a
//! page; whether the parts of several commands belong together, GENCTR tells of the discovery log, and CHGCNT of asymmetric access.

mod access;
mod device;
mod effects;

use std::sync::Arc;

use nvme_proto::Status;
use nvme_proto::discovery::{DiscoveryLog, DiscoveryRequest, LogFlags};
use nvme_proto::log::{
    AnaLog, GetLogPage, LogId, LogPageSupport, OffsetType, ReservationLog, RetainAsyncEvent,
    SupportedLogPages,
};
use nvme_proto::machine::Time;

use super::handle::Shared;
use super::state::{Controller, ControllerKind, DiscoveryScope, Event, Letter, lock};

/// Pages of a controller with namespaces.
const IO_PAGES: &[LogId] = &[
    LogId::SUPPORTED,
    LogId::ERROR,
    LogId::HEALTH,
    LogId::FIRMWARE,
    LogId::CHANGED_NAMESPACES,
    LogId::EFFECTS,
    LogId::ANA,
    LogId::FEATURE_EFFECTS,
    LogId::RESERVATION,
];

/// Pages of a discovery controller.
const DISCOVERY_PAGES: &[LogId] = &[LogId::SUPPORTED, LogId::ERROR, LogId::DISCOVERY];

pub(crate) const fn pages(kind: ControllerKind) -> &'static [LogId] {
    match kind {
        ControllerKind::Io => IO_PAGES,
        ControllerKind::Discovery => DISCOVERY_PAGES,
    }
}

/// Commands Supported and Effects of the NVM command set.
#[cfg(test)]
pub(crate) fn command_effects() -> Vec<u8> {
    effects::commands(0)
}

/// The data of a Get Log Page command that was checked: as many bytes as it asks for.
pub(crate) fn answer(
    target: &Shared,
    controller: &Arc<Controller>,
    now: Time,
    command: &GetLogPage,
) -> Result<Vec<u8>, Status> {
    if !pages(controller.kind).contains(&command.lid) {
        return Err(Status::INVALID_LOG_PAGE.with_dnr());
    }
    if command.offset_type == OffsetType::Index {
        return Err(Status::INVALID_FIELD.with_dnr());
    }
    // The host takes note first, and looks then: what happens in between is reported again.
    let clears = command.retain == RetainAsyncEvent::Clear;
    if let Some(event) = Event::of_log(command.lid).filter(|_| clears)
        && lock(&controller.events).unmask(event)
    {
        controller.admin.send(Letter::Event);
    }
    let mut page = match command.lid {
        LogId::SUPPORTED => supported(controller.kind),
        LogId::ERROR => lock(&controller.errors).page(),
        LogId::HEALTH => device::health(controller, now, command.nsid)?,
        LogId::FIRMWARE => device::firmware(controller),
        LogId::CHANGED_NAMESPACES => {
            let mut changed = lock(&controller.changed);
            let page = changed.page();
            if clears {
                changed.clear();
            }
            page
        }
        LogId::EFFECTS => effects::commands(command.command_set),
        LogId::FEATURE_EFFECTS => effects::features(controller.kind),
        LogId::ANA => access::ana(controller, command.lsp & AnaLog::<&[u8]>::GROUPS_ONLY != 0),
        LogId::RESERVATION => reservation(controller, clears),
        _ => discovery(target, controller, DiscoveryRequest(command.lsp)),
    };
    let from = usize::try_from(command.offset()).ok().filter(|from| *from < page.len());
    let from = from.ok_or(Status::INVALID_FIELD.with_dnr())?;
    page.drain(..from);
    // As much as the SGL, whose length was checked.
    let len = usize::try_from(command.len()).map_err(|_| Status::DATA_SGL_LENGTH_INVALID.with_dnr())?;
    page.resize(len, 0);
    Ok(page)
}

fn supported(kind: ControllerKind) -> Vec<u8> {
    let mut page = SupportedLogPages::zeroed();
    for lid in pages(kind) {
        let more = match *lid {
            LogId::DISCOVERY => LogPageSupport::DISCOVERY_PORT_LOCAL,
            _ => LogPageSupport::NONE,
        };
        page.set_page(*lid, LogPageSupport::SUPPORTED | more);
    }
    page.into_inner().into()
}

/// The oldest notice. It is gone when the host has read it and does not say otherwise; the next one is reported then.
fn reservation(controller: &Controller, clears: bool) -> Vec<u8> {
    let mut notices = lock(&controller.reservations);
    let mut page = ReservationLog::zeroed();
    if let Some(notice) = notices.waiting.front() {
        page.set_count(notice.number);
        page.set_event(notice.event);
        page.set_available(u8::try_from(notices.waiting.len()).unwrap_or(u8::MAX));
        page.set_nsid(notice.nsid.get());
    }
    if clears {
        notices.waiting.pop_front();
        let more = !notices.waiting.is_empty();
        drop(notices);
        if more {
            controller.raise(Event::Reservation);
        }
    }
    page.into_inner().into()
}

fn discovery(target: &Shared, controller: &Controller, request: DiscoveryRequest) -> Vec<u8> {
    let port_local = request.contains(DiscoveryRequest::PORT_LOCAL);
    let scope = if port_local { DiscoveryScope::ThisPort } else { DiscoveryScope::AllPorts };
    let (generation, entries) = target.discovery(controller, scope);
    let mut log = DiscoveryLog::new(generation, entries);
    if port_local {
        log.flags = LogFlags::PORT_LOCAL;
    }
    log.encode()
}
