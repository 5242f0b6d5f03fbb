//! Storage that waits, and storage that fails.

use std::time::Duration;

use super::*;
use crate::target::backend::{
    BlockSize, BlockStore, Durability, File, FileOptions, Geometry, IoError, Threads,
};
use nvme_proto::Status;
use nvme_proto::digest::Digests;
use nvme_proto::host::{CommandError, Placement};

/// Memory behind threads, which take a while.
struct Slow(Memory);

impl BlockStore for Slow {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }
    fn read_at(&self, at: u64, to: &mut [u8]) -> Result<(), IoError> {
        std::thread::sleep(Duration::from_micros(at % 7 * 50));
        self.0.read_at(at, to)
    }
    fn write_at(&self, at: u64, data: &[u8], durability: Durability) -> Result<(), IoError> {
        std::thread::sleep(Duration::from_micros(at % 5 * 50));
        self.0.write_at(at, data, durability)
    }
}

/// Writes and reads back blocks of all sizes, in and behind the capsule.
async fn exercise(backend: Arc<dyn Backend>, digests: Digests) {
    let server = server(backend).await;
    let mut config = Config::io(8192);
    config.digests = digests;
    let (_admin, mut queue) = host(&server, config).await;
    let mut random = fastrand::Rng::with_seed(u64::from(digests.header) * 2 + u64::from(digests.data));
    // Places that do not overlap, so that they may be done in any order.
    let lens = [512, 4096, 8192, 12 << 10, 128 << 10, 300 << 10];
    let blocks: Vec<(u64, Vec<u8>)> = (0..36_u64)
        .map(|number| {
            let len = lens[usize::try_from(number).unwrap() % lens.len()];
            let mut data = vec![0; len];
            random.fill(&mut data);
            (number * 1024, data)
        })
        .collect();
    for (number, (block, data)) in blocks.iter().enumerate() {
        let placement = if number % 4 == 3 { Placement::Transfer } else { Placement::Auto };
        queue.submit(write(*block, data.clone()).placed(placement));
    }
    assert!(queue.done(blocks.len()).await.iter().all(|done| done.result.is_ok()));
    for (block, data) in &blocks {
        let done = queue.call(read(*block, u16::try_from(data.len() / 512).unwrap())).await;
        done.result.unwrap();
        assert!(done.data.into_read().unwrap() == *data, "block {block}");
    }
    queue.close().await;
}

fn all_digests() -> [Digests; 4] {
    [Digests::NONE, Digests::HEADER, Digests::from_dgst(2), Digests::BOTH]
}

#[tokio::test]
async fn data_are_whole_with_every_digest_on_memory() {
    for digests in all_digests() {
        exercise(Arc::new(Memory::new(32 << 20).unwrap()), digests).await;
        let small = Memory::with_block_size(32 << 20, BlockSize::B512).unwrap();
        exercise(Arc::new(Threads::new(Slow(small), 4).unwrap()), digests).await;
    }
}

#[tokio::test]
async fn data_are_whole_with_every_digest_on_files() {
    for digests in all_digests() {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(32 << 20).unwrap();
        let options = FileOptions::new().block_size(BlockSize::B512).threads(3);
        exercise(Arc::new(File::open(image.path(), &options).unwrap()), digests).await;
    }
}

/// Storage that fails as it is told by the place.
struct Failing;

impl BlockStore for Failing {
    fn geometry(&self) -> Geometry {
        Geometry::new(BlockSize::B512, 1 << 20)
    }
    fn read_at(&self, at: u64, to: &mut [u8]) -> Result<(), IoError> {
        match at {
            0 => Err(IoError::reading(std::io::Error::from_raw_os_error(5))),
            512 => panic!("as the test wants it"),
            _ => {
                to.fill(1);
                Ok(())
            }
        }
    }
    fn write_at(&self, _: u64, _: &[u8], _: Durability) -> Result<(), IoError> {
        Err(IoError::NoSpace)
    }
}

#[tokio::test]
async fn failures_of_storage_become_statuses_and_the_connection_lives() {
    let server = server(Arc::new(Threads::new(Failing, 2).unwrap())).await;
    let (_admin, mut queue) = host(&server, Config::io(8192)).await;
    let cases = [
        (read(0, 1), Status::UNRECOVERED_READ_ERROR),
        (read(1, 1), Status::INTERNAL_ERROR),
        (write(0, vec![0; 512]), Status::CAPACITY_EXCEEDED),
        (write(0, vec![0; 100 << 10]), Status::CAPACITY_EXCEEDED),
        (read(1 << 20, 1), Status::LBA_OUT_OF_RANGE),
    ];
    for (command, status) in cases {
        let done = queue.call(command).await;
        match done.result.unwrap_err() {
            CommandError::Status(cqe) => assert_eq!(cqe.status.code(), status.code(), "{:?}", cqe.status),
            other => panic!("{other}"),
        }
    }
    queue.call(read(2, 8)).await.result.unwrap();
}
