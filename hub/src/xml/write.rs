//! XML in pieces, with text as long as a format takes.

use std::borrow::Cow;

use domain::Timestamp;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesPI, BytesStart, BytesText, Event};

/// A document that is being written, of which the pieces are taken away.
pub(crate) struct Xml {
    writer: Writer<Vec<u8>>,
}

impl Xml {
    /// Begins a document in UTF-8.
    pub(crate) fn new() -> Self {
        let mut xml = Self { writer: Writer::new_with_indent(Vec::new(), b' ', 1) };
        xml.write(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        xml
    }

    /// Writing to memory cannot fail.
    fn write(&mut self, event: Event<'_>) {
        let _ = self.writer.write_event(event);
    }

    pub(crate) fn instruction(&mut self, content: &str) {
        self.write(Event::PI(BytesPI::new(content)));
    }

    pub(crate) fn open(&mut self, name: &str) {
        self.write(Event::Start(BytesStart::new(name)));
    }

    pub(crate) fn open_with(&mut self, name: &str, attribute: (&str, &str)) {
        self.write(Event::Start(BytesStart::new(name).with_attributes([attribute])));
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.write(Event::End(BytesEnd::new(name)));
    }

    /// An element inside which `content` writes.
    pub(crate) fn within(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name);
        content(self);
        self.close(name);
    }

    /// An element with nothing but text, which is there to the last character.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        let _ = self.writer.create_element(name).write_text_content(BytesText::new(&readable(text)));
    }

    /// The same with an attribute.
    pub(crate) fn text_with(&mut self, name: &str, attribute: (&str, &str), text: &str) {
        let element = self.writer.create_element(name).with_attribute(attribute);
        let _ = element.write_text_content(BytesText::new(&readable(text)));
    }

    /// The same with so many characters at most; no element for no text.
    pub(crate) fn clipped(&mut self, name: &str, text: &str, most_chars: usize) {
        let text = clip(text, most_chars);
        if !text.is_empty() {
            self.text(name, &text);
        }
    }

    /// What was written since the last time.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.get_mut())
    }
}

/// So many characters at most, with `…` as the last one of a text that is longer.
pub(crate) fn clip(text: &str, most_chars: usize) -> Cow<'_, str> {
    if text.chars().nth(most_chars).is_none() {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(most_chars.saturating_sub(1)).collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

/// `ISODateTime` in UTC.
pub(crate) fn written_time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_microsecond(at.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.6}")
}

/// Without the two characters of a name that no XML 1.0 document may have, escaped or not (§2.2).
fn readable(text: &str) -> Cow<'_, str> {
    const NO_CHARACTERS: [char; 2] = ['\u{fffe}', '\u{ffff}'];
    if text.contains(NO_CHARACTERS) { Cow::Owned(text.replace(NO_CHARACTERS, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_clipped_by_characters_and_says_so() {
        for (text, most, wanted) in
            [("老王面馆", 4, "老王面馆"), ("老王面馆", 3, "老王…"), ("a b c", 3, "a…"), ("🍜🍜", 1, "…"), ("", 3, "")]
        {
            assert_eq!(clip(text, most), wanted, "{text} {most}");
        }
    }

    #[test]
    fn markup_in_a_text_is_text_and_what_xml_cannot_have_is_replaced() {
        let mut xml = Xml::new();
        xml.take();
        xml.text_with("a", ("b", "\"<"), "<x> & \u{ffff}]]>");
        assert_eq!(String::from_utf8(xml.take()).unwrap(), "\n<a b=\"&quot;&lt;\">&lt;x&gt; &amp; \u{fffd}]]&gt;</a>");
    }
}
