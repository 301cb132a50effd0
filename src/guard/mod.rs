//! guard
pub mod actor;
mod canned;
pub mod classify;
pub mod decide;
pub mod history;
pub mod hold;
pub mod machine;
pub mod proof;
pub mod words;

#[cfg(test)]
mod redis_tests;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod trial;
