//! Connecting what a configuration wants.

use std::time::Duration;

use super::connection::{Connection, ConnectionKind};
use super::error::Finding;
use super::registry::Owner;
use super::{Config, Registry};
use crate::discovery::{AllOutcome, ConnectAll, DiscoverError, DiscoveryRequest, SkipReason, connect_all};
use crate::identity::HostIdentity;
use crate::kernel::device::FabricsDevice;
use crate::kernel::ensure::{Ensured, PathState, ensure_paths};
use crate::kernel::names::ControllerName;
use crate::kernel::sysfs::{ScanError, Sysfs};
use crate::options::{ConnectOptions, OptionError};

/// How long a kept discovery controller may be silent when nothing else is asked for, as with nvme-cli.
const KEPT_KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How a configuration is applied.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct ApplyConfig {
    all: ConnectAll,
    owner: Option<Owner>,
}

impl ApplyConfig {
    /// As [`ConnectAll::new`], for nobody in particular.
    pub fn new() -> Self {
        Self::default()
    }

    /// How discovery controllers are asked, and what is left alone; the exclusions count for what the files name, too.
    pub fn all(mut self, all: ConnectAll) -> Self {
        self.all = all;
        self
    }

    /// Who looks after the new controllers: written into the registry, and compared with what `config.json` calls `application`. Without it,
    /// connections that have an application are left alone.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }
}

/// What became of one connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigResult<E> {
    /// A path to a subsystem.
    Path(PathState),
    /// A discovery controller was asked.
    Asked {
        /// What became of all that it offers.
        outcome: Box<AllOutcome<E>>,
        /// The controller that stays, if one is to stay.
        kept: Option<PathState>,
    },
    /// Nothing was done.
    Skipped(SkipReason),
    /// Somebody else looks after it.
    OfApplication(String),
    /// What is wanted cannot be asked for.
    Unusable(Box<Finding>),
    /// The controllers of this machine cannot be listed, so nothing was done.
    NotListed,
}

/// One connection of the configuration.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConfigOutcome<E> {
    /// Index in [`Config::connections`].
    pub index: usize,
    /// What was wanted, in words.
    pub what: String,
    /// What became of it.
    pub result: ConfigResult<E>,
}

impl<E> ConfigOutcome<E> {
    /// Whether this one is as it is wanted; what was left alone on purpose counts as such.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_path = |path: &PathState| !matches!(path, PathState::Failed(_));
        match &self.result {
            ConfigResult::Path(path) => is_path(path),
            ConfigResult::Asked { outcome, kept } => {
                outcome.is_complete() && kept.as_ref().is_none_or(is_path)
            }
            ConfigResult::Skipped(reason) => matches!(reason, SkipReason::Excluded(_)),
            ConfigResult::OfApplication(_) => true,
            ConfigResult::Unusable(_) | ConfigResult::NotListed => false,
        }
    }

    /// Controllers that were made.
    pub fn connected(&self) -> Vec<ControllerName> {
        let added = |path: &PathState| match path {
            PathState::Added(connected) => Some(connected.controller),
            _ => None,
        };
        match &self.result {
            ConfigResult::Path(path) => added(path).into_iter().collect(),
            ConfigResult::Asked { outcome, kept } => {
                outcome.connected().chain(kept.as_ref().and_then(added)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Connects what is missing of everything that the configuration wants: its paths, and what its discovery controllers offer. What is there already is left alone, so
/// that doing it twice changes nothing.
///
/// `system` is the identity of connections that name no other; `tune` gets the options of each last, for what the command line says. One connection's
/// trouble keeps no other from being made. Blocks as long as all of them together. Needs root.
///
/// # Errors
/// [`ScanError`] when the controllers of this machine cannot be listed; nothing was done then.
pub fn connect_configured(
    device: &dyn FabricsDevice,
    sysfs: &Sysfs,
    config: &Config,
    system: &HostIdentity,
    how: &ApplyConfig,
    tune: &dyn Fn(ConnectOptions) -> Result<ConnectOptions, OptionError>,
) -> Result<Vec<ConfigOutcome<DiscoverError>>, ScanError> {
    let outcome = run(
        config,
        system,
        how,
        &|connection| connection.prepared(sysfs, system),
        &mut |wanted| ensure_paths(device, sysfs, wanted),
        &mut |request, tune| connect_all(device, sysfs, request, &how.all, tune),
        tune,
    )?;
    let registry = Registry::of(sysfs);
    for controller in outcome.iter().flat_map(ConfigOutcome::connected) {
        // An agreement among programs: that it cannot be written is no failure of the connection.
        let _ = match &how.owner {
            Some(owner) => registry.enter(controller, owner),
            None => registry.forget(controller),
        };
    }
    Ok(outcome)
}

type Tune<'t> = &'t dyn Fn(ConnectOptions) -> Result<ConnectOptions, OptionError>;

/// What is to be done for one connection.
enum Step {
    /// Index among the wanted paths.
    Path(usize),
    Ask(Box<DiscoveryRequest>, Option<usize>),
    Nothing,
}

type Prepare<'p> = &'p dyn Fn(&Connection) -> Result<Connection, Box<Finding>>;

/// [`connect_configured`] over any way to connect.
fn run<E>(
    config: &Config,
    system: &HostIdentity,
    how: &ApplyConfig,
    prepare: Prepare<'_>,
    ensure: &mut dyn FnMut(&[ConnectOptions]) -> Result<Ensured, ScanError>,
    all: &mut dyn FnMut(&DiscoveryRequest, Tune<'_>) -> AllOutcome<E>,
    tune: Tune<'_>,
) -> Result<Vec<ConfigOutcome<E>>, ScanError> {
    let mut wanted = Vec::new();
    let mut outcomes = Vec::new();
    let mut steps = Vec::new();
    for (index, connection) in config.connections.iter().enumerate() {
        let what = format!(
            "{} at {}",
            connection.nqn,
            connection.address.traddr.as_deref().unwrap_or("this machine")
        );
        let mut outcome = ConfigOutcome { index, what, result: ConfigResult::NotListed };
        let step = match decide(connection, system, how, prepare, tune) {
            Ok((options, step)) => {
                outcome.what = options.to_string();
                match step {
                    Todo::Connect => Step::Path(push(&mut wanted, options)),
                    Todo::Ask(request) => {
                        let kept = connection.persistent.then(|| push(&mut wanted, kept(options)));
                        Step::Ask(request, kept)
                    }
                }
            }
            Err(result) => {
                outcome.result = *result;
                Step::Nothing
            }
        };
        outcomes.push(outcome);
        steps.push(step);
    }
    let mut paths: Vec<Option<PathState>> =
        ensure(&wanted)?.paths.into_iter().map(|p| Some(p.state)).collect();
    let mut taken = |index: usize| paths.get_mut(index).and_then(Option::take);
    for (outcome, step) in outcomes.iter_mut().zip(steps) {
        match step {
            Step::Nothing => {}
            Step::Path(index) => {
                if let Some(path) = taken(index) {
                    outcome.result = ConfigResult::Path(path);
                }
            }
            Step::Ask(request, index) => {
                let connection = config.connections.get(outcome.index);
                let both = |options| match connection {
                    Some(connection) => tune(connection.tune(options)?),
                    None => tune(options),
                };
                outcome.result = ConfigResult::Asked {
                    outcome: Box::new(all(&request, &both)),
                    kept: index.and_then(&mut taken),
                };
            }
        }
    }
    Ok(outcomes)
}

enum Todo {
    Connect,
    Ask(Box<DiscoveryRequest>),
}

fn decide<E>(
    connection: &Connection,
    system: &HostIdentity,
    how: &ApplyConfig,
    prepare: Prepare<'_>,
    tune: Tune<'_>,
) -> Result<(ConnectOptions, Todo), Box<ConfigResult<E>>> {
    let is_ours = |a: &String| how.owner.as_ref().is_some_and(|o| o.as_str() == a);
    if let Some(application) = connection.application.as_ref().filter(|a| !is_ours(a)) {
        return Err(Box::new(ConfigResult::OfApplication(application.clone())));
    }
    let unusable = |f| Box::new(ConfigResult::Unusable(f));
    let connection = &prepare(connection).map_err(unusable)?;
    let options = connection.options(system).map_err(unusable)?;
    if let Some(exclusion) = how.all.exclusions_ref().find(&options) {
        return Err(Box::new(ConfigResult::Skipped(SkipReason::Excluded(exclusion.to_string()))));
    }
    match connection.kind {
        ConnectionKind::Subsystem => {
            let options =
                tune(options).map_err(|e| Box::new(ConfigResult::Skipped(SkipReason::Option(e))))?;
            Ok((options, Todo::Connect))
        }
        ConnectionKind::Discovery => {
            let request = connection.request(system).map_err(unusable)?;
            Ok((options, Todo::Ask(Box::new(request))))
        }
    }
}

/// A discovery controller that stays is asked for signs of life, else nobody notices that it is gone.
fn kept(options: ConnectOptions) -> ConnectOptions {
    if options.option_names().contains(&"keep_alive_tmo") {
        return options;
    }
    options.clone().keep_alive(KEPT_KEEP_ALIVE).unwrap_or(options)
}

fn push(list: &mut Vec<ConnectOptions>, options: ConnectOptions) -> usize {
    list.push(options);
    list.len() - 1
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use nvme_proto::Cntlid;

    use super::super::exclusions::Exclusions;
    use super::super::fabrics_conf::{self, FabricsConf};
    use super::*;
    use crate::kernel::connect::{ConnectError, Connected};
    use crate::kernel::ensure::PathOutcome;

    const TEXT: &str = "\
[I/O Controller Defaults]
ctrl-loss-tmo = 77
[Subsystem]
nqn = vol
controller = transport=tcp;traddr=192.0.2.10
controller = transport=tcp;traddr=192.0.2.66
controller = transport=tcp;traddr=192.0.2.12;trsvcid=http
[Subsystem]
nqn = secret
controller = transport=tcp;traddr=192.0.2.13
[Discovery Controller]
controller = transport=tcp;traddr=192.0.2.1
";

    fn system() -> HostIdentity {
        HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
    }

    fn config() -> Config {
        let file = fabrics_conf::parse(Path::new("f"), TEXT).unwrap();
        Config { connections: file.connections(&FabricsConf::default()).collect(), ..Config::default() }
    }

    fn state(options: &ConnectOptions) -> PathState {
        match options.to_string().contains("192.0.2.66") {
            true => PathState::Failed(ConnectError::Unsupported {
                target: options.to_string(),
                option: "tos".into(),
            }),
            false => PathState::Added(Connected { controller: ControllerName::new(7), cntlid: Cntlid(1) }),
        }
    }

    fn words(config: &Config, how: &ApplyConfig) -> (Vec<String>, Vec<String>) {
        let wrote = RefCell::new(Vec::new());
        let outcomes = run::<()>(
            config,
            &system(),
            how,
            &|connection| Ok(connection.clone()),
            &mut |wanted| {
                let path = |o: &ConnectOptions| PathOutcome { options: o.clone(), state: state(o) };
                wrote.borrow_mut().extend(wanted.iter().map(|o| o.to_option_string().expose().to_owned()));
                Ok(Ensured { paths: wanted.iter().map(path).collect(), extra: Vec::new() })
            },
            &mut |request, tune| {
                let found = ConnectOptions::tcp(
                    "192.0.2.50".parse().unwrap(),
                    4420,
                    "found".parse().unwrap(),
                    system(),
                )
                .unwrap();
                wrote.borrow_mut().push(format!("asked {}", request.options()));
                wrote.borrow_mut().push(tune(found).unwrap().to_option_string().expose().to_owned());
                AllOutcome { pages: Vec::new(), entries: Vec::new() }
            },
            &|o| o.tos(4),
        )
        .unwrap();
        let word = |o: &ConfigOutcome<()>| match &o.result {
            ConfigResult::Path(PathState::Added(_)) => "added".to_owned(),
            ConfigResult::Path(_) => "failed".to_owned(),
            ConfigResult::Asked { kept, .. } => format!("asked, kept: {}", kept.is_some()),
            ConfigResult::Skipped(reason) => reason.to_string(),
            ConfigResult::OfApplication(a) => format!("of {a}"),
            ConfigResult::Unusable(finding) => finding.to_string(),
            ConfigResult::NotListed => "not listed".to_owned(),
        };
        let words = outcomes.iter().map(|o| format!("{} {}", word(o), o.is_complete())).collect();
        (words, wrote.into_inner())
    }

    #[test]
    fn every_connection_has_its_result_and_one_failure_stops_nothing() {
        let (got, wrote) = words(&config(), &ApplyConfig::new());
        assert_eq!(
            got,
            [
                "added true",
                "failed false",
                "f:7:14: `trsvcid`: `http` is no port, 1 to 65535 (this connection is not made) false",
                "added true",
                "asked, kept: false true",
            ]
        );
        assert_eq!(wrote.len(), 5);
        assert!(wrote[0].contains("ctrl_loss_tmo=77") && wrote[0].contains("tos=4"), "{}", wrote[0]);
        assert!(wrote[4].contains("nqn=found") && wrote[4].contains("ctrl_loss_tmo=77"), "{}", wrote[4]);
        assert!(wrote[4].contains("tos=4"), "{}", wrote[4]);
    }

    #[test]
    fn exclusions_and_other_applications_are_left_alone() {
        let mut config = config();
        config.connections[0].application = Some("stas".into());
        let mut exclusions = Exclusions::none();
        exclusions
            .read(Path::new("x"), "[exclusions]\nexclusion = nqn=secret\nexclusion = traddr=192.0.2.1\n");
        let how = ApplyConfig::new().all(ConnectAll::new().exclusions(exclusions));
        let (got, wrote) = words(&config, &how);
        assert_eq!(got[0], "of stas true");
        assert!(got[3].contains("exclud") && got[3].ends_with("true"), "{}", got[3]);
        assert!(got[4].contains("`traddr=192.0.2.1` (x line 3)"), "{}", got[4]);
        assert_eq!(wrote.len(), 1);
        let (got, _) = words(&config, &how.owner("stas".parse().unwrap()));
        assert_eq!(got[0], "added true");
    }

    #[test]
    fn a_discovery_controller_that_stays_is_a_path_of_its_own() {
        let mut config = config();
        config.connections.retain(|c| c.kind == ConnectionKind::Discovery);
        config.connections[0].persistent = true;
        let (got, wrote) = words(&config, &ApplyConfig::new());
        assert_eq!(got, ["asked, kept: true true"]);
        assert!(wrote[0].contains("keep_alive_tmo=30"), "{}", wrote[0]);
    }
}
