//! A long random history of commands, each answer held against a simple model of the disk.

use nvme_fabrics::tcp::{BlockRange, CommandError, Deallocate, Namespace};
use nvme_fabrics::testing::model::Model;
use nvme_proto::Status;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 512;
/// Blocks of one worker, and workers.
const BLOCKS: usize = 600;
const WORKERS: u64 = 6;

/// Lets all workers do `turns` things each, at the same time. Their models, and how many commands failed.
pub(crate) async fn workers(disk: &Namespace, turns: u32) -> (Vec<Model>, u32) {
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let model = Model::new(worker * BLOCKS as u64, BLOCKS, BLOCK);
            tokio::spawn(work(disk.clone(), model, worker, turns))
        })
        .collect();
    let (mut models, mut failed) = (Vec::new(), 0);
    for worker in workers {
        let (model, count) = worker.await.unwrap();
        models.push(model);
        failed += count;
    }
    (models, failed)
}

/// Looks at everything the workers have written.
pub(crate) async fn afterwards(disk: &Namespace, models: &mut [Model]) {
    for model in models {
        let data = disk.read(model.first(), model.len() as u32).await.unwrap();
        model.check(0, &data).unwrap_or_else(|wrong| panic!("afterwards: {wrong}"));
    }
}

/// Does `turns` random things to one part of a disk, and checks what it reads. How many failed.
async fn work(disk: Namespace, mut model: Model, seed: u64, turns: u32) -> (Model, u32) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut failed = 0;
    for turn in 0..turns {
        let count = if random.u8(..) < 200 { random.usize(1..=16) } else { random.usize(1..=300) };
        let at = random.usize(0..=model.len() - count);
        let lba = model.first() + at as u64;
        let range = BlockRange { lba, blocks: count as u64 };
        let done: Result<(), CommandError> = match random.u8(0..10) {
            0..4 => {
                let (version, data) = model.write(at, count);
                let done = disk.write(lba, data).await;
                match done {
                    Ok(()) => model.acknowledged(at, count, version),
                    Err(_) => model.unknown(at, count, version),
                }
                done
            }
            4 => {
                let done = match turn % 2 {
                    0 => disk.write_zeroes(range, Deallocate::Allowed).await,
                    _ => disk.discard(&[range]).await,
                };
                match done {
                    Ok(()) => model.acknowledged(at, count, 0),
                    Err(_) => model.unknown(at, count, 0),
                }
                done
            }
            5 => disk.flush().await,
            6 => compare(&disk, &model, at, count).await,
            _ => match disk.read(lba, count as u32).await {
                Ok(data) => {
                    if let Err(wrong) = model.check(at, &data) {
                        panic!("turn {turn} of seed {seed}: {wrong}");
                    }
                    Ok(())
                }
                Err(error) => Err(error),
            },
        };
        failed += u32::from(done.is_err());
    }
    (model, failed)
}

/// Compares blocks with what they hold, where that is certain, and then with something else: the target must see it as the model does.
pub(crate) async fn compare(
    disk: &Namespace,
    model: &Model,
    at: usize,
    count: usize,
) -> Result<(), CommandError> {
    let Some(mut data) = model.certain(at, count) else { return Ok(()) };
    let lba = model.first() + at as u64;
    let differs =
        |error: &CommandError| error.status().is_some_and(|status| status.is(Status::COMPARE_FAILURE));
    let same = disk.compare(lba, data.clone()).await;
    assert!(!same.as_ref().is_err_and(differs), "block {lba}: what it holds is not what it is taken for");
    data[count * BLOCK - 1] ^= 1;
    match disk.compare(lba, data).await {
        Ok(()) => panic!("block {lba}: another content compares as the same"),
        Err(error) if differs(&error) => same,
        Err(error) => Err(error),
    }
}
