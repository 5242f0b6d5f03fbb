//! Whatever is asked for, the kernel reads exactly that. Checked by a second reading of the kernel's grammar.

use std::time::Duration;

use nvme_fabrics::testing::{check_option_string, kernel_reading, text};
use nvme_fabrics::{ConnectOptions, ControllerLoss, FastIoFail, HostIdentity};
use nvme_proto::testing::{host_id, host_nqn, ip_traddr, subsys_nqn};
use proptest::prelude::*;

/// Numbers as they go into the setters.
#[derive(Debug, Clone)]
struct Numbers {
    io: u32,
    write: u32,
    poll: u32,
    size: u16,
    keep_alive: u64,
    delay: u64,
    loss: Option<u64>,
    fail: Option<u64>,
    tos: u8,
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let int = 1..=u32::MAX / 2;
    (
        (int.clone(), int.clone(), int, 16..=1024_u16),
        (1..=4_294_957_u64, 1..=2_147_483_647_u64),
        proptest::option::of(0..=2_147_483_647_u64),
        proptest::option::of(0..=2_147_483_647_u64),
        any::<u8>(),
    )
        .prop_map(|((io, write, poll, size), (keep_alive, delay), loss, fail, tos)| Numbers {
            io,
            write,
            poll,
            size,
            keep_alive,
            delay,
            loss,
            fail,
            tos,
        })
}

proptest! {
    #[test]
    fn texts_arrive_as_they_are(
        nqn in subsys_nqn(),
        host in host_nqn(),
        id in host_id(),
        address in ip_traddr(),
        port in 1..=u16::MAX,
        interface in "[!-~]{1,15}",
    ) {
        // Names and addresses that are too long for the host are refused, which is checked elsewhere.
        if let Ok(options) = ConnectOptions::tcp(address.clone(), port, nqn.clone(), HostIdentity::new(host.clone(), id)) {
            check_option_string(&options);
            if let Ok(options) = options.clone().host_iface(&interface) {
                check_option_string(&options);
            }
            if let Ok(options) = options.host_traddr(address) {
                check_option_string(&options);
            }
        }
        if let Ok(options) = ConnectOptions::loopback(nqn, HostIdentity::new(host, id)) {
            check_option_string(&options);
        }
    }

    #[test]
    fn numbers_arrive_as_they_are(n in numbers()) {
        let s = Duration::from_secs;
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        let options = ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host)
            .and_then(|o| o.nr_io_queues(n.io))
            .and_then(|o| o.nr_write_queues(n.write))
            .and_then(|o| o.nr_poll_queues(n.poll))
            .and_then(|o| o.queue_size(n.size))
            .and_then(|o| o.keep_alive(s(n.keep_alive)))
            .and_then(|o| o.reconnect_delay(s(n.delay)))
            .and_then(|o| o.controller_loss(n.loss.map_or(ControllerLoss::Never, |t| ControllerLoss::After(s(t)))))
            .and_then(|o| o.fast_io_fail(n.fail.map_or(FastIoFail::Off, |t| FastIoFail::After(s(t)))))
            .and_then(|o| o.tos(n.tos))
            .unwrap();
        check_option_string(&options);
        let read = kernel_reading(options.to_option_string().expose()).unwrap();
        let or_minus_one = |n: Option<u64>| n.map_or("-1".to_owned(), |n| n.to_string());
        for (name, want) in [
            ("nr_io_queues", n.io.to_string()),
            ("nr_write_queues", n.write.to_string()),
            ("nr_poll_queues", n.poll.to_string()),
            ("queue_size", n.size.to_string()),
            ("keep_alive_tmo", n.keep_alive.to_string()),
            ("reconnect_delay", n.delay.to_string()),
            ("ctrl_loss_tmo", or_minus_one(n.loss)),
            ("fast_io_fail_tmo", or_minus_one(n.fail)),
            ("tos", n.tos.to_string()),
        ] {
            prop_assert_eq!(read.get(name), Some(&want), "{}", name);
        }
    }

    #[test]
    fn no_text_upsets_a_parser(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        text(&data);
    }

    #[test]
    fn no_near_miss_upsets_a_parser(
        data in "(nvme|ng|nvme-subsys|/dev/|nqn|instance|cntlid|Connect |subsysnqn|[0-9]|[a-z]|[,=;:\"'\\\\ \n%.-]){0,30}",
    ) {
        text(data.as_bytes());
    }
}
