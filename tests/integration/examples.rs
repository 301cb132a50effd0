//! The configs and the script in `examples/`, run against five redis-server and four redis-sentinel processes: only
//! addresses are changed. (`read-write-split.cfg` is run with the other read backends.)
