use std::fs;
use std::sync::mpsc;

use super::*;
use crate::target::backend::IoOp;

fn file(bytes: u64) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(bytes).unwrap();
    file
}

/// Runs a request and waits for it.
fn run(disk: &File, op: IoOp, data: Vec<u8>) -> Result<Vec<u8>, IoError> {
    let (sender, receiver) = mpsc::channel();
    disk.submit(Io::new(op, data, move |done| sender.send(done).unwrap()));
    let done = receiver.recv().unwrap();
    done.result.map(|()| done.buffer)
}

fn write(at: u64, byte: u8, len: usize) -> (IoOp, Vec<u8>) {
    let extent = Extent::new(at, bytes(len));
    (IoOp::Write { extent, durability: Durability::Forced }, vec![byte; len])
}

#[test]
fn both_ways_to_open_do_all_there_is() {
    for direct in [DirectIo::Try, DirectIo::Never] {
        let image = file(1 << 20);
        let disk = File::open(image.path(), &FileOptions::new().direct(direct)).unwrap();
        assert_eq!(disk.geometry().block_size, BlockSize::B4096);
        assert_eq!(disk.geometry().write_cache, WriteCache::Volatile);
        assert_eq!(disk.buffer_alignment() > 1, disk.directness().is_direct());
        let (op, data) = write(8192, 7, 200 << 10);
        run(&disk, op, data).unwrap();
        run(&disk, IoOp::Flush, Vec::new()).unwrap();
        let read = |at, len: usize| run(&disk, IoOp::Read(Extent::new(at, bytes(len))), vec![1; len]);
        assert_eq!(read(8192, 200 << 10).unwrap(), vec![7; 200 << 10]);
        assert_eq!(read(4096, 8192).unwrap(), [vec![0; 4096], vec![7; 4096]].concat());
        // As another reader of the file sees it.
        assert_eq!(fs::read(image.path()).unwrap()[8192..][..4096], [7; 4096]);

        run(&disk, IoOp::Discard([Extent::new(8192, 4096), Extent::new(16384, 4096)].into()), Vec::new())
            .unwrap();
        if disk.geometry().discard_granularity > 0 {
            assert_eq!(
                read(4096, 16384).unwrap()[4096..],
                [vec![0; 4096], vec![7; 4096], vec![0; 4096]].concat()
            );
        }
        for (deallocate, at) in [(Deallocate::Keep, 24576), (Deallocate::Allow, 28672)] {
            let extent = Extent::new(at, 4096);
            run(&disk, IoOp::WriteZeroes { extent, deallocate }, Vec::new()).unwrap();
        }
        assert_eq!(read(20480, 16384).unwrap(), [vec![7; 4096], vec![0; 8192], vec![7; 4096]].concat());
        // Zeros that are written, since nothing else works.
        let store = disk.opened();
        in_pieces(Extent::new(32768, 8192), |at, len| {
            store.write_at(at, &direct::ZEROS[..len], Durability::Cached)
        })
        .unwrap();
        assert_eq!(read(32768, 8192).unwrap(), [0; 8192]);

        let compare = |byte| run(&disk, IoOp::Compare(Extent::new(40960, 4096)), vec![byte; 4096]);
        assert!(compare(7).is_ok() && matches!(compare(8), Err(IoError::Differs)));
        run(&disk, IoOp::Verify(Extent::new(0, 1 << 20)), Vec::new()).unwrap();
        assert_eq!(disk.len(), 1 << 20, "nothing changes its size");
        assert!(matches!(read(1 << 20, 4096), Err(IoError::OutOfRange)));
    }
}

#[test]
fn memory_that_is_not_aligned_goes_through_some_that_is() {
    let image = file(1 << 20);
    let disk = File::open(image.path(), &FileOptions::new()).unwrap();
    let store = disk.opened();
    let data: Vec<u8> = (0..=200 << 10).map(|n: u32| n.to_le_bytes()[1]).collect();
    let (first, second) = (&data[..200 << 10], &data[1..]);
    for data in [first, second] {
        let mut back = vec![0; data.len() + 1];
        store.write_at(4096, data, Durability::Cached).unwrap();
        store.read_at(4096, &mut back[1..]).unwrap();
        assert!(back[1..] == *data);
    }
}

#[test]
fn a_file_that_hosts_only_read_stays_as_it_is() {
    let image = file(8192);
    fs::write(image.path(), [5; 8192]).unwrap();
    let disk = File::open(image.path(), &FileOptions::new().read_only()).unwrap();
    assert_eq!(disk.geometry().access, Access::ReadOnly);
    let (op, data) = write(0, 7, 4096);
    let extent = Extent::new(0, 4096);
    assert!(matches!(run(&disk, op, data), Err(IoError::ReadOnly)));
    assert!(matches!(run(&disk, IoOp::Discard([extent].into()), Vec::new()), Err(IoError::ReadOnly)));
    let zero = IoOp::WriteZeroes { extent, deallocate: Deallocate::Allow };
    assert!(matches!(run(&disk, zero, Vec::new()), Err(IoError::ReadOnly)));
    assert_eq!(fs::read(image.path()).unwrap(), [5; 8192]);
}

#[test]
fn what_is_no_disk_is_refused_in_words() {
    let odd = file(1000);
    let error = File::open(odd.path(), &FileOptions::new()).unwrap_err();
    assert!(
        error.to_string().contains("1000 bytes, which is not a whole number of blocks of 512"),
        "{error}"
    );
    let empty = file(0);
    let error = File::open(empty.path(), &FileOptions::new()).unwrap_err();
    assert!(error.to_string().contains("is empty"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(File::open(folder.path(), &FileOptions::new()), Err(FileError::Kind { .. })));
    let missing = File::open(folder.path().join("none"), &FileOptions::new()).unwrap_err();
    assert!(
        matches!(&missing, FileError::Open { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    );
    assert!(matches!(
        File::open(file(4096).path(), &FileOptions::new().threads(0)),
        Err(FileError::Threads(_))
    ));
    assert!(File::open("/proc/self/mem", &FileOptions::new()).is_err());
}

#[test]
fn it_becomes_longer_and_shorter() {
    let image = file(8192);
    let disk = File::open(image.path(), &FileOptions::new()).unwrap();
    disk.resize(1 << 20).unwrap();
    let (op, data) = write((1 << 20) - 4096, 7, 4096);
    run(&disk, op, data).unwrap();
    assert_eq!(fs::metadata(image.path()).unwrap().len(), 1 << 20);
    disk.resize(4096).unwrap();
    assert_eq!((disk.len(), disk.geometry().blocks), (4096, 1));
    assert!(matches!(disk.resize(5000), Err(FileError::Unaligned { .. })));
    let (op, data) = write(4096, 7, 4096);
    assert!(matches!(run(&disk, op, data), Err(IoError::OutOfRange)));
}
