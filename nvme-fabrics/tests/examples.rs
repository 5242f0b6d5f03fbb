//! The programs of `examples/` do what they say.
#![cfg(all(feature = "tokio", feature = "soft-target"))]

use nvme_fabrics::HostIdentity;
use nvme_fabrics::target::testing;
use nvme_fabrics::tcp::Connect;
use nvme_proto::{HostNqn, Nsid, SubsysNqn};

#[path = "../examples/discover.rs"]
#[allow(dead_code, reason = "its main reads the command line")]
mod discover;
#[path = "../examples/in_a_test.rs"]
mod in_a_test;
#[path = "../examples/read_write.rs"]
#[allow(dead_code, reason = "its main reads the command line")]
mod read_write;
#[path = "../examples/serve_file.rs"]
#[allow(dead_code, reason = "its main reads the command line")]
mod serve_file;

const NQN: &str = "nqn.2024-05.org.example:disk";

#[tokio::test]
async fn discover_finds_what_is_exported() {
    let target = testing::memory(NQN, 1 << 20).await.unwrap();
    let port = target.address().port();
    let found = discover::subsystems("127.0.0.1", port).await.unwrap();
    assert_eq!(found, [(NQN.to_owned(), "127.0.0.1".to_owned(), port.to_string())]);
}

#[tokio::test]
async fn read_write_counts_up() {
    let target = testing::memory(NQN, 1 << 20).await.unwrap();
    for count in 0..3 {
        let before = read_write::count_up(target.address(), target.nqn().clone()).await.unwrap();
        assert_eq!(before, [count; 4]);
    }
}

#[tokio::test]
async fn serve_file_serves_one_host() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 20).unwrap();
    let me = HostIdentity::for_nqn(HostNqn::new("nqn.2024-05.org.example:me").unwrap());
    let at = "127.0.0.1:0".parse().unwrap();
    let server = serve_file::serve(file.path(), at, me.nqn.clone()).await.unwrap();
    let (_, at) = server.addresses()[0];
    let nqn = SubsysNqn::new(NQN).unwrap();
    let controller = Connect::new(at, nqn.clone(), me).connect().await.unwrap();
    let disk = controller.namespace(Nsid::ONE).await.unwrap();
    let block = usize::try_from(disk.block_size()).unwrap();
    disk.write(1, vec![0xa5; block]).await.unwrap();
    disk.flush().await.unwrap();
    assert!(std::fs::read(file.path()).unwrap()[block..2 * block].iter().all(|byte| *byte == 0xa5));
    controller.disconnect().await;
    let stranger = HostIdentity::for_nqn(HostNqn::new("nqn.2024-05.org.example:stranger").unwrap());
    assert!(Connect::new(at, nqn, stranger).connect().await.is_err());
}

#[test]
fn in_a_test_runs() {
    in_a_test::main().unwrap();
}
