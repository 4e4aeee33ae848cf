//! The record as a file, made while it is read: no more than a chunk of it is in memory.

mod camt053;
mod csv;
mod entry;
mod ofx;
mod statements;

use domain::record::PurchaseFilter;
use domain::{PersonId, Reason, Timestamp};
use proto::cardholder as pb;
use server_kit::store::{Store, StoreError};

use super::query::{MOST_PURCHASES, filter_of};
use super::scan::Scan;
use statements::Statements;

/// Rows of one read.
const CHUNK: usize = 200;

/// A file that is being made.
pub(crate) struct Export {
    store: Store,
    file: File,
}

enum File {
    Table(Table),
    Statements(Statements),
}

impl Export {
    pub(crate) fn read(
        store: &Store,
        person_id: PersonId,
        request: &pb::ExportPaymentsRequest,
        now: Timestamp,
    ) -> Result<Self, Reason> {
        let format = pb::ExportFormat::try_from(request.format).map_err(|_| Reason::FieldUnknown)?;
        let filter = filter_of(request.filter.as_ref())?;
        let statements = |format| File::Statements(Statements::new(person_id, filter.clone(), now, format));
        let file = match format {
            pb::ExportFormat::Unspecified => return Err(Reason::FieldUnknown),
            pb::ExportFormat::Csv => File::Table(Table::new(person_id, filter)),
            pb::ExportFormat::Ofx => statements(Box::new(ofx::Ofx::new(now))),
            pb::ExportFormat::Camt053 => statements(Box::new(camt053::Camt053::new(now))),
        };
        Ok(Self { store: store.clone(), file })
    }

    /// The next piece; none after the last one. `Err(TooManyItems)` inside when there is more than one file takes, `Err(TooBusy)`
    /// when the record has changed so that what is told already is not true any more.
    pub(crate) async fn next(&mut self) -> Result<Result<Option<Vec<u8>>, Reason>, StoreError> {
        match &mut self.file {
            File::Table(table) => table.next(&self.store).await,
            File::Statements(statements) => statements.next(&self.store).await,
        }
    }
}

/// One line for each purchase and each give-back.
struct Table {
    filter: PurchaseFilter,
    scan: Scan,
    looked_at: usize,
    begun: bool,
}

impl Table {
    fn new(person_id: PersonId, filter: PurchaseFilter) -> Self {
        Self { scan: Scan::all(person_id, &filter), filter, looked_at: 0, begun: false }
    }

    async fn next(&mut self, store: &Store) -> Result<Result<Option<Vec<u8>>, Reason>, StoreError> {
        if !self.begun {
            self.begun = true;
            return Ok(Ok(Some(csv::header())));
        }
        let found = self.scan.next_with_given_back(store, CHUNK).await?;
        if found.is_empty() {
            return Ok(Ok(None));
        }
        self.looked_at = self.looked_at.saturating_add(found.len());
        if self.looked_at > MOST_PURCHASES {
            return Ok(Err(Reason::TooManyItems));
        }
        let fits = found.iter().filter(|recorded| self.filter.matches(&recorded.purchase));
        Ok(Ok(Some(csv::lines_of(fits))))
    }
}
