//! What stands behind the calls: what the console asks beside them, and binding, for which a bank is asked.

use domain::operator::Role as OperatorRole;
use domain::text::Line;
use domain::{OperatorId, PaymentId, Reason};
use proto::operator as pb;
use server_kit::identity::Role;
use server_kit::store::StoreError;
use tonic::{Request, Status};
use uuid::Uuid;

use super::super::bindings::{Asked, Bind};
use super::super::changes::{Change, Done, Step};
use super::super::{BankEntry, bins, inspect, sql};
use super::OperatorApi;
use crate::caller::caller;
use crate::keys;
use crate::lookups::{Listed, read_budget};
use crate::notify::DeadLetter;
use crate::store_status::{fault, store_status};

/// Digits of an account's or a card's number that may be stored to be shown: of a card the first six and the last four (PCI DSS
/// 4.0, requirement 3.4.1).
const MOST_DIGITS_SHOWN: usize = 10;

/// The operator who calls, by certificate.
pub(super) fn operator<T>(request: &Request<T>) -> Result<String, Status> {
    caller(request, Role::Operator).map_err(proto::status)
}

/// The same as an id.
pub(super) fn operator_id<T>(request: &Request<T>) -> Result<OperatorId, Status> {
    operator(request).and_then(|id| OperatorId::parse(&id).map_err(proto::status))
}

/// A change answers with its own sort of thing; anything else is a fault of this program.
pub(in crate::directory) fn mismatch(done: &Done) -> Status {
    fault(&format!("a change was answered with {done:?}"))
}

impl OperatorApi {
    pub(in crate::directory) async fn change(&self, by: String, change: Change) -> Result<Done, Status> {
        let done = self.directory.writer.write(Step { by, change }).await;
        done.map_err(|error| store_status(&error))?.map_err(proto::status)
    }

    /// Any payment with its steps; none that nobody has made.
    pub(crate) async fn inspect(&self, id: PaymentId) -> Result<Option<pb::InspectPaymentResponse>, StoreError> {
        inspect::inspect(&self.directory.parts.store, id).await
    }

    /// All banks in order of name.
    pub(crate) async fn banks(&self) -> Result<Vec<BankEntry>, StoreError> {
        self.directory.banks().await
    }

    /// As [`Notices::dead_letters`].
    pub(crate) async fn dead_letters(&self, before: Option<Uuid>, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.notices.dead_letters(before, limit).await
    }

    /// As [`Notices::retry`].
    pub(crate) async fn retry(&self, notice: Uuid, by: &str) -> Result<Result<(), Reason>, StoreError> {
        self.notices.retry(notice, by).await
    }

    /// As `FindPerson`, for whoever has signed into the console in this role.
    pub(crate) async fn find_person_as(
        &self,
        by: (OperatorId, OperatorRole),
        request: &pb::FindPersonRequest,
    ) -> Result<pb::FindPersonResponse, Reason> {
        let found = async { self.people()?.find(by, request).await };
        found.await.map_err(|status| proto::reason_of(&status).unwrap_or(Reason::Fault))
    }

    /// As `FreezeInstruments`, for whoever has signed into the console.
    pub(crate) async fn freeze_as(&self, by: &str, request: &pb::FreezeInstrumentsRequest) -> Result<(), Reason> {
        let frozen = async { self.freezes()?.freeze_lost(by, request).await };
        frozen.await.map(|_| ()).map_err(|status| proto::reason_of(&status).unwrap_or(Reason::Fault))
    }

    /// The ranges of all banks as they stand in the database, and what is suspended.
    pub(crate) async fn bin_ranges(&self) -> Result<pb::ListBinRangesResponse, StoreError> {
        Ok(bins::listed(&sql::read_bin_table(&self.directory.parts.store).await?))
    }

    /// Look-up budgets, a page of them.
    pub(crate) async fn lookup_budgets(&self, dry: bool, after: &str, most: i64) -> Result<Vec<Listed>, StoreError> {
        self.directory.lookups().list(dry, after, most).await
    }

    /// Fills a look-up budget up. `Err` with what cannot be read, or `LookupBudgetUnknown`.
    pub(crate) async fn fill_lookups(&self, scope: &str, id: &str, by: &str) -> Result<(), Reason> {
        let budget = read_budget(scope, id)?;
        self.directory.lookups().fill(budget, by).await.map_err(|error| error.reason())?
    }

    /// How keys and columns stand.
    pub(super) async fn key_status(&self) -> Result<pb::ListKeysResponse, Status> {
        let status = self.rotation()?.status().await.map_err(|error| store_status(&error))?;
        Ok(keys::status(status))
    }

    /// Retires a version of a key after counting.
    pub(super) async fn retire_key(&self, by: &str, request: &pb::RetireKeyVersionRequest) -> Result<(), Status> {
        let retired = self.rotation()?.retire(&request.key, request.version, by).await;
        retired.map_err(|error| store_status(&error))?.map_err(proto::status)
    }

    /// Binds what its bank knows; gives it as it is shown.
    pub(super) async fn bind(&self, by: String, asked: Asked) -> Result<String, Status> {
        let masked = self.masked(&asked).await?;
        let (bank_id, instrument) = (asked.bank_id.clone(), asked.instrument);
        let masked = match self.change(by, Change::Binding(Bind { asked, masked, active: true })).await? {
            Done::Binding { masked } => masked,
            other => return Err(mismatch(&other)),
        };
        // Only what is bound may be followed. When the bank does not answer the operator hears of it, and binds again.
        self.instruments.follow(&bank_id, instrument).await.map_err(proto::status)?;
        Ok(masked)
    }

    /// What is shown of the account or the card: as it was bound, or else as its bank says.
    async fn masked(&self, asked: &Asked) -> Result<String, Status> {
        let store = &self.directory.parts.store;
        let bound = sql::read_masked(store, &asked.bank_id, asked.instrument).await;
        if let Some(masked) = bound.map_err(|error| store_status(&error))? {
            return Ok(masked);
        }
        let bank = sql::read_bank(store, &asked.bank_id).await.map_err(|error| store_status(&error))?;
        bank.ok_or_else(|| proto::status(Reason::BankUnknown))?;
        let masked = self.instruments.masked(&asked.bank_id, asked.instrument).await.map_err(proto::status)?;
        // It comes from outside and is shown to people ever after.
        let digits = masked.bytes().filter(u8::is_ascii_digit).count();
        if digits > MOST_DIGITS_SHOWN {
            return Err(fault(&format!("{} shows {digits} digits of a number", asked.bank_id)));
        }
        let line = Line::parse(&masked)
            .map_err(|_| fault(&format!("{} gives an account or a card no name to show", asked.bank_id)))?;
        Ok(line.to_string())
    }
}
