//! health

pub mod tcp_check;
