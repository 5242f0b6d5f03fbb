//! Set Features and Get Features.
//!
//! | feature | of | can be set | without a word |
//! |---|---|---|---|
//! | 01h Arbitration | controller | yes; nothing follows from it | 7 (no limit) |
//! | 02h Power Management | controller | to state 0 | 0 |
//! | 04h Temperature Threshold | controller | yes; no temperature is measured | FFFFh over, 0 under |
//! | 05h Error Recovery | controller | time limit | 0 |
//! | 06h Volatile Write Cache | controller | no: it is on | 1 |
//! | 07h Number of Queues | controller | before the first I/O queue | as many as there may be |
//! | 0Ah Write Atomicity Normal | controller | yes | 0 |
//! | 0Bh Asynchronous Event Configuration | controller | namespaces, asymmetric access, health; discovery controllers: discovery log | as the Linux target |
//! | 0Eh Timestamp | controller | yes | 0 |
//! | 0Fh Keep Alive Timer | controller | yes, rounded up to whole seconds | as Connect said |
//! | 16h Host Behavior Support | controller | yes | 0 |
//! | 19h I/O Command Set Profile | controller | to 0 | 0 |
//! | 81h Host Identifier | controller | no: it came with Connect | |
//! | 82h Reservation Notification Mask | namespace | yes | 0 |
//! | 83h Reservation Persistence | namespace | to 0 | 0 |
//! | 84h Namespace Write Protection | namespace | none, protected | as configured |
//!
//! Nothing is saved: SV is answered with Feature Identifier Not Saveable (10Dh), and saved values are those without a word.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nvme_proto::Nsid;
use nvme_proto::Status;
use nvme_proto::command::admin::{FeatureCapabilities, FeatureSelect, GetFeatures, SetFeatures};
use nvme_proto::feature::{
    AsyncEventConfiguration, ErrorRecovery, FeatureId, HostBehavior, HostIdentifier, IoCommandSetProfile,
    NumberOfQueues, PowerManagement, ReservationNotificationMask, ReservationPersistence,
    TemperatureThreshold, Timestamp, TimestampAttributes, VolatileWriteCache, WriteProtection,
    WriteProtectionState,
};
use nvme_proto::machine::Time;

use super::{AdminQueue, Answer, Payload, done};
use crate::target::state::{Controller, ControllerKind, Letter, NamespaceState, lock};

const INVALID: Status = Status::INVALID_FIELD.with_dnr();
const NOT_CHANGEABLE: Status = Status::FEATURE_NOT_CHANGEABLE.with_dnr();

/// What a host set that concerns nobody else.
#[derive(Debug, Clone)]
pub(super) struct Features {
    arbitration: u32,
    /// Over and under temperature thresholds of the composite temperature.
    thresholds: [u16; 2],
    error_recovery: u32,
    atomicity: u32,
    /// The time that was set, and when.
    timestamp: Option<(u64, Time)>,
    behavior: HostBehavior,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            arbitration: 7,
            thresholds: [u16::MAX, 0],
            error_recovery: 0,
            atomicity: 0,
            timestamp: None,
            behavior: HostBehavior::default(),
        }
    }
}

/// What a feature is like; `None` for those that this controller does not have.
fn capabilities(kind: ControllerKind, feature: FeatureId) -> Option<FeatureCapabilities> {
    let new = |namespace, changeable| {
        FeatureCapabilities::default().with_namespace_specific(namespace).with_changeable(changeable)
    };
    match feature {
        FeatureId::ASYNC_EVENT_CONFIGURATION | FeatureId::KEEP_ALIVE_TIMER => Some(new(false, true)),
        FeatureId::HOST_IDENTIFIER => Some(new(false, false)),
        _ if kind == ControllerKind::Discovery => None,
        FeatureId::ARBITRATION
        | FeatureId::POWER_MANAGEMENT
        | FeatureId::TEMPERATURE_THRESHOLD
        | FeatureId::ERROR_RECOVERY
        | FeatureId::NUMBER_OF_QUEUES
        | FeatureId::WRITE_ATOMICITY
        | FeatureId::TIMESTAMP
        | FeatureId::HOST_BEHAVIOR_SUPPORT
        | FeatureId::IO_COMMAND_SET_PROFILE => Some(new(false, true)),
        FeatureId::VOLATILE_WRITE_CACHE => Some(new(false, false)),
        FeatureId::RESERVATION_NOTIFICATION_MASK | FeatureId::NAMESPACE_WRITE_PROTECTION => {
            Some(new(true, true))
        }
        FeatureId::RESERVATION_PERSISTENCE => Some(new(true, false)),
        _ => None,
    }
}

/// Every feature that a controller has.
pub(crate) fn supported(kind: ControllerKind) -> impl Iterator<Item = (FeatureId, FeatureCapabilities)> {
    let all = (0..=u8::MAX).map(FeatureId);
    all.filter_map(move |feature| capabilities(kind, feature).map(|capabilities| (feature, capabilities)))
}

impl AdminQueue {
    /// Set Features.
    pub(super) fn set_features(
        &mut self,
        now: Time,
        command: &SetFeatures,
        data: Payload<'_>,
    ) -> Result<Answer, Status> {
        let capabilities = capabilities(self.controller.kind, command.feature).ok_or(INVALID)?;
        if command.save {
            return Err(Status::FEATURE_IDENTIFIER_NOT_SAVEABLE.with_dnr());
        }
        if !capabilities.namespace_specific() && !matches!(command.nsid, 0 | Nsid::BROADCAST) {
            return Err(Status::FEATURE_NOT_NAMESPACE_SPECIFIC.with_dnr());
        }
        let value = command.value;
        match command.feature {
            FeatureId::ARBITRATION => self.features.arbitration = value,
            FeatureId::POWER_MANAGEMENT if PowerManagement(value).state() == 0 => {}
            FeatureId::TEMPERATURE_THRESHOLD => {
                *self.threshold(value)? = TemperatureThreshold(value).temperature();
            }
            // Blocks that were never written can be read.
            FeatureId::ERROR_RECOVERY if !ErrorRecovery(value).unwritten_error() => {
                self.features.error_recovery = value;
            }
            FeatureId::VOLATILE_WRITE_CACHE => {
                return if VolatileWriteCache(value).enabled() { Ok(done()) } else { Err(NOT_CHANGEABLE) };
            }
            FeatureId::NUMBER_OF_QUEUES => return self.grant_queues(NumberOfQueues(value)),
            FeatureId::WRITE_ATOMICITY => self.features.atomicity = value & 1,
            FeatureId::ASYNC_EVENT_CONFIGURATION => self.configure_events(AsyncEventConfiguration(value))?,
            FeatureId::TIMESTAMP => {
                let Some(data) = here(data)? else { return Ok(Answer::Fetch) };
                let timestamp = Timestamp::decode(data).map_err(|_| INVALID)?;
                self.features.timestamp = Some((timestamp.millis(), now));
            }
            FeatureId::KEEP_ALIVE_TIMER => self.controller.set_keep_alive(value),
            FeatureId::HOST_BEHAVIOR_SUPPORT => {
                let Some(data) = here(data)? else { return Ok(Answer::Fetch) };
                self.features.behavior = HostBehavior::decode(data).map_err(|_| INVALID)?;
            }
            FeatureId::IO_COMMAND_SET_PROFILE if IoCommandSetProfile(value).combination() == 0 => {}
            FeatureId::IO_COMMAND_SET_PROFILE => {
                return Err(Status::IO_COMMAND_SET_COMBINATION_REJECTED.with_dnr());
            }
            FeatureId::RESERVATION_NOTIFICATION_MASK => {
                let mut notices = lock(&self.controller.reservations);
                for namespace in self.namespaces(command.nsid)? {
                    notices.masks.insert(namespace.nsid, ReservationNotificationMask(value));
                }
            }
            FeatureId::RESERVATION_PERSISTENCE => {
                self.namespaces(command.nsid)?;
                if ReservationPersistence(value).persists() {
                    return Err(NOT_CHANGEABLE);
                }
            }
            FeatureId::NAMESPACE_WRITE_PROTECTION => {
                self.protect(command.nsid, WriteProtection(value).state())?;
            }
            _ => return Err(INVALID),
        }
        Ok(done())
    }

    /// Get Features.
    pub(super) fn feature(&mut self, now: Time, command: &GetFeatures) -> Result<Answer, Status> {
        let capabilities = capabilities(self.controller.kind, command.feature).ok_or(INVALID)?;
        let of_namespace = match command.feature {
            _ if command.select == FeatureSelect::CAPABILITIES => return Ok(Answer::result(capabilities.0)),
            _ if capabilities.namespace_specific() => Some(self.namespace(command.nsid)?),
            _ => None,
        };
        let set = match command.select {
            FeatureSelect::CURRENT => self.features.clone(),
            FeatureSelect::DEFAULT | FeatureSelect::SAVED => Features::default(),
            _ => return Err(INVALID),
        };
        let current = command.select == FeatureSelect::CURRENT;
        let controller: &Controller = &self.controller;
        let most = controller.subsystem.config.queues;
        let value = match command.feature {
            FeatureId::ARBITRATION => set.arbitration,
            FeatureId::TEMPERATURE_THRESHOLD => {
                let [over, under] = set.thresholds;
                match place(command.part)? {
                    0 => over.into(),
                    _ => under.into(),
                }
            }
            FeatureId::ERROR_RECOVERY => set.error_recovery,
            FeatureId::VOLATILE_WRITE_CACHE => 1,
            FeatureId::NUMBER_OF_QUEUES => {
                let granted = if current { controller.granted.load(Ordering::Relaxed) } else { most };
                NumberOfQueues::pairs(granted.saturating_sub(1)).0
            }
            FeatureId::WRITE_ATOMICITY => set.atomicity,
            FeatureId::ASYNC_EVENT_CONFIGURATION if current => lock(&controller.events).config.0,
            FeatureId::ASYNC_EVENT_CONFIGURATION => Controller::default_events(controller.kind).0,
            FeatureId::TIMESTAMP => {
                let millis = |(set, at): (u64, Time)| {
                    now.since(at).as_millis().try_into().map_or(set, |gone: u64| set.wrapping_add(gone))
                };
                let mut timestamp = Timestamp::new(set.timestamp.map_or(0, millis));
                let origin = u8::from(set.timestamp.is_some());
                timestamp.attributes = TimestampAttributes::default().with_origin(origin);
                return Ok(Answer::data(timestamp.encode()));
            }
            FeatureId::KEEP_ALIVE_TIMER => controller.keep_alive_millis(),
            FeatureId::HOST_BEHAVIOR_SUPPORT => return Ok(Answer::data(set.behavior.encode())),
            FeatureId::HOST_IDENTIFIER => {
                return Ok(Answer::data(HostIdentifier::from(controller.host_id).encode()));
            }
            FeatureId::RESERVATION_NOTIFICATION_MASK if current => {
                let notices = lock(&controller.reservations);
                let mask = of_namespace.and_then(|namespace| notices.masks.get(&namespace.nsid));
                mask.map_or(0, |mask| mask.0)
            }
            FeatureId::NAMESPACE_WRITE_PROTECTION if current => {
                let state =
                    of_namespace.map_or(WriteProtectionState::NONE, |namespace| namespace.protection());
                state.0.into()
            }
            // State 0, profile 0, no mask, not persistent, not protected.
            _ => 0,
        };
        Ok(Answer::result(value))
    }

    fn threshold(&mut self, value: u32) -> Result<&mut u16, Status> {
        let [over, under] = &mut self.features.thresholds;
        Ok(if place(value)? == 0 { over } else { under })
    }

    /// Number of Queues: what was asked for, up to what there may be.
    fn grant_queues(&self, asked: NumberOfQueues) -> Result<Answer, Status> {
        if self.controller.io_queues() > 0 {
            return Err(Status::COMMAND_SEQUENCE_ERROR.with_dnr());
        }
        let most = self.controller.subsystem.config.queues;
        let granted = u16::try_from(asked.usable_pairs()).unwrap_or(u16::MAX).min(most);
        self.controller.granted.store(granted, Ordering::Relaxed);
        Ok(Answer::result(NumberOfQueues::pairs(granted.saturating_sub(1)).0))
    }

    fn configure_events(&self, config: AsyncEventConfiguration) -> Result<(), Status> {
        let none = AsyncEventConfiguration::default();
        let known = match self.controller.kind {
            ControllerKind::Io => none.with_health(u8::MAX).with_namespace(true).with_ana(true),
            ControllerKind::Discovery => none.with_discovery(true),
        };
        if config.0 & !known.0 != 0 {
            return Err(INVALID);
        }
        lock(&self.controller.events).configure(config);
        self.controller.admin.send(Letter::Event);
        Ok(())
    }

    fn protect(&self, nsid: u32, state: WriteProtectionState) -> Result<(), Status> {
        if !matches!(state, WriteProtectionState::NONE | WriteProtectionState::PROTECTED) {
            return Err(INVALID);
        }
        let namespace = self.namespace(nsid)?;
        if namespace.protection() == WriteProtectionState::PERMANENT {
            return Err(NOT_CHANGEABLE);
        }
        if namespace.set_protection(state) {
            self.controller.subsystem.namespace_changed(namespace.nsid);
        }
        Ok(())
    }

    /// The namespace that a feature is of.
    fn namespace(&self, nsid: u32) -> Result<Arc<NamespaceState>, Status> {
        let found = self.controller.subsystem.namespace(nsid);
        found.ok_or(Status::INVALID_NAMESPACE_OR_FORMAT.with_dnr())
    }

    /// The namespaces that a feature is set of: one, or all.
    fn namespaces(&self, nsid: u32) -> Result<Vec<Arc<NamespaceState>>, Status> {
        match nsid {
            Nsid::BROADCAST => Ok(self.controller.subsystem.namespaces().values().cloned().collect()),
            _ => self.namespace(nsid).map(|namespace| vec![namespace]),
        }
    }
}

/// Which threshold: 0 over, 1 under; of the composite temperature, the only one.
fn place(value: u32) -> Result<usize, Status> {
    let threshold = TemperatureThreshold(value);
    match (threshold.sensor(), threshold.kind()) {
        (0 | 15, 0) => Ok(0),
        (0 | 15, 1) => Ok(1),
        _ => Err(INVALID),
    }
}

/// The data of a feature; `None` when they have to be fetched.
fn here(data: Payload<'_>) -> Result<Option<&[u8]>, Status> {
    match data {
        Payload::Here(data) => Ok(Some(data)),
        Payload::Expected { .. } => Ok(None),
        Payload::None => Err(Status::DATA_SGL_LENGTH_INVALID.with_dnr()),
    }
}
