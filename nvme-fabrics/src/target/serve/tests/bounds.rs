//! What peers may take.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Storage that keeps every request until it is told to go on.
#[derive(Default)]
pub(super) struct Held {
    pub(super) requests: std::sync::Mutex<Vec<crate::target::backend::Io>>,
}

impl Backend for Held {
    fn geometry(&self) -> crate::target::backend::Geometry {
        crate::target::backend::Geometry::new(crate::target::backend::BlockSize::B512, 1 << 20)
    }
    fn submit(&self, io: crate::target::backend::Io) {
        self.requests.lock().unwrap().push(io);
    }
}

impl Held {
    pub(super) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Completes what is there; says how many that were.
    pub(super) fn go_on(&self) -> usize {
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        let count = requests.len();
        requests.into_iter().for_each(|io| io.complete(Ok(())));
        count
    }
}

/// Lets every task that can run do so.
pub(super) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_shakes_hands_is_closed_in_time_and_takes_nothing() {
    let server = server(Arc::new(Memory::new(1 << 20).unwrap())).await;
    let began = tokio::time::Instant::now();
    // Nothing; a part of a header; a header of nonsense and no more.
    for greeting in [&[][..], &[0; 7]] {
        let (here, there) = tokio::io::duplex(1 << 16);
        let served = tokio::spawn(server.over(PORT, there));
        let mut here = here;
        here.write_all(greeting).await.unwrap();
        served.await.unwrap();
        assert_eq!(here.read(&mut [0; 8]).await.unwrap(), 0, "closed without a word");
    }
    assert_eq!(began.elapsed(), Duration::from_secs(20));
    let statistics = server.statistics();
    assert_eq!((statistics.failed_handshakes, statistics.connections), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn who_shakes_hands_and_never_connects_is_closed_in_time() {
    let server = server(Arc::new(Memory::new(1 << 20).unwrap())).await;
    let began = tokio::time::Instant::now();
    let (stream, served) = pipe(&server);
    let mut queue = Queue::new(stream, Config::io(8192));
    // Driven for nothing: the handshake goes through, and no Connect is sent.
    queue.until_closed().await;
    served.await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert_eq!(server.statistics().failed_handshakes, 1);
}

#[tokio::test]
async fn nonsense_is_answered_with_a_terminate_request() {
    let server = server(Arc::new(Memory::new(1 << 20).unwrap())).await;
    let (mut here, there) = tokio::io::duplex(1 << 16);
    let served = tokio::spawn(server.over(PORT, there));
    here.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut head = [0; 24];
    here.read_exact(&mut head).await.unwrap();
    assert_eq!(head[0], 0x03, "C2HTermReq");
    drop(here);
    served.await.unwrap();
    assert_eq!((server.statistics().violations, server.statistics().connections), (1, 0));
}

#[tokio::test]
async fn commands_wait_for_memory_and_none_is_lost() {
    let limits = Limits { memory_reserved: 64 << 10, ..Limits::new() }.memory(0);
    let disk = Arc::new(Memory::new(64 << 20).unwrap());
    let target = testing::target(&nqn(), disk).unwrap();
    let server = Server::builder(target).limits(limits).start().await.unwrap();
    let (_admin, mut queue) = host(&server, Config::io(8192)).await;
    // Data that are no lent page, more than there is memory for at a time.
    for number in 0..60_u64 {
        queue.submit(write(number * 64, vec![u8::try_from(number).unwrap(); 32 << 10]));
    }
    let done = queue.done(60).await;
    assert!(done.len() == 60 && done.iter().all(|done| done.result.is_ok()));
    for number in 0..60_u64 {
        queue.submit(read(number * 64, 64));
    }
    let mut seen: Vec<u8> = Vec::new();
    for done in queue.done(60).await {
        done.result.unwrap();
        let data = done.data.into_read().unwrap();
        assert!(data.iter().all(|byte| *byte == data[0]));
        seen.push(data[0]);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<u8>>());
    assert!(server.statistics().memory_waits > 50, "{:?}", server.statistics());
    assert_eq!(server.free_memory(), 0);
}

#[tokio::test]
async fn memory_held_by_one_host_leaves_others_their_own() {
    let limits = Limits::new().memory(1 << 20).memory_per_connection(4 << 20);
    let held = Arc::new(Held::default());
    let target = testing::target(&nqn(), held.clone()).unwrap();
    let server = Server::builder(target).limits(limits).start().await.unwrap();
    let (_admin, mut greedy) = host(&server, Config::io(8192)).await;
    for _ in 0..100 {
        greedy.submit(read(0, 128));
    }
    // It is driven while it waits: for an answer that does not come.
    let greedy = tokio::spawn(async move { (greedy.done(100).await.len(), greedy) });
    settle().await;
    let running = held.count();
    assert_eq!(running, (1 << 20) / (64 << 10) + 2, "the shared memory, and its own 128 KiB");
    assert_eq!(server.free_memory(), 0);
    let (_admin, mut modest) = host(&server, Config::io(8192)).await;
    let modest = tokio::spawn(async move { modest.call(read(0, 128)).await.result.is_ok() });
    settle().await;
    assert_eq!(held.count(), running + 1, "another host still has its own");
    while held.go_on() > 0 {
        settle().await;
    }
    assert!(modest.await.unwrap());
    let (count, greedy) = greedy.await.unwrap();
    assert_eq!(count, 100);
    drop(greedy);
    settle().await;
    assert_eq!(server.free_memory(), 1 << 20, "all of it came back");
}

#[tokio::test(start_paused = true)]
async fn who_holds_memory_and_stands_still_goes_when_others_wait() {
    let limits = Limits { memory_reserved: 0, ..Limits::new() }.memory(1 << 20);
    let disk = Arc::new(Memory::new(64 << 20).unwrap());
    let target = testing::target(&nqn(), disk).unwrap();
    let server = Server::builder(target).limits(limits).start().await.unwrap();
    let (_admin, mut staller) = host(&server, Config::io(0)).await;
    // Asks to write and never sends the data: it is driven until R2T has come, and then left alone.
    staller.submit(write(0, vec![1; 1 << 20]));
    staller.send_only().await;
    settle().await;
    assert_eq!(server.free_memory(), 0);
    let before = tokio::time::Instant::now();
    let (_admin, mut waiter) = host(&server, Config::io(0)).await;
    let done = waiter.call(read(0, 128)).await;
    assert!(done.result.is_ok());
    let waited = before.elapsed();
    assert!((Duration::from_secs(29)..Duration::from_secs(36)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn floods_of_connections_are_closed_at_the_door() {
    let limits = Limits { handshakes_per_peer: 5, ..Limits::new() }.connections_per_peer(8);
    let target = testing::target(&nqn(), Arc::new(Memory::new(1 << 20).unwrap())).unwrap();
    let server = Server::builder(target)
        .limits(limits)
        .listen(PORT, ([127, 0, 0, 1], 0).into())
        .start()
        .await
        .unwrap();
    let address = server.addresses()[0].1;
    let mut idle = Vec::new();
    for _ in 0..50 {
        let from = tokio::net::TcpSocket::new_v4().unwrap();
        from.bind(([127, 0, 0, 2], 0).into()).unwrap();
        idle.push(from.connect(address).await.unwrap());
    }
    // The sixth and later ones see their end.
    for stream in &mut idle[5..] {
        assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }
    let statistics = server.statistics();
    assert_eq!((statistics.accepted, statistics.refused), (5, 45));
    // Another address is let in.
    let stream = crate::net::Tcp::connect(address).await.unwrap();
    let (mut admin, _) = Identity::new(1, &nqn()).admin(stream, Config::admin()).await;
    assert!(admin.call(nvme_proto::host::Command::new(nvme_proto::sqe::Sqe::new(0x18))).await.result.is_ok());
}
