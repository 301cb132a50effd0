//! What somebody may have meant who wrote a word that is not known: the nearest keyword of the place, or the
//! place where the word would be at home.

use super::keyword::{self, Scope, Status};

/// Words longer than this are no misspelt keyword, and comparing them would take long.
const LONGEST: usize = 60;

/// The keyword of `scope` that is nearest to the first words, if any is near. Of two as near, one that
/// rolecall honours.
pub fn nearest(scope: Scope, words: &[&str]) -> Option<&'static str> {
    let candidates = keyword::all().filter(|keyword| keyword.scopes.contains(&scope));
    let rank = |keyword: &&keyword::Keyword| match keyword.status {
        Status::Honoured => 0,
        Status::Accepted(_) => 1,
        Status::Rejected(_) => 2,
    };
    candidates
        .filter_map(|keyword| {
            let count = keyword.name.split(' ').count();
            let written = words.get(..count)?.join(" ");
            Some((near(&written, keyword.name)?, rank(&keyword), keyword.name))
        })
        .min()
        .map(|(_, _, name)| name)
}

/// The nearest of some names: backends, servers, values.
pub fn nearest_of<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names.into_iter().filter_map(|name| Some((near(word, name)?, name))).min().map(|(_, name)| name)
}

/// Says where the statement would be at home, if anywhere but in `scope`.
pub fn elsewhere(scope: Scope, words: &[&str]) -> Option<String> {
    let name = (1..=words.len().min(3))
        .rev()
        .map(|count| words[..count].join(" "))
        .find(|name| keyword::scopes_of(name).next().is_some())?;
    let mut homes: Vec<Scope> =
        keyword::scopes_of(&name).filter(|home| *home != scope && *home != Scope::Other).collect();
    homes.sort();
    homes.dedup();
    // The sections where traffic is described come to mind before the small ones.
    let main =
        |home: &Scope| matches!(home, Scope::Defaults | Scope::Frontend | Scope::Backend | Scope::Listen);
    if homes.iter().any(main) {
        homes.retain(|home| main(home) || *home == Scope::Global);
    }
    let (first, last) = (homes.first()?, homes.last()?);
    let names: Vec<String> = homes[..homes.len() - 1].iter().map(|home| format!("'{home}'")).collect();
    let list =
        if names.is_empty() { format!("'{last}'") } else { format!("{} or '{last}'", names.join(", ")) };
    Some(match first {
        Scope::File => format!("'{name}' belongs outside of the sections"),
        home if home.is_section() => format!("'{name}' belongs in a {list} section"),
        _ => format!("'{name}' belongs on a {list} line"),
    })
}

/// The distance, if it is small for words of that length.
fn near(written: &str, name: &str) -> Option<usize> {
    let allowed = (name.len() / 4).clamp(1, 3);
    if written.len() > LONGEST || written.len().abs_diff(name.len()) > allowed || written == name {
        return None;
    }
    let distance = distance(&written.to_ascii_lowercase(), name);
    (distance <= allowed && distance < name.len()).then_some(distance)
}

/// Letters to insert, remove, replace or swap with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let width = right.len() + 1;
    let mut table: Vec<usize> = vec![0; (left.len() + 1) * width];
    for (column, cell) in table[..width].iter_mut().enumerate() {
        *cell = column;
    }
    for row in 1..=left.len() {
        table[row * width] = row;
        for column in 1..width {
            let here = row * width + column;
            let same = left[row - 1] == right[column - 1];
            let mut least = (table[here - width - 1] + usize::from(!same))
                .min(table[here - width] + 1)
                .min(table[here - 1] + 1);
            let swapped = row > 1
                && column > 1
                && left[row - 1] == right[column - 2]
                && left[row - 2] == right[column - 1];
            if swapped {
                least = least.min(table[here - 2 * width - 2] + 1);
            }
            table[here] = least;
        }
    }
    table[table.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_have_a_neighbour() {
        let cases: [(Scope, &[&str], Option<&str>); 13] = [
            (Scope::Global, &["maxcon", "5"], Some("maxconn")),
            (Scope::Listen, &["blance", "x"], Some("balance")),
            (Scope::Listen, &["timeout", "conect", "1s"], Some("timeout connect")),
            (Scope::Listen, &["tiemout", "connect"], Some("timeout connect")),
            (Scope::Backend, &["tcp-check", "expct"], Some("tcp-check expect")),
            (Scope::Backend, &["tcpcheck", "send"], Some("tcp-check send")),
            (Scope::Backend, &["option", "tcpcheck"], Some("option tcp-check")),
            (Scope::Server, &["chek"], Some("check")),
            (Scope::Server, &["CHECK"], Some("check")),
            (Scope::File, &["backed", "x"], Some("backend")),
            (Scope::Listen, &["xyzzy"], None),
            (Scope::Global, &[""], None),
            (Scope::Global, &[], None),
        ];
        for (scope, words, expected) in cases {
            assert_eq!(nearest(scope, words), expected, "{words:?}");
        }
        assert_eq!(nearest_of("redsi", ["redis", "web"]), Some("redis"));
        assert_eq!(nearest(Scope::Global, &[&"x".repeat(1_000_000)]), None);
    }

    #[test]
    fn known_words_have_a_home() {
        assert_eq!(
            elsewhere(Scope::Global, &["server", "a"]).as_deref(),
            Some("'server' belongs in a 'backend' or 'listen' section")
        );
        assert_eq!(
            elsewhere(Scope::Backend, &["chroot"]).as_deref(),
            Some("'chroot' belongs in a 'global' section")
        );
        assert_eq!(
            elsewhere(Scope::Backend, &["inter", "1s"]).as_deref(),
            Some("'inter' belongs on a 'server' line")
        );
        assert_eq!(elsewhere(Scope::Backend, &["xyzzy"]), None);
    }
}
