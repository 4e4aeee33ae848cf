//! The rules of the connector, as tables.
