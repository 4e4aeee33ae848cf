//! Roles, acts, and the table of who may do what.

use crate::Reason;

/// What an operator was registered as. There is no order among them: each act names those who may do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees how things stand, and changes nothing.
    Viewer,
    /// Does the daily work: merchants, terminals, people, notices.
    Operator,
    /// Stops what looks wrong, and reads the log.
    Risk,
    /// Sets the federation up, and says who operates it.
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Risk, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "VIEWER",
            Self::Operator => "OPERATOR",
            Self::Risk => "RISK",
            Self::Admin => "ADMIN",
        }
    }

    /// Reads what [`Role::as_str`] gives.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// What an act needs beside a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// The operator alone.
    One,
    /// Somebody else's approval, who may do the act, too.
    Two,
}

macro_rules! acts {
    ($($(#[$doc:meta])* $variant:ident $name:literal $needed:ident [$($role:ident)*];)*) => {
        /// Something that operators do. It is one row of the table: its name in the log, how many persons it needs, and whose it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Act { $($(#[$doc])* $variant,)* }

        impl Act {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the log and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub const fn needed(self) -> Needed {
                match self { $(Self::$variant => Needed::$needed,)* }
            }

            const fn roles(self) -> &'static [Role] {
                match self { $(Self::$variant => &[$(Role::$role,)*],)* }
            }

            /// Reads what [`Act::as_str`] gives.
            pub fn parse(text: &str) -> Result<Self, Reason> {
                match text { $($name => Ok(Self::$variant),)* _ => Err(Reason::FieldUnknown) }
            }
        }
    };
}

acts! {
    /// Looks at banks, offers, figures, payments and dead letters, and at who one is.
    Look "LOOK" One [Viewer Operator Risk Admin];
    /// Looks at what was proposed.
    LookAtProposals "LOOK_AT_PROPOSALS" One [Operator Risk Admin];
    /// Reads the log, which names people by their ids.
    ReadLog "READ_LOG" One [Risk Admin];
    /// Looks at who operates the hub.
    LookAtOperators "LOOK_AT_OPERATORS" One [Risk Admin];
    /// Adds a merchant or a terminal, and the key of its PIN pad.
    EnrolMerchant "ENROL_MERCHANT" One [Operator Admin];
    /// Adds a person, binds accounts and cards, hands out codes to enrol phones.
    EnrolPerson "ENROL_PERSON" One [Operator Admin];
    /// Looks one person up, for a purpose that is said; the person is told. What is shown of them depends on the role.
    FindPerson "FIND_PERSON" One [Operator Risk Admin];
    /// Says that somebody's identity was checked, so that they may set a safety code.
    CheckIdentity "CHECK_IDENTITY" One [Operator Admin];
    /// Freezes what somebody has reported as lost. One person does: minutes count, it lets nothing out, and no operator can set it free.
    FreezeLost "FREEZE_LOST" One [Operator Risk Admin];
    /// Reads purchases under a consent that the person has signed for this operator.
    ReadRecord "READ_RECORD" One [Operator Risk Admin];
    /// Has one notice tried again.
    RetryNotice "RETRY_NOTICE" One [Operator Admin];
    /// Has every notice tried again that was given up.
    RetryAllNotices "RETRY_ALL_NOTICES" Two [Operator Admin];
    /// Lets an offer run, or takes it out.
    RunOffer "RUN_OFFER" One [Operator Admin];
    /// Adds a bank, moves it to another address, suspends it or lets it go on.
    ChangeBank "CHANGE_BANK" Two [Admin];
    /// Adds a mobile carrier, says at which banks it signs people up, suspends it or lets it go on.
    ChangeCarrier "CHANGE_CARRIER" Two [Admin];
    /// Suspends a terminal, or lets it go on.
    SuspendTerminal "SUSPEND_TERMINAL" Two [Operator Risk Admin];
    /// Fills a look-up budget up. One person does: it lets out no more than time would, and a shop may be waiting.
    FillLookups "FILL_LOOKUPS" One [Risk Admin];
    /// Sets a limit on payments that allows no more than before. One person does: minutes count, and it lets nothing out.
    LowerLimit "LOWER_LIMIT" One [Risk Admin];
    /// Sets a limit on payments that allows more, or removes one.
    RaiseLimit "RAISE_LIMIT" Two [Risk Admin];
    /// Suspends card numbers by their first digits, or lets them go on.
    SuspendBins "SUSPEND_BINS" Two [Risk Admin];
    /// Takes files of what banks owe each other, and of what acquirers sent, out of the hub, and holds others' against the books.
    HandleClearing "HANDLE_CLEARING" One [Operator Admin];
    /// Sets what merchants are charged. Two persons do, in either direction: too much is taken from merchants, and too little from everybody else.
    SetFees "SET_FEES" Two [Operator Admin];
    /// Withdraws a fee schedule that does not hold yet. One person does: what is charged stays as it is.
    WithdrawFees "WITHDRAW_FEES" One [Operator Risk Admin];
    /// Lets a link's network charge payments by itself, and be told cards for it.
    AllowRouting "ALLOW_ROUTING" Two [Risk Admin];
    /// Ends that. One person does: minutes count, and it lets nothing out.
    SuspendRouting "SUSPEND_ROUTING" One [Operator Risk Admin];
    /// Retires an old version of a key. What is still under it in a backup opens with a copy of the key file alone.
    RetireKey "RETIRE_KEY" Two [Admin];
    /// Registers an operator, changes a role, suspends somebody.
    ChangeOperator "CHANGE_OPERATOR" Two [Admin];
    /// Proposes an act, or decides on a proposal: who may, is said by the act that is proposed.
    Propose "PROPOSE" One [Operator Risk Admin];
    /// Sets one's own way into the console.
    SignIntoConsole "SIGN_INTO_CONSOLE" One [Viewer Operator Risk Admin];
}

impl Act {
    /// Whether somebody with this role may do it. `Err(OperatorRoleLacking)`.
    pub fn allowed_to(self, role: Role) -> Result<(), Reason> {
        if self.roles().contains(&role) { Ok(()) } else { Err(Reason::OperatorRoleLacking) }
    }

    /// Whether it waits for a second person, where second persons are asked for.
    pub fn needs_second(self, second_person: bool) -> bool {
        second_person && self.needed() == Needed::Two
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn m9_each_act_is_done_by_these_roles_and_so_many_persons() {
        let table = [
            (Act::Look, "vora", Needed::One),
            (Act::LookAtProposals, "ora", Needed::One),
            (Act::ReadLog, "ra", Needed::One),
            (Act::LookAtOperators, "ra", Needed::One),
            (Act::EnrolMerchant, "oa", Needed::One),
            (Act::EnrolPerson, "oa", Needed::One),
            (Act::FindPerson, "ora", Needed::One),
            (Act::CheckIdentity, "oa", Needed::One),
            (Act::FreezeLost, "ora", Needed::One),
            (Act::ReadRecord, "ora", Needed::One),
            (Act::RetryNotice, "oa", Needed::One),
            (Act::RetryAllNotices, "oa", Needed::Two),
            (Act::RunOffer, "oa", Needed::One),
            (Act::ChangeBank, "a", Needed::Two),
            (Act::ChangeCarrier, "a", Needed::Two),
            (Act::SuspendTerminal, "ora", Needed::Two),
            (Act::FillLookups, "ra", Needed::One),
            (Act::LowerLimit, "ra", Needed::One),
            (Act::RaiseLimit, "ra", Needed::Two),
            (Act::SuspendBins, "ra", Needed::Two),
            (Act::HandleClearing, "oa", Needed::One),
            (Act::SetFees, "oa", Needed::Two),
            (Act::WithdrawFees, "ora", Needed::One),
            (Act::AllowRouting, "ra", Needed::Two),
            (Act::SuspendRouting, "ora", Needed::One),
            (Act::RetireKey, "a", Needed::Two),
            (Act::ChangeOperator, "a", Needed::Two),
            (Act::Propose, "ora", Needed::One),
            (Act::SignIntoConsole, "vora", Needed::One),
        ];
        assert_eq!(table.len(), Act::ALL.len());
        for (act, roles, needed) in table {
            for (letter, role) in ['v', 'o', 'r', 'a'].into_iter().zip(Role::ALL) {
                let wanted = if roles.contains(letter) { Ok(()) } else { Err(Reason::OperatorRoleLacking) };
                assert_eq!(act.allowed_to(role), wanted, "{act:?} {role:?}");
            }
            assert_eq!(act.needed(), needed, "{act:?}");
            assert_eq!((act.needs_second(true), act.needs_second(false)), (needed == Needed::Two, false), "{act:?}");
        }
    }

    #[test]
    fn m9_a_viewer_changes_nothing_and_whatever_needs_two_has_more_than_one_who_may_propose() {
        for act in Act::ALL {
            let only_looks = matches!(act, Act::Look | Act::SignIntoConsole);
            assert_eq!(act.allowed_to(Role::Viewer).is_ok(), only_looks, "{act:?}");
            assert!(act.needed() == Needed::One || act.allowed_to(Role::Admin).is_ok(), "{act:?}");
        }
    }

    #[test]
    fn m9_roles_and_acts_have_names_of_their_own() {
        let mut seen = HashSet::new();
        for act in Act::ALL {
            assert!(seen.insert(act.as_str()), "{act:?}");
            assert_eq!(Act::parse(act.as_str()), Ok(*act));
        }
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Ok(role));
        }
        assert_eq!(Role::parse("ROOT"), Err(Reason::FieldUnknown));
        assert_eq!(Act::parse(""), Err(Reason::FieldUnknown));
    }
}
