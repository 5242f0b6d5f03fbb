//! The limit: the same bytes over the same socket, and nothing else.
//!
//! A request has 72 bytes, an answer a head of 24 and its data: what a read is in NVMe/TCP without digests. The server sends data straight from its
//! disk, everything that is ready by one `writev`; the client asks for everything it has room for by one `write`, and copies data to their
//! reader once.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of a request.
const ASK: usize = 72;
/// Bytes before the data of an answer.
const HEAD: usize = 24;
/// Bytes of the disk.
pub(crate) const DISK: usize = 64 << 20;

/// How long a row is measured each round, and how long it runs before.
pub(crate) const SLICE: Duration = Duration::from_millis(300);
pub(crate) const WARM_UP: Duration = Duration::from_millis(30);

/// A runtime of one thread.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Both ends of a connection.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let server = listener.accept().await?.0;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}

fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    // Sockets that do not wait.
    let (client, server) = runtime()
        .block_on(async {
            let (client, server) = pair().await?;
            Ok::<_, io::Error>((client.into_std()?, server.into_std()?))
        })
        .expect("loopback");
    (client, server)
}

/// Reads a second of processor time: both ends as tasks of one thread.
pub(crate) fn tasks(disk: &Arc<Vec<u8>>, depth: usize, len: usize) -> f64 {
    runtime().block_on(async {
        let (mut stream, served) = pair().await.expect("loopback");
        let disk = Arc::clone(disk);
        tokio::spawn(async move { Server::new(len).serve(served, &disk).await });
        let mut client = Client::new(depth, len);
        client.run(&mut stream, WARM_UP).await.expect("the raw server");
        let before = crate::cpu::time();
        let count = client.run(&mut stream, SLICE).await.expect("the raw server");
        count as f64 / (crate::cpu::time() - before).as_secs_f64()
    })
}

/// So many reads by two tasks of one thread, for whoever counts what they cost.
pub(crate) fn count(disk: &Arc<Vec<u8>>, depth: usize, len: usize, reads: u64) {
    runtime().block_on(async {
        let (mut stream, served) = pair().await.expect("loopback");
        let disk = Arc::clone(disk);
        tokio::spawn(async move { Server::new(len).serve(served, &disk).await });
        let mut client = Client::new(depth, len);
        while client.done < reads {
            client.run(&mut stream, Duration::from_micros(100)).await.expect("the raw server");
        }
    });
}

/// The same by one loop that never waits.
pub(crate) fn count_loop(disk: &[u8], depth: usize, len: usize, reads: u64) {
    let (stream, served) = std_pair();
    let mut client = Client::new(depth, len);
    let mut server = Server::new(len);
    while client.done < reads {
        client.step(&stream).expect("the raw server");
        server.step(&served, disk).expect("the raw client");
    }
}

/// Reads a second of processor time: both ends in one loop that never waits.
pub(crate) fn poll_loop(disk: &Arc<Vec<u8>>, depth: usize, len: usize) -> f64 {
    let (stream, served) = std_pair();
    let mut client = Client::new(depth, len);
    let mut server = Server::new(len);
    let mut run = |time: Duration| {
        let until = Instant::now() + time;
        let before = client.done;
        while Instant::now() < until {
            client.step(&stream).expect("the raw server");
            server.step(&served, disk).expect("the raw client");
        }
        client.done - before
    };
    run(WARM_UP);
    let before = crate::cpu::time();
    let count = run(SLICE);
    count as f64 / (crate::cpu::time() - before).as_secs_f64()
}

/// Reads a second of the wall clock: each end on a thread that never waits.
pub(crate) fn polling(disk: &Arc<Vec<u8>>, len: usize) -> f64 {
    let (stream, served) = std_pair();
    let disk = Arc::clone(disk);
    let thread = std::thread::spawn(move || {
        let mut server = Server::new(len);
        while let Ok(Some(())) = server.step(&served, &disk) {}
    });
    let mut client = Client::new(1, len);
    let mut run = |time: Duration| {
        let until = Instant::now() + time;
        let before = client.done;
        while Instant::now() < until {
            client.step(&stream).expect("the raw server");
        }
        client.done - before
    };
    run(WARM_UP);
    let before = Instant::now();
    let count = run(SLICE);
    let rate = count as f64 / before.elapsed().as_secs_f64();
    drop(stream);
    thread.join().expect("the raw server");
    rate
}

/// A disk with some content.
pub(crate) fn disk() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut disk = vec![0; DISK];
    random.fill(&mut disk);
    disk
}

/// The end that has the disk.
struct Server {
    asked: Vec<u8>,
    start: usize,
    end: usize,
    heads: Vec<[u8; HEAD]>,
    /// Where the data of the answers are.
    data: Vec<usize>,
    len: usize,
    /// Bytes of the answers that are sent.
    sent: usize,
}

impl Server {
    fn new(len: usize) -> Self {
        Self {
            asked: vec![0; 256 << 10],
            start: 0,
            end: 0,
            heads: Vec::new(),
            data: Vec::new(),
            len,
            sent: 0,
        }
    }

    fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.asked.len() - self.end < ASK {
            self.asked.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.asked[self.end..]
    }

    fn filled(&mut self, n: usize) {
        self.end += n;
        while self.end - self.start >= ASK {
            let ask = &self.asked[self.start..][..ASK];
            self.start += ASK;
            let block = u32::from_le_bytes(ask[48..52].try_into().unwrap());
            let mut head = [0; HEAD];
            head[8..10].copy_from_slice(&ask[10..12]);
            self.heads.push(head);
            self.data.push(block as usize * 512);
        }
    }

    /// What is left to send.
    fn slices<'a>(&'a self, disk: &'a [u8], slices: &mut Vec<IoSlice<'a>>) {
        slices.clear();
        let whole = HEAD + self.len;
        let mut skip = self.sent % whole;
        for (head, at) in self.heads.iter().zip(&self.data).skip(self.sent / whole).take(128) {
            if skip < HEAD {
                slices.push(IoSlice::new(&head[skip..]));
            }
            let from = skip.saturating_sub(HEAD);
            slices.push(IoSlice::new(&disk[at + from..at + self.len]));
            skip = 0;
        }
    }

    fn wrote(&mut self, n: usize) {
        self.sent += n;
        if self.sent == (HEAD + self.len) * self.heads.len() {
            self.heads.clear();
            self.data.clear();
            self.sent = 0;
        }
    }

    /// Serves until the client goes.
    async fn serve(mut self, mut stream: TcpStream, disk: &[u8]) -> io::Result<()> {
        loop {
            let n = stream.read(self.room()).await?;
            if n == 0 {
                return Ok(());
            }
            self.filled(n);
            while !self.heads.is_empty() {
                let mut slices = Vec::new();
                self.slices(disk, &mut slices);
                let n = stream.write_vectored(&slices).await?;
                drop(slices);
                self.wrote(n);
            }
        }
    }

    /// One look at a socket that does not wait. `None`: the client has gone.
    fn step(&mut self, mut stream: &std::net::TcpStream, disk: &[u8]) -> io::Result<Option<()>> {
        if self.heads.is_empty() {
            match stream.read(self.room()) {
                Ok(0) => return Ok(None),
                Ok(n) => self.filled(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if !self.heads.is_empty() {
            let mut slices = Vec::new();
            self.slices(disk, &mut slices);
            match stream.write_vectored(&slices) {
                Ok(n) => self.wrote(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(()))
    }
}

/// The end that reads.
struct Client {
    random: fastrand::Rng,
    len: usize,
    depth: usize,
    outstanding: usize,
    asks: Vec<u8>,
    answers: Vec<u8>,
    start: usize,
    end: usize,
    /// Where data are wanted: a buffer for each that is outstanding.
    places: Vec<Vec<u8>>,
    next: usize,
    /// How a request looks, with its block at byte 48.
    ask: [u8; ASK],
    done: u64,
    sent: usize,
}

impl Client {
    fn new(depth: usize, len: usize) -> Self {
        Self {
            random: fastrand::Rng::with_seed(7),
            len,
            depth,
            outstanding: 0,
            asks: Vec::new(),
            answers: vec![0; (256 << 10).max(2 * (len + HEAD))],
            start: 0,
            end: 0,
            places: vec![vec![0; len]; depth],
            next: 0,
            ask: [0; ASK],
            done: 0,
            sent: 0,
        }
    }

    /// Asks for as much as may be outstanding.
    fn ask(&mut self) {
        while self.outstanding < self.depth {
            let block = self.random.usize(0..DISK / self.len) * (self.len / 512);
            let id = self.next % self.depth;
            self.next += 1;
            self.ask[10..12].copy_from_slice(&(id as u16).to_le_bytes());
            self.ask[48..52].copy_from_slice(&(block as u32).to_le_bytes());
            self.asks.extend_from_slice(&self.ask);
            self.outstanding += 1;
        }
    }

    fn room(&mut self) -> &mut [u8] {
        let free = self.answers.len() - self.end;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if free < self.answers.len() / 4 {
            self.answers.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.answers[self.end..]
    }

    fn filled(&mut self, n: usize) {
        self.end += n;
        let whole = HEAD + self.len;
        while self.end - self.start >= whole {
            let answer = &self.answers[self.start..][..whole];
            let id = u16::from_le_bytes([answer[8], answer[9]]);
            self.places[usize::from(id)].copy_from_slice(&answer[HEAD..HEAD + self.len]);
            self.start += whole;
            self.outstanding -= 1;
            self.done += 1;
        }
    }

    /// Reads until the time has come; how many answers came.
    async fn run(&mut self, stream: &mut TcpStream, time: Duration) -> io::Result<u64> {
        let until = Instant::now() + time;
        let before = self.done;
        while Instant::now() < until {
            self.ask();
            stream.write_all(&self.asks).await?;
            self.asks.clear();
            let n = stream.read(self.room()).await?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.filled(n);
        }
        Ok(self.done - before)
    }

    /// One look at a socket that does not wait.
    fn step(&mut self, mut stream: &std::net::TcpStream) -> io::Result<()> {
        self.ask();
        if self.sent < self.asks.len() {
            match stream.write(&self.asks[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if self.sent == self.asks.len() {
                self.asks.clear();
                self.sent = 0;
            }
        }
        match stream.read(self.room()) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.filled(n);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}
