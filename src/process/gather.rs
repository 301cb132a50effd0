//! Collects everything a load depends on, so that the load itself is pure: files, environment, names.
//!
//! What names a config needs is known only once it has been read, so that gathering and loading take turns:
//! load, look up what it `wanted`, load again, until nothing is wanted. Bounded in bytes, names and rounds.
//! Everything here may block (a name server can take seconds): at start that is as it should be, for a
//! reload the caller runs it on a thread of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nix::unistd::{Group, User};

use super::pems;
use super::settings::{Master, Settings};
use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Bundle, Loaded};
use crate::guard::classify::advice;

/// Of all config files together.
const MOST_BYTES: u64 = 32 << 20;
/// A load asks for what it finds missing, and goes on; a second round follows from names in skipped text, and one
/// more from each text of several samples.
const ROUNDS: usize = 64;
const MOST_NAMES: usize = 4096;
const RESOLV_CONF: &str = "/etc/resolv.conf";
const LONGEST_RESOLV_CONF: u64 = 64 << 10;
/// For one name; the resolver's own limits are often shorter.
const PATIENCE: Duration = Duration::from_secs(10);

/// How names are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// In this thread: before a fork there must be no other.
    Here,
    /// All at once, with a time limit each.
    Threads,
}

/// A config path that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("Cannot open configuration file/directory {} : {}", path.display(), reason(error))]
pub struct GatherError {
    pub path: PathBuf,
    pub error: io::Error,
}

impl GatherError {
    /// The thread that gathered is gone.
    pub fn lost(error: &tokio::task::JoinError) -> GatherError {
        GatherError { path: PathBuf::new(), error: io::Error::other(error.to_string()) }
    }
}

/// What gathering ends with.
pub type Gathered = Result<(Bundle, Loaded), GatherError>;

/// Gathers on a thread of tokio's, so that checks and pages go on meanwhile.
pub fn gather_in_background(settings: Arc<Settings>) -> tokio::task::JoinHandle<Gathered> {
    tokio::task::spawn_blocking(move || gather(&settings, Lookup::Threads))
}

/// The operating system's words without Rust's number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Reads everything and loads it.
pub fn gather(settings: &Settings, lookup: Lookup) -> Gathered {
    let mut bundle = Bundle { files: read_all(&settings.files)?, ..Bundle::default() };
    bundle.environment = environment(settings);
    bundle.hostname = hostname();
    // It is small; a worker below a chroot could not read it any more.
    bundle.resolv_conf = read(Path::new(RESOLV_CONF), LONGEST_RESOLV_CONF).ok();
    bundle.ignore_unresolved = settings.ignore_unresolved;
    let mut loaded = config::load(&bundle);
    for _ in 0..ROUNDS {
        if loaded.wanted.is_empty() {
            break;
        }
        look_up(&mut bundle, &loaded.wanted, lookup);
        loaded = config::load(&bundle);
    }
    if !loaded.wanted.is_empty() {
        let message = format!("names and files that lead to others, more than {ROUNDS} times in a row");
        loaded.diagnostics.push(Diagnostic::error(None, message).help("name fewer files on one line"));
    }
    loaded.diagnostics.extend(loaded.config.as_ref().map(advice).unwrap_or_default());
    Ok((bundle, loaded))
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, GatherError> {
    let mut files = Vec::new();
    let mut room = MOST_BYTES;
    for path in paths {
        let error = |error| GatherError { path: path.clone(), error };
        for file in expand(path).map_err(error)? {
            let bytes = read(&file, room).map_err(|error| GatherError { path: file.clone(), error })?;
            room -= bytes.len() as u64;
            files.push((file.display().to_string(), bytes));
        }
    }
    match paths.first().filter(|_| files.is_empty()) {
        None => Ok(files),
        Some(path) => {
            let error = io::Error::new(io::ErrorKind::NotFound, "there is no file whose name ends in '.cfg'");
            Err(GatherError { path: path.clone(), error })
        }
    }
}

/// A directory stands for its `*.cfg` files, in the order of their bytes.
fn expand(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(b".cfg") && !bytes.starts_with(b".") && path.join(&name).is_file() {
            files.push(path.join(&name));
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, room: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(room + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > room {
        let text = format!("the configuration files are larger than {MOST_BYTES} bytes together");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// The environment, and the variables that HAProxy sets for its config.
fn environment(settings: &Settings) -> BTreeMap<String, String> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let mut variables: BTreeMap<_, _> = std::env::vars_os().filter_map(text).collect();
    variables.extend(own_variables(settings));
    variables
}

/// The variables that the program itself sets.
pub fn own_variables(settings: &Settings) -> Vec<(String, String)> {
    let names: Vec<String> = settings.files.iter().map(|path| path.display().to_string()).collect();
    let peer = settings.local_peer.clone().unwrap_or_else(hostname);
    let mut own =
        vec![("HAPROXY_CFGFILES".to_owned(), names.join(";")), ("HAPROXY_LOCALPEER".to_owned(), peer)];
    if settings.master != Master::AsConfigured {
        own.push(("HAPROXY_MWORKER".to_owned(), "1".to_owned()));
    }
    if let Some(socket) = &settings.master_socket {
        let path = socket.split(',').next().unwrap_or(socket);
        let prefix = if path.contains('@') { "" } else { "unix@" };
        own.push(("HAPROXY_MASTER_CLI".to_owned(), format!("{prefix}{path}")));
    }
    own
}

fn hostname() -> String {
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|_| "localhost".to_owned())
}

fn look_up(bundle: &mut Bundle, wanted: &config::Wanted, lookup: Lookup) {
    let hosts = &wanted.hosts[..wanted.hosts.len().min(MOST_NAMES)];
    let found = match lookup {
        Lookup::Here => hosts.iter().map(|name| (name.clone(), resolve(name))).collect(),
        Lookup::Threads => resolve_all(hosts),
    };
    bundle.hosts.extend(found);
    for name in &wanted.users {
        let user = User::from_name(name).ok().flatten();
        bundle.users.insert(name.clone(), user.map(|user| user.uid.as_raw()));
    }
    for name in &wanted.groups {
        let group = Group::from_name(name).ok().flatten();
        bundle.groups.insert(name.clone(), group.map(|group| group.gid.as_raw()));
    }
    for name in &wanted.pems {
        bundle.pems.insert(name.clone(), pems::read(name));
    }
    let mut room = MOST_BYTES;
    for name in &wanted.patterns {
        // One that is too large, or more than all may be together, counts as one that cannot be read.
        let bytes = read(Path::new(name), room).ok();
        room -= bytes.as_ref().map_or(0, Vec::len) as u64;
        bundle.patterns.insert(name.clone(), bytes);
    }
}

/// Every address of a name, in the resolver's order, each once.
fn resolve(name: &str) -> Vec<IpAddr> {
    let mut list: Vec<IpAddr> = Vec::new();
    for address in (name, 0).to_socket_addrs().into_iter().flatten() {
        if !list.contains(&address.ip()) {
            list.push(address.ip());
        }
    }
    list
}

/// A few threads share the names; one that hangs in the resolver is left behind with its name unresolved.
fn resolve_all(names: &[String]) -> Vec<(String, Vec<IpAddr>)> {
    let mut results = Vec::new();
    for some in names.chunks(16) {
        let (answers, came) = mpsc::channel();
        for name in some.iter().cloned() {
            let answers = answers.clone();
            let ask = move || {
                let found = resolve(&name);
                // Nobody listens any more once the time is over.
                let _ = answers.send((name, found));
            };
            // Without a thread the name stays unresolved, which the load reports.
            let _ = std::thread::Builder::new().name("resolve".to_owned()).spawn(ask);
        }
        drop(answers);
        let deadline = std::time::Instant::now() + PATIENCE;
        while let Ok(answer) =
            came.recv_timeout(deadline.saturating_duration_since(std::time::Instant::now()))
        {
            results.push(answer);
        }
        let missing = some.iter().filter(|name| !results.iter().any(|(known, _)| known == *name));
        let missing: Vec<_> = missing.map(|name| (name.clone(), Vec::new())).collect();
        results.extend(missing);
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_config_files_in_order() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.cfg", "a.cfg", "B.cfg", "10.cfg", "9.cfg", ".c.cfg", "d.txt"] {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        std::fs::create_dir(directory.path().join("e.cfg")).unwrap();
        let files = read_all(&[directory.path().to_owned()]).unwrap();
        let contents: Vec<_> = files.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        let expected: [&[u8]; 5] = [b"10.cfg", b"9.cfg", b"B.cfg", b"a.cfg", b"b.cfg"];
        assert_eq!(contents, expected);
    }

    #[test]
    fn an_unreadable_file_is_named_in_haproxys_words() {
        let error = read_all(&[PathBuf::from("/nonexistent")]).unwrap_err();
        let text = "Cannot open configuration file/directory /nonexistent : No such file or directory";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn a_directory_without_config_files_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let paths = [directory.path().to_owned()];
        assert!(read_all(&paths).unwrap_err().to_string().ends_with("no file whose name ends in '.cfg'"));
        let file = directory.path().join("empty.cfg");
        std::fs::write(&file, "").unwrap();
        assert_eq!(read_all(&paths).unwrap().len(), 1);
    }

    #[test]
    fn reading_is_bounded() {
        assert!(read(Path::new("/dev/zero"), 1000).is_err());
        assert!(read(Path::new("/dev/null"), 0).is_ok());
    }

    #[test]
    fn names_come_back_each_once_whether_they_resolve_or_not() {
        let names = ["localhost".to_owned(), "name.invalid".to_owned()];
        let mut found = resolve_all(&names);
        found.sort();
        assert_eq!(found.len(), 2);
        assert!(found[0].1.iter().all(IpAddr::is_loopback) && !found[0].1.is_empty());
        assert!(found[1].1.is_empty());
    }
}
