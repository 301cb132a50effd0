use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;

use proptest::prelude::*;

use super::*;

fn pair() -> (UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    there.set_nonblocking(true).unwrap();
    (here, there)
}

fn descriptors(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| File::open("/dev/null").unwrap().into()).collect()
}

/// Pumps both ends until the frame has arrived.
fn through(frame: Frame, limits: Limits) -> Result<Frame, FrameError> {
    let (here, there) = pair();
    let mut outgoing = Outgoing::new(frame, Limits::BUNDLE).unwrap();
    let mut incoming = Incoming::new(limits);
    loop {
        let flushed = outgoing.flush(&here)?;
        if let Some(frame) = incoming.read(&there)? {
            assert!(flushed);
            return Ok(frame);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(
        text in prop::collection::vec(any::<u8>(), 0..5000),
        raw in prop::collection::vec(any::<u8>(), 0..300_000),
        count in 0_usize..5,
    ) {
        let frame = Frame { text: text.clone(), raw: raw.clone(), descriptors: descriptors(count) };
        let came = through(frame, Limits::BUNDLE).unwrap();
        prop_assert_eq!((came.text, came.raw, came.descriptors.len()), (text, raw, count));
    }

    #[test]
    fn noise_is_refused_or_waited_for(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut here, there) = pair();
        here.write_all(&noise).unwrap();
        let mut incoming = Incoming::new(Limits { text: 64, raw: 64, descriptors: 1 });
        while let Ok(Some(frame)) = incoming.read(&there) {
            prop_assert!(frame.text.len() <= 64 && frame.raw.len() <= 64);
        }
    }
}

#[test]
fn more_descriptors_than_one_message_takes_arrive_in_order() {
    let (mut first, passed) = UnixStream::pair().unwrap();
    let mut list = vec![OwnedFd::from(passed)];
    list.extend(descriptors(BATCH * 2));
    let came = through(Frame { descriptors: list, ..Frame::default() }, Limits::BUNDLE).unwrap();
    assert_eq!(came.descriptors.len(), BATCH * 2 + 1);
    let mut arrived = UnixStream::from(came.descriptors.into_iter().next().unwrap());
    arrived.write_all(b"x").unwrap();
    assert_eq!(io::Read::read(&mut first, &mut [0; 2]).unwrap(), 1);
}

#[test]
fn a_worker_cannot_send_what_an_answer_has_no_room_for() {
    let big = Frame { raw: vec![0; 1], ..Frame::default() };
    assert!(matches!(through(big, Limits::ANSWER), Err(FrameError::TooBig("raw bytes"))));
    let (here, there) = pair();
    let frame = Frame { text: vec![b'x'; 4], ..Frame::default() };
    let mut bytes = Outgoing::new(frame, Limits::ANSWER).unwrap().bytes;
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    fdpass::send(&here, &bytes, &[]).unwrap();
    let error = Incoming::new(Limits::ANSWER).read(&there).unwrap_err();
    assert!(matches!(error, FrameError::TooBig("text")), "{error}");
}

#[test]
fn an_uninvited_descriptor_is_refused() {
    let (here, there) = pair();
    let bytes = Outgoing::new(Frame::default(), Limits::ANSWER).unwrap().bytes;
    let list = descriptors(1);
    fdpass::send(&here, &bytes, &[list[0].as_fd()]).unwrap();
    assert!(Incoming::new(Limits::ANSWER).read(&there).is_err());
}

#[test]
fn the_end_is_told() {
    let (here, there) = pair();
    let mut incoming = Incoming::new(Limits::ANSWER);
    assert!(incoming.read(&there).unwrap().is_none());
    drop(here);
    assert!(matches!(incoming.read(&there), Err(FrameError::Closed)));
}
