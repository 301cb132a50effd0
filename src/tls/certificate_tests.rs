use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

// By OpenSSL 3.0.
const CLIENT: &str = "\
MIIDqTCCApGgAwIBAgIUPPzCED5EfpoHYnrWoPsVPPNIPnwwDQYJKoZIhvcNAQELBQAwLDELMAkGA1UEBhMCREUxEDAOBgNVBAoM\
B1Rlc3QgQ0ExCzAJBgNVBAMMAmNhMB4XDTI2MTEyMTE2NTQxNloXDTI3MTEyMTE2NTQxNlowgYoxCzAJBgNVBAYTAkdCMRMwEQYD\
VQQIDApTb21lIFdoZXJlMQ8wDQYDVQQHDAZMb25kb24xEjAQBgNVBAoMCUFjbWUsIEluYzEKMAgGA1UECwwBeDEKMAgGA1UECwwB\
eTETMBEGA1UEAwwKY2xpZW50Lm9uZTEUMBIGCSqGSIb3DQEJARYFYUBiLmMwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIB\
AQCVOSWpZzhKrtH9ns9hUcWLRY04B2RiHr0lMTTRrMzgTYMvUK7gYJUaRtCr2psuxGyh1hASWEjr2z89pEaBHgfXW6y8e0KUzjDX\
XvGOoGBG/Gy+22DOVrKHBnz/lOorJ7x8cEjWYFsZLO2iwv5pv9GwePqMiU3q6gLZjALL+E0Mdmx14qEiq3+UUVBqg27fVPBYIhmR\
QABXl0ZLqqhSjx/YoW/fIe3vxhzVvgiClxggNrErlsRJf6fQlahdzCNoNuZQy8ADD9+0jdgXzLv+lQ0ui4sLI53c4/SizPMO4NUv\
qCw41Hoqr/bEA8UFtu4wa9QKzyY3gOqf3sG+GowR9yo7AgMBAAGjZDBiMBUGA1UdEQQOMAyCCmNsaWVudC5vbmUwCQYDVR0TBAIw\
ADAdBgNVHQ4EFgQUMQsoUZlV1ECRcR6jslBWBC3Z+GcwHwYDVR0jBBgwFoAUuOIQWRGYLsPyKbdH+CCCe1STwz8wDQYJKoZIhvcN\
AQELBQADggEBABdTgdEhzYdZYqpwy8XXfuFlxQqCxz/L8ZzjmOR9LLKxxE2BamFh0jblVTU/YNh5VSb9MBFCCBzFPa6WxKXQFih1\
cTVZ8XRIVu670dfDEULXhSAQ5R4CWG3Elq5IpsIwceaSRcj1UgjL1VdKEhtrMl3sFqGKGK6KRTFUbnkNWjl1OYKdYMuCmt+EUhi4\
OaaL0XuHZONSJkrCOFMHVUmlhQOaM1Xl4JO8i3F48jTyrIqfB/UtedXFA6PjRk6VcUP/3ZVgEVHr86AOxChEnheTIHV5O6bNrlWt\
iVVJ2JkQPZKi7sVdqV8Xm8x+VhT7Blpli6MK8qWVlmVNTJl6rQPnsBg=\
";
const FRONT: &str = "\
MIICozCCAYugAwIBAgIUPPzCED5EfpoHYnrWoPsVPPNIPnswDQYJKoZIhvcNAQELBQAwLDELMAkGA1UEBhMCREUxEDAOBgNVBAoM\
B1Rlc3QgQ0ExCzAJBgNVBAMMAmNhMB4XDTI2MTEyMTE2NTQxNVoXDTI3MTEyMTE2NTQxNVowUTELMAkGA1UEBhMCRlIxEjAQBgNV\
BAoMCUZyb250IE9yZzEMMAoGA1UECwwDb25lMQwwCgYDVQQLDAN0d28xEjAQBgNVBAMMCWEuZXhhbXBsZTBZMBMGByqGSM49AgEG\
CCqGSM49AwEHA0IABBVhW6/dWhLgovVUR1DGKNZJZ7UFd+DNoeGdJhmZo8MRKbMf0gc4SeFDrJ2hOSxgYyLENE6bFyWhmH2uFCRD\
vxCjYzBhMBQGA1UdEQQNMAuCCWEuZXhhbXBsZTAJBgNVHRMEAjAAMB0GA1UdDgQWBBSd4vi2YxC3FipTqqgLTU2OdbV0mjAfBgNV\
HSMEGDAWgBS44hBZEZguw/Ipt0f4IIJ7VJPDPzANBgkqhkiG9w0BAQsFAAOCAQEANQmrT/2mQIKT+cRKzckC057JhNIEQkdktOZd\
EfovT8WXOXf53ogm8dkX5Y9O1DGaUHTuGhYKeuTScJjPnk7zac8GBI8xFK5RDuUukWZrR4XjD1WKQwyd9pXA7uEWwPuZckLqioiS\
I6FnHt2KSGk3sGl7SLs+3Uap6x53529Z3sPLGAhHN1fIrxI+KQm10a8pea0qTaigvGkWRfLKQCTzvFCtvCNjuh5lqlslyKRbOOuF\
FAvqgPVSZe+4HpNUiDSNOvROJY1KOksClurOaUYxOAGbHpUAo3+zB+XScY+Oa03KoRO/jL1DOiaIYg8fpOxG4LLxB5ZTGd16Unpk\
6LL31Q==\
";

fn der(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

fn text(certificate: &str, fact: &CertificateFact) -> String {
    match told(&der(certificate), fact) {
        Some(Value::Text(text)) => String::from_utf8(text).unwrap(),
        Some(Value::Binary(bytes)) => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
        Some(Value::Integer(number)) => number.to_string(),
        _ => "-".to_owned(),
    }
}

fn entry(name: &str, occurrence: i64) -> NamePart {
    NamePart::Entry(NameEntry { name: name.to_owned(), occurrence })
}

/// As HAProxy 2.6.12 wrote it into its log.
#[test]
fn a_certificate_tells_what_haproxy_tells_of_it() {
    use CertificateFact as C;
    let slashes = NamePart::Whole(NameForm::Slashes);
    let rfc2253 = NamePart::Whole(NameForm::Rfc2253);
    let subject = "/C=GB/ST=Some Where/L=London/O=Acme, Inc/OU=x/OU=y/CN=client.one/emailAddress=a@b.c";
    let reversed = "emailAddress=a@b.c,CN=client.one,OU=y,OU=x,O=Acme\\, Inc,L=London,ST=Some Where,C=GB";
    for (fact, expected) in [
        (C::Subject(slashes.clone()), subject),
        (C::Subject(rfc2253), reversed),
        (C::Subject(entry("cn", 1)), "client.one"),
        (C::Subject(entry("CN", 1)), "client.one"),
        (C::Subject(entry("OU", 1)), "x"),
        (C::Subject(entry("OU", 2)), "y"),
        (C::Subject(entry("OU", -1)), "y"),
        (C::Subject(entry("OU", 3)), "-"),
        (C::Issuer(slashes), "/C=DE/O=Test CA/CN=ca"),
        (C::Serial, "3CFCC2103E447E9A07627AD6A0FB153CF3483E7C"),
        (C::Sha1, "EBA348C5063C266F864C32B1B154EC4F7CC0F057"),
        (C::NotBefore, "261121165416Z"),
        (C::NotAfter, "271121165416Z"),
        (C::SignatureAlgorithm, "RSA-SHA256"),
        (C::KeyAlgorithm, "rsaEncryption"),
        (C::Version, "3"),
    ] {
        assert_eq!(text(CLIENT, &fact), expected, "{fact:?}");
    }
    assert_eq!(text(FRONT, &C::KeyAlgorithm), "id-ecPublicKey");
    assert_eq!(
        (key(&der(CLIENT)).as_deref(), signature(&der(CLIENT))),
        (Some("RSA2048"), Some("RSA-SHA256"))
    );
    assert_eq!((key(&der(FRONT)).as_deref(), signature(&der(FRONT))), (Some("EC256"), Some("RSA-SHA256")));
}

#[test]
fn a_part_of_a_certificate_says_nothing() {
    let whole = der(FRONT);
    for cut in 0..whole.len() {
        assert_eq!(told(&whole[..cut], &CertificateFact::Version), None, "{cut}");
        assert_eq!((key(&whole[..cut]), signature(&whole[..cut])), (None, None), "{cut}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_fail(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let whole = NamePart::Whole(NameForm::Rfc2253);
        proptest::prop_assert!(told(&bytes, &CertificateFact::Subject(whole)).is_none());
        proptest::prop_assert!(key(&bytes).is_none());
    }
}
