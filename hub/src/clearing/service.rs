//! The calls of operators about files: where protobuf stops.

use domain::clearing::Debt;
use domain::{Money, Reason};
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, iter};
use proto::operator as pb;
use proto::operator::check_clearing_file_response::Told;
use tonic::{Status, Streaming};

use super::check::{Checked, Incoming};
use super::{Clearing, Fault, PIECE};
use crate::store_status::store_status;

type Pieces<T> = BoxStream<'static, Result<T, Status>>;

fn number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn debt(debt: &Debt) -> pb::BankDebt {
    pb::BankDebt {
        debtor_bank_id: debt.debtor.clone(),
        creditor_bank_id: debt.creditor.clone(),
        number: debt.number,
        amount: Some(proto::to_money(Money::new(debt.currency, debt.minor))),
    }
}

fn fault(fault: &Fault) -> pb::ClearingFileFault {
    pb::ClearingFileFault {
        reason: fault.reason.code().to_owned(),
        message_en: fault.reason.english().to_owned(),
        message_zh: fault.reason.chinese().to_owned(),
        line: i32::try_from(fault.at.line).unwrap_or(i32::MAX),
        element: fault.at.element.clone(),
    }
}

fn summary(checked: &Checked) -> pb::ClearingSummary {
    pb::ClearingSummary {
        message_id: checked.message.to_string(),
        transfers: number(checked.transfers),
        settled: number(checked.settled),
        differing: number(checked.transfers.saturating_sub(checked.settled)),
        untold: number(checked.untold),
        untold_ids: checked.untold_ids.iter().map(ToString::to_string).collect(),
    }
}

fn streamed<T: Send + 'static>(pieces: Vec<T>) -> Pieces<T> {
    iter(pieces.into_iter().map(Ok)).boxed()
}

impl Clearing {
    pub(crate) async fn list_debts(
        &self,
        request: &pb::ListBankDebtsRequest,
    ) -> Result<pb::ListBankDebtsResponse, Status> {
        let debts = self.debts(&request.day).await.map_err(|error| store_status(&error))?;
        let (debts, closed) = debts.map_err(proto::status)?;
        Ok(pb::ListBankDebtsResponse { debts: debts.iter().map(debt).collect(), closed })
    }

    pub(crate) async fn export_file(
        &self,
        request: &pb::ExportClearingFileRequest,
        by: &str,
    ) -> Result<Pieces<pb::ExportClearingFileResponse>, Status> {
        let pieces = self.export(request, by).await.map_err(|error| store_status(&error))?;
        let pieces = pieces.map_err(proto::status)?;
        Ok(streamed(pieces.into_iter().map(|chunk| pb::ExportClearingFileResponse { chunk }).collect()))
    }

    /// Whoever sends more than a file may have is told so, and no more is read.
    pub(crate) async fn check_file(
        &self,
        mut pieces: Streaming<pb::CheckClearingFileRequest>,
        by: &str,
    ) -> Result<Pieces<pb::CheckClearingFileResponse>, Status> {
        let mut file = Incoming::default();
        while let Some(piece) = pieces.message().await? {
            if piece.chunk.is_empty() {
                return Err(proto::status(Reason::FieldMissing));
            }
            file.take(&piece.chunk).map_err(proto::status)?;
        }
        self.answer(file, by).await.map(streamed)
    }

    pub(super) async fn answer(&self, file: Incoming, by: &str) -> Result<Vec<pb::CheckClearingFileResponse>, Status> {
        let told = |told| pb::CheckClearingFileResponse { told: Some(told) };
        Ok(match self.check(file, by).await.map_err(|error| store_status(&error))? {
            Err(found) => vec![told(Told::Fault(fault(&found)))],
            Ok(checked) => {
                let chunks = checked.answer.chunks(PIECE).map(|chunk| told(Told::Chunk(chunk.to_vec())));
                std::iter::once(told(Told::Summary(summary(&checked)))).chain(chunks).collect()
            }
        })
    }
}
