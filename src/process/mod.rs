//! process
pub mod frame;
pub mod gather;
pub mod message;
pub mod reload;
pub mod settings;
