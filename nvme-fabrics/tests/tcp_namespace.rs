//! Controllers and namespaces against a peer that keeps its promises.
#![cfg(feature = "tokio")]

mod tcp_peer;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use nvme_fabrics::tcp::{BlockRange, CommandError, Connect, Controller, Deallocate, Namespace};
use nvme_proto::digest::Digests;
use nvme_proto::{Nsid, Status};

use tcp_peer::{BLOCK, Options, Shared, dial, identity, nqn, shared};

async fn connect(shared: &Arc<Shared>) -> (Controller, Namespace) {
    let controller = Connect::over(dial(shared, 1 << 16), nqn(), identity()).connect().await.unwrap();
    let namespace = controller.namespace(Nsid::ONE).await.unwrap();
    (controller, namespace)
}

/// Blocks that all differ.
fn pattern(blocks: usize, seed: u8) -> Vec<u8> {
    (0..blocks * BLOCK).map(|at| ((at / BLOCK * 7 + at) as u8).wrapping_add(seed)).collect()
}

#[tokio::test]
async fn what_is_written_is_read_and_the_controller_is_shut_down() {
    let shared = shared(Options::default());
    let (controller, namespace) = connect(&shared).await;
    assert_eq!((namespace.block_size(), namespace.blocks(), namespace.len()), (512, 4096, 4096 * 512));
    assert!(controller.state().is_live());
    namespace.write(3, vec![7; 2 * BLOCK]).await.unwrap();
    assert_eq!(namespace.read(3, 2).await.unwrap(), vec![7; 2 * BLOCK]);
    assert_eq!(namespace.read_into(4, vec![1; 2 * BLOCK]).await.unwrap(), [[7; BLOCK], [0; BLOCK]].concat());
    namespace.flush().await.unwrap();
    drop(namespace);
    controller.disconnect().await;
    // Enabled, then shut down in order.
    assert_eq!(*shared.configurations.lock().unwrap(), [0x0046_0001, 0x0046_4001]);
    assert_eq!(shared.open.load(Ordering::SeqCst), 0, "connections are closed");
}

#[tokio::test]
async fn every_combination_of_digests_carries_data() {
    for digests in [0, 1, 2, 3].map(Digests::from_dgst) {
        let shared = shared(Options::default());
        let controller =
            Connect::over(dial(&shared, 4096), nqn(), identity()).digests(digests).connect().await.unwrap();
        assert_eq!(controller.limits().digests, digests);
        let namespace = controller.namespace(Nsid::ONE).await.unwrap();
        let data = pattern(64, 1);
        namespace.write(0, data.clone()).await.unwrap();
        assert_eq!(namespace.read(0, 64).await.unwrap(), data);
    }
}

#[tokio::test]
async fn large_requests_are_split_and_put_together_without_a_copy() {
    let options = Options { noiob: 100, ..Options::default() };
    let shared = shared(options);
    let (controller, namespace) = connect(&shared).await;
    assert_eq!(controller.limits().max_transfer, 128 << 10);
    let data = pattern(1000, 3);
    namespace.write(50, data.clone()).await.unwrap();
    // Boundaries at 100, 200, ... 1000, and no command of more than 256 blocks.
    assert_eq!(shared.seen(0x01), 11);
    assert_eq!(shared.disk.lock().unwrap()[50 * BLOCK..][..data.len()], data);

    assert_eq!(namespace.read(50, 1000).await.unwrap(), data);
    assert_eq!(shared.seen(0x02), 11);

    let vec = vec![0; data.len()];
    let at = vec.as_ptr();
    let vec = namespace.read_into(50, vec).await.unwrap();
    assert_eq!((vec.as_ptr(), &vec), (at, &data));

    let bytes = BytesMut::zeroed(data.len());
    let at = bytes.as_ptr();
    let bytes = namespace.read_into(50, bytes).await.unwrap();
    assert_eq!((bytes.as_ptr(), &bytes[..]), (at, &data[..]));

    let slice = vec![0; data.len()].into_boxed_slice();
    let at = slice.as_ptr();
    let slice = namespace.read_into(50, slice).await.unwrap();
    assert_eq!((slice.as_ptr(), &slice[..]), (at, &data[..]));

    let mut borrowed = vec![0; data.len()];
    namespace.read_to(50, &mut borrowed).await.unwrap();
    assert_eq!(borrowed, data);
}

#[tokio::test]
async fn vectored_requests_are_one_range() {
    let shared = shared(Options::default());
    let (_controller, namespace) = connect(&shared).await;
    let data = pattern(9, 5);
    let whole: Vec<Bytes> = data.chunks(3 * BLOCK).map(Bytes::copy_from_slice).collect();
    namespace.write_vectored(7, whole).await.unwrap();
    assert_eq!(shared.seen(0x01), 3);
    let ragged: Vec<Bytes> = data.chunks(700).map(Bytes::copy_from_slice).collect();
    namespace.write_vectored(20, ragged).await.unwrap();
    assert_eq!(shared.seen(0x01), 4);
    for lba in [7, 20] {
        let buffers = [2, 3, 4].map(|blocks| vec![0; blocks * BLOCK]).to_vec();
        assert_eq!(namespace.read_vectored(lba, buffers).await.unwrap().concat(), data);
    }
}

#[tokio::test]
async fn blocks_are_zeroed_given_back_compared_and_verified() {
    let shared = shared(Options::default());
    let (_controller, namespace) = connect(&shared).await;
    let data = pattern(40, 9);
    namespace.write_from(0, &data).await.unwrap();
    namespace.compare(0, data.clone()).await.unwrap();
    let error = namespace.compare(1, data[..BLOCK].to_vec()).await.unwrap_err();
    assert!(error.status().unwrap().is(Status::COMPARE_FAILURE), "{error}");
    namespace.write_zeroes(BlockRange { lba: 2, blocks: 2 }, Deallocate::Allowed).await.unwrap();
    let ranges: Vec<BlockRange> = (0..10).map(|at| BlockRange { lba: 10 + 2 * at, blocks: 1 }).collect();
    namespace.discard(&ranges).await.unwrap();
    namespace.verify(BlockRange { lba: 0, blocks: 4096 }).await.unwrap();
    for lba in 0..40 {
        let zero = matches!(lba, 2 | 3) || (10..30).contains(&lba) && lba % 2 == 0;
        let want = if zero { vec![0; BLOCK] } else { data[lba * BLOCK..][..BLOCK].to_vec() };
        assert_eq!(shared.block(lba), want, "{lba}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_before_it_is_sent() {
    let shared = shared(Options::default());
    let (controller, namespace) = connect(&shared).await;
    assert!(matches!(namespace.read(4096, 1).await, Err(CommandError::OutOfRange { .. })));
    assert!(matches!(namespace.read(u64::MAX, 2).await, Err(CommandError::OutOfRange { .. })));
    assert!(matches!(namespace.write(0, vec![0; 100]).await, Err(CommandError::Unaligned { .. })));
    assert!(matches!(namespace.write(0, Vec::new()).await, Err(CommandError::Unaligned { .. })));
    assert!(matches!(namespace.write_at(3, vec![0; 512]).await, Err(CommandError::Unaligned { .. })));
    let failed = namespace.read_into(4095, vec![3; 2 * BLOCK]).await.unwrap_err();
    assert_eq!(failed.buffer.unwrap(), vec![3; 2 * BLOCK]);
    assert!(matches!(controller.namespace(Nsid::new(2).unwrap()).await, Err(CommandError::Unusable { .. })));
    assert!(shared.seen.lock().unwrap().is_empty());
    let namespaces = controller.namespaces().await.unwrap();
    assert_eq!(namespaces.iter().map(|namespace| namespace.nsid().get()).collect::<Vec<_>>(), [1, 3]);
}

#[tokio::test]
async fn nothing_is_spawned_when_the_caller_drives() {
    let shared = shared(Options::default());
    let dial = dial(&shared, 4096);
    let connect = Connect::over(dial, nqn(), identity()).queues(3);
    let (controller, driver) = connect.establish().await.unwrap();
    assert_eq!(controller.limits().queues, 3);
    let work = async {
        let namespace = controller.namespace(Nsid::ONE).await.unwrap();
        namespace.write(0, pattern(300, 2)).await.unwrap();
        assert_eq!(namespace.read(0, 300).await.unwrap(), pattern(300, 2));
        drop(namespace);
        controller.disconnect().await;
    };
    tokio::join!(work, driver);
    assert_eq!(shared.open.load(Ordering::SeqCst), 0);
}

/// A stream that counts how often it is written to.
struct Counted(tokio::io::DuplexStream, Arc<std::sync::atomic::AtomicUsize>);

impl tokio::io::AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl tokio::io::AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn commands_of_many_callers_leave_together() {
    let shared = shared(Options::default());
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (mut inner, writes) = (dial(&shared, 1 << 20), Arc::clone(&count));
    let dial = move || {
        let (stream, writes) = (inner(), Arc::clone(&writes));
        async move { Ok(Counted(stream.await?, writes)) }
    };
    let controller = Connect::over(dial, nqn(), identity()).connect().await.unwrap();
    let namespace = controller.namespace(Nsid::ONE).await.unwrap();
    count.store(0, Ordering::SeqCst);
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..32_u64 {
        let namespace = namespace.clone();
        readers.spawn(async move {
            // Half of them begin later.
            if reader % 2 == 1 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            for round in 0..100 {
                namespace.read(reader * 100 + round, 8).await.unwrap();
            }
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    // 3200 commands, 32 at a time at best.
    assert!(count.load(Ordering::SeqCst) < 400, "{} writes", count.load(Ordering::SeqCst));
}

#[tokio::test]
async fn log_pages_features_and_commands_as_they_are() {
    use nvme_fabrics::tcp::Transfer;
    use nvme_proto::command::io::{Read, ReservationType};
    use nvme_proto::discovery::LogId;
    use nvme_proto::feature::{FeatureId, NumberOfQueues};

    let shared = shared(Options::default());
    let (controller, namespace) = connect(&shared).await;
    // Three commands: the controller takes 128 KiB in one.
    let page = controller.log_page(LogId::DISCOVERY, 8, 300_000).await.unwrap();
    assert_eq!(page, (8..300_008_u32).map(|at| (at / 4) as u8).collect::<Vec<u8>>());
    let error = controller.log_page(LogId::DISCOVERY, 2, 4).await.unwrap_err();
    assert!(matches!(error, CommandError::Parameter { value: 2, .. }), "{error}");

    assert_eq!(controller.feature(FeatureId::TIMESTAMP).await.unwrap().value(), 0x0e);
    assert_eq!(controller.set_feature(NumberOfQueues::pairs(1)).await.unwrap(), 0x000f_000f);

    shared.disk.lock().unwrap()[BLOCK..2 * BLOCK].fill(4);
    let answer = controller.io(Read::new(1, 1, 0).to_sqe(), Transfer::Read(BLOCK)).await.unwrap();
    assert!(answer.cqe.status.is_success() && answer.data == vec![4; BLOCK]);
    let unknown = controller.admin(nvme_proto::sqe::Sqe::new(0xc0), Transfer::None).await.unwrap_err();
    assert!(unknown.status().unwrap().is(Status::INVALID_OPCODE), "{unknown}");
    let action = nvme_proto::command::io::AcquireAction::ACQUIRE;
    let error =
        namespace.reservation_acquire(action, ReservationType::WRITE_EXCLUSIVE, 1, 0).await.unwrap_err();
    assert_eq!(error.to_string().split(':').next(), Some("Reservation Acquire failed"), "{error}");
}
