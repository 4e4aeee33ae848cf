//! The merged configuration as a tree in which every value remembers where it was set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Origin};

/// One value and its place.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value {
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    /// Text from the environment or a flag, which becomes what the key needs.
    Text(String),
    List(Vec<Tree>),
    Section(BTreeMap<String, Tree>),
}

impl Tree {
    pub(super) fn empty() -> Self {
        Self { origin: Origin::Unset, value: Value::Section(BTreeMap::new()) }
    }

    /// Reads TOML.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file = Lines { path, text };
        let root = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| file.line(span.start)),
            // The message alone: the error's whole text would quote the line.
            message: error.message().to_owned(),
        })?;
        let origin = Origin::File { path: path.to_owned(), line: 1 };
        Ok(Self { origin, value: Value::Section(file.section(root.into_inner())?) })
    }

    /// Sets the value at a path of keys.
    pub(super) fn set<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k str>,
        text: &str,
        origin: &Origin,
    ) -> Result<(), ConfigError> {
        let mut at = self;
        let mut path: Vec<&str> = Vec::new();
        for key in keys {
            let Value::Section(entries) = &mut at.value else {
                return Err(ConfigError::NotASection { origin: origin.clone(), key: path.join(".") });
            };
            path.push(key);
            at = entries
                .entry(key.to_owned())
                .or_insert_with(|| Self { origin: origin.clone(), value: Value::Section(BTreeMap::new()) });
        }
        if matches!(&at.value, Value::Section(entries) if !entries.is_empty()) {
            let message = "a section is set key by key".to_owned();
            let key = path.join(".");
            return Err(ConfigError::Value { origin: origin.clone(), key, message, suggestion: None });
        }
        *at = Self { origin: origin.clone(), value: Value::Text(text.to_owned()) };
        Ok(())
    }

    /// Lays `over` on top, key by key.
    pub(super) fn overlay(&mut self, over: Self) -> Result<(), ConfigError> {
        self.overlay_at(over, "")
    }

    fn overlay_at(&mut self, over: Self, key: &str) -> Result<(), ConfigError> {
        match (&mut self.value, over.value) {
            (Value::Section(below), Value::Section(above)) => {
                for (name, value) in above {
                    let key = dotted(key, &name);
                    match below.get_mut(&name) {
                        Some(under) => under.overlay_at(value, &key)?,
                        None => {
                            below.insert(name, value);
                        }
                    }
                }
                Ok(())
            }
            (Value::Section(_), _) => {
                let message = "a section is set key by key".to_owned();
                Err(ConfigError::Value { origin: over.origin, key: key.to_owned(), message, suggestion: None })
            }
            (_, Value::Section(_)) => Err(ConfigError::NotASection { origin: over.origin, key: key.to_owned() }),
            (_, value) => {
                *self = Self { origin: over.origin, value };
                Ok(())
            }
        }
    }

    /// The variables to which a value refers as `env:NAME`.
    pub(super) fn secret_variables(&self) -> BTreeSet<String> {
        match &self.value {
            Value::String(text) | Value::Text(text) => {
                text.strip_prefix("env:").map(str::to_owned).into_iter().collect()
            }
            Value::List(items) => items.iter().flat_map(Self::secret_variables).collect(),
            Value::Section(entries) => entries.values().flat_map(Self::secret_variables).collect(),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => BTreeSet::new(),
        }
    }
}

/// Reads a list written as TOML in the environment or a flag, as in `["a", "b"]`; none when it is not one.
pub(super) fn list_in_text(text: &str, origin: &Origin) -> Option<Vec<Tree>> {
    let DeValue::Array(items) = DeValue::parse(text).ok()?.into_inner() else { return None };
    items.into_iter().map(|item| of_inline(item.into_inner(), origin)).collect()
}

fn of_inline(value: DeValue<'_>, origin: &Origin) -> Option<Tree> {
    let value = match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        // Numbers and truth values are read again when it is known what the list is made of.
        DeValue::Integer(number) => Value::Text(number.to_string()),
        DeValue::Float(number) => Value::Text(number.to_string()),
        DeValue::Boolean(truth) => Value::Bool(truth),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => return None,
    };
    Some(Tree { origin: origin.clone(), value })
}

/// `section.key`, or `key` at the root.
pub(super) fn dotted(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

struct Lines<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Lines<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    fn section(&self, table: DeTable<'_>) -> Result<BTreeMap<String, Tree>, ConfigError> {
        table
            .into_iter()
            .map(|(key, value)| {
                // A section begins at its key: the span of a dotted or an implied table is empty or far away.
                let line = self.line(key.span().start);
                Ok((key.into_inner().into_owned(), self.value(value, line)?))
            })
            .collect()
    }

    fn value(&self, value: Spanned<DeValue<'_>>, line: usize) -> Result<Tree, ConfigError> {
        let refused =
            |message: &str| ConfigError::Syntax { path: self.path.to_owned(), line, message: message.to_owned() };
        let value = match value.into_inner() {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map(Value::Integer)
                .map_err(|_| refused("the number is too large"))?,
            DeValue::Float(number) => {
                number.as_str().parse().map(Value::Float).map_err(|_| refused("the number cannot be read"))?
            }
            DeValue::Boolean(truth) => Value::Bool(truth),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Array(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| {
                        let line = self.line(item.span().start);
                        self.value(item, line)
                    })
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Table(table) => Value::Section(self.section(table)?),
        };
        Ok(Tree { origin: Origin::File { path: self.path.to_owned(), line }, value })
    }
}
