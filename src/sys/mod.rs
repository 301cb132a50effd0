//! What the kernel offers and safe crates do not: the only folder with `unsafe`. Every file hands out safe
//! functions; each block says who owns the descriptor, buffer or pointer, and until when.
//!
//! | file | what |
//! |---|---|
//! | `socket` | receive and send, options, errors and facts of one connected socket |
//! | `connect` | connections that come up in the background |
//! | `crypt` | passwords as the system hashes them |
//! | `accept` | taking connections from a listener, and what its errors mean |
//! | `listen` | listening sockets with every bind option |
//! | `unix` | addresses of unix sockets, by path and abstract |
//! | `fdpass` | descriptors through a unix socket |
//! | `limits` | the limit on descriptors, a thread's signals |
//! | `affinity` | the cores of a thread |
//! | `inherited` | descriptors that the process was started with |
//! | `pipe` | bytes from socket to socket without a copy: splice(2) |
//! | `process` | fork, privileges, dispositions of signals, standard streams |
//! | `uring` | a ring of operations on sockets, and the buffers it receives into |
//! | `wake` | an eventfd |

pub mod accept;
pub mod affinity;
pub mod connect;
pub mod crypt;
pub mod fdpass;
pub mod inherited;
pub mod limits;
pub mod listen;
pub mod pipe;
pub mod process;
pub mod socket;
pub mod unix;
pub mod uring;
pub mod wake;
