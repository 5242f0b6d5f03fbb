//! Health and firmware.

use std::sync::atomic::Ordering;

use nvme_proto::log::{CriticalWarning, FirmwareLog, HealthLog};
use nvme_proto::machine::Time;
use nvme_proto::{Nsid, Status};

use crate::target::backend::Access;
use crate::target::state::{Controller, NamespaceState, Totals, lock};

/// SMART / Health: of a namespace, or (0, FFFFFFFFh) of all the subsystem has. What is not measured, such as the temperature, is zero.
pub(super) fn health(controller: &Controller, now: Time, nsid: u32) -> Result<Vec<u8>, Status> {
    let totals = Totals::default();
    let mut warning = CriticalWarning::NONE;
    let mut count = |namespace: &NamespaceState| {
        totals.add(&namespace.totals());
        if namespace.geometry().access == Access::ReadOnly {
            warning = warning | CriticalWarning::READ_ONLY;
        }
    };
    match nsid {
        0 | Nsid::BROADCAST => {
            controller.subsystem.namespaces().values().for_each(|namespace| count(namespace));
            // One that is meant to be read only is no reason to worry about the rest.
            warning = CriticalWarning::NONE;
        }
        _ => {
            let namespace = controller.subsystem.namespace(nsid);
            count(&*namespace.ok_or(Status::INVALID_NAMESPACE_OR_FORMAT.with_dnr())?);
        }
    }
    let get = |counter: &std::sync::atomic::AtomicU64| u128::from(counter.load(Ordering::Relaxed));
    // Units of 1000 times 512 bytes, rounded up.
    let units = |bytes: u128| bytes.div_ceil(512_000);
    let mut page = HealthLog::zeroed();
    page.set_warning(warning);
    page.set_spare(100);
    page.set_data_read(units(get(&totals.bytes_read)));
    page.set_data_written(units(get(&totals.bytes_written)));
    page.set_reads(get(&totals.reads));
    page.set_writes(get(&totals.writes));
    page.set_media_errors(get(&totals.media_errors));
    page.set_power_on((now.as_millis() / 3_600_000).into());
    page.set_error_entries(lock(&controller.errors).count().into());
    Ok(page.into_inner().into())
}

/// Firmware Slot: the one there is.
pub(super) fn firmware(controller: &Controller) -> Vec<u8> {
    let mut page = FirmwareLog::zeroed();
    page.set_active(1);
    page.set_revision(1, controller.subsystem.config.firmware.as_str().as_bytes());
    page.into_inner().into()
}
