//! Digests and hashes of a sample's bytes. Which names there are is OpenSSL's; what they come to is in RFC 1321,
//! FIPS 180-4, RFC 2104, and in the description of xxHash.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use twox_hash::{XxHash3_64, XxHash32, XxHash64};

use super::coding;
use crate::config::model::{Alphabet, DigestKind, Xxh};

/// The digest.
pub(super) fn digest(kind: DigestKind, bytes: &[u8]) -> Vec<u8> {
    match kind {
        DigestKind::Md5 => Md5::digest(bytes).to_vec(),
        DigestKind::Sha1 => Sha1::digest(bytes).to_vec(),
        DigestKind::Sha224 => Sha224::digest(bytes).to_vec(),
        DigestKind::Sha256 => Sha256::digest(bytes).to_vec(),
        DigestKind::Sha384 => Sha384::digest(bytes).to_vec(),
        DigestKind::Sha512 => Sha512::digest(bytes).to_vec(),
        DigestKind::Sha512Of224 => Sha512_224::digest(bytes).to_vec(),
        DigestKind::Sha512Of256 => Sha512_256::digest(bytes).to_vec(),
    }
}

/// The digest under a key, which is written in Base64; `None` if that is none.
pub(super) fn hmac(kind: DigestKind, key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let key = coding::engine(Alphabet::Standard).decode(key).ok()?;
    match kind {
        DigestKind::Md5 => keyed::<Hmac<Md5>>(&key, bytes),
        DigestKind::Sha1 => keyed::<Hmac<Sha1>>(&key, bytes),
        DigestKind::Sha224 => keyed::<Hmac<Sha224>>(&key, bytes),
        DigestKind::Sha256 => keyed::<Hmac<Sha256>>(&key, bytes),
        DigestKind::Sha384 => keyed::<Hmac<Sha384>>(&key, bytes),
        DigestKind::Sha512 => keyed::<Hmac<Sha512>>(&key, bytes),
        DigestKind::Sha512Of224 => keyed::<Hmac<Sha512_224>>(&key, bytes),
        DigestKind::Sha512Of256 => keyed::<Hmac<Sha512_256>>(&key, bytes),
    }
}

fn keyed<M: Mac + KeyInit>(key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(bytes);
    Some(mac.finalize().into_bytes().to_vec())
}

/// The hash as HAProxy shows it: 64 bits with a sign.
pub(super) fn xxh(kind: Xxh, seed: u64, bytes: &[u8]) -> i64 {
    match kind {
        Xxh::Xxh32 => XxHash32::oneshot(seed as u32, bytes).into(),
        Xxh::Xxh64 => XxHash64::oneshot(seed, bytes) as i64,
        Xxh::Xxh3 => XxHash3_64::oneshot_with_seed(seed, bytes) as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::matching::hex;

    fn shown(bytes: &[u8]) -> String {
        String::from_utf8(hex(bytes)).unwrap().to_ascii_lowercase()
    }

    /// RFC 1321 section A.5, FIPS 180-4's examples, RFC 2202 and RFC 4231 test case 2.
    #[test]
    fn known_answers() {
        for (kind, expected) in [
            (DigestKind::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (DigestKind::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (DigestKind::Sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            (DigestKind::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            assert_eq!(shown(&digest(kind, b"abc")), expected, "{kind:?}");
        }
        for (kind, expected) in [
            (DigestKind::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (DigestKind::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (DigestKind::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ] {
            let made = hmac(kind, b"SmVmZQ==", b"what do ya want for nothing?").unwrap();
            assert_eq!(shown(&made), expected, "{kind:?}");
        }
        assert_eq!(hmac(DigestKind::Sha1, b"a", b""), None, "the key is no Base64");
    }

    /// As HAProxy 2.6.12 has them.
    #[test]
    fn fast_hashes() {
        for (kind, seed, expected) in [
            (Xxh::Xxh32, 0, 1_426_945_110),
            (Xxh::Xxh32, 7, 3_666_002_600),
            (Xxh::Xxh32, -7i64 as u64, 2_202_192_925),
            (Xxh::Xxh64, 0, -3_292_477_735_350_538_661),
            (Xxh::Xxh64, 7, -2_566_126_185_475_933_851),
            (Xxh::Xxh3, 0, -1_817_709_641_818_812_897),
            (Xxh::Xxh3, 7, -7_001_539_911_779_966_828),
        ] {
            assert_eq!(xxh(kind, seed, b"a"), expected, "{kind:?} {seed}");
        }
    }
}
