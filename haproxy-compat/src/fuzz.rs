//! Random configs through the whole path from text to model: no text may panic or take long. Texts are spliced from
//! the words and lines of the cases and the examples; the same seed gives the same texts.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rolecall::config::{self, Bundle};

use crate::case;

/// A text of a few kilobytes that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(20);

/// Until when.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Count(u64),
    Elapsed(Duration),
}

/// How many texts were read; or the first that was not, and why.
///
/// # Errors
///
/// A text that panicked or took too long.
pub fn run(seed: u64, until: Until) -> Result<u64, String> {
    let corpus = corpus();
    let mut random = Random(seed | 1);
    let began = Instant::now();
    let mut count = 0;
    while match until {
        Until::Count(most) => count < most,
        Until::Elapsed(time) => began.elapsed() < time,
    } {
        let text = mutant(&corpus, &mut random);
        let started = Instant::now();
        let read = panic::catch_unwind(|| drop(config::load(&bundle(&text))));
        if read.is_err() || started.elapsed() > LONGEST {
            let what = if read.is_err() { "panics" } else { "hangs" };
            return Err(format!("seed {seed}, text {count} {what}:\n{}", String::from_utf8_lossy(&text)));
        }
        count += 1;
    }
    Ok(count)
}

fn bundle(text: &[u8]) -> Bundle {
    Bundle {
        files: vec![("case.cfg".to_owned(), text.to_vec())],
        environment: [("A".to_owned(), "one two".to_owned())].into(),
        ..Bundle::default()
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let list = |path: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let areas = list(&case::directory()).into_iter().chain([examples]);
    let files =
        areas.flat_map(|area| list(&area)).filter(|path| path.extension().is_some_and(|is| is == "cfg"));
    files.filter_map(|path| fs::read(path).ok()).collect()
}

/// A few lines of one text, with lines, words and bytes of others in them.
fn mutant(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> =
        random.of(corpus).split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..1 + random.below(6) {
        let other: Vec<&[u8]> = random.of(corpus).split(|byte| *byte == b'\n').collect();
        let foreign = other[random.below(other.len())].to_vec();
        let at = random.below(lines.len());
        match random.below(5) {
            0 => lines.insert(at, foreign),
            1 => lines[at] = foreign,
            2 => lines[at] = words(&lines[at], &foreign, random),
            3 if !lines[at].is_empty() => {
                let byte = random.below(lines[at].len());
                lines[at][byte] = random.below(256) as u8;
            }
            _ => lines.truncate(at.max(1)),
        }
    }
    let mut text = lines.join(&b'\n');
    text.push(b'\n');
    text
}

/// The line with a word of the other one in it, or without one of its own.
fn words(line: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let split =
        |line: &[u8]| -> Vec<Vec<u8>> { line.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect() };
    let (mut own, foreign) = (split(line), split(other));
    let at = random.below(own.len());
    let word = foreign[random.below(foreign.len())].clone();
    match random.below(3) {
        0 => own.insert(at, word),
        1 => own[at] = word,
        _ => drop(own.remove(at)),
    }
    own.join(&b' ')
}

/// xorshift: the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }

    fn of<'a>(&mut self, corpus: &'a [Vec<u8>]) -> &'a [u8] {
        &corpus[self.below(corpus.len())]
    }
}
