//! Reads a tree into a type through serde, and gives every refusal the place and the key that it is about.

use std::collections::btree_map;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::tree::{self, Tree, Value, dotted};
use super::{ConfigError, Origin};

/// One value on its way into a type.
#[derive(Debug, Clone)]
pub(super) struct Reader<'t> {
    tree: &'t Tree,
    key: String,
}

/// What a type refused; the place is added on the way out.
#[derive(Debug)]
pub(super) struct ReadError {
    what: What,
    at: Option<(Origin, String)>,
}

#[derive(Debug)]
enum What {
    UnknownKey { suggestion: Option<String> },
    Missing { field: String },
    Refused { message: String, suggestion: Option<String> },
}

impl ReadError {
    fn at(mut self, origin: &Origin, key: &str) -> Self {
        // The innermost place is the nearest one, and it comes first.
        self.at.get_or_insert_with(|| (origin.clone(), key.to_owned()));
        self
    }

    pub(super) fn into_config_error(self) -> ConfigError {
        let (origin, key) = self.at.unwrap_or((Origin::Unset, String::new()));
        match self.what {
            What::UnknownKey { suggestion } => ConfigError::UnknownKey { origin, key, suggestion },
            What::Missing { field } => ConfigError::Missing { origin, key: dotted(&key, &field) },
            What::Refused { message, suggestion } => ConfigError::Value { origin, key, message, suggestion },
        }
    }
}

impl From<What> for ReadError {
    fn from(what: What) -> Self {
        Self { what, at: None }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        What::Refused { message: message.to_string(), suggestion: None }.into()
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", kind(&unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found another {}", kind(&unexpected)))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        let message = format!("expected one of {}", known.join(", "));
        What::Refused { message, suggestion: nearest(found, known) }.into()
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        What::UnknownKey { suggestion: nearest(found, known) }.into()
    }

    fn missing_field(field: &'static str) -> Self {
        What::Missing { field: field.to_owned() }.into()
    }
}

/// The kind of a value without the value.
fn kind(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "truth value",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "whole number",
        Unexpected::Float(_) => "number",
        Unexpected::Str(_) | Unexpected::Char(_) => "text",
        Unexpected::Seq => "list",
        Unexpected::Map => "section",
        _ => "value",
    }
}

/// The known word within two slips of the pen of `found`, or one for short words.
fn nearest(found: &str, known: &[&str]) -> Option<String> {
    let allowed = if found.chars().count() < 5 { 1 } else { 2 };
    let slips = known.iter().map(|word| (slips(found, word), *word)).min()?;
    (slips.0 <= allowed).then(|| slips.1.to_owned())
}

/// How many letters must be added, dropped, changed or swapped with their neighbour to make `a` into `b`
/// (optimal string alignment distance).
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, letter) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in b.iter().enumerate() {
            let read = |of: &[usize], at: usize| of.get(at).copied().unwrap_or(usize::MAX / 2);
            let change = read(&last, column) + usize::from(letter != *other);
            let mut best = change.min(read(&last, column + 1) + 1).min(read(&current, column) + 1);
            let left = column.checked_sub(1);
            if let Some(left) = left.filter(|left| previous == Some(*other) && b.get(*left) == Some(&letter)) {
                best = best.min(read(&before_last, left) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(0)
}

impl<'t> Reader<'t> {
    pub(super) fn root(tree: &'t Tree) -> Self {
        Self { tree, key: String::new() }
    }

    fn section<'de, V: Visitor<'de>>(
        &self,
        entries: &'t std::collections::BTreeMap<String, Tree>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_map(Section { entries: entries.iter(), value: None, key: &self.key })
    }

    fn list<'de, V: Visitor<'de>>(&self, items: &[Tree], visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_seq(List { items: items.iter(), key: &self.key })
    }

    fn any<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.tree.value {
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::String(text) | Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => self.list(items, visitor),
            Value::Section(entries) => self.section(entries, visitor),
        }
    }

    /// Text that came from the environment or a flag.
    fn text(&self) -> Option<&'t str> {
        if let Value::Text(text) = &self.tree.value { Some(text.trim()) } else { None }
    }

    fn placed<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.map_err(|error| error.at(&self.tree.origin, &self.key))
    }
}

/// Numbers and truth values: text becomes one when one is asked for, and stays text when it is none.
macro_rules! read_text_as {
    ($($method:ident $kind:ty => $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.placed(match self.text().and_then(|text| text.parse::<$kind>().ok()) {
                Some(value) => visitor.$visit(value),
                None => self.any(visitor),
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    read_text_as! {
        deserialize_bool bool => visit_bool;
        deserialize_i8 i64 => visit_i64;
        deserialize_i16 i64 => visit_i64;
        deserialize_i32 i64 => visit_i64;
        deserialize_i64 i64 => visit_i64;
        deserialize_u8 u64 => visit_u64;
        deserialize_u16 u64 => visit_u64;
        deserialize_u32 u64 => visit_u64;
        deserialize_u64 u64 => visit_u64;
        deserialize_f32 f64 => visit_f64;
        deserialize_f64 f64 => visit_f64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.placed(self.any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.placed(visitor.visit_some(self.clone()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.placed(visitor.visit_newtype_struct(self.clone()))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Some(text) = self.text() else { return self.deserialize_any(visitor) };
        let items = tree::list_in_text(text, &self.tree.origin).unwrap_or_else(|| {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| Tree { origin: self.tree.origin.clone(), value: Value::Text(part.to_owned()) }).collect()
        });
        self.placed(self.list(&items, visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let result = match &self.tree.value {
            Value::String(text) | Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Section(entries) => visitor.visit_enum(de::value::MapAccessDeserializer::new(Section {
                entries: entries.iter(),
                value: None,
                key: &self.key,
            })),
            _ => self.any(visitor),
        };
        self.placed(result)
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

struct Section<'t> {
    entries: btree_map::Iter<'t, String, Tree>,
    value: Option<Reader<'t>>,
    key: &'t str,
}

impl<'de> MapAccess<'de> for Section<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((name, tree)) = self.entries.next() else { return Ok(None) };
        let key = dotted(self.key, name);
        let name: StrDeserializer<'_, ReadError> = name.as_str().into_deserializer();
        let found = seed.deserialize(name).map_err(|error| error.at(&tree.origin, &key))?;
        self.value = Some(Reader { tree, key });
        Ok(Some(found))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let reader = self.value.take().ok_or_else(|| <ReadError as de::Error>::custom("a key has no value"))?;
        let (origin, key) = (&reader.tree.origin, reader.key.clone());
        seed.deserialize(reader.clone()).map_err(|error| error.at(origin, &key))
    }
}

struct List<'t> {
    items: std::slice::Iter<'t, Tree>,
    key: &'t str,
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(tree) = self.items.next() else { return Ok(None) };
        let reader = Reader { tree, key: self.key.to_owned() };
        seed.deserialize(reader).map(Some).map_err(|error| error.at(&tree.origin, self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_counted() {
        for (a, b, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("listen", "lisetn", 1),
            ("key", "keys", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(slips(a, b), count, "{a} {b}");
        }
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let known = ["listen", "certificate", "key"];
        assert_eq!(nearest("certifcate", &known).as_deref(), Some("certificate"));
        assert_eq!(nearest("kye", &known).as_deref(), Some("key"));
        assert_eq!(nearest("database", &known), None);
    }
}
