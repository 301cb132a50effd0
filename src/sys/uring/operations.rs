//! What a ring can be asked to do. Each is queued, and executed by the next [`Ring::enter`], in order.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

use io_uring::squeue::Flags;
use io_uring::{opcode, types::Fd};

use super::super::socket;
use super::pool::{Chunk, GROUP};
use super::{Departure, Flight, FlightKey, Notice, Parcel, Reception, Ring, Socket, Tag, kind, number, word};

/// What sendmsg(2) reads besides the bytes. Boxed, so that it stays where it is.
pub(super) struct Manifest {
    header: libc::msghdr,
    parts: Vec<libc::iovec>,
}

impl Ring {
    /// Takes a socket in, for use in operations.
    pub fn adopt(&mut self, socket: OwnedFd) -> Socket {
        #[cfg(test)]
        (self.faults.sockets += 1);
        Socket(ManuallyDrop::new(socket))
    }

    /// Gives a socket out. Operations on it that wait in the kernel hold it open until they are cancelled.
    pub fn release(&mut self, socket: Socket) -> OwnedFd {
        self.submit_all();
        #[cfg(test)]
        (self.faults.sockets -= 1);
        ManuallyDrop::into_inner(socket.0)
    }

    /// Hands over what names sockets by number: all of it, or a FIN would overtake bytes. An error that does not pass
    /// comes back at the next enter.
    fn submit_all(&mut self) {
        while self.queued > 0 {
            let Err(error) = self.call_submit() else { continue };
            if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EBUSY | libc::EINTR)) {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Closes a socket behind the operations before. Those that wait in the kernel hold it open: cancel them first.
    pub fn close(&mut self, socket: Socket) {
        #[cfg(test)]
        (self.faults.sockets -= 1);
        let number = ManuallyDrop::into_inner(socket.0).into_raw_fd();
        let close = opcode::Close::new(Fd(number)).build();
        // The number was owned by the socket that ends here, so the operation is its one and only close.
        self.push(&close.user_data(word(kind::QUIET, 0)).flags(Flags::SKIP_SUCCESS));
    }

    /// Sends a FIN, behind what is queued before it.
    ///
    /// Not an operation: the kernel runs that one on a thread of its own, which looks the number up when it comes to
    /// it. Behind a close the number may be another client's by then, and that one would get the FIN.
    pub fn shutdown_write(&mut self, socket: &Socket) {
        self.submit_all();
        socket::shutdown_write(socket);
    }

    /// Tells once when a descriptor is ready for one of `events` (poll(2), and EPOLLEXCLUSIVE) or has failed.
    pub fn poll(&mut self, descriptor: &impl AsFd, events: u32, tag: Tag) {
        let poll = opcode::PollAdd::new(Fd(number(descriptor)), events).build();
        self.push(&poll.user_data(word(kind::POLL, tag)));
    }

    /// Receives into the ring's buffers.
    pub fn receive(&mut self, socket: &Socket, reception: Reception, tag: Tag) {
        #[cfg(test)]
        let reception = self.faults.reception(reception);
        let socket = Fd(number(socket));
        // The kernel writes to buffers of the pool alone, which outlives the operation (`under_way`).
        let receive = match reception {
            Reception::Many => opcode::RecvMulti::new(socket, GROUP).build(),
            Reception::Once => {
                let receive = opcode::Recv::new(socket, std::ptr::null_mut(), 0).buf_group(GROUP).build();
                receive.flags(Flags::BUFFER_SELECT)
            }
        };
        self.under_way += 1;
        self.push(&receive.user_data(word(kind::RECEIVE, tag)));
    }

    /// Sends received bytes of this round: as many as the socket takes at once.
    pub fn send(&mut self, socket: &Socket, chunks: &[Chunk], tag: Tag, notice: Notice) {
        const HOW: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let from = self.cargo.len();
        self.cargo.extend_from_slice(chunks);
        let index = self.departures.len() as u64;
        self.departures.push(Departure { tag, chunks: from..self.cargo.len() });
        #[cfg(test)]
        let some = self.faults.shorten(chunks);
        #[cfg(test)]
        let (chunks, notice) = some.as_deref().map_or((chunks, notice), |some| (some, Notice::Always));
        let socket = Fd(number(socket));
        // The kernel reads the pool's memory while it takes the operation in, and never afterwards (MSG_DONTWAIT).
        // The pool outlives that, and so does a manifest: `settle` comes after the enter that submits this.
        let send = match chunks {
            [] => return,
            [chunk] => {
                opcode::Send::new(socket, self.pool.address(*chunk), chunk.len() as u32).flags(HOW).build()
            }
            _ => opcode::SendMsg::new(socket, self.manifest(chunks)).flags(HOW as u32).build(),
        };
        let flags = if notice == Notice::Always { Flags::empty() } else { Flags::SKIP_SUCCESS };
        self.push(&send.user_data(word(kind::SEND, index)).flags(flags));
    }

    /// Sends a copy, waiting for room if there is none; answered by `Landed` once some of it has gone.
    pub fn send_owned(&mut self, socket: &Socket, parcel: Parcel, tag: Tag) -> FlightKey {
        let (start, length) = (parcel.rest().as_ptr(), parcel.rest().len() as u32);
        #[cfg(test)]
        let length = self.faults.shorten_copy(length);
        // The bytes stay where they are though the vector that owns them moves, and are not touched before their
        // completion has taken the flight out of the slab.
        let key = self.flights.insert(Flight { parcel, tag }) as u32;
        let send = opcode::Send::new(Fd(number(socket)), start, length).flags(libc::MSG_NOSIGNAL).build();
        self.under_way += 1;
        self.push(&send.user_data(word(kind::FLIGHT, u64::from(key))));
        FlightKey(key)
    }

    /// Ends a receive; it tells `ECANCELED`, after what it has received.
    pub fn cancel_receive(&mut self, tag: Tag) {
        self.cancel(word(kind::RECEIVE, tag));
    }

    /// Ends a poll.
    pub fn cancel_poll(&mut self, tag: Tag) {
        self.cancel(word(kind::POLL, tag));
    }

    /// Ends a copy's way; it lands, with what had gone.
    pub fn cancel_flight(&mut self, key: FlightKey) {
        self.cancel(word(kind::FLIGHT, u64::from(key.0)));
    }

    pub(super) fn cancel(&mut self, which: u64) {
        let cancel = opcode::AsyncCancel::new(which).build();
        self.push(&cancel.user_data(word(kind::QUIET, 0)).flags(Flags::SKIP_SUCCESS));
    }

    /// A header for these chunks, which stays in place until the ring has settled.
    fn manifest(&mut self, chunks: &[Chunk]) -> *const libc::msghdr {
        if self.manifests.len() == self.manifests_used {
            // SAFETY: a msghdr of zeros is a valid one: null pointers, and nothing behind them.
            let header = unsafe { std::mem::zeroed() };
            self.manifests.push(Box::new(Manifest { header, parts: Vec::new() }));
        }
        let manifest = &mut self.manifests[self.manifests_used];
        self.manifests_used += 1;
        manifest.parts.clear();
        for chunk in chunks {
            let iov_base = self.pool.address(*chunk).cast_mut().cast();
            manifest.parts.push(libc::iovec { iov_base, iov_len: chunk.len() });
        }
        manifest.header.msg_iov = manifest.parts.as_mut_ptr();
        manifest.header.msg_iovlen = manifest.parts.len() as _;
        &raw const manifest.header
    }
}
