//! Malformed and odd input, row by row: what a connection answers, to the status and the byte it names.
//!
//! The rows are those of the catalogue of malformed inputs by their numbers: C for what a host may do to a controller, H for what a
//! controller may do to a host. Rows that a command alone decides are in [`commands`]; those that need a controller with namespaces, a
//! subsystem or a life before the command are its own.

mod commands;
mod controller;
mod host;
mod wire;
