//! Going to the background, and the pid file.
//!
//! `-D` makes two forks and a new session, so that no terminal can reach the daemon. The command that was
//! typed waits on a pipe until clients are served: its exit code tells whether they are, and why not is on
//! its standard error.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::sys::process::{self, Forked};

/// Which of the processes this is.
#[derive(Debug)]
pub enum Detached {
    /// The one that the user started; the daemon runs, or has failed, by now.
    Starter {
        is_serving: bool,
    },
    Daemon(Release),
}

/// Lets the starter go. Dropped without a word, it tells that the start failed.
#[derive(Debug)]
pub struct Release(PipeWriter);

impl Release {
    /// Clients are served.
    pub fn success(mut self) {
        // A starter that was killed meanwhile does not wait any more.
        let _ = self.0.write_all(b"+");
    }
}

/// Forks away from whoever started this.
pub fn detach() -> io::Result<Detached> {
    let (reader, writer) = io::pipe()?;
    match process::split()? {
        Forked::Parent { child } => {
            drop(writer);
            let is_serving = wait(reader);
            // The one in the middle ended long ago; no init has to clean it up.
            process::wait(child)?;
            return Ok(Detached::Starter { is_serving });
        }
        Forked::Child => drop(reader),
    }
    process::new_session()?;
    match process::split()? {
        // The leader of the session ends at once; what it would clean up belongs to the daemon.
        Forked::Parent { .. } => std::process::exit(0),
        Forked::Child => Ok(Detached::Daemon(Release(writer))),
    }
}

fn wait(mut reader: PipeReader) -> bool {
    let mut said = [0];
    matches!(reader.read(&mut said), Ok(1))
}

/// Opens the pid file while whoever started this can still be told that it fails. What is in its way is
/// replaced, as HAProxy does; it stays behind at the end, as HAProxy's does.
pub fn open_pidfile(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options().write(true).create_new(true).mode(0o644).open(path)
}

/// Writes this process's id.
pub fn write_pid(mut file: File) -> io::Result<()> {
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_replaces_what_was_there_and_follows_no_link() {
        let directory = tempfile::tempdir().unwrap();
        let (path, victim) = (directory.path().join("pid"), directory.path().join("victim"));
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        write_pid(open_pidfile(&path).unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(open_pidfile(Path::new("/nonexistent/pid")).is_err());
    }
}
