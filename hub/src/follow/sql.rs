//! The table of what is to be done about events.

use std::collections::BTreeSet;

use domain::PersonId;
use server_kit::store::{Dialect, Row, Store, StoreError, Tx};

use super::steps::Done;

/// What is noted for a follower.
pub(super) async fn read_noted(
    store: &Store,
    follower: &'static str,
    most: i64,
) -> Result<Vec<(PersonId, i64)>, StoreError> {
    let sql =
        "SELECT person_id, sequence FROM followed_events WHERE follower = $1 ORDER BY person_id, sequence LIMIT $2";
    let rows = store.fetch(sql, vec![follower.into(), most.into()]).await?;
    rows.iter().map(|row: &Row| Ok((PersonId::from_uuid(row.id(0)?), row.int(1)?))).collect()
}

/// Strikes out; of each step whether it was still there.
pub(super) async fn strike_out(tx: &mut Tx, steps: &[Done]) -> Result<Vec<bool>, StoreError> {
    match tx.dialect() {
        // A statement in this thread costs a microsecond or two, and SQLite has no arrays.
        Dialect::Sqlite => {
            let sql = "DELETE FROM followed_events WHERE follower = $1 AND person_id = $2 AND sequence = $3";
            let mut outcomes = Vec::with_capacity(steps.len());
            for Done { follower, person_id, sequence, .. } in steps {
                let key = vec![(*follower).into(), person_id.uuid().into(), (*sequence).into()];
                outcomes.push(tx.execute(sql, key).await? == 1);
            }
            Ok(outcomes)
        }
        // Here each statement is a way to the server and back, so the keys go there together.
        Dialect::Postgres => {
            let sql = "DELETE FROM followed_events f USING (SELECT UNNEST(STRING_TO_ARRAY($1, ' ')) AS follower, \
                       UNNEST(STRING_TO_ARRAY($2, ' ')::UUID[]) AS person_id, \
                       UNNEST(STRING_TO_ARRAY($3, ' ')::BIGINT[]) AS sequence) k \
                       WHERE f.follower = k.follower AND f.person_id = k.person_id AND f.sequence = k.sequence \
                       RETURNING f.follower, f.person_id, f.sequence";
            let list = |of: fn(&Done) -> String| steps.iter().map(of).collect::<Vec<_>>().join(" ");
            let followers = list(|step| step.follower.to_owned());
            let persons = list(|step| step.person_id.to_string());
            let places = list(|step| step.sequence.to_string());
            let rows = tx.fetch(sql, vec![followers.into(), persons.into(), places.into()]).await?;
            let key = |row: &Row| Ok((row.text(0)?, PersonId::from_uuid(row.id(1)?), row.int(2)?));
            let mut struck: BTreeSet<(String, PersonId, i64)> =
                rows.iter().map(key).collect::<Result<_, StoreError>>()?;
            // Each is struck out once, also when it stands twice among the steps.
            let was_there = |step: &Done| struck.remove(&(step.follower.to_owned(), step.person_id, step.sequence));
            Ok(steps.iter().map(was_there).collect())
        }
    }
}
