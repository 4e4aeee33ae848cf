//! Rows turned into columns: PostgreSQL takes a whole column as one array, so that one prepared statement writes a set of any
//! size.

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use uuid::Uuid;

use super::{StoreError, Value};

#[derive(Debug)]
enum Column {
    Ids(Vec<Option<Uuid>>),
    Ints(Vec<Option<i64>>),
    Reals(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    /// An empty column of the sort of its first value.
    fn like(value: &Value) -> Self {
        match value {
            Value::Id(_) | Value::MaybeId(_) => Self::Ids(Vec::new()),
            Value::Int(_) | Value::MaybeInt(_) => Self::Ints(Vec::new()),
            Value::Real(_) => Self::Reals(Vec::new()),
            Value::Text(_) | Value::MaybeText(_) => Self::Texts(Vec::new()),
            Value::Bytes(_) | Value::MaybeBytes(_) => Self::Bytes(Vec::new()),
        }
    }

    fn push(&mut self, value: Value) -> Result<(), StoreError> {
        match (self, value) {
            (Self::Ids(column), Value::Id(value)) => column.push(Some(value)),
            (Self::Ids(column), Value::MaybeId(value)) => column.push(value),
            (Self::Ints(column), Value::Int(value)) => column.push(Some(value)),
            (Self::Ints(column), Value::MaybeInt(value)) => column.push(value),
            (Self::Reals(column), Value::Real(value)) => column.push(value),
            (Self::Texts(column), Value::Text(value)) => column.push(Some(value)),
            (Self::Texts(column), Value::MaybeText(value)) => column.push(value),
            (Self::Bytes(column), Value::Bytes(value)) => column.push(Some(value)),
            (Self::Bytes(column), Value::MaybeBytes(value)) => column.push(value),
            // Not what they are: they may be numbers and names of people.
            _ => return Err(StoreError::Refused("values of different sorts in one column".to_owned())),
        }
        Ok(())
    }

    fn add_to(self, arguments: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
        match self {
            Self::Ids(column) => arguments.add(column),
            Self::Ints(column) => arguments.add(column),
            Self::Reals(column) => arguments.add(column),
            Self::Texts(column) => arguments.add(column),
            Self::Bytes(column) => arguments.add(column),
        }
    }
}

/// Adds one array for each column of the rows.
pub(super) fn add_arrays(rows: Vec<Vec<Value>>, arguments: &mut PgArguments) -> Result<(), StoreError> {
    let mut columns: Vec<Column> = rows.first().map_or_else(Vec::new, |row| row.iter().map(Column::like).collect());
    for row in rows {
        if row.len() != columns.len() {
            return Err(StoreError::Refused("rows of different widths".to_owned()));
        }
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value)?;
        }
    }
    for column in columns {
        column.add_to(arguments).map_err(|error| StoreError::Refused(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_do_not_fit_together_are_refused() {
        let added = |rows| add_arrays(rows, &mut PgArguments::default());
        assert!(added(vec![vec![Value::Int(1)], vec![Value::MaybeInt(None)]]).is_ok());
        assert!(added(vec![vec![Value::Int(1)], vec![Value::Text(String::new())]]).is_err());
        assert!(added(vec![vec![Value::Int(1)], Vec::new()]).is_err());
    }
}
