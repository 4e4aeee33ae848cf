//! XML that somebody else has written, read piece by piece: no document type, no entities but XML's own, and an end to everything.

use std::fmt;

use domain::Reason;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// The largest file.
pub(crate) const MOST_OCTETS: usize = 16 * 1024 * 1024;
/// Elements within each other.
const DEEPEST: usize = 24;
/// Characters of an element's name.
const LONGEST_NAME: usize = 64;
/// Octets of an element's text: the longest field of a card message as hexadecimal digits, twice over.
const LONGEST_TEXT: usize = 4_096;
/// Of a place, as it is told to whoever made the file.
const LONGEST_PLACE: usize = 200;

/// Where something stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAt {
    pub line: u32,
    /// The elements on the way to it, with `/` between them.
    pub element: String,
}

/// Why a file is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    pub reason: Reason,
    pub at: NamedAt,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, {}: {}", self.at.line, self.at.element, self.reason)
    }
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// An element begins, whose path is [`Document::path`] from now on.
    Open,
    /// One without elements in it has ended.
    Leaf {
        text: String,
        /// Its attribute `Ccy`.
        currency: Option<String>,
    },
    /// One with elements in it has ended.
    Close,
}

struct Element {
    /// How long the path is without it.
    before: usize,
    text: String,
    currency: Option<String>,
    has_elements: bool,
}

/// A document whose root is `Document` of a namespace.
pub(crate) struct Document<'t> {
    text: &'t str,
    reader: Reader<&'t [u8]>,
    namespace: String,
    /// With the colon, of every element outside of an envelope.
    prefix: String,
    stack: Vec<Element>,
    path: String,
    /// Up to here lines were counted.
    counted: usize,
    line: u32,
    /// The element that has ended, which leaves the path with the next step.
    ended: Option<usize>,
}

impl<'t> Document<'t> {
    /// Reads up to the root. `Err` with `FileTooLarge`, `FileMalformed`, or `FileKindUnknown` for a root that is no `Document` of a
    /// namespace.
    pub(crate) fn open(octets: &'t [u8]) -> Result<Self, Fault> {
        let at = NamedAt { line: 1, element: "Document".to_owned() };
        let fault = |reason| Fault { reason, at: at.clone() };
        if octets.len() > MOST_OCTETS {
            return Err(fault(Reason::FileTooLarge));
        }
        let text = std::str::from_utf8(octets).map_err(|_| fault(Reason::FileMalformed))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let (namespace, prefix, path) = (String::new(), String::new(), String::new());
        let mut document =
            Self { text, reader, namespace, prefix, stack: Vec::new(), path, counted: 0, line: 1, ended: None };
        match document.next()? {
            Some(Piece::Open) => Ok(document),
            _ => Err(document.fault(Reason::FileMalformed)),
        }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The path of the element that the last piece is about, below the root.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where the last piece ends.
    pub(crate) fn place(&self) -> NamedAt {
        let whole = if self.path.is_empty() { "Document" } else { &self.path };
        NamedAt { line: self.line, element: whole.chars().take(LONGEST_PLACE).collect() }
    }

    pub(crate) fn fault(&self, reason: Reason) -> Fault {
        Fault { reason, at: self.place() }
    }

    /// The next piece; none behind the root's end.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Fault> {
        if let Some(before) = self.ended.take() {
            self.path.truncate(before);
        }
        loop {
            let event = self.reader.read_event();
            self.count_lines();
            let piece = match event {
                Ok(event) => self.take(event),
                Err(_) => Err(Reason::FileMalformed),
            };
            match piece.map_err(|reason| self.fault(reason))? {
                Taken::Piece(piece) => return Ok(Some(piece)),
                Taken::Nothing => {}
                Taken::End => return Ok(None),
            }
        }
    }

    fn count_lines(&mut self) {
        let now = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX).min(self.text.len());
        let passed = self.text.as_bytes().get(self.counted..now).unwrap_or_default();
        let lines = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.counted = now;
    }

    fn take(&mut self, event: Event<'_>) -> Result<Taken, Reason> {
        match event {
            Event::Start(start) => self.open_element(&start).map(|()| Taken::Piece(Piece::Open)),
            Event::End(_) => self.close_element().map(Taken::Piece),
            Event::Text(text) => self.add_text(&text).map(|()| Taken::Nothing),
            Event::CData(text) => self.add_text(&text).map(|()| Taken::Nothing),
            Event::GeneralRef(reference) => {
                let character = character_of(&reference)?;
                self.add_text(character.encode_utf8(&mut [0; 4])).map(|()| Taken::Nothing)
            }
            Event::Decl(declaration) => match declaration.encoding() {
                None => Ok(Taken::Nothing),
                Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("UTF-8") => Ok(Taken::Nothing),
                Some(_) => Err(Reason::FileMalformed),
            },
            Event::Comment(_) => Ok(Taken::Nothing),
            Event::Eof if self.stack.is_empty() && !self.namespace.is_empty() => Ok(Taken::End),
            // A document type could name files and make much of little; an instruction is for some program that is not this one.
            Event::DocType(_) | Event::PI(_) | Event::Eof | Event::Empty(_) => Err(Reason::FileMalformed),
        }
    }

    fn open_element(&mut self, start: &BytesStart<'_>) -> Result<(), Reason> {
        let name = start.name();
        let name: &str = name.as_ref();
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(fine) || self.stack.len() >= DEEPEST {
            return Err(Reason::FileMalformed);
        }
        let before = self.path.len();
        let mut currency = None;
        if self.stack.is_empty() {
            self.open_root(name, start)?;
        } else {
            let local = name.strip_prefix(self.prefix.as_str()).unwrap_or(name);
            if !self.path.is_empty() {
                self.path.push('/');
            }
            self.path.push_str(local);
            for attribute in start.attributes() {
                let attribute = attribute.map_err(|_| Reason::FileMalformed)?;
                let key: &str = attribute.key.as_ref();
                if key == "Ccy" {
                    currency = Some(attribute.value.to_string());
                }
            }
        }
        if let Some(parent) = self.stack.last_mut() {
            if !is_blank(&parent.text) {
                return Err(Reason::FileMalformed);
            }
            parent.text.clear();
            parent.has_elements = true;
        }
        self.stack.push(Element { before, text: String::new(), currency, has_elements: false });
        Ok(())
    }

    /// The root says the namespace, and with it which message this is.
    fn open_root(&mut self, name: &str, start: &BytesStart<'_>) -> Result<(), Reason> {
        if !self.namespace.is_empty() {
            return Err(Reason::FileMalformed);
        }
        let (prefix, local) = name.split_once(':').map_or(("", name), |(prefix, local)| (prefix, local));
        let declared = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| Reason::FileMalformed)?;
            let key: &str = attribute.key.as_ref();
            if key == declared {
                self.namespace = attribute.value.chars().take(LONGEST_PLACE).collect();
            }
        }
        if !prefix.is_empty() {
            self.prefix = format!("{prefix}:");
        }
        if local == "Document" && !self.namespace.is_empty() { Ok(()) } else { Err(Reason::FileKindUnknown) }
    }

    fn close_element(&mut self) -> Result<Piece, Reason> {
        let element = self.stack.pop().ok_or(Reason::FileMalformed)?;
        self.ended = Some(element.before);
        if element.has_elements {
            return Ok(Piece::Close);
        }
        Ok(Piece::Leaf { text: element.text, currency: element.currency })
    }

    fn add_text(&mut self, text: &str) -> Result<(), Reason> {
        // XML 1.0, §2.2: which characters a document may have at all.
        let is_none =
            |c: char| (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
        if text.chars().any(is_none) {
            return Err(Reason::TextMalformed);
        }
        let Some(element) = self.stack.last_mut() else {
            return if is_blank(text) { Ok(()) } else { Err(Reason::FileMalformed) };
        };
        // Blanks between elements are no text, however many elements there are.
        if element.has_elements {
            return if is_blank(text) { Ok(()) } else { Err(Reason::FileMalformed) };
        }
        if element.text.len().saturating_add(text.len()) > LONGEST_TEXT {
            return Err(Reason::TextMalformed);
        }
        element.text.push_str(text);
        Ok(())
    }
}

enum Taken {
    Piece(Piece),
    Nothing,
    End,
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// XML's five entities and characters by their number.
fn character_of(reference: &BytesRef<'_>) -> Result<char, Reason> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Ok(character);
    }
    let name: &str = reference;
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(Reason::FileMalformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Piece)>, Fault> {
        let (mut document, mut pieces) = (Document::open(text.as_bytes())?, Vec::new());
        while let Some(piece) = document.next()? {
            pieces.push((document.path().to_owned(), piece));
        }
        Ok(pieces)
    }

    #[test]
    fn m7_a_document_is_read_with_and_without_a_prefix() {
        let plain = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Document xmlns=\"urn:x\"><A><B Ccy=\"CNY\">1 &lt; &#50;</B><C/></A></Document>\n<!-- end -->";
        let prefixed =
            "<d:Document xmlns:d='urn:x'><d:A><d:B Ccy='CNY'><![CDATA[1 < 2]]></d:B><d:C></d:C></d:A></d:Document>";
        let leaf = |text: &str, currency: Option<&str>| Piece::Leaf {
            text: text.to_owned(),
            currency: currency.map(str::to_owned),
        };
        let wanted = [
            ("A", Piece::Open),
            ("A/B", Piece::Open),
            ("A/B", leaf("1 < 2", Some("CNY"))),
            ("A/C", Piece::Open),
            ("A/C", leaf("", None)),
            ("A", Piece::Close),
            ("", Piece::Close),
        ];
        for text in [plain, prefixed] {
            let found = read(text).unwrap();
            let found: Vec<(&str, &Piece)> = found.iter().map(|(path, piece)| (path.as_str(), piece)).collect();
            assert_eq!(found, wanted.iter().map(|(path, piece)| (*path, piece)).collect::<Vec<_>>());
            assert_eq!(Document::open(text.as_bytes()).unwrap().namespace(), "urn:x");
        }
    }

    #[test]
    fn m7_blanks_between_elements_are_no_text() {
        let many = "\n   <B> </B>".repeat(5_000);
        let found = read(&format!("<Document xmlns=\"u\">\n<A>{many}\n</A></Document>")).unwrap();
        assert_eq!(found.iter().filter(|(path, _)| path == "A/B").count(), 10_000);
    }

    #[test]
    fn m7_what_is_no_file_is_refused_with_its_line_and_element() {
        let deep = format!("<Document xmlns=\"u\">{}", "<A>".repeat(30));
        let long = format!("<Document xmlns=\"u\">\n<A>{}</A></Document>", "x".repeat(5_000));
        for (text, reason, line, element) in [
            ("", Reason::FileMalformed, 1, "Document"),
            ("no file", Reason::FileMalformed, 1, "Document"),
            ("<Document>", Reason::FileKindUnknown, 1, "Document"),
            ("<Other xmlns=\"u\"/>", Reason::FileKindUnknown, 1, "Document"),
            ("<!DOCTYPE d SYSTEM \"file:///etc/passwd\"><Document xmlns=\"u\"/>", Reason::FileMalformed, 1, "Document"),
            ("<Document xmlns=\"u\">\n<A>\n<B>", Reason::FileMalformed, 3, "A/B"),
            ("<Document xmlns=\"u\">\n<A></B></Document>", Reason::FileMalformed, 2, "A"),
            ("<Document xmlns=\"u\"><A>&other;</A></Document>", Reason::FileMalformed, 1, "A"),
            ("<Document xmlns=\"u\"><A>&#1;</A></Document>", Reason::TextMalformed, 1, "A"),
            ("<Document xmlns=\"u\"><A>\u{8}</A></Document>", Reason::TextMalformed, 1, "A"),
            ("<Document xmlns=\"u\"><A>text<B/></A></Document>", Reason::FileMalformed, 1, "A/B"),
            ("<Document xmlns=\"u\"><A><B/>text</A></Document>", Reason::FileMalformed, 1, "A"),
            ("<Document xmlns=\"u\"></Document><Document xmlns=\"u\"/>", Reason::FileMalformed, 1, "Document"),
            ("<?xml version=\"1.0\" encoding=\"GBK\"?><Document xmlns=\"u\"/>", Reason::FileMalformed, 1, "Document"),
            ("<?run it?><Document xmlns=\"u\"/>", Reason::FileMalformed, 1, "Document"),
            (&long, Reason::TextMalformed, 2, "A"),
        ] {
            let fault = read(text).unwrap_err();
            let wanted = Fault { reason, at: NamedAt { line, element: element.to_owned() } };
            assert_eq!(fault, wanted, "{}", text.chars().take(80).collect::<String>());
        }
        assert_eq!(read(&deep).unwrap_err().reason, Reason::FileMalformed);
        assert_eq!(Document::open(&[0xFF]).err().unwrap().reason, Reason::FileMalformed);
        let large = vec![b' '; 100 * 1024 * 1024];
        assert_eq!(Document::open(&large).err().unwrap().reason, Reason::FileTooLarge);
    }
}
