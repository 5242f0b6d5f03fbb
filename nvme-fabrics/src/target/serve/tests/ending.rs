//! How connections and servers end.

use std::time::Duration;

use super::bounds::{Held, settle};
use super::*;

#[tokio::test]
async fn a_shutdown_finishes_what_was_accepted_and_begins_nothing() {
    let held = Arc::new(Held::default());
    let server = server(held.clone()).await;
    let (_admin, mut queue) = host(&server, Config::io(8192)).await;
    for _ in 0..10 {
        queue.submit(write(0, vec![1; 4096]));
    }
    let client = tokio::spawn(async move {
        let done = queue.until_closed().await;
        done.into_iter().map(|done| done.result.is_ok()).collect::<Vec<bool>>()
    });
    settle().await;
    assert_eq!(held.count(), 10);
    let ending = tokio::spawn(server.shutdown(Duration::from_secs(60)));
    settle().await;
    assert!(!ending.is_finished(), "commands run");
    held.go_on();
    let shutdown = ending.await.unwrap();
    assert_eq!((shutdown.connections, shutdown.cut_off), (2, 0));
    assert_eq!(client.await.unwrap(), [true; 10], "every accepted write was answered");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_ever() {
    let held = Arc::new(Held::default());
    let server = server(held.clone()).await;
    let (_admin, mut queue) = host(&server, Config::io(8192)).await;
    queue.submit(read(0, 8));
    let client = tokio::spawn(async move { queue.until_closed().await.len() });
    settle().await;
    let began = tokio::time::Instant::now();
    let shutdown = server.shutdown(Duration::from_secs(3)).await;
    assert_eq!((shutdown.connections, shutdown.cut_off), (2, 1));
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert_eq!(client.await.unwrap(), 1);
    assert_eq!(held.go_on(), 1, "storage finishes after its connection has gone, and nothing happens");
}

#[tokio::test]
async fn a_dropped_server_ends_its_connections_and_frees_its_port() {
    let target = testing::target(&nqn(), Arc::new(Memory::new(1 << 20).unwrap())).unwrap();
    let start = |at: std::net::SocketAddr, workers| {
        let builder = Server::builder(target.clone()).listen(PORT, at);
        let builder = if workers > 0 { builder.workers(workers) } else { builder };
        builder.start()
    };
    let mut at = ([127, 0, 0, 1], 0).into();
    for workers in [0, 1, 3] {
        let server = start(at, workers).await.unwrap();
        at = server.addresses()[0].1;
        let identity = Identity::new(1, &nqn());
        let connect = || crate::net::Tcp::connect(at);
        let (mut admin, cntlid) = identity.admin(connect().await.unwrap(), Config::admin()).await;
        let mut queue = identity.io(connect().await.unwrap(), 1, cntlid, Config::io(8192)).await;
        queue.call(write(0, vec![1; 4096])).await.result.unwrap();
        let taken = start(at, 0).await.unwrap_err();
        assert!(taken.to_string().contains("something else does"), "{taken}");
        drop(server);
        assert!(queue.until_closed().await.is_empty() && admin.until_closed().await.is_empty());
        settle().await;
    }
    assert!(matches!(
        Server::builder(target.clone()).workers(0).start().await,
        Err(ServeError::Workers { workers: 0 })
    ));
}

#[tokio::test]
async fn a_change_of_the_target_ends_the_associations_it_concerns() {
    let server = server(Arc::new(Memory::new(1 << 20).unwrap())).await;
    let (mut admin, mut queue) = host(&server, Config::io(8192)).await;
    queue.call(read(0, 8)).await.result.unwrap();
    server.target().withdraw(PORT, &nqn()).unwrap();
    admin.until_closed().await;
    queue.until_closed().await;
    server.target().export(PORT, &nqn()).unwrap();
    let (_admin, mut queue) = host(&server, Config::io(8192)).await;
    queue.call(read(0, 8)).await.result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_silent_is_gone_when_its_time_is_over() {
    let server = server(Arc::new(Memory::new(1 << 20).unwrap())).await;
    let identity = Identity::new(1, &nqn()).keep_alive(5000);
    let (mut admin, cntlid) = identity.admin(pipe(&server).0, Config::admin()).await;
    let mut queue = identity.io(pipe(&server).0, 1, cntlid, Config::io(8192)).await;
    // Traffic on the I/O queue keeps the association alive.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        queue.call(read(0, 8)).await.result.unwrap();
    }
    let began = tokio::time::Instant::now();
    tokio::join!(admin.until_closed(), queue.until_closed());
    let lasted = began.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(11)).contains(&lasted), "{lasted:?}");
    assert_eq!(server.statistics().expired, 1);
}
