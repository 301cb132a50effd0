//! Passwords as the system's own crypt(3) makes them: whatever format `mkpasswd` writes here is read here, as in
//! HAProxy, which asks the same function.

#![allow(unsafe_code, reason = "crypt(3), which no crate wraps")]

use std::ffi::{CStr, CString, c_char};
use std::sync::{Mutex, PoisonError};

// musl has it in the C library itself.
#[cfg_attr(not(target_env = "musl"), link(name = "crypt"))]
unsafe extern "C" {
    fn crypt(key: *const c_char, setting: *const c_char) -> *mut c_char;
}

/// crypt(3) answers in a buffer of its own, which the next call overwrites.
static TURN: Mutex<()> = Mutex::new(());

/// What the password comes to under the setting, which may be a whole hash: its own if it is the right one. `None`
/// if the system does not know the setting. Takes as long as the setting wants, be it seconds, and lets one caller
/// in at a time.
pub fn crypted(password: &[u8], setting: &[u8]) -> Option<Vec<u8>> {
    let (password, setting) = (CString::new(password).ok()?, CString::new(setting).ok()?);
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: both texts end in a zero byte and outlive the call. The answer is null or a text that ends in a zero
    // byte, in a buffer of the library's that nobody writes to while `_turn` is held; it is copied before that ends.
    let answer = unsafe {
        let answer = crypt(password.as_ptr(), setting.as_ptr());
        (!answer.is_null()).then(|| CStr::from_ptr(answer).to_bytes().to_vec())
    };
    // `*0` and `*1` say that there is no answer.
    answer.filter(|answer| !answer.starts_with(b"*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `mkpasswd` and `openssl passwd`, of the word `builder`.
    const MADE: [&str; 4] = [
        "$1$abcdefgh$OG8ThcMs28pRS0i6HKg9B/",
        "$5$rounds=1000$saltsalt$wkiYT51k29G/xEZDBAukhm/QMFqKdQHIUfBcrp1uXhA",
        "$6$rounds=1000$saltsalt$MmgSuXltk7MiPun6iqUg4EhT4rBBBKAvbQv9VWc6Md1rJUZOHgD9R7ybTSRlsQRjv7LqQhuL8A3dxin579TRL.",
        "$y$j75$saltsaltsalt$/Z/AByy3rBxSqjzGDAHSqPxL8mAWxN4z6JuBOkIzc4/",
    ];

    #[test]
    fn the_right_password_gives_its_own_hash() {
        for hash in MADE {
            assert_eq!(crypted(b"builder", hash.as_bytes()).as_deref(), Some(hash.as_bytes()), "{hash}");
            assert_ne!(crypted(b"builder2", hash.as_bytes()).as_deref(), Some(hash.as_bytes()), "{hash}");
        }
    }

    #[test]
    fn what_is_no_hash_is_nobodys() {
        for setting in ["", "*", "$9$x$y", "plain:text", "\0"] {
            assert_eq!(crypted(b"x", setting.as_bytes()), None, "{setting:?}");
        }
        assert_eq!(crypted(b"a\0b", MADE[0].as_bytes()), None);
    }

    #[test]
    fn callers_take_turns() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| crypted(b"builder", MADE[0].as_bytes()).unwrap() == MADE[0].as_bytes())
            })
            .collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    }
}
