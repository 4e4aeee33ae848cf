//! A node with an existing credit system, from its configuration to its end.

use std::time::Duration;

use proto::counter::network_charge::Payer;
use proto::counter::{
    ActivateCardRequest, CloseDaysRequest, CreditLine, CreditTerms, IssueCardRequest, NetworkCharge,
    NetworkChargeState, PostOfflineNetworkChargeRequest,
};
use server_kit::config::SecretRef;
use server_kit::rng::SystemRng;

use super::network::charge;
use super::*;
use crate::card::tests::elsewhere::{MAC, ZONE, peer_keys};
use crate::card::tests::issuer::{Issuer, Settings};
use crate::hsm::{self, HsmConfig, SealedFileConfig};

const BIN: &str = "62284800";

/// The key store that the node will open.
fn key_store(federation: &Federation) {
    let master = SecretRef::File(federation.path("master"));
    let file = SealedFileConfig { file: federation.path("hsm.keys"), master };
    let config = HsmConfig { sealed_file: Some(file), pkcs11: None };
    let hsm = hsm::open(&config, SystemClock::shared(), SystemRng::shared()).unwrap();
    for key in ["cvk-credit", "cvk-debit", "pin-verification"] {
        hsm.generate(&key.parse().unwrap()).unwrap();
    }
    peer_keys(&*hsm);
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
        reconnect_pause = "20ms"
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
    pub(super) pan: String,
}

impl Peered {
    pub(super) async fn start() -> Option<Self> {
        let federation = Federation::new();
        let (mac, zone_key) = (format!("des:{MAC}"), ZONE.to_owned());
        let state = federation.path("issuer.journal");
        let settings = Settings { dialect: "ascii", mac, zone_key, state, certificate: None };
        let mut issuer = Issuer::start(settings).await?;
        key_store(&federation);
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
        trial.counter.activate_card(ActivateCardRequest { card_id: card_id.clone() }).await.unwrap();
        issuer.tell(&format!("account {} 1000 200 123456", face.pan)).await;
        Some(Self { trial, issuer, debit, card_id, pan: face.pan })
    }

    /// What the issuer has of the card: held and owed.
    pub(super) async fn at_issuer(&mut self) -> (i64, i64) {
        let state = self.issuer.state().await;
        let account = &state["accounts"][self.pan.as_str()];
        (account["held"].as_i64().unwrap(), account["owed"].as_i64().unwrap())
    }
}

pub(super) fn hold_of(card_id: &str, leg_id: &str) -> Hold {
    Hold { payer: Some(hold::Payer::CardId(card_id.to_owned())), ..hold(leg_id, "", 1_200) }
}

#[tokio::test]
async fn c8_a_node_with_a_credit_system_asks_it_tells_it_and_ends() {
    let Some(peered) = Peered::start().await else { return };
    let Peered { mut trial, mut issuer, debit, card_id, pan } = peered;
    let leg_id = trial.id();
    let request = hold_of(&card_id, &leg_id);
    let held = async {
        // The line may not be up yet: nothing was stored then, and the same hold again is safe.
        loop {
            match hold_one(&mut trial.hub, request.clone()).await {
                Ok(leg) => return leg,
                Err(status) => assert_eq!(reason_of(&status), Some(Reason::BankAway)),
            }
        }
    };
    let leg = tokio::time::timeout(Duration::from_secs(20), held).await.unwrap();
    assert_eq!((leg.state(), refusal(&leg)), (LegState::Held, ""));
    let parts: Vec<i64> = leg.parts.iter().map(|part| part.amount_minor).collect();
    assert_eq!((parts, trial.available(&debit).await), (vec![1_000, 200], 300));
    trial.hub.post_legs(PostLegsRequest { leg_ids: vec![leg_id] }).await.unwrap();
    issuer.sees("post", 1).await;
    assert_eq!(issuer.state().await["accounts"][pan.as_str()]["owed"], 1_000);
    let closed = trial.counter.close_days(CloseDaysRequest { through: String::new() }).await.unwrap_err();
    assert_eq!(reason_of(&closed), Some(Reason::NatureUnsupported), "the credit system bills its accounts");
    trial.node.stop().await.unwrap();
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
        }
    };
    let held = tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap();
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
