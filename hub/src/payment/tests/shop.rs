//! A hub with a shop and a bank that is played: who pays there pays over the hub's own calls.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::payment::{Payment, Policy, State};
use domain::{PaymentId, Reason, Timestamp};
use proto::federation::federation_service_server::FederationService as _;
use proto::operator::operator_service_server::OperatorService as _;
use proto::terminal::terminal_service_server::TerminalService as _;
use proto::{common, federation, operator, terminal as pb};
use server_kit::audit;
use server_kit::identity::Role;
use server_kit::store::{Owner, WriterOptions};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::bank::{Banks, LinkOptions};
use crate::directory::{Directory, DirectoryOptions, DirectoryParts, OperatorApi};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::payment::{Desk, DeskOptions, FederationApi, TerminalApi, TerminalLimits, sql, sweep};
use crate::testing::bank::{CARD_ID, PlayedBank};
use crate::testing::{TestHub, from_member};

/// Only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);
pub(super) const PAN: &str = "6228480000000015";
pub(super) const TRACK: &str = "6228480000000015=2703201100000179";
pub(super) const CVV: &str = "017";
pub(super) const PIN_BLOCK: &[u8] = b"PINBLOCK";

/// One replica of the hub, with everything in it that payments need.
pub(super) struct Shop {
    pub(super) hub: TestHub,
    pub(super) bank: PlayedBank,
    pub(super) desk: Desk,
    pub(super) terminal: TerminalApi,
    pub(super) federation: FederationApi,
    pub(super) operator: OperatorApi,
    draining: CancellationToken,
}

/// A policy under which the sweeper looks at everything at once.
pub(super) fn at_once() -> Policy {
    Policy { head_start: Duration::ZERO, most_backoff: Duration::ZERO, ..Policy::default() }
}

impl Shop {
    /// A replica over this database and these banks.
    pub(super) async fn replica(hub: &TestHub, bank: &PlayedBank, name: &str, policy: Policy) -> Self {
        let (mark, draining) = (hub.id(), CancellationToken::new());
        let parts = DirectoryParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            rng: hub.rng.clone(),
            replica: name.to_owned(),
        };
        let (directory, _) = Directory::start(parts, DirectoryOptions::default());
        let link = LinkOptions { timeout: PATIENCE, tries: 1 };
        let banks = Banks::played(directory.clone(), link);
        let parts = FeedParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            replica: mark,
            draining: draining.clone(),
        };
        let (desk, _) = Desk::start(DeskOptions {
            store: hub.store.clone(),
            directory: directory.clone(),
            banks: banks.clone(),
            feed: Feed::new(parts, FeedOptions::default()),
            keys: hub.keys.clone(),
            rng: hub.rng.clone(),
            ids: hub.ids.clone(),
            clock: hub.clock(),
            policy,
            owner: Arc::new(Owner::take(&hub.store, name, mark).await.unwrap()),
            writer: WriterOptions::default(),
            answer_within: PATIENCE,
        });
        let often = NonZeroU32::new(1_000).unwrap();
        let limits = TerminalLimits {
            codes_per_minute: often,
            reads_per_second: often,
            writes_per_second: often,
            refused_cards_per_minute: 3,
            watches: 8,
            watch_every: None,
        };
        Self {
            hub: hub.clone(),
            bank: bank.clone(),
            terminal: TerminalApi::new(desk.clone(), limits, draining.clone()),
            federation: FederationApi::new(desk.clone()),
            operator: OperatorApi::new(directory, Arc::new(banks)),
            desk,
            draining,
        }
    }

    /// The first replica, with a bank, its card numbers, a merchant and a till.
    pub(super) async fn open(hub: &TestHub, policy: Policy) -> Self {
        let bank = PlayedBank::default();
        let shop = Self::replica(hub, &bank, "hub-1", policy).await;
        shop.register_bank("bank-a", &bank.open().await, false).await;
        let merchant = common::Merchant {
            merchant_id: "noodles".to_owned(),
            display_name: "面馆".to_owned(),
            category_code: "5812".to_owned(),
        };
        let request = operator::RegisterMerchantRequest { merchant: Some(merchant) };
        shop.operator.register_merchant(from_member(Role::Operator, "anna", request)).await.unwrap();
        for till in ["till-1", "till-2"] {
            let terminal = operator::Terminal {
                terminal_id: till.to_owned(),
                merchant_id: "noodles".to_owned(),
                ..operator::Terminal::default()
            };
            let request = operator::RegisterTerminalRequest { terminal: Some(terminal) };
            shop.operator.register_terminal(from_member(Role::Operator, "anna", request)).await.unwrap();
        }
        shop.register_bins("bank-a", &[("622848", "622848")]).await.unwrap();
        shop
    }

    /// The next replica after this one was killed: nothing of its memory is left.
    pub(super) async fn killed(self, policy: Policy) -> Self {
        Self::replica(&self.hub, &self.bank, "hub-2", policy).await
    }

    pub(super) async fn register_bank(&self, id: &str, endpoint: &str, suspended: bool) {
        let bank = operator::Bank {
            bank_id: id.to_owned(),
            display_name: "First Bank".to_owned(),
            endpoint: endpoint.to_owned(),
            suspended,
        };
        let request = operator::RegisterBankRequest { bank: Some(bank) };
        self.operator.register_bank(from_member(Role::Operator, "anna", request)).await.unwrap();
    }

    pub(super) async fn register_bins(
        &self,
        bank: &str,
        ranges: &[(&str, &str)],
    ) -> Result<Vec<federation::BinRange>, Status> {
        let range = |(first, last): &(&str, &str)| federation::BinRange {
            first: (*first).to_owned(),
            last: (*last).to_owned(),
            digits: 16,
            product: federation::CardProduct::Combined.into(),
        };
        let request = federation::RegisterBinRangesRequest { ranges: ranges.iter().map(range).collect() };
        let answer = self.federation.register_bin_ranges(from_member(Role::Bank, bank, request)).await;
        answer.map(|answer| answer.into_inner().ranges)
    }

    /// Somebody who holds the card.
    pub(super) async fn holder(&self) -> String {
        let person_id = self.hub.id().to_string();
        let request = operator::RegisterPersonRequest {
            person_id: person_id.clone(),
            phone_number: "+8613800138000".to_owned(),
            name: "王小明".to_owned(),
        };
        self.operator.register_person(from_member(Role::Operator, "anna", request)).await.unwrap();
        let masked = self.bind_card(&person_id, CARD_ID).await.unwrap();
        assert_eq!(masked, "622848******0015");
        person_id
    }

    pub(super) async fn bind_card(&self, person_id: &str, card_id: &str) -> Result<String, Status> {
        let request = operator::BindCardRequest {
            person_id: person_id.to_owned(),
            bank_id: "bank-a".to_owned(),
            card_id: card_id.to_owned(),
            make_default: false,
        };
        let answer = self.operator.bind_card(from_member(Role::Operator, "anna", request)).await;
        answer.map(|answer| answer.into_inner().card_masked)
    }

    /// A request with everything that a card can show.
    pub(super) fn request(&self, nature: common::Nature, minor: i64) -> pb::CreateCardPaymentRequest {
        let pin_block =
            common::PinBlock { format: common::PinBlockFormat::Iso0.into(), key_version: 1, block: PIN_BLOCK.to_vec() };
        pb::CreateCardPaymentRequest {
            payment_id: self.hub.id().to_string(),
            card: Some(common::PresentedCard {
                pan: PAN.to_owned(),
                expiry: "2703".to_owned(),
                cvv2: CVV.to_owned(),
                track2: TRACK.to_owned(),
                pin_block: Some(pin_block),
            }),
            nature: nature.into(),
            amount: Some(cny(minor)),
            items: Vec::new(),
            merchant_reference: String::new(),
        }
    }

    pub(super) async fn ask(&self, request: &pb::CreateCardPaymentRequest) -> Result<pb::Payment, Status> {
        let answer = self.terminal.create_card_payment(from_member(Role::Terminal, "till-1", request.clone())).await;
        answer.map(|answer| answer.into_inner().payment.unwrap())
    }

    pub(super) async fn pay(&self, nature: common::Nature, minor: i64) -> pb::Payment {
        self.ask(&self.request(nature, minor)).await.unwrap()
    }

    pub(super) async fn complete(&self, payment_id: &str, minor: i64) -> Result<pb::Payment, Status> {
        let request = pb::CompletePaymentRequest { payment_id: payment_id.to_owned(), amount: Some(cny(minor)) };
        let answer = self.terminal.complete_payment(from_member(Role::Terminal, "till-1", request)).await;
        answer.map(|answer| answer.into_inner().payment.unwrap())
    }

    pub(super) async fn reverse(&self, payment_id: &str, minor: i64) -> Result<pb::Payment, Status> {
        let request = pb::ReversePaymentRequest { payment_id: payment_id.to_owned(), amount: Some(cny(minor)) };
        let answer = self.terminal.reverse_payment(from_member(Role::Terminal, "till-1", request)).await;
        answer.map(|answer| answer.into_inner().payment.unwrap())
    }

    pub(super) async fn refund(&self, payment_id: &str, minor: i64) -> Result<pb::Payment, Status> {
        let request = pb::RefundPaymentRequest {
            refund_id: self.hub.id().to_string(),
            payment_id: payment_id.to_owned(),
            amount: Some(cny(minor)),
        };
        let answer = self.terminal.refund_payment(from_member(Role::Terminal, "till-1", request)).await;
        answer.map(|answer| answer.into_inner().refund.unwrap())
    }

    /// Lets the sweeper look at what is due, until the test ends.
    pub(super) fn sweep(&self) {
        tokio::spawn(sweep(self.desk.clone(), Duration::from_millis(5), self.draining.clone()));
    }

    pub(super) async fn stored(&self, id: &str) -> Payment {
        sql::find_payment(&self.hub.store, PaymentId::parse(id).unwrap()).await.unwrap().unwrap()
    }

    /// Waits until the payment stands there.
    pub(super) async fn until(&self, id: &str, state: State) -> Payment {
        let follow = async {
            loop {
                // First the registration, then the look: a change in between is not missed.
                let mut watching = self.desk.watch(PaymentId::parse(id).unwrap());
                let payment = self.stored(id).await;
                if payment.state == state {
                    return payment;
                }
                watching.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, follow).await.unwrap_or_else(|_| panic!("{id} never came to {state:?}"))
    }

    /// The kinds of what a person was told, in order.
    pub(super) async fn told(&self, person_id: &str) -> Vec<String> {
        let sql = "SELECT sequence, kind FROM events WHERE person_id = $1 \
                   UNION ALL SELECT sequence, 'CHARGE' FROM purchases WHERE person_id = $1 ORDER BY sequence";
        let person = domain::PersonId::parse(person_id).unwrap();
        let rows = self.hub.store.fetch(sql, vec![person.uuid().into()]).await.unwrap();
        rows.iter().map(|row| row.text(1).unwrap()).collect()
    }

    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.hub.clock().now()
    }

    /// Nothing may be wrong at the end of any test.
    pub(super) async fn all_is_well(&self) {
        let engine = self.hub.engine;
        assert_eq!(crate::check_books(&self.hub.store).await.unwrap().faults, Vec::<String>::new(), "{engine}");
        for chain in audit::verify(&self.hub.store, self.hub.keys.as_ref()).await.unwrap() {
            let unsigned = |fault: &String| fault.contains("no head of the chain was ever signed");
            assert!(chain.faults.iter().all(unsigned), "{engine}: {:?}", chain.faults);
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.draining.cancel();
    }
}

pub(super) fn cny(minor: i64) -> common::Money {
    common::Money { currency_code: "CNY".to_owned(), minor_units: minor }
}

/// Why a payment was declined.
pub(super) fn refusal(payment: &pb::Payment) -> Reason {
    Reason::from_code(&payment.refusal.as_ref().unwrap().reason).unwrap()
}
