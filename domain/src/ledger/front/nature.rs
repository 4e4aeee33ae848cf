//! What sort of transaction it is, which decides who pays (C2).

use super::Part;
use crate::Reason;

/// What sort of transaction it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Goods or services at a merchant's terminal.
    Purchase,
    /// Notes from a machine or over a merchant's counter.
    CashWithdrawal,
    /// Money put aside: into a savings account of the same holder at the same bank.
    Savings,
    /// Money to somebody else, or to another bank.
    TransferOut,
    /// An amount that is reserved now and completed later with as much or less: a hotel, a petrol pump.
    PreAuthorisation,
    /// The end of a pre-authorisation.
    Completion,
    /// Notes paid in.
    Deposit,
    /// Money paid in at a merchant's terminal.
    TopUp,
    /// Money from somebody else, or from another bank.
    TransferIn,
    /// Money that pays back what is owed on the credit account.
    Repayment,
    /// Money that comes back from a purchase.
    Refund,
    /// How much is there.
    BalanceInquiry,
}

/// In which direction money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Out,
    In,
    /// None goes anywhere.
    Look,
    /// The way of the transaction that it belongs to, and over the same accounts.
    Follows,
}

impl Nature {
    pub const ALL: [Self; 12] = [
        Self::Purchase,
        Self::CashWithdrawal,
        Self::Savings,
        Self::TransferOut,
        Self::PreAuthorisation,
        Self::Completion,
        Self::Deposit,
        Self::TopUp,
        Self::TransferIn,
        Self::Repayment,
        Self::Refund,
        Self::BalanceInquiry,
    ];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "PURCHASE",
            Self::CashWithdrawal => "CASH_WITHDRAWAL",
            Self::Savings => "SAVINGS",
            Self::TransferOut => "TRANSFER_OUT",
            Self::PreAuthorisation => "PRE_AUTHORISATION",
            Self::Completion => "COMPLETION",
            Self::Deposit => "DEPOSIT",
            Self::TopUp => "TOP_UP",
            Self::TransferIn => "TRANSFER_IN",
            Self::Repayment => "REPAYMENT",
            Self::Refund => "REFUND",
            Self::BalanceInquiry => "BALANCE_INQUIRY",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|nature| nature.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    pub const fn flow(self) -> Flow {
        match self {
            Self::Purchase | Self::CashWithdrawal | Self::Savings | Self::TransferOut | Self::PreAuthorisation => {
                Flow::Out
            }
            Self::Deposit | Self::TopUp | Self::TransferIn | Self::Repayment => Flow::In,
            Self::BalanceInquiry => Flow::Look,
            Self::Completion | Self::Refund => Flow::Follows,
        }
    }

    /// Which parts of a card bear it (C2, C6). What goes out is drawn from them in this order; what comes in goes to the
    /// first one that the card has.
    ///
    /// Transfers and savings never draw on credit: money that is borrowed at a daily rate is not for putting aside, and the
    /// rules on credit cards let a cash advance be moved to nobody else (People's Bank of China, 银发〔2016〕111号).
    pub const fn parts(self) -> &'static [Part] {
        match self {
            Self::Purchase | Self::PreAuthorisation => &[Part::Credit, Part::Debit],
            Self::CashWithdrawal => &[Part::Debit, Part::CashAdvance],
            Self::Savings | Self::TransferOut => &[Part::Debit],
            Self::Deposit | Self::TopUp | Self::TransferIn => &[Part::Debit, Part::Credit],
            Self::Repayment => &[Part::Credit],
            Self::Completion | Self::Refund | Self::BalanceInquiry => &[],
        }
    }
}
