//! The option string.
//!
//! ```text
//! string = option *( "," option )        option = name "=" value | flag
//! ```
//! The kernel knows no quoting: a value ends at a comma or a line end, which no value made here can contain. Numbers are plain
//! decimal without leading zeros, since the kernel takes `020` for 16.

use std::fmt::{self, Display};

use nvme_proto::auth::DhchapSecret;
use zeroize::Zeroizing;

use super::{ConnectOptions, ControllerLoss, FastIoFail, Kind, Transport};

/// The longest string: a page of the smallest size. Taken at once, so that no copy is left behind in memory by growing.
const MAX_LEN: usize = 4096;

/// The string to write to the fabrics device. It may hold secrets: `Debug` shows none of them, there is no `Display`, and it is wiped when it is
/// dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct OptionString(Zeroizing<String>);

impl OptionString {
    /// The string itself. Do not print or log it; [`redacted`](Self::redacted) is for that.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The string with `***` in place of secrets.
    #[must_use]
    pub fn redacted(&self) -> String {
        let tokens = self.0.split(',').map(|token| match token.split_once('=') {
            Some((name, _)) if name.ends_with("secret") => format!("{name}=***"),
            _ => token.to_owned(),
        });
        tokens.collect::<Vec<_>>().join(",")
    }
}

impl fmt::Debug for OptionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.redacted())
    }
}

/// What stands after the name of an option.
enum Value<'a> {
    Nothing,
    Of(String),
    Secret(&'a DhchapSecret),
}

/// Name and value.
type Pair<'a> = (&'a str, Value<'a>);

impl ConnectOptions {
    fn pairs(&self) -> Vec<Pair<'_>> {
        let mut pairs: Vec<Pair<'_>> = Vec::new();
        let mut value = |name: &'static str, value: Option<&dyn Display>| {
            if let Some(value) = value {
                pairs.push((name, Value::Of(value.to_string())));
            }
        };
        value("transport", Some(&self.transport()));
        match &self.transport {
            Transport::Tcp { traddr, port, host_traddr, host_iface } => {
                value("traddr", Some(traddr));
                value("trsvcid", Some(port));
                value("host_traddr", host_traddr.as_ref().map(|a| a as _));
                value("host_iface", host_iface.as_ref().map(|i| i as _));
            }
            Transport::Rdma { traddr, port, host_traddr } => {
                value("traddr", Some(traddr));
                value("trsvcid", Some(port));
                value("host_traddr", host_traddr.as_ref().map(|a| a as _));
            }
            Transport::Fc { traddr, host_traddr } => {
                value("traddr", Some(traddr));
                value("host_traddr", Some(host_traddr));
            }
            Transport::Loop { traddr } => value("traddr", traddr.as_ref().map(|a| a as _)),
        }
        value("nqn", Some(&self.nqn));
        value("hostnqn", Some(&self.host.nqn));
        value("hostid", Some(&self.host.id));
        value("nr_io_queues", self.nr_io_queues.as_ref().map(|n| n as _));
        value("nr_write_queues", self.nr_write_queues.as_ref().map(|n| n as _));
        value("nr_poll_queues", self.nr_poll_queues.as_ref().map(|n| n as _));
        value("queue_size", self.queue_size.as_ref().map(|n| n as _));
        value("keep_alive_tmo", self.keep_alive.map(|t| t.as_secs()).as_ref().map(|n| n as _));
        value("reconnect_delay", self.reconnect_delay.map(|t| t.as_secs()).as_ref().map(|n| n as _));
        value("ctrl_loss_tmo", self.controller_loss.map(loss_seconds).as_ref().map(|n| n as _));
        value("fast_io_fail_tmo", self.fast_io_fail.map(fail_seconds).as_ref().map(|n| n as _));
        value("tos", self.tos.as_ref().map(|n| n as _));
        let security = &self.security;
        value("keyring", security.keyring.as_ref().map(|k| k as _));
        value("tls_key", security.tls_key.as_ref().map(|k| k as _));
        for (flag, set) in [
            ("discovery", self.kind == Kind::UniqueDiscovery),
            ("duplicate_connect", self.duplicate_connect),
            ("disable_sqflow", self.disable_sqflow),
            ("hdr_digest", self.header_digest),
            ("data_digest", self.data_digest),
            ("tls", security.tls),
            ("concat", security.concat),
        ] {
            if set {
                pairs.push((flag, Value::Nothing));
            }
        }
        for option in &self.newer {
            let value = option.value.clone().map_or(Value::Nothing, Value::Of);
            pairs.push((&option.name, value));
        }
        let secrets = [("dhchap_secret", &security.host), ("dhchap_ctrl_secret", &security.controller)];
        for (name, secret) in secrets {
            if let Some(secret) = secret {
                pairs.push((name, Value::Secret(&secret.0)));
            }
        }
        pairs
    }

    /// The string to write to the fabrics device. Without newer options never longer than a page: its longest parts are two NQNs of 222 bytes and two
    /// secrets of 103.
    #[must_use]
    pub fn to_option_string(&self) -> OptionString {
        let mut text = Zeroizing::new(String::with_capacity(MAX_LEN));
        for (name, value) in self.pairs() {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
            match value {
                Value::Nothing => {}
                Value::Of(value) => {
                    text.push('=');
                    text.push_str(&value);
                }
                Value::Secret(secret) => {
                    text.push('=');
                    text.push_str(secret.expose_text().as_str());
                }
            }
        }
        OptionString(text)
    }

    /// The names of the options in the string, in its order.
    #[must_use]
    pub fn option_names(&self) -> Vec<&str> {
        self.pairs().into_iter().map(|(name, _)| name).collect()
    }
}

/// Negative: never.
fn loss_seconds(loss: ControllerLoss) -> i64 {
    match loss {
        ControllerLoss::Never => -1,
        ControllerLoss::After(time) => i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
    }
}

/// Negative: off.
fn fail_seconds(fail: FastIoFail) -> i64 {
    match fail {
        FastIoFail::Off => -1,
        FastIoFail::After(time) => i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::identity::HostIdentity;

    fn host() -> HostIdentity {
        HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
    }

    const HOST: &str = "hostnqn=nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6,hostid=f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    #[test]
    fn a_complete_portable_request() {
        let options = ConnectOptions::tcp(
            "192.0.2.10".parse().unwrap(),
            4420,
            "nqn.2024-01.com.example:subsys1".parse().unwrap(),
            host(),
        )
        .unwrap()
        .controller_loss(ControllerLoss::After(Duration::from_secs(600)))
        .unwrap();
        assert_eq!(
            options.to_option_string().expose(),
            format!(
                "transport=tcp,traddr=192.0.2.10,trsvcid=4420,nqn=nqn.2024-01.com.example:subsys1,{HOST},ctrl_loss_tmo=600"
            )
        );
    }

    #[test]
    fn every_option_at_once() {
        let s = Duration::from_secs;
        let options =
            ConnectOptions::tcp("fe80::1%eth1".parse().unwrap(), 8009, "mysub".parse().unwrap(), host())
                .and_then(|o| o.host_traddr("fe80::2%eth1".parse().unwrap()))
                .and_then(|o| o.host_iface("eth1"))
                .and_then(|o| o.nr_io_queues(2))
                .and_then(|o| o.nr_write_queues(3))
                .and_then(|o| o.nr_poll_queues(4))
                .and_then(|o| o.queue_size(256))
                .and_then(|o| o.keep_alive(s(30)))
                .and_then(|o| o.reconnect_delay(s(1)))
                .and_then(|o| o.controller_loss(ControllerLoss::Never))
                .and_then(|o| o.fast_io_fail(FastIoFail::After(s(0))))
                .and_then(|o| o.tos(0))
                .and_then(ConnectOptions::duplicate_connect)
                .and_then(ConnectOptions::disable_sqflow)
                .and_then(ConnectOptions::header_digest)
                .and_then(ConnectOptions::data_digest)
                .unwrap();
        assert_eq!(
            options.to_option_string().expose(),
            format!(
                "transport=tcp,traddr=fe80::1%eth1,trsvcid=8009,host_traddr=fe80::2%eth1,host_iface=eth1,nqn=mysub,{HOST},\
                 nr_io_queues=2,nr_write_queues=3,nr_poll_queues=4,queue_size=256,keep_alive_tmo=30,reconnect_delay=1,\
                 ctrl_loss_tmo=-1,fast_io_fail_tmo=0,tos=0,duplicate_connect,disable_sqflow,hdr_digest,data_digest"
            )
        );
    }

    #[test]
    fn loop_and_discovery() {
        let l = ConnectOptions::loopback("mysub".parse().unwrap(), host()).unwrap();
        assert_eq!(l.to_option_string().expose(), format!("transport=loop,nqn=mysub,{HOST}"));
        let tcp = |nqn: &str| {
            ConnectOptions::tcp("::1".parse().unwrap(), 8009, nqn.parse().unwrap(), host())
                .unwrap()
                .discovery()
                .unwrap()
        };
        assert!(tcp("unique").to_option_string().expose().ends_with(",discovery"));
        assert!(
            !tcp(nvme_proto::DISCOVERY_NQN).option_names().contains(&"discovery"),
            "older kernels do not know it"
        );
    }

    #[test]
    fn addresses_are_canonical() {
        let with = |a: &str| {
            ConnectOptions::tcp(a.parse().unwrap(), 4420, "mysub".parse().unwrap(), host())
                .unwrap()
                .to_option_string()
        };
        assert_eq!(with("0:0:0:0:0:0:0:1"), with("::1"));
        assert_eq!(with("FD00::1"), with("fd00:0::1"));
    }
}
