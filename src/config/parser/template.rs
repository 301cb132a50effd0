//! The text of a log format into its pieces (manual section 8.2.6). What a name means, and whether it may stand
//! where it does, is for `resolve`, which knows the mode of the proxy.

use crate::config::model::Look;

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(Vec<u8>),
    /// `%NAME`
    Name(&'a [u8], Look),
    /// `%[EXPRESSION]`
    Expression(&'a [u8], Look),
}

/// What becomes of blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blanks {
    /// Those that follow one another are one; at the beginning they are none.
    Merged,
    Kept,
}

/// Reads all of a line of the log, whose blanks HAProxy merges.
pub fn pieces(text: &[u8]) -> Result<Vec<Piece<'_>>, String> {
    read(text, Blanks::Merged)
}

/// Reads all of any other text.
pub fn all_pieces(text: &[u8]) -> Result<Vec<Piece<'_>>, String> {
    read(text, Blanks::Kept)
}

fn read(text: &[u8], blanks: Blanks) -> Result<Vec<Piece<'_>>, String> {
    let mut reader = Reader { rest: text, pieces: Vec::new(), text: Vec::new(), blank: true };
    let mut defaults = Look::default();
    while let Some((first, rest)) = reader.rest.split_first() {
        reader.rest = rest;
        match first {
            b'%' => reader.item(&mut defaults)?,
            b' ' if reader.blank && blanks == Blanks::Merged => {}
            byte => {
                reader.blank = *byte == b' ';
                reader.text.push(*byte);
            }
        }
    }
    reader.end_text();
    Ok(reader.pieces)
}

struct Reader<'a> {
    rest: &'a [u8],
    pieces: Vec<Piece<'a>>,
    text: Vec<u8>,
    /// What was read last is a blank, or nothing.
    blank: bool,
}

impl<'a> Reader<'a> {
    /// What follows a `%`.
    fn item(&mut self, defaults: &mut Look) -> Result<(), String> {
        self.skip_name()?;
        let mut look = *defaults;
        if let Some(rest) = self.rest.strip_prefix(b"{") {
            let end = rest.iter().position(|byte| *byte == b'}').ok_or("missing '}' after '%{'")?;
            flags(&rest[..end], &mut look);
            self.rest = &rest[end + 1..];
        }
        match self.rest.first() {
            None => return Err("truncated line after '%'.".to_owned()),
            Some(b'%') => {
                self.text.push(b'%');
                self.rest = &self.rest[1..];
            }
            Some(b'[') => {
                let length = expression(&self.rest[1..])?;
                let inner = &self.rest[1..=length];
                self.rest = &self.rest[length + 2..];
                self.push(Piece::Expression(inner, look));
            }
            Some(_) => {
                let is_name = |byte: &u8| byte.is_ascii_alphanumeric();
                let end = self.rest.iter().position(|byte| !is_name(byte)).unwrap_or(self.rest.len());
                let (name, rest) = self.rest.split_at(end);
                self.rest = rest;
                if name == b"o" {
                    *defaults = look;
                    return Ok(());
                }
                self.push(Piece::Name(name, look));
            }
        }
        self.blank = false;
        Ok(())
    }

    /// `(NAME)`, `(NAME:TYPE)`: names an item for encodings, which rolecall has not.
    fn skip_name(&mut self) -> Result<(), String> {
        if let Some(rest) = self.rest.strip_prefix(b"(") {
            let end = rest.iter().position(|byte| *byte == b')').ok_or("missing ')' after '%('")?;
            self.rest = &rest[end + 1..];
        }
        Ok(())
    }

    fn push(&mut self, piece: Piece<'a>) {
        self.end_text();
        self.pieces.push(piece);
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.text)));
        }
    }
}

/// `+Q,-E`; what is none of the known ones changes nothing, as in HAProxy.
fn flags(text: &[u8], look: &mut Look) {
    for flag in text.split(|byte| *byte == b',') {
        let (on, name) = match flag.split_first() {
            Some((b'+', name)) => (true, name),
            Some((b'-', name)) => (false, name),
            _ => continue,
        };
        match name {
            b"Q" => look.quoted = on,
            b"E" => look.escaped = on,
            b"X" => look.hexadecimal = on,
            _ => {}
        }
    }
}

/// How long an expression is that ends before a `]`; those within quotes and parentheses do not end it.
fn expression(text: &[u8]) -> Result<usize, String> {
    let (mut depth, mut quote) = (0u32, None);
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (None, b']') if depth == 0 => return Ok(at),
            (None, b'(') => depth += 1,
            (None, b')') => depth = depth.saturating_sub(1),
            (None, b'\'' | b'"') if depth > 0 => quote = Some(*byte),
            (None | Some(b'"'), b'\\') if depth > 0 => drop(bytes.next()),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    Err(format!("missing ']' after '{}'.", String::from_utf8_lossy(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { quoted: false, escaped: false, hexadecimal: false, optional: false };
    const QUOTED: Look = Look { quoted: true, ..PLAIN };

    #[test]
    fn text_names_and_expressions() {
        let read = pieces(b"{\"ip\":\"%ci\"}  100%% %[src,word(1,']')] x").unwrap();
        let text = |text: &str| Piece::Text(text.into());
        assert_eq!(
            read,
            [
                text("{\"ip\":\""),
                Piece::Name(b"ci", PLAIN),
                text("\"} 100% "),
                Piece::Expression(b"src,word(1,']')", PLAIN),
                text(" x"),
            ]
        );
    }

    #[test]
    fn blanks_of_other_texts_stay() {
        assert_eq!(all_pieces(b" a  b ").unwrap(), [Piece::Text(b" a  b ".to_vec())]);
    }

    #[test]
    fn flags_hold_for_one_item_or_for_those_that_follow() {
        let read = pieces(b"%{+Q}o %ci %{-Q,+X,+Z}cp %(name:str)ci").unwrap();
        let names: Vec<_> = read.iter().filter(|piece| matches!(piece, Piece::Name(..))).collect();
        let hexadecimal = Look { hexadecimal: true, ..PLAIN };
        assert_eq!(
            names,
            [&Piece::Name(b"ci", QUOTED), &Piece::Name(b"cp", hexadecimal), &Piece::Name(b"ci", QUOTED)]
        );
        assert_eq!(read[0], Piece::Name(b"ci", QUOTED), "no blank before the first item");
    }

    #[test]
    fn faults_say_what_is_missing() {
        for (text, fault) in [
            ("a %", "truncated line after '%'."),
            ("%[src", "missing ']' after 'src'."),
            ("%{+Qci", "missing '}' after '%{'"),
            ("%(ci", "missing ')' after '%('"),
        ] {
            assert_eq!(pieces(text.as_bytes()), Err(fault.to_owned()), "{text}");
        }
    }
}
