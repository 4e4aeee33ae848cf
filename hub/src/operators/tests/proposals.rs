//! Acts that wait for a second person.

use std::sync::Arc;
use std::time::Duration;

use domain::operator::Proposal;
use domain::payment::Instrument;
use domain::{BankId, TerminalId};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use proto::operator::proposed_act::Act as Proposable;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::directory::{BankInstruments, Directory, DirectoryOptions, OperatorApi};
use crate::notify::{Notices, NoticesOptions, tests as notify_tests};
use crate::testing::from_member;

struct NoBank;

impl BankInstruments for NoBank {
    fn masked(&self, _: &BankId, _: Instrument) -> BoxFuture<'_, Result<String, Reason>> {
        async { Err(Reason::BankAway) }.boxed()
    }

    fn follow(&self, _: &BankId, _: Instrument) -> BoxFuture<'_, Result<(), Reason>> {
        async { Err(Reason::BankAway) }.boxed()
    }
}

struct Office {
    hub: TestHub,
    operators: Operators,
    directory: Directory,
    api: OperatorApi,
}

impl Office {
    async fn open(hub: &TestHub, replica_name: &str) -> Self {
        let operators = replica(hub, replica_name, true).await;
        let (directory, _) = Directory::start(hub.directory_parts(replica_name), DirectoryOptions::default());
        let (notices, _) = Notices::start(notify_tests::parts(hub), NoticesOptions::default(), Vec::new());
        let api = OperatorApi::new(directory.clone(), Arc::new(NoBank), notices).run_by(operators.clone());
        Self { hub: hub.clone(), operators, directory, api }
    }

    /// With a terminal, and an operator who may suspend it.
    async fn with_till(hub: &TestHub) -> Self {
        use proto::operator::operator_service_server::OperatorService as _;
        let office = Self::open(hub, "hub-1").await;
        let merchant = proto::common::Merchant {
            merchant_id: "noodles".to_owned(),
            display_name: "Noodles".to_owned(),
            category_code: "5812".to_owned(),
        };
        let request = pb::RegisterMerchantRequest { merchant: Some(merchant) };
        office.api.register_merchant(from_member(identity::Role::Operator, "ann", request)).await.unwrap();
        let terminal = pb::Terminal {
            terminal_id: "till-1".to_owned(),
            merchant_id: "noodles".to_owned(),
            ..pb::Terminal::default()
        };
        let request = pb::RegisterTerminalRequest { terminal: Some(terminal) };
        office.api.register_terminal(from_member(identity::Role::Operator, "ann", request)).await.unwrap();
        office.operators.set_operator(id("ann"), &asked("olga", pb::OperatorRole::Operator, false)).await.unwrap();
        office
    }

    fn suspend(&self, terminal: &str) -> pb::ProposeActRequest {
        let suspend = pb::SetTerminalSuspendedRequest { terminal_id: terminal.to_owned(), suspended: true };
        pb::ProposeActRequest {
            proposal_id: self.hub.id().to_string(),
            act: Some(pb::ProposedAct { act: Some(Proposable::SetTerminalSuspended(suspend)) }),
            why: "it was stolen".to_owned(),
        }
    }

    async fn propose(&self, by: &str, request: &pb::ProposeActRequest) -> Result<pb::Proposal, Reason> {
        self.operators.propose_act(id(by), request).await.map(|it| it.proposal.unwrap())
    }

    async fn approve(&self, by: &str, request: &pb::ProposeActRequest) -> Result<pb::ProposalState, Reason> {
        let proposal_id = proposal_id(&request.proposal_id)?;
        let approved = self.api.approve(&self.operators, id(by), proposal_id).await?;
        Ok(proposal(&approved).state())
    }

    async fn is_suspended(&self) -> bool {
        let till = TerminalId::parse("till-1").unwrap();
        self.directory.terminal(&till).await.unwrap().unwrap().suspended
    }
}

#[tokio::test]
async fn m9_a_second_person_approves_what_the_first_proposed_and_it_is_done_in_the_name_of_the_first() {
    on_each_engine(async |hub| {
        let office = Office::with_till(&hub).await;
        let asked = office.suspend("till-1");
        let waits = office.propose("olga", &asked).await.unwrap();
        assert_eq!((waits.state(), waits.summary.as_str()), (pb::ProposalState::Proposed, "suspend terminal till-1"));
        assert!(!office.is_suspended().await, "nothing is done before it is approved");
        assert_eq!(office.approve("olga", &asked).await, Err(Reason::SecondPersonIsFirst));
        assert!(!office.is_suspended().await);
        assert_eq!(office.approve("bob", &asked).await, Ok(pb::ProposalState::Done), "{}", hub.engine);
        assert!(office.is_suspended().await);
        // The same approval again is the same answer; nobody approves twice, nor does a third person.
        assert_eq!(office.approve("bob", &asked).await, Ok(pb::ProposalState::Done));
        assert_eq!(office.approve("ann", &asked).await, Err(Reason::ProposalDecided));
        let lines = audit::read_chain(&hub.store, "hub-1/directory").await.unwrap();
        let suspended: Vec<_> = lines.iter().filter(|line| line.kind == "TERMINAL_SUSPENDED").collect();
        assert_eq!(suspended.len(), 1);
        assert!(suspended[0].content.ends_with("by=olga"), "{:?}", suspended[0]);
        let kinds = logged(&hub, "hub-1").await;
        let acts: Vec<&str> = kinds.iter().map(String::as_str).filter(|kind| kind.starts_with("ACT_")).collect();
        assert_eq!(acts, ["ACT_PROPOSED", "ACT_APPROVED", "ACT_DONE"]);
    })
    .await;
}

#[tokio::test]
async fn m9_the_same_proposal_again_is_one_and_the_id_with_other_content_is_taken() {
    on_each_engine(async |hub| {
        let office = Office::with_till(&hub).await;
        let asked = office.suspend("till-1");
        let first = office.propose("olga", &asked).await.unwrap();
        assert_eq!(office.propose("olga", &asked).await.unwrap(), first);
        let other = pb::ProposeActRequest { why: "another reason".to_owned(), ..asked.clone() };
        assert_eq!(office.propose("olga", &other).await, Err(Reason::IdTaken));
        assert_eq!(office.propose("ann", &asked).await, Err(Reason::IdTaken), "it is olga's");
        for (bad, wanted) in [
            (pb::ProposeActRequest { proposal_id: "1".to_owned(), ..asked.clone() }, Reason::IdMalformed),
            (pb::ProposeActRequest { why: String::new(), ..asked.clone() }, Reason::TextMalformed),
            (pb::ProposeActRequest { act: None, ..asked.clone() }, Reason::FieldMissing),
            (office.suspend("Till 1"), Reason::NameMalformed),
        ] {
            assert_eq!(office.propose("olga", &bad).await, Err(wanted));
        }
        let bank = pb::Bank { bank_id: "bank-a".to_owned(), endpoint: "http://x".to_owned(), ..pb::Bank::default() };
        let bank = Proposable::RegisterBank(pb::RegisterBankRequest { bank: Some(bank) });
        let bad_bank = pb::ProposeActRequest { act: Some(pb::ProposedAct { act: Some(bank) }), ..office.suspend("x") };
        assert!(office.propose("ann", &bad_bank).await.is_err(), "what the call would refuse is not even proposed");
        assert_eq!(office.operators.proposals(true, None, 50).await.unwrap().0.len(), 1, "{}", hub.engine);
        assert_eq!(office.approve("ann", &office.suspend("till-1")).await, Err(Reason::ProposalUnknown));
    })
    .await;
}

#[tokio::test]
async fn m9_what_its_own_rules_refuse_has_failed_and_what_was_refused_is_never_done() {
    on_each_engine(async |hub| {
        let office = Office::with_till(&hub).await;
        let nowhere = office.suspend("till-9");
        office.propose("olga", &nowhere).await.unwrap();
        assert_eq!(office.approve("ann", &nowhere).await, Ok(pb::ProposalState::Failed));
        let (all, _) = office.operators.proposals(true, None, 50).await.unwrap();
        assert_eq!(all[0].failure.as_deref(), Some("TERMINAL_UNKNOWN"), "{}", hub.engine);

        let asked = office.suspend("till-1");
        office.propose("olga", &asked).await.unwrap();
        let refuse = pb::RefuseProposalRequest { proposal_id: asked.proposal_id.clone() };
        office.operators.refuse_proposal(id("ann"), &refuse).await.unwrap();
        assert_eq!(office.approve("bob", &asked).await, Err(Reason::ProposalDecided));
        assert!(!office.is_suspended().await);
        assert!(office.operators.proposals(false, None, 50).await.unwrap().0.is_empty());
    })
    .await;
}

#[tokio::test]
async fn m9_what_somebody_has_proposed_who_is_suspended_by_now_is_not_approved() {
    on_each_engine(async |hub| {
        let office = Office::with_till(&hub).await;
        let proposed = office.suspend("till-1");
        office.propose("olga", &proposed).await.unwrap();
        for (role, suspended) in [(pb::OperatorRole::Operator, true), (pb::OperatorRole::Viewer, false)] {
            office.operators.set_operator(id("ann"), &asked("olga", role, suspended)).await.unwrap();
            assert_eq!(office.approve("bob", &proposed).await, Err(Reason::ProposerRoleLacking), "{}", hub.engine);
        }
        assert!(!office.is_suspended().await);
        office.operators.set_operator(id("ann"), &asked("olga", pb::OperatorRole::Operator, false)).await.unwrap();
        assert_eq!(office.approve("bob", &proposed).await, Ok(pb::ProposalState::Done));
    })
    .await;
}

#[tokio::test]
async fn m9_a_proposal_ends_after_a_day_and_a_suspended_operator_decides_nothing() {
    on_each_engine(async |hub| {
        let office = Office::with_till(&hub).await;
        let asked = office.suspend("till-1");
        office.propose("olga", &asked).await.unwrap();
        let (admin, suspended) = (pb::OperatorRole::Risk, true);
        office.operators.set_operator(id("ann"), &super::asked("rob", admin, suspended)).await.unwrap();
        assert_eq!(office.approve("rob", &asked).await, Err(Reason::OperatorSuspended));
        assert_eq!(office.approve("mallory", &asked).await, Err(Reason::OperatorUnknown));
        // The database's clock decides on PostgreSQL, so the row is made old instead.
        let mut tx = hub.store.begin().await.unwrap();
        let past = tx.now().minus(Duration::from_secs(1));
        tx.execute("UPDATE operator_proposals SET expires_at = $1", vec![past.into()]).await.unwrap();
        tx.commit().await.unwrap();
        let (open, _) = office.operators.proposals(false, None, 50).await.unwrap();
        assert!(open.is_empty(), "it is shown as what it is");
        assert_eq!(office.approve("bob", &asked).await, Err(Reason::ProposalExpired));
        assert_eq!(office.approve("bob", &asked).await, Err(Reason::ProposalExpired));
        assert!(!office.is_suspended().await);
        assert_eq!(Proposal::LIVES, Duration::from_secs(86_400));
    })
    .await;
}

#[tokio::test]
async fn m9_two_persons_at_two_replicas_approve_it_once() {
    on_postgres(async |hub| {
        let (one, two) = (Office::with_till(&hub).await, Office::open(&hub, "hub-2").await);
        let asked = one.suspend("till-1");
        one.propose("olga", &asked).await.unwrap();
        let (first, second) = tokio::join!(one.approve("ann", &asked), two.approve("bob", &asked));
        assert_eq!(u8::from(first.is_ok()) + u8::from(second.is_ok()), 1, "{first:?} {second:?}");
        let count = "SELECT count(*) FROM audit_log WHERE entries LIKE '%TERMINAL_SUSPENDED%'";
        let rows = hub.store.fetch(count, Vec::new()).await.unwrap();
        assert_eq!(rows[0].int(0).unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn m9_what_was_approved_and_left_by_one_that_died_is_carried_out_by_another() {
    on_each_engine(async |hub| {
        let office = Office::with_till(&hub).await;
        let asked = office.suspend("till-1");
        office.propose("olga", &asked).await.unwrap();
        let id_of = proposal_id(&asked.proposal_id).unwrap();
        // Approved, and then the process is gone.
        office.operators.decide(id_of, id("ann"), domain::operator::Decision::Approve).await.unwrap();
        assert!(!office.is_suspended().await);
        let mut tx = hub.store.begin().await.unwrap();
        tx.execute("UPDATE operator_proposals SET decided_at = 0", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        let stop = CancellationToken::new();
        let sweeping = tokio::spawn(carry_out_approved(office.api.clone(), office.operators.clone(), stop.clone()));
        let done = async {
            while !office.operators.proposals(false, None, 50).await.unwrap().0.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), done).await.unwrap();
        stop.cancel();
        sweeping.await.unwrap();
        assert!(office.is_suspended().await, "{}", hub.engine);
        assert_eq!(logged(&hub, "hub-1").await.last().map(String::as_str), Some("ACT_DONE"));
    })
    .await;
}
