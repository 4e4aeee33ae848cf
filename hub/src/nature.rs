//! What sort of transaction it is, on the wire and in the domain.

use domain::Reason;
use domain::ledger::Nature;
use proto::common;

/// The nature that a request names. `Err(FieldUnknown)` when it names none.
pub(crate) fn nature_from_pb(nature: common::Nature) -> Result<Nature, Reason> {
    Ok(match nature {
        common::Nature::Unspecified => return Err(Reason::FieldUnknown),
        common::Nature::Purchase => Nature::Purchase,
        common::Nature::CashWithdrawal => Nature::CashWithdrawal,
        common::Nature::Savings => Nature::Savings,
        common::Nature::TransferOut => Nature::TransferOut,
        common::Nature::PreAuthorisation => Nature::PreAuthorisation,
        common::Nature::Deposit => Nature::Deposit,
        common::Nature::TopUp => Nature::TopUp,
        common::Nature::TransferIn => Nature::TransferIn,
        common::Nature::Repayment => Nature::Repayment,
    })
}

/// The nature as the contract has it, which says what completes, refunds and inquires by calls of their own.
pub(crate) fn nature_to_pb(nature: Nature) -> common::Nature {
    match nature {
        Nature::Purchase => common::Nature::Purchase,
        Nature::CashWithdrawal => common::Nature::CashWithdrawal,
        Nature::Savings => common::Nature::Savings,
        Nature::TransferOut => common::Nature::TransferOut,
        Nature::PreAuthorisation => common::Nature::PreAuthorisation,
        Nature::Deposit => common::Nature::Deposit,
        Nature::TopUp => common::Nature::TopUp,
        Nature::TransferIn => common::Nature::TransferIn,
        Nature::Repayment => common::Nature::Repayment,
        Nature::Completion | Nature::Refund | Nature::BalanceInquiry => common::Nature::Unspecified,
    }
}
