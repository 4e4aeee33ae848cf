//! Those who run the hub, on both engines.

mod console;
mod log;
mod proposals;

use domain::Reason;
use domain::operator::{Act, Role};
use proto::operator as pb;
use server_kit::{audit, identity};

use super::testing::{id, peer, replica};
use super::*;
use crate::testing::{TestHub, on_each_engine, on_postgres};

fn asked(name: &str, role: pb::OperatorRole, suspended: bool) -> pb::SetOperatorRequest {
    let operator = pb::Operator { operator_id: name.to_owned(), role: role.into(), suspended, ..Default::default() };
    pb::SetOperatorRequest { operator: Some(operator) }
}

/// The kinds of what stands in the log of this replica, in order.
async fn logged(hub: &TestHub, replica: &str) -> Vec<String> {
    let lines = audit::read_chain(&hub.store, &format!("{replica}/operators")).await.unwrap();
    for report in audit::verify(&hub.store, &*hub.keys).await.unwrap() {
        assert!(report.faults.is_empty(), "{report:?}");
    }
    lines.into_iter().map(|line| line.kind).collect()
}

#[tokio::test]
async fn m9_the_first_admins_come_from_the_configuration_once_and_nobody_after_them() {
    on_each_engine(async |hub| {
        let operators = replica(&hub, "hub-1", true).await;
        operators.register_first(vec![id("mallory")]).await.unwrap();
        let all: Vec<_> = operators.list().await.unwrap().into_iter().map(|it| (it.operator_id, it.role)).collect();
        assert_eq!(all, [(id("ann"), Role::Admin), (id("bob"), Role::Admin)], "{}", hub.engine);
        assert_eq!(operators.allowed(&id("mallory"), Act::Look).await, Err(Reason::OperatorUnknown));
        assert_eq!(logged(&hub, "hub-1").await, ["OPERATOR_REGISTERED"; 2]);
    })
    .await;
}

#[tokio::test]
async fn m9_the_gate_asks_for_a_role_before_a_call_is_read_and_logs_whom_it_refuses() {
    on_each_engine(async |hub| {
        let operators = replica(&hub, "hub-1", true).await;
        for (name, role) in [("vic", pb::OperatorRole::Viewer), ("olga", pb::OperatorRole::Operator)] {
            operators.set_operator(id("ann"), &asked(name, role, false)).await.unwrap();
        }
        operators.set_operator(id("ann"), &asked("rob", pb::OperatorRole::Risk, true)).await.unwrap();
        for (name, call, wanted) in [
            ("vic", "ListBanks", Ok(())),
            ("vic", "RegisterMerchant", Err(Reason::OperatorRoleLacking)),
            ("vic", "ListProposals", Err(Reason::OperatorRoleLacking)),
            ("vic", "FindLogLines", Err(Reason::OperatorRoleLacking)),
            ("vic", "SetConsoleSignIn", Ok(())),
            ("olga", "RegisterMerchant", Ok(())),
            ("olga", "FreezeInstruments", Ok(())),
            ("olga", "SetTerminalSuspended", Err(Reason::SecondPersonNeeded)),
            ("olga", "RegisterBank", Err(Reason::OperatorRoleLacking)),
            ("ann", "RegisterBank", Err(Reason::SecondPersonNeeded)),
            ("ann", "SetOperator", Err(Reason::SecondPersonNeeded)),
            ("ann", "RetryAllDeadLetters", Err(Reason::SecondPersonNeeded)),
            ("ann", "ProposeAct", Ok(())),
            ("ann", "NoSuchCall", Err(Reason::OperatorRoleLacking)),
            ("rob", "ListBanks", Err(Reason::OperatorSuspended)),
            ("mallory", "ListBanks", Err(Reason::OperatorUnknown)),
        ] {
            let caller = peer(identity::Role::Operator, name);
            assert_eq!(operators.lets_pass(Some(&caller), call).await, wanted, "{name} {call} on {}", hub.engine);
        }
        for (caller, wanted) in [
            (None, Reason::CertificateMissing),
            (Some(peer(identity::Role::Terminal, "ann")), Reason::RoleNotAllowed),
            (Some(peer(identity::Role::Bank, "ann")), Reason::RoleNotAllowed),
        ] {
            assert_eq!(operators.lets_pass(caller.as_ref(), "ListBanks").await, Err(wanted));
        }
        let refused = logged(&hub, "hub-1").await.into_iter().filter(|kind| kind == "CALL_REFUSED").count();
        assert_eq!(refused, 6, "whoever only has to propose it has done nothing wrong");
    })
    .await;
}

#[tokio::test]
async fn m9_without_second_persons_one_admin_does_what_is_dangerous() {
    on_each_engine(async |hub| {
        let operators = replica(&hub, "hub-1", false).await;
        let ann = peer(identity::Role::Operator, "ann");
        assert_eq!(operators.lets_pass(Some(&ann), "RegisterBank").await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn m9_so_many_admins_stay_that_somebody_can_approve() {
    on_each_engine(async |hub| {
        let operators = replica(&hub, "hub-1", true).await;
        for change in [asked("bob", pb::OperatorRole::Viewer, false), asked("bob", pb::OperatorRole::Admin, true)] {
            assert_eq!(operators.set_operator(id("ann"), &change).await, Err(Reason::OperatorLastAdmin));
        }
        operators.set_operator(id("ann"), &asked("cem", pb::OperatorRole::Admin, false)).await.unwrap();
        operators.set_operator(id("ann"), &asked("bob", pb::OperatorRole::Viewer, false)).await.unwrap();
        // Whoever has lost the role registers nobody any more, also by what they had proposed before.
        let late = operators.set_operator(id("bob"), &asked("dan", pb::OperatorRole::Admin, false)).await;
        assert_eq!(late, Err(Reason::OperatorRoleLacking));
        for (bad, wanted) in [
            (asked("Dan", pb::OperatorRole::Viewer, false), Reason::NameMalformed),
            (asked("dan", pb::OperatorRole::Unspecified, false), Reason::FieldUnknown),
            (pb::SetOperatorRequest::default(), Reason::FieldMissing),
        ] {
            assert_eq!(operators.set_operator(id("ann"), &bad).await, Err(wanted));
        }
        assert_eq!(operators.list().await.unwrap().len(), 3, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m9_two_replicas_do_not_take_the_last_two_admins_at_once() {
    on_postgres(async |hub| {
        let (one, two) = (replica(&hub, "hub-1", true).await, replica(&hub, "hub-2", true).await);
        one.set_operator(id("ann"), &asked("cem", pb::OperatorRole::Admin, false)).await.unwrap();
        let (bob, cem) = (asked("bob", pb::OperatorRole::Viewer, false), asked("cem", pb::OperatorRole::Viewer, false));
        let (first, second) = tokio::join!(one.set_operator(id("ann"), &bob), two.set_operator(id("ann"), &cem));
        assert_eq!(u8::from(first.is_ok()) + u8::from(second.is_ok()), 1, "{first:?} {second:?}");
    })
    .await;
}
