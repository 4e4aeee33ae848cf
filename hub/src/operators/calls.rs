//! Which act each call of operators is: the one table from the contract to the roles.

use domain::operator::Act;

/// The act of a call, by the last part of its path; none for a call that is not in the table, which nobody may make.
pub(super) fn act_of(call: &str) -> Option<(&'static str, Act)> {
    CALLS.iter().find(|(name, _)| *name == call).copied()
}

/// Every call of the `OperatorService`.
pub(super) const CALLS: &[(&str, Act)] = &[
    ("RegisterBank", Act::ChangeBank),
    ("ListBanks", Act::Look),
    ("RegisterMerchant", Act::EnrolMerchant),
    ("RegisterTerminal", Act::EnrolMerchant),
    ("SetTerminalSuspended", Act::SuspendTerminal),
    ("SetPinPadKey", Act::EnrolMerchant),
    ("RegisterPerson", Act::EnrolPerson),
    ("FindPerson", Act::FindPerson),
    ("BindAccount", Act::EnrolPerson),
    ("BindCard", Act::EnrolPerson),
    ("IssueEnrolmentCode", Act::EnrolPerson),
    ("InspectPayment", Act::Look),
    ("GetOverview", Act::Look),
    ("ListDeadLetters", Act::Look),
    ("RetryDeadLetter", Act::RetryNotice),
    ("StartOffer", Act::RunOffer),
    ("WithdrawOffer", Act::RunOffer),
    ("ListOffers", Act::Look),
    ("ListPersonPayments", Act::ReadRecord),
    ("AllowSafetyCode", Act::CheckIdentity),
    ("FreezeInstruments", Act::FreezeLost),
    ("RegisterCarrier", Act::ChangeCarrier),
    ("ListCarriers", Act::Look),
    ("InspectSignUp", Act::EnrolPerson),
    ("RetryAllDeadLetters", Act::RetryAllNotices),
    ("SetOperator", Act::ChangeOperator),
    ("ListOperators", Act::LookAtOperators),
    ("SetConsoleSignIn", Act::SignIntoConsole),
    ("ProposeAct", Act::Propose),
    ("ApproveProposal", Act::Propose),
    ("RefuseProposal", Act::Propose),
    ("ListProposals", Act::LookAtProposals),
    ("FindLogLines", Act::ReadLog),
    ("ListLookupBudgets", Act::Look),
    ("FillLookupBudget", Act::FillLookups),
    ("ListLimits", Act::Look),
    ("LowerLimit", Act::LowerLimit),
    ("RaiseLimit", Act::RaiseLimit),
    ("ListBinRanges", Act::Look),
    ("SetBinSuspended", Act::SuspendBins),
    ("ListBankDebts", Act::Look),
    ("ExportClearingFile", Act::HandleClearing),
    ("CheckClearingFile", Act::HandleClearing),
    ("ListFeeSchedules", Act::Look),
    ("SetFeeSchedule", Act::SetFees),
    ("WithdrawFeeSchedule", Act::WithdrawFees),
    ("ListLinks", Act::Look),
    ("AllowRouting", Act::AllowRouting),
    ("SuspendRouting", Act::SuspendRouting),
    ("ListDayTotals", Act::Look),
    ("ListSettlements", Act::Look),
    ("ListKeys", Act::Look),
    ("RetireKeyVersion", Act::RetireKey),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proto::Message as _;

    use super::*;

    #[test]
    fn m9_every_call_of_operators_is_in_the_table_once_and_nothing_else_is() {
        let all = prost_types::FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
        let services = all.file.iter().flat_map(|file| &file.service);
        let service = services.into_iter().find(|service| service.name() == "OperatorService").unwrap();
        let calls: BTreeSet<&str> = service.method.iter().map(|method| method.name()).collect();
        let table: BTreeSet<&str> = CALLS.iter().map(|(name, _)| *name).collect();
        assert_eq!(calls, table);
        assert_eq!(CALLS.len(), table.len());
        assert_eq!(act_of("NoSuchCall"), None);
    }
}
