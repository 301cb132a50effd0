use proptest::prelude::*;

use super::*;

const ROOM: usize = 16384;

fn addresses(source: &str, destination: &str) -> Option<Addresses> {
    Some(Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
}

fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend((body.len() as u16).to_be_bytes());
    header.extend_from_slice(body);
    header
}

#[test]
fn lines_are_read_as_the_protocol_says() {
    let four = addresses("1.2.3.4:1111", "5.6.7.8:2222");
    let six = addresses("[2001:db8::1]:1", "[2001:db8::2]:65535");
    let good = [
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", four),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", six),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    ];
    for (line, addresses) in good {
        let length = line.len();
        let decoded = decode(format!("{line}PING\r\n").as_bytes(), ROOM);
        assert_eq!(decoded, Ok(Decoded::Header { length, addresses }), "{line}");
    }
    let bad = [
        ("PING\r\n", HeaderError::Foreign),
        ("PROXX", HeaderError::Foreign),
        ("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", HeaderError::Protocol),
        ("PROXY \r\n", HeaderError::Protocol),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", HeaderError::Invalid),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", HeaderError::Invalid),
        ("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", HeaderError::Invalid),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", HeaderError::Invalid),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", HeaderError::Invalid),
        ("PROXY TCP4 ::1 ::2 1 2\r\n", HeaderError::Invalid),
        ("PROXY TCP4\r\n", HeaderError::Invalid),
        ("PROXY TCP4 \u{e9}\r\n", HeaderError::Invalid),
    ];
    for (line, error) in bad {
        assert_eq!(decode(line.as_bytes(), ROOM), Err(error), "{line}");
    }
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(LONGEST_LINE));
    assert_eq!(decode(endless.as_bytes(), ROOM), Err(HeaderError::Invalid));
}

#[test]
fn binary_headers_are_read_as_the_protocol_says() {
    let body = [1, 2, 3, 4, 5, 6, 7, 8, 4, 87, 8, 174];
    let four = addresses("1.2.3.4:1111", "5.6.7.8:2222");
    let with_fields = [&body[..], &[4, 0, 3, 1, 2, 3]].concat();
    let good = [
        (binary(0x21, 0x11, &body), four),
        (binary(0x21, 0x11, &with_fields), four),
        (binary(0x20, 0x00, &[]), None),
        (binary(0x20, 0x11, &body), None),
        (binary(0x21, 0x00, b"anything"), None),
        (binary(0x21, 0x31, &[b'a'; 216]), None),
    ];
    for (header, addresses) in good {
        let length = header.len();
        let decoded = decode(&[&header[..], b"PING"].concat(), ROOM);
        assert_eq!(decoded, Ok(Decoded::Header { length, addresses }), "{header:?}");
    }
    let bad = [
        (binary(0x21, 0x11, &body[..11]), HeaderError::Invalid),
        (binary(0x21, 0x12, &body), HeaderError::Invalid),
        (binary(0x22, 0x11, &body), HeaderError::Invalid),
        (binary(0x11, 0x11, &body), HeaderError::Foreign),
        (binary(0x11, 0x11, &body)[..13].to_vec(), HeaderError::Foreign),
        (binary(0x21, 0x11, &[0; ROOM]), HeaderError::Truncated),
    ];
    for (header, error) in bad {
        assert_eq!(decode(&header, ROOM), Err(error), "{header:?}");
    }
}

/// Recorded from HAProxy 2.6.
#[test]
fn headers_are_written_as_haproxy_writes_them() {
    let four = addresses("1.2.3.4:1111", "5.6.7.8:2222");
    const V2: SendProxy = SendProxy::V2(PLAIN);
    let encode = |form, addresses| encode(form, addresses, &Told::default());
    assert_eq!(encode(SendProxy::V1, four), b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n");
    assert_eq!(encode(SendProxy::V1, None), b"PROXY UNKNOWN\r\n");
    assert_eq!(encode(V2, None), b"\r\n\r\n\0\r\nQUIT\n \0\0\0");
    assert_eq!(
        encode(SendProxy::V2(ProxyFields { ssl: true, ..PLAIN }), four),
        b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x14\x01\x02\x03\x04\x05\x06\x07\x08\x04W\x08\xae \0\x05\0\0\0\0\0"
    );
    let mixed = addresses("1.2.3.4:1", "[2001:db8::2]:2");
    assert_eq!(encode(SendProxy::V1, mixed), b"PROXY TCP6 ::ffff:1.2.3.4 2001:db8::2 1 2\r\n");
    let Ok(Decoded::Header { addresses: Some(read), .. }) = decode(&encode(V2, mixed), ROOM) else {
        panic!("not read");
    };
    assert_eq!(read.source, "[::ffff:1.2.3.4]:1".parse().unwrap());
}

const PLAIN: ProxyFields = ProxyFields {
    ssl: false,
    common_name: false,
    cipher: false,
    signature: false,
    key: false,
    authority: false,
    crc32c: false,
    unique_id: false,
};

const EVERYTHING: ProxyFields = ProxyFields {
    ssl: true,
    common_name: true,
    cipher: true,
    signature: true,
    key: true,
    authority: true,
    crc32c: true,
    unique_id: true,
};

/// Recorded from HAProxy 2.6.12: the order of the fields, and that what a client has not told is left out.
#[test]
fn fields_are_written_as_haproxy_writes_them() {
    let addresses = addresses("127.0.0.1:1", "127.0.0.1:2");
    let tls = TlsTold {
        version: "TLSv1.3",
        cipher: "TLS_AES_256_GCM_SHA384",
        certificate: Shown::Now(Some(b"client.one")),
        key: Some("EC256".to_owned()),
        signature: Some("RSA-SHA256"),
    };
    let told = Told {
        tls: Some(tls),
        alpn: Some(b"redis"),
        authority: Some("asked.example"),
        unique_id: Some("id-127.0.0.1"),
    };
    let fields = |wanted, told: &Told<'_>| {
        let mut header = encode(SendProxy::V2(wanted), addresses, told);
        if wanted.crc32c {
            let found: [u8; 4] = header[31..35].try_into().unwrap();
            header[31..35].fill(0);
            let sum = crate::checksum::crc(crate::checksum::Polynomial::Castagnoli, &header);
            assert_eq!(u32::from_be_bytes(found), sum);
        }
        String::from_utf8(header[28..].to_vec()).unwrap()
    };
    assert_eq!(fields(PLAIN, &told), "\u{1}\0\u{5}redis");
    assert_eq!(
        fields(EVERYTHING, &told),
        "\u{3}\0\u{4}\0\0\0\0\u{1}\0\u{5}redis\u{2}\0\rasked.example\u{5}\0\u{c}id-127.0.0.1\
         \x20\0J\u{7}\0\0\0\0!\0\u{7}TLSv1.3\"\0\nclient.one%\0\u{5}EC256$\0\nRSA-SHA256#\0\u{16}TLS_AES_256_GCM_SHA384"
    );
    let nothing = Told { unique_id: told.unique_id, ..Told::default() };
    assert_eq!(
        fields(EVERYTHING, &nothing),
        "\u{3}\0\u{4}\0\0\0\0\u{5}\0\u{c}id-127.0.0.1 \0\u{5}\0\0\0\0\0"
    );
}

fn any_addresses() -> impl Strategy<Value = Addresses> {
    let four = (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
    let six = (any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
    (prop_oneof![four, six], any::<u16>(), any::<u16>()).prop_map(|((source, destination), from, to)| {
        Addresses { source: (source, from).into(), destination: (destination, to).into() }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_from_every_prefix(
        addresses in proptest::option::of(any_addresses()),
        form in prop_oneof![Just(SendProxy::V1), Just(SendProxy::V2(PLAIN)), Just(SendProxy::V2(EVERYTHING))],
        tail in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let header = encode(form, addresses, &Told { unique_id: Some("id"), ..Told::default() });
        for cut in 0..header.len() {
            prop_assert_eq!(decode(&header[..cut], ROOM), Ok(Decoded::Incomplete), "{}", cut);
        }
        let whole = [&header[..], &tail].concat();
        prop_assert_eq!(decode(&whole, ROOM), Ok(Decoded::Header { length: header.len(), addresses }));
    }

    #[test]
    fn no_bytes_make_it_take_more_than_there_is(
        begin in prop_oneof![Just(&b""[..]), Just(LINE_BEGINS), Just(&SIGNATURE[..]), Just(&b"PROXY TCP4 "[..])],
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let whole = [begin, &bytes].concat();
        if let Ok(Decoded::Header { length, .. }) = decode(&whole, 256) {
            prop_assert!(length <= whole.len() && length <= 256);
        }
    }
}
