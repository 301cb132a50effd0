//! `cpu-map`: where the kernel lets each worker run.

use std::time::Duration;

use rolecall::sys::affinity;

use crate::harness::{Rolecall, eventually, free_port};

#[test]
fn workers_keep_to_the_cores_of_the_config() {
    let cores = affinity::cores().expect("this process's cores");
    let (first, last) = (cores[0], cores[cores.len() - 1]);
    let port = free_port();
    let config = format!(
        "global\n nbthread 2\n cpu-map auto:1/1-2 {first} {last}\nlisten l\n bind 127.0.0.1:{port}\n timeout client 1s\n"
    );
    let rolecall = Rolecall::start(&config, port);
    for (name, core) in [("worker 0", first), ("worker 1", last)] {
        eventually("the worker to be where it belongs", Duration::from_secs(30), || {
            (allowed(rolecall.process.id(), name)? == core.to_string()).then_some(())
        });
    }
}

/// The cores of the thread of that name, as the kernel shows them.
fn allowed(process: u32, thread: &str) -> Option<String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let named = tasks.flatten().find(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim_end() == thread)
    })?;
    let status = std::fs::read_to_string(named.path().join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(line.trim().to_owned())
}
