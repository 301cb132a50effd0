//! The lists of patterns that ACLs and maps ask, as they are now. Workers read them on a client's way and the control
//! thread changes them when the runtime socket says so: a lock for many readers, held for one lookup or one change.
//!
//! What nobody has changed needs no lock in ACLs: the config's own patterns decide. So an ACL's list is only taken
//! in here once somebody wants to see or to change it. `edited` is set under the lock and read without it; who sees
//! it too late decides as if the change had come a moment later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::config::model::{PatternList, Value};
use crate::rules::patterns::Patterns;

/// See the module.
#[derive(Debug)]
pub struct ListLive {
    config: Arc<PatternList>,
    edited: AtomicBool,
    patterns: OnceLock<RwLock<Patterns>>,
}

impl ListLive {
    /// As the config has it.
    pub fn new(config: &Arc<PatternList>) -> ListLive {
        ListLive { config: Arc::clone(config), edited: AtomicBool::new(false), patterns: OnceLock::new() }
            .made()
    }

    /// What clients look up values in is there before they come.
    fn made(self) -> ListLive {
        if self.config.readers.iter().any(|reader| reader.output.is_some()) {
            self.patterns();
        }
        self
    }

    /// What the config says of it.
    pub fn config(&self) -> &Arc<PatternList> {
        &self.config
    }

    /// Whether an ACL's value is among them; `None`: they are as in the config.
    pub fn has(&self, reader: usize, value: &Value) -> Option<bool> {
        let edited = self.edited.load(Ordering::Acquire);
        edited.then(|| self.read(|patterns| patterns.has(reader, value)))
    }

    /// What a map has for a value.
    pub fn map(&self, reader: usize, value: &Value) -> Option<Value> {
        self.read(|patterns| patterns.map(reader, value))
    }

    /// The version in use and the last one prepared, and how many entries there are.
    pub fn counts(&self) -> ((u32, u32), usize) {
        match self.patterns.get() {
            Some(_) => self.read(|patterns| (patterns.versions(), patterns.len())),
            None => ((0, 0), self.config.entries.len()),
        }
    }

    /// Looks at them.
    pub fn read<T>(&self, look: impl FnOnce(&Patterns) -> T) -> T {
        look(&self.patterns().read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes them.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Patterns) -> T) -> T {
        let mut patterns = self.patterns().write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut patterns);
        self.edited.store(true, Ordering::Release);
        changed
    }

    fn patterns(&self) -> &RwLock<Patterns> {
        self.patterns.get_or_init(|| RwLock::new(Patterns::new(&self.config)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Columns, Entry, Reader};
    use crate::config::rule::matching::Method;

    #[test]
    fn what_nobody_changed_is_left_to_the_config() {
        let list = PatternList {
            number: 0,
            file: None,
            description: String::new(),
            columns: Columns::Pattern,
            in_acls: true,
            in_maps: false,
            readers: vec![Reader { method: Method::Address, ignore_case: false, output: None }],
            entries: vec![Entry { key: b"10.0.0.0/8".to_vec(), value: None }],
        };
        let live = ListLive::new(&Arc::new(list));
        let client = Value::Address([192, 168, 0, 1].into());
        assert_eq!(live.has(0, &client), None);
        live.edit(|patterns| patterns.add(None, b"192.168.0.0/16", None)).unwrap();
        assert_eq!(live.has(0, &client), Some(true));
        assert_eq!(live.has(0, &Value::Address([10, 0, 0, 1].into())), Some(true));
        assert_eq!(live.has(0, &Value::Address([11, 0, 0, 1].into())), Some(false));
    }
}
