//! Who operates the hub: the first admins from its configuration, everybody else by an admin.

use domain::operator::{Act, Role};
use domain::{OperatorId, Reason};
use server_kit::store::StoreError;
use uuid::Uuid;

use super::Operators;
use super::sql::{self, Kept};
use super::steps::{Done, Step, Work};

impl Operators {
    /// Registers the first admins, if the hub has no admin yet; otherwise changes nothing.
    pub async fn register_first(&self, admins: Vec<OperatorId>) -> Result<(), Reason> {
        self.step(Step::First(First { admins })).await.map(|_| ())
    }

    /// Registers somebody, or changes their role or whether they are suspended.
    pub(super) async fn set(&self, by: OperatorId, set: (OperatorId, Role, bool)) -> Result<Kept, Reason> {
        let (operator_id, role, suspended) = set;
        match self.step(Step::Set(Set { by, operator_id, role, suspended })).await? {
            Done::Operator(kept) => Ok(*kept),
            other => Err(super::fault(&format!("a change was answered with {other:?}"))),
        }
    }
}

#[derive(Debug)]
pub(super) struct First {
    admins: Vec<OperatorId>,
}

impl First {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Done, StoreError> {
        if sql::has_admin(work.tx).await? {
            return Ok(Done::Noted);
        }
        for admin in &self.admins {
            let now = work.tx.now();
            let kept = match sql::load_operator(work.tx, admin).await? {
                Some(known) => Kept { version: known.version + 1, role: Role::Admin, suspended: false, ..known },
                None => Kept::new(admin.clone(), Role::Admin, false, now),
            };
            sql::put_operator(work.tx, &kept).await?;
            work.tx.flush().await?;
            work.note("OPERATOR_REGISTERED", Uuid::nil(), format!("operator={admin} role=ADMIN by=configuration"));
        }
        Ok(Done::Noted)
    }
}

#[derive(Debug)]
pub(super) struct Set {
    by: OperatorId,
    operator_id: OperatorId,
    role: Role,
    suspended: bool,
}

impl Set {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        // The admins first, in their order, so that two replicas wait for each other instead of deadlocking.
        let admins = sql::load_admins(work.tx).await?;
        let known = sql::load_operator(work.tx, &self.operator_id).await?;
        if let Some(known) = known.as_ref().filter(|it| it.role == self.role && it.suspended == self.suspended) {
            return Ok(Ok(Done::Operator(Box::new(known.clone()))));
        }
        // Checked again here: since the act was proposed, somebody may have lost their role.
        let proposer = sql::load_operator(work.tx, &self.by).await?.filter(|it| !it.suspended);
        if let Err(reason) = proposer.map_or(Err(Reason::OperatorUnknown), |it| Act::ChangeOperator.allowed_to(it.role))
        {
            return Ok(Err(reason));
        }
        let stays = self.role == Role::Admin && !self.suspended;
        let left = admins.iter().filter(|admin| **admin != self.operator_id).count();
        let fewest = if work.second_person { 2 } else { 1 };
        if !stays && admins.contains(&self.operator_id) && left < fewest {
            return Ok(Err(Reason::OperatorLastAdmin));
        }
        let now = work.tx.now();
        let (kind, kept) = match known {
            Some(known) => {
                let (version, role, suspended) = (known.version + 1, self.role, self.suspended);
                ("OPERATOR_CHANGED", Kept { version, role, suspended, ..known })
            }
            None => ("OPERATOR_REGISTERED", Kept::new(self.operator_id.clone(), self.role, self.suspended, now)),
        };
        sql::put_operator(work.tx, &kept).await?;
        // Whoever may do something else than before signs in anew.
        sql::delete_sessions(work.tx, &self.operator_id).await?;
        let (operator, role, suspended) = (&self.operator_id, self.role.as_str(), self.suspended);
        let by = &self.by;
        work.note(kind, Uuid::nil(), format!("operator={operator} role={role} suspended={suspended} by={by}"));
        Ok(Ok(Done::Operator(Box::new(kept))))
    }
}
