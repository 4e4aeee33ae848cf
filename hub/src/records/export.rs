//! The record as a file, made while it is read.

mod csv;

use domain::purchase::Purchase;
use domain::record::PurchaseFilter;
use domain::{PersonId, Reason};
use proto::cardholder as pb;
use server_kit::store::{Store, StoreError};

use super::query::{MOST_PURCHASES, filter_of};
use super::scan::Scan;

/// Rows of one read.
const CHUNK: usize = 200;

/// What a file of purchases looks like.
trait Format: Send {
    /// What stands before the first purchase.
    fn begin(&mut self) -> Vec<u8>;
    /// So many purchases, the last that was recorded first.
    fn purchases(&mut self, purchases: &[Purchase]) -> Vec<u8>;
    /// What stands after the last one.
    fn end(&mut self) -> Vec<u8>;
}

/// A file that is being made.
pub(crate) struct Export {
    store: Store,
    filter: PurchaseFilter,
    scan: Scan,
    format: Box<dyn Format>,
    looked_at: usize,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Purchases,
    Done,
}

impl Export {
    pub(crate) fn read(
        store: &Store,
        person_id: PersonId,
        request: &pb::ExportPaymentsRequest,
    ) -> Result<Self, Reason> {
        let format: Box<dyn Format> = match request.format() {
            pb::ExportFormat::Unspecified => return Err(Reason::FieldUnknown),
            pb::ExportFormat::Csv => Box::new(csv::Csv),
        };
        let filter = filter_of(request.filter.as_ref())?;
        let scan = Scan::all(person_id, &filter);
        Ok(Self { store: store.clone(), filter, scan, format, looked_at: 0, stage: Stage::Begin })
    }

    /// The next piece; none after the last one. `Err(TooManyItems)` inside when there is more than one file takes.
    pub(crate) async fn next(&mut self) -> Result<Result<Option<Vec<u8>>, Reason>, StoreError> {
        match self.stage {
            Stage::Begin => {
                self.stage = Stage::Purchases;
                Ok(Ok(Some(self.format.begin())))
            }
            Stage::Done => Ok(Ok(None)),
            Stage::Purchases => {
                let found = self.scan.next(&self.store, CHUNK).await?;
                if found.is_empty() {
                    self.stage = Stage::Done;
                    return Ok(Ok(Some(self.format.end())));
                }
                self.looked_at = self.looked_at.saturating_add(found.len());
                if self.looked_at > MOST_PURCHASES {
                    return Ok(Err(Reason::TooManyItems));
                }
                let fits = found.into_iter().map(|recorded| recorded.purchase).filter(|it| self.filter.matches(it));
                Ok(Ok(Some(self.format.purchases(&fits.collect::<Vec<_>>()))))
            }
        }
    }
}
