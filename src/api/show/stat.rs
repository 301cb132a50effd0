//! `show stat`, one part after another: a proxy's frontend, or a batch of a backend's servers.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Reply;
use crate::api::info::{Shown, type_name};
use crate::api::request::{Described, Hidden, Shape, Stat};
use crate::config::model::Mode;
use crate::state::Snapshot;
use crate::stats::rows::{Half, halves, part};
use crate::stats::{Details, FIELDS, Hide, Row, Selection, Value, csv, field, json};
use crate::time::Tick;

/// The answer; `details` are for those who may see addresses.
pub fn answer(snapshot: Arc<Snapshot>, query: &Stat, details: Details, now: Tick) -> Reply {
    let Some(bounds) = Bounds::of(&snapshot, query) else { return Reply::say("No such proxy.\n") };
    let hide = match query.hidden {
        Hidden::Nothing => Hide::Nothing,
        Hidden::Maintenance => Hide::Maintenance,
        Hidden::Down => Hide::Down,
    };
    let selection = Selection { hide, details, ..Selection::default() };
    let left = halves(&snapshot, &selection)
        .into_iter()
        .filter(|half| bounds.proxy_fits(&snapshot, *half))
        .collect();
    Reply::Parts(Box::new(Rows {
        snapshot,
        selection,
        bounds,
        shape: (query.shape, query.described),
        now,
        left,
        at: 0,
        skip: 0,
        stage: Stage::Head,
    }))
}

/// Which rows are wanted.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    proxy: Option<u32>,
    kinds: i64,
    server: Option<u32>,
}

impl Bounds {
    /// `None`: there is no such proxy.
    fn of(snapshot: &Snapshot, query: &Stat) -> Option<Bounds> {
        let Some((proxy, kinds, server)) = &query.bounds else {
            return Some(Bounds { proxy: None, kinds: -1, server: None });
        };
        let server = u32::try_from(*server).ok();
        let proxy = match proxy.parse::<i64>() {
            Ok(number) => u32::try_from(number).ok(),
            Err(_) => {
                let front = snapshot.frontend(proxy).map(|id| snapshot.config.frontends[id.0].proxy_id);
                let back = snapshot.backend(proxy).map(|id| snapshot.config.backends[id.0].proxy_id);
                Some(front.or(back)?)
            }
        };
        Some(Bounds { proxy, kinds: *kinds, server })
    }

    fn proxy_fits(self, snapshot: &Snapshot, half: Half) -> bool {
        self.proxy.is_none_or(|wanted| wanted == half.proxy_id(snapshot))
    }

    fn fits(self, row: &Row<'_>) -> bool {
        match row {
            Row::Frontend(_) => self.kinds & 1 != 0,
            Row::Backend(_) => self.kinds & 2 != 0,
            Row::Server(row) => {
                self.kinds & 4 != 0 && self.server.is_none_or(|wanted| wanted == row.config.id)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    First,
    Rows,
    Done,
}

#[derive(Debug)]
struct Rows {
    snapshot: Arc<Snapshot>,
    selection: Selection,
    bounds: Bounds,
    shape: (Shape, Described),
    now: Tick,
    left: Vec<Half>,
    at: usize,
    /// Servers of that half that are shown already.
    skip: usize,
    stage: Stage,
}

impl Iterator for Rows {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        match self.stage {
            Stage::Done => None,
            Stage::Head => {
                self.stage = Stage::First;
                Some(match self.shape.0 {
                    Shape::Plain => csv::header(),
                    Shape::Typed => String::new(),
                    Shape::Json => "[".to_owned(),
                })
            }
            Stage::First | Stage::Rows => {
                if let Some(half) = self.left.get(self.at).copied() {
                    return Some(self.part(half));
                }
                self.stage = Stage::Done;
                Some(if self.shape.0 == Shape::Json { "]\n".to_owned() } else { String::new() })
            }
        }
    }
}

impl Rows {
    fn part(&mut self, half: Half) -> String {
        let (rows, shown) = part(&self.snapshot, half, &self.selection, self.skip, self.now);
        match shown {
            Some(shown) => self.skip = shown,
            None => (self.at, self.skip) = (self.at + 1, 0),
        }
        let mut text = String::new();
        for row in rows.iter().filter(|row| self.bounds.fits(row)) {
            match self.shape.0 {
                Shape::Plain => csv::push_row(&mut text, row),
                Shape::Typed => push_typed(&mut text, row, self.shape.1),
                Shape::Json => {
                    if self.stage == Stage::Rows {
                        text.push(',');
                    }
                    text.push_str(&json::row(row));
                }
            }
            self.stage = Stage::Rows;
        }
        text
    }
}

/// `S.3.1.4.scur.1:MGP:u32:0`, a line a figure, and an empty line.
fn push_typed(text: &mut String, row: &Row<'_>, described: Described) {
    let (kind, proxy, id) = match row {
        Row::Frontend(row) => ('F', row.config.proxy_id, 0),
        Row::Backend(row) => ('B', row.config.proxy_id, 0),
        Row::Server(row) => ('S', row.backend.proxy_id, row.config.id),
    };
    let fields = FIELDS.iter().chain(field::MODULE_FIELDS).enumerate();
    for (at, field) in fields {
        let value = field.value(row);
        if value == Value::Empty {
            continue;
        }
        let (name, tags) = (field.name, field.letters(row));
        let _ =
            write!(text, "{kind}.{proxy}.{id}.{at}.{name}.1:{tags}:{}:{}", type_name(&value), Shown(&value));
        if described == Described::Yes {
            let _ = write!(text, ":\"{name}\"");
        }
        text.push('\n');
    }
    text.push('\n');
}

/// What `show info` calls requests: sessions, and requests of `mode http`.
pub fn requests(snapshot: &Snapshot) -> u64 {
    let of =
        |(config, live): (&crate::config::model::Frontend, &Arc<crate::state::FrontendLive>)| match config
            .mode
        {
            Mode::Http => live.requests.sum(),
            Mode::Tcp => live.traffic.total.sum(),
        };
    snapshot.config.frontends.iter().zip(&snapshot.frontends).map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::demo;

    fn demo_answer(query: &Stat) -> String {
        let demo = demo::demo();
        answer(Arc::new(demo.snapshot), query, Details::Legends, demo.now).into_text()
    }

    #[test]
    fn the_parts_are_the_whole() {
        let demo = demo::demo();
        let selection = Selection { details: Details::Legends, ..Selection::default() };
        let rows = crate::stats::rows(&demo.snapshot, &selection, demo.now);
        assert_eq!(demo_answer(&Stat::default()), csv::render(&rows));
        let json = demo_answer(&Stat { shape: Shape::Json, ..Stat::default() });
        assert_eq!(json.trim_end(), json::render(&rows));
    }

    #[test]
    fn rows_are_chosen_by_proxy_kind_and_server() {
        let names = |bounds: (&str, i64, i64)| {
            let query = Stat { bounds: Some((bounds.0.into(), bounds.1, bounds.2)), ..Stat::default() };
            let text = demo_answer(&query);
            let name = |line: &str| line.split(',').take(2).collect::<Vec<_>>().join("/");
            text.lines().skip(1).map(name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(("-1", 1, -1)), "redis/FRONTEND stats/FRONTEND");
        assert_eq!(names(("redis", 2, -1)), "redis/BACKEND");
        assert_eq!(names(("2", 4, 3)), "redis/redis3");
        assert_eq!(names(("3", 6, -1)), "stats/BACKEND");
        assert_eq!(names(("3", 1, 1)), "stats/FRONTEND", "the number is a server's");
        let query = Stat { bounds: Some(("nobody".into(), 1, 1)), ..Stat::default() };
        assert_eq!(demo_answer(&query), "No such proxy.\n");
    }

    #[test]
    fn typed_figures_say_where_they_belong() {
        let text = demo_answer(&Stat { shape: Shape::Typed, ..Stat::default() });
        assert!(
            text.starts_with("F.2.0.0.pxname.1:KNS:str:redis\nF.2.0.1.svname.1:KNS:str:FRONTEND\n"),
            "{text}"
        );
        assert!(text.contains("\nS.2.1.18.weight.1:MaP:u32:1\n"));
    }
}
