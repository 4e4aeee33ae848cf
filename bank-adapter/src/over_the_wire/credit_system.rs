//! A node with an existing credit system, from its configuration to its end.

use std::time::Duration;

use proto::counter::network_charge::Payer;
use proto::counter::{
    ActivateCardRequest, AdviceKind, AdviceState, CloseDaysRequest, CreditLine, CreditTerms, IssueCardRequest,
    ListStuckAdvicesRequest, NetworkCharge, NetworkChargeState, PostOfflineNetworkChargeRequest, RetellAdviceRequest,
    SetCardFrozenRequest, StuckAdvice,
};
use server_kit::config::SecretRef;
use server_kit::rng::SystemRng;

use super::network::charge;
use super::*;
use crate::card::tests::elsewhere::{MAC, ZONE, peer_keys};
use crate::card::tests::issuer::{Issuer, Settings};
use crate::card::tests::trial::pin_pad;
use crate::hsm::{self, HsmConfig, PinPad, SealedFileConfig};

const BIN: &str = "62284800";

/// Makes the key store that the node will open, and gives the PIN pad of a terminal whose key it has.
fn key_store(federation: &Federation) -> PinPad {
    let master = SecretRef::File(federation.path("master"));
    let file = SealedFileConfig { file: federation.path("hsm.keys"), master };
    let config = HsmConfig { sealed_file: Some(file), pkcs11: None };
    let hsm = hsm::open(&config, SystemClock::shared(), SystemRng::shared()).unwrap();
    for key in ["cvk-credit", "cvk-debit", "pin-verification"] {
        hsm.generate(&key.parse().unwrap()).unwrap();
    }
    peer_keys(&*hsm);
    pin_pad(&*hsm)
}

fn tables(federation: &Federation, issuer: &Issuer) -> String {
    let (keys, master) = (federation.path("hsm.keys"), federation.path("master"));
    format!(
        r#"
        [hsm.sealed_file]
        file = "{}"
        master = "file:{}"

        [[cards.ranges]]
        first = "{BIN}"
        product = "combined"

        [credit_system]
        address = "127.0.0.1:{}"
        institution = "66280000"
        mac_key = "credit-system"
        zone_key = "credit-system"
        answer_timeout = "2s"
        repeat_pause = "20ms"
        repeat_pause_at_most = "100ms"
        reconnect_pause = "20ms"
        reconnect_pause_at_most = "100ms"
        sweep_every = "50ms"
        "#,
        keys.display(),
        master.display(),
        issuer.port
    )
}

/// A node with a credit system, and a card: 500 on its debit side, 1,000 at the credit system.
pub(super) struct Peered {
    pub(super) trial: Trial,
    pub(super) issuer: Issuer,
    pub(super) debit: String,
    pub(super) card_id: String,
    pub(super) face: counter::CardFace,
    pub(super) pad: PinPad,
}

impl Peered {
    pub(super) async fn start() -> Option<Self> {
        Self::in_federation(Federation::new()).await
    }

    pub(super) async fn in_federation(federation: Federation) -> Option<Self> {
        let (mac, zone_key) = (format!("des:{MAC}"), ZONE.to_owned());
        let state = federation.path("issuer.journal");
        let settings = Settings { dialect: "ascii", mac, zone_key, state, certificate: None };
        let mut issuer = Issuer::start(settings).await?;
        let pad = key_store(&federation);
        let more = tables(&federation, &issuer);
        let node = federation.bank(NO_HUB, &more).await;
        let mut trial = Trial::of(federation, node);
        let debit = trial.account_with(500).await;
        let credit = trial.id();
        let line = CreditLine {
            limit_minor: 1_000,
            cash_limit_minor: 200,
            terms: Some(CreditTerms { close_day: 28, ..CreditTerms::default() }),
            repay_from_account_id: String::new(),
        };
        let opening = OpenAccountRequest {
            account_id: credit.clone(),
            currency_code: "CNY".to_owned(),
            holder_name: "王小明".to_owned(),
            payment_limit_minor: 0,
            kind: counter::AccountKind::Credit.into(),
            credit_line: Some(line),
        };
        trial.counter.open_account(opening).await.unwrap();
        let card_id = trial.id();
        let issuing = IssueCardRequest {
            card_id: card_id.clone(),
            bin: BIN.to_owned(),
            debit_account_id: debit.clone(),
            credit_account_id: credit,
            pan: String::new(),
        };
        let face = trial.counter.issue_card(issuing).await.unwrap().into_inner().face.unwrap();
        issuer.tell(&format!("account {} 1000 200 123456", face.pan)).await;
        trial.counter.activate_card(ActivateCardRequest { card_id: card_id.clone() }).await.unwrap();
        Some(Self { trial, issuer, debit, card_id, face, pad })
    }

    /// The issuer dies, if it has not yet, and is started again.
    pub(super) async fn restart_issuer(mut self) -> Self {
        self.issuer = self.issuer.restart().await;
        self
    }

    /// Asks again for as long as the line is not up: what is away has stored nothing.
    pub(super) async fn hold(&mut self, request: &Hold) -> Leg {
        let holding = async {
            loop {
                match hold_one(&mut self.trial.hub, request.clone()).await {
                    Ok(leg) => return leg,
                    Err(status) => assert_eq!(reason_of(&status), Some(Reason::BankAway)),
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(NEVER, holding).await.expect("the hold has its answer")
    }

    /// Waits until this is so of the issuer's books.
    pub(super) async fn until(&mut self, when: &str, is_so: impl AsyncFn(&mut Self) -> bool) {
        let waiting = async {
            while !is_so(self).await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(NEVER, waiting).await.is_err() {
            panic!("{when}: never, {}", self.issuer.state().await);
        }
    }

    /// What the issuer has of the card: held and owed.
    pub(super) async fn at_issuer(&mut self) -> (i64, i64) {
        let state = self.issuer.state().await;
        let account = &state["accounts"][self.face.pan.as_str()];
        (account["held"].as_i64().unwrap(), account["owed"].as_i64().unwrap())
    }
}

pub(super) fn hold_of(card_id: &str, leg_id: &str) -> Hold {
    Hold { payer: Some(hold::Payer::CardId(card_id.to_owned())), ..hold(leg_id, "", 1_200) }
}

#[tokio::test]
async fn c8_a_node_with_a_credit_system_asks_it_tells_it_and_ends() {
    let Some(mut peered) = Peered::start().await else { return };
    let leg_id = peered.trial.id();
    let request = hold_of(&peered.card_id, &leg_id);
    let leg = peered.hold(&request).await;
    let Peered { mut trial, mut issuer, debit, face, .. } = peered;
    assert_eq!((leg.state(), refusal(&leg)), (LegState::Held, ""));
    let parts: Vec<i64> = leg.parts.iter().map(|part| part.amount_minor).collect();
    assert_eq!((parts, trial.available(&debit).await), (vec![1_000, 200], 300));
    trial.hub.post_legs(PostLegsRequest { leg_ids: vec![leg_id] }).await.unwrap();
    issuer.sees("post", 1).await;
    assert_eq!(issuer.state().await["accounts"][face.pan.as_str()]["owed"], 1_000);
    let closed = trial.counter.close_days(CloseDaysRequest { through: String::new() }).await.unwrap_err();
    assert_eq!(reason_of(&closed), Some(Reason::NatureUnsupported), "the credit system bills its accounts");
    trial.node.stop().await.unwrap();
}

fn page(page_size: i32, page_token: &str) -> ListStuckAdvicesRequest {
    ListStuckAdvicesRequest { page_size, page_token: page_token.to_owned() }
}

impl Peered {
    /// All that is stuck, read in pages of this size.
    async fn stuck(&mut self, page_size: i32) -> Vec<StuckAdvice> {
        let (mut stuck, mut token) = (Vec::new(), String::new());
        loop {
            let answer = self.trial.counter.list_stuck_advices(page(page_size, &token)).await.unwrap().into_inner();
            assert!(answer.advices.len() <= usize::try_from(page_size).unwrap());
            stuck.extend(answer.advices);
            token = answer.next_page_token;
            if token.is_empty() {
                return stuck;
            }
        }
    }

    async fn retell(&mut self, kind: AdviceKind, leg_id: &str) -> Result<(bool, AdviceState), Option<Reason>> {
        let request = RetellAdviceRequest { kind: kind.into(), leg_id: leg_id.to_owned(), card_id: String::new() };
        let answer = self.trial.counter.retell_advice(request).await.map_err(|status| reason_of(&status))?;
        let answer = answer.into_inner();
        Ok((answer.told_again, answer.state()))
    }
}

#[tokio::test]
async fn c8_an_operator_sees_what_the_credit_system_refuses_and_has_it_told_again() {
    let Some(mut peered) = Peered::start().await else { return };
    let legs: [String; 3] = std::array::from_fn(|_| peered.trial.id());
    for leg_id in &legs {
        peered.issuer.fault("post", "refuse 14").await;
        let leg = peered.hold(&Hold { amount: cny(100), ..hold_of(&peered.card_id, leg_id) }).await;
        assert_eq!(leg.state(), LegState::Held);
        peered.trial.hub.post_legs(PostLegsRequest { leg_ids: vec![leg_id.clone()] }).await.unwrap();
    }
    let all = async { while peered.stuck(200).await.len() < legs.len() {} };
    tokio::time::timeout(NEVER, all).await.unwrap();
    let stuck = peered.stuck(1).await;
    assert!(stuck.iter().map(|it| &it.leg_id).eq(&legs), "those that were decided first stand first");
    let first = &stuck[0];
    assert_eq!((first.kind(), first.reason.as_str(), first.tries), (AdviceKind::Post, "CARD_UNKNOWN", 1));
    assert_eq!((&first.card_id, &first.amount), (&peered.card_id, &cny(100)));
    assert!(first.card_masked.starts_with(BIN.get(..6).unwrap()) && first.card_masked.contains('*'), "{first:?}");
    assert!(first.queued_at.is_some() && first.refused_at.unwrap().seconds >= first.queued_at.unwrap().seconds);
    assert_eq!(peered.at_issuer().await, (300, 0));

    let (post, again) = (AdviceKind::Post, Ok((true, AdviceState::Waiting)));
    for leg_id in &legs {
        assert_eq!(peered.retell(post, leg_id).await, again);
    }
    let told = async { while peered.at_issuer().await != (0, 300) {} };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    let over = async { while peered.retell(post, &legs[0]).await != Ok((false, AdviceState::Acknowledged)) {} };
    tokio::time::timeout(Duration::from_secs(20), over).await.unwrap();
    assert_eq!((peered.at_issuer().await, peered.stuck(200).await.len()), ((0, 300), 0), "told once, counted once");
    let nobody = peered.trial.id();
    for (kind, leg_id, reason) in [
        (post, &nobody, Reason::AdviceUnknown),
        (AdviceKind::Void, &legs[0], Reason::AdviceUnknown),
        (AdviceKind::Unspecified, &legs[0], Reason::FieldUnknown),
        (post, &"7".to_owned(), Reason::IdMalformed),
    ] {
        assert_eq!(peered.retell(kind, leg_id).await, Err(Some(reason)), "{kind:?}");
    }
    for (request, reason) in
        [(page(201, ""), Reason::PageSizeOutOfRange), (page(1, "AAAA"), Reason::PageTokenMalformed)]
    {
        let refused = peered.trial.counter.list_stuck_advices(request).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason));
    }
    let Trial { federation, node, .. } = peered.trial;
    let mut stranger = federation.counter(&node, Caller::OtherOperator);
    let retelling = RetellAdviceRequest { kind: post.into(), leg_id: legs[0].clone(), card_id: String::new() };
    for refused in [
        stranger.list_stuck_advices(page(0, "")).await.map(|_| ()).unwrap_err(),
        stranger.retell_advice(retelling).await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(reason_of(&refused), Some(Reason::RoleNotAllowed));
    }
    node.stop().await.unwrap();
    let database = TestDatabase::of_another_process(&federation.database_url);
    let store = database.open(&crate::migrations(), SystemClock::shared()).await.unwrap();
    let rows = store.fetch("SELECT entries FROM audit_log", Vec::new()).await.unwrap();
    let log: String = rows.iter().map(|row| row.text(0).unwrap()).collect();
    assert_eq!(log.matches("advice.retold").count(), legs.len(), "what changed nothing is not logged");
    assert!(log.contains("kind=post refusal=CARD_UNKNOWN by=operator/op-1"), "{log}");
    store.close().await;
}

#[tokio::test]
async fn c8_a_bank_without_an_existing_credit_system_has_nothing_to_tell_it() {
    let mut trial = Trial::start().await;
    let listed = trial.counter.list_stuck_advices(page(0, "")).await.map(|_| ()).unwrap_err();
    let leg_id = trial.id();
    let request = RetellAdviceRequest { kind: AdviceKind::Post.into(), leg_id, card_id: String::new() };
    let retold = trial.counter.retell_advice(request).await.map(|_| ()).unwrap_err();
    for refused in [listed, retold] {
        assert_eq!(reason_of(&refused), Some(Reason::CreditSystemAbsent));
    }
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn c9_a_freeze_that_the_credit_system_refuses_holds_here_and_is_told_again() {
    let Some(mut peered) = Peered::start().await else { return };
    peered.issuer.sees("card", 1).await;
    peered.issuer.fault("card", "refuse 14").await;
    let freeze = SetCardFrozenRequest { card_id: peered.card_id.clone(), frozen: true };
    assert!(peered.trial.counter.set_card_frozen(freeze).await.unwrap().into_inner().card.unwrap().frozen);
    let all = async { while peered.stuck(1).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
    let [stuck] = <[_; 1]>::try_from(peered.stuck(1).await).unwrap();
    assert_eq!((stuck.kind(), stuck.card_status.as_str()), (AdviceKind::Card, "FROZEN"));
    assert_eq!((stuck.leg_id.as_str(), &stuck.card_id, &stuck.amount), ("", &peered.card_id, &None));
    let request =
        RetellAdviceRequest { kind: AdviceKind::Card.into(), leg_id: String::new(), card_id: peered.card_id.clone() };
    let answer = peered.trial.counter.retell_advice(request).await.unwrap().into_inner();
    assert_eq!((answer.told_again, answer.state()), (true, AdviceState::Waiting));
    let told = async { while peered.issuer.state().await["cards"][peered.face.pan.as_str()] != "FROZEN" {} };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    let leg_id = peered.trial.id();
    let leg = peered.hold(&hold_of(&peered.card_id, &leg_id)).await;
    assert_eq!((leg.state(), refusal(&leg)), (LegState::Refused, "CARD_FROZEN"));
    peered.trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn c8_a_charge_of_another_network_takes_the_same_way_to_the_credit_system() {
    let Some(mut peered) = Peered::start().await else { return };
    let [bought, dropped, offline, refund] = std::array::from_fn(|_| peered.trial.id());
    let of_card = |card_id: &str, purchase_id: &str, minor| NetworkCharge {
        payer: Some(Payer::CardId(card_id.to_owned())),
        ..charge(purchase_id, "", minor)
    };
    let first = of_card(&peered.card_id, &bought, 1_200);
    let asking = async {
        // Until the line is up nothing is stored.
        loop {
            match peered.trial.charge(first.clone()).await {
                Ok(standing) => return standing,
                Err(status) => assert_eq!(reason_of(&status), Some(Reason::BankAway)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let held = tokio::time::timeout(NEVER, asking).await.unwrap();
    assert_eq!((held.state(), held.credit_minor), (NetworkChargeState::Held, 1_000));
    assert_eq!(peered.at_issuer().await, (1_000, 0));
    let posted = peered.trial.post_charge(&bought, 700).await.unwrap();
    assert_eq!((posted.state(), posted.credit_minor), (NetworkChargeState::Posted, 700));
    peered.issuer.sees("post", 1).await;
    assert_eq!(peered.at_issuer().await, (0, 700));
    assert_eq!(peered.trial.available(&peered.debit).await, 500, "what was drawn last gives way first");

    let second = of_card(&peered.card_id, &dropped, 100);
    assert_eq!(peered.trial.charge(second).await.unwrap().state(), NetworkChargeState::Held);
    peered.trial.void_charge(&dropped).await.unwrap();
    peered.issuer.sees("void", 1).await;
    let third = Some(of_card(&peered.card_id, &offline, 50));
    for _ in 0..2 {
        let request = PostOfflineNetworkChargeRequest { charge: third.clone() };
        let answer = peered.trial.counter.post_offline_network_charge(request).await.unwrap();
        assert_eq!(answer.into_inner().standing.unwrap().state(), NetworkChargeState::Posted);
    }
    peered.issuer.sees("post", 2).await;
    peered.trial.refund_charge(&refund, &bought, 300).await.unwrap();
    peered.issuer.sees("refund", 1).await;
    assert_eq!(peered.at_issuer().await, (0, 700 + 50 - 300));
    let Trial { federation, node, .. } = peered.trial;
    node.stop().await.unwrap();
    let database = TestDatabase::of_another_process(&federation.database_url);
    let store = database.open(&crate::migrations(), SystemClock::shared()).await.unwrap();
    let report = crate::check_books(&store).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
    store.close().await;
}
