//! Holds the order of `lib.rs`: a module imports only what stands before it.

#![allow(clippy::panic, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

#[test]
fn every_module_imports_only_what_stands_before_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = order(&std::fs::read_to_string(root.join("lib.rs")).expect("lib.rs is there"));
    assert!(order.len() > 10, "the order was not read: {order:?}");
    let mut wrong = Vec::new();
    for (place, module) in order.iter().enumerate() {
        for file in files_of(&root, module) {
            let text = std::fs::read_to_string(&file).expect("a source file can be read");
            for (number, line) in text.lines().enumerate() {
                for imported in imports(line) {
                    if order.iter().position(|name| *name == imported).is_some_and(|at| at > place) {
                        wrong.push(format!("{}:{}: {module} imports {imported}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn order(lib: &str) -> Vec<String> {
    let names = lib.lines().filter_map(|line| line.strip_prefix("pub mod "));
    names.map(|name| name.trim_end_matches(';').to_owned()).collect()
}

fn files_of(root: &Path, module: &str) -> Vec<PathBuf> {
    let single = root.join(format!("{module}.rs"));
    let mut files = if single.exists() { vec![single] } else { Vec::new() };
    let mut folders = vec![root.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "module {module} has no file");
    files
}

/// The top-level modules that a line of code names after `crate::`.
fn imports(line: &str) -> Vec<String> {
    let code = line.trim_start();
    if code.starts_with("//") {
        return Vec::new();
    }
    assert!(!code.contains("crate::{"), "name one module a line, or this test does not see it: {code}");
    let names = code.split("crate::").skip(1);
    names.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}
