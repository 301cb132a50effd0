//! The name of a live object. It belongs to the object and does not identify it: a reload may give it another one
//! while sessions hold the object ([`super::succession`]), and whoever words something takes the name of the moment.
//!
//! The control side writes it, when it makes a snapshot; logs and pages read it.

use std::sync::{Arc, Mutex};

use super::lock;

/// See the module.
#[derive(Debug)]
pub(super) struct Name(Mutex<Arc<str>>);

impl Name {
    pub(super) fn new(name: &str) -> Name {
        Name(Mutex::new(name.into()))
    }

    pub(super) fn now(&self) -> Arc<str> {
        Arc::clone(&lock(&self.0))
    }

    pub(super) fn change(&self, name: &str) {
        let mut now = lock(&self.0);
        if **now != *name {
            *now = name.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_took_it_keeps_it() {
        let name = Name::new("be");
        let before = name.now();
        name.change("be2");
        assert_eq!((&*before, &*name.now()), ("be", "be2"));
    }
}
