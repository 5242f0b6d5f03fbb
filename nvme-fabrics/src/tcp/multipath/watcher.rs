//! The task that looks after a path.

use std::sync::{Arc, Weak};
use std::time::Duration;

use nvme_proto::event::EventCode;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::events::ControllerEvent;
use super::events::PathEvent;
use super::member::Found;
use super::path::Path;
use super::paths::Shared;

/// The pause before the log is read because commands were refused: so that a target that refuses them all is not asked without end.
const PAUSE: Duration = Duration::from_millis(50);

/// What has come.
enum Came {
    State,
    Event(Option<ControllerEvent>),
    Doubt,
    ChangeTooLong,
}

/// Looks after a path until it is gone, or nobody has a handle to the paths any more.
pub(super) async fn watch_over(shared: Weak<Shared>, path: Arc<Path>) {
    let mut states = path.controller.watch();
    let mut events = path.controller.events();
    let mut told = false;
    let mut patience = path.change_ends();
    loop {
        let state = states.current();
        if !told {
            path.connection(&state);
            let Some(shared) = shared.upgrade() else { return };
            shared.tell(PathEvent::Connection { path: path.id, state: state.clone() });
            shared.news();
            if state.is_live() {
                look(&shared, &path, What::Everything).await;
                patience = path.change_ends();
            } else if state.is_gone() {
                return;
            }
        }
        told = true;
        let change = async {
            match patience {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let came = tokio::select! {
            biased;
            _ = states.changed() => Came::State,
            event = events.next() => Came::Event(event),
            () = path.doubted.notified() => Came::Doubt,
            () = change => Came::ChangeTooLong,
        };
        let Some(shared) = shared.upgrade() else { return };
        match came {
            Came::State => told = false,
            // Its end is a state, too.
            Came::Event(None) => {
                if states.changed().await.is_none() {
                    return;
                }
                told = false;
            }
            Came::Event(Some(event)) => {
                let what = match event.event.code() {
                    EventCode::ANA_CHANGED => What::Access,
                    EventCode::NAMESPACE_CHANGED => What::Everything,
                    _ if event.missed > 0 => What::Everything,
                    _ => What::Nothing,
                };
                look(&shared, &path, what).await;
                patience = path.change_ends();
                shared.tell(PathEvent::Controller { path: path.id, event });
            }
            Came::Doubt => {
                sleep(PAUSE).await;
                look(&shared, &path, What::Access).await;
                patience = path.change_ends();
            }
            Came::ChangeTooLong => {
                look(&shared, &path, What::Access).await;
                if path.change_ends().is_some() {
                    // As the kernel does it (multipath.c: nvme_anatt_timeout).
                    path.controller.reset();
                }
                patience = path.change_ends().map(|end| end.max(Instant::now()));
            }
        }
    }
}

/// What is to be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Nothing,
    Access,
    Everything,
}

/// Asks the controller what has changed. That it does not answer shows in its state.
async fn look(shared: &Arc<Shared>, path: &Arc<Path>, what: What) {
    if what == What::Nothing {
        return;
    }
    if let Ok(news) = path.read_access().await {
        for (group, state) in news {
            shared.tell(PathEvent::Access { path: path.id, group, state });
        }
    }
    let namespaces = what == What::Everything || path.lists_groups_only();
    for disk in shared.disks() {
        let Some(member) = disk.members().iter().find(|member| member.path.id == path.id).cloned() else {
            continue;
        };
        if (namespaces || matches!(member.found(), Found::Unasked))
            && let Ok(found) = Found::look(path, &disk.identity).await
        {
            member.set(disk.judge(shared, path.id, found));
        }
    }
    shared.news();
}
