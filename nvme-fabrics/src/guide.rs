//! Four things to do in user space, each a program of about 30 lines in the folder `examples/` of this crate.
//!
//! None of them needs root, a kernel module or Linux. What they share: a host has a name ([`HostIdentity`](crate::HostIdentity), from
//! `/etc/nvme` or generated), a subsystem has a name, and a target lets in the hosts that it was told to.
//!
//! # Discover from Rust
//!
//! A discovery service lists what this host may connect to, and other services that know more. [`discovery::tcp`](crate::discovery::tcp)
//! reads such logs in pieces that are checked to be of one generation, follows referrals once each, and stays within bounds whatever it is
//! told; `watch` there keeps the connection and tells of changes.
//!
//! ```no_run
#![doc = include_str!("../examples/discover.rs")]
//! ```
//!
//! # Read and write a remote namespace
//!
//! [`tcp::Connect`](crate::tcp::Connect) says what to connect to and how; a [`tcp::Namespace`](crate::tcp::Namespace) is then a disk of
//! blocks. Requests of any size are split as the controller wants it, many may be on their way at once, a lost connection is made anew, and
//! a future that is dropped costs nothing but its answer. Data protected by digests is checked end to end.
//!
//! ```no_run
#![doc = include_str!("../examples/read_write.rs")]
//! ```
//!
//! # Serve a file as an NVMe/TCP disk to a Linux host
//!
//! A [`target`](crate::target) holds subsystems with namespaces, and ports that export them; a [`Server`](crate::target::serve::Server) serves
//! it. Files are read and written past the page cache where their file system allows that; a flush is one, and a discard punches a hole.
//! Everything may change while hosts are connected: they are told.
//!
//! ```no_run
#![doc = include_str!("../examples/serve_file.rs")]
//! ```
//!
//! # Test your project against the soft target in one line
//!
//! [`target::testing`](crate::target::testing) serves a disk in memory on a free port of the loopback interface as long as its value lives.
//! What a test then does to it is up to the test: hosts lose their permission, namespaces grow, paths become inaccessible.
//!
//! ```
#![doc = include_str!("../examples/in_a_test.rs")]
//! ```
