//! A target in user space: subsystems with namespaces on memory, on files, or on storage of your own, served over NVMe/TCP without privileges.
//!
//! | module | what |
//! |---|---|
//! | [`backend`] | what a namespace keeps its blocks in |

pub mod backend;
