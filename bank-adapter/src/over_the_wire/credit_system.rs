//! A node with an existing credit system, from its configuration to its end.

use std::time::Duration;

use proto::counter::{ActivateCardRequest, CloseDaysRequest, CreditLine, CreditTerms, IssueCardRequest};
use server_kit::config::SecretRef;
use server_kit::rng::SystemRng;

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
        trial.counter.activate_card(ActivateCardRequest { card_id: card_id.clone() }).await.unwrap();
        issuer.tell(&format!("account {} 1000 200 123456", face.pan)).await;
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
            }
        };
        tokio::time::timeout(Duration::from_secs(20), holding).await.expect("the hold has its answer")
    }

    /// Waits until this is so of the issuer's books.
    pub(super) async fn until(&mut self, when: &str, is_so: impl AsyncFn(&mut Self) -> bool) {
        let waiting = async {
            while !is_so(self).await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), waiting).await.is_err() {
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
