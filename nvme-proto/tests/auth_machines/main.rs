//! Both sides of DH-HMAC-CHAP: against recorded exchanges, against each other, and against peers that do not keep to the rules.
#![cfg(feature = "auth")]

#[path = "../common/mod.rs"]
mod common;
mod controller;
mod exchanges;
mod host;
mod parties;
