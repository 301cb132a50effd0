//! The real haproxy and rolecall on the same configs: the verdict of `-c`, its exit code and the lines it
//! complains of; which server gets each of a series of connections; the lines of the log; what checks make of
//! servers.
//!
//! A haproxy that is not installed is a failure: `tests/run.sh` installs it.

#![allow(clippy::panic, reason = "a panic is how a test fails")]

mod addresses;
mod agents;
mod announced;
mod commands;
mod converters;
mod dns;
mod effects;
mod hashing;
mod health;
mod pages;
mod program;
mod rules;
mod secured;
mod shortage;
mod silence;
mod sockets;
mod times;
mod tls;
mod tracking;
mod traffic;
mod verdicts;
