//! A hub with a shop and a bank that is played: who pays there pays over the hub's own calls.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::feed::Event;
use domain::payment::{Payment, Policy, State};
use domain::{PaymentId, PersonId, PhoneNumber, Reason};
use futures_util::StreamExt as _;
use proto::federation::federation_service_server::FederationService as _;
use proto::operator::operator_service_server::OperatorService as _;
use proto::terminal::terminal_service_server::TerminalService as _;
use proto::{common, federation, operator, terminal as pb};
use server_kit::audit;
use server_kit::identity::Role;
use server_kit::keystore::KeyName;
use server_kit::store::{Owner, Row, WriterOptions};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::bank::{Banks, LinkOptions};
use crate::bills::Bills;
use crate::bills::testing::bill_parts;
use crate::credit_history::CreditHistory;
use crate::directory::{Directory, DirectoryOptions, OperatorApi, password_mac};
use crate::federation::FederationApi;
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::fees::Fees;
use crate::limits::PaymentLimits;
use crate::lookups::{LookupsConfig, tests::roomy};
use crate::notify::{Notices, NoticesOptions, tests as notify_tests};
use crate::offers::Offers;
use crate::payment::{Desk, DeskOptions, TerminalApi, TerminalLimits, sql, sweep};
use crate::prices::Prices;
use crate::records::{RecordParts, Records};
use crate::repayment::Repayments;
use crate::repayment::testing::repayment_parts;
use crate::testing::bank::{CARD_ID, PlayedBank};
use crate::testing::history::{history_parts, offer_parts};
use crate::testing::{TestHub, from_member};

/// Only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
pub(super) const PAN: &str = "6228480000000015";
pub(super) const TRACK: &str = "6228480000000015=2703201100000179";
pub(super) const CVV: &str = "017";
const PASSWORD: &str = "246810";
pub(super) const PIN_BLOCK: &[u8] = b"PINBLOCK";

/// One replica of the hub, with everything in it that payments need.
pub(super) struct Shop {
    pub(super) hub: TestHub,
    pub(super) bank: PlayedBank,
    pub(super) desk: Desk,
    pub(super) terminal: TerminalApi,
    pub(super) federation: FederationApi,
    pub(super) operator: OperatorApi,
    feed: Feed,
    draining: CancellationToken,
}

/// A policy under which the sweeper looks at everything at once.
pub(super) fn at_once() -> Policy {
    Policy { head_start: Duration::ZERO, most_backoff: Duration::ZERO, ..Policy::default() }
}

fn limits() -> TerminalLimits {
    let often = NonZeroU32::new(1_000).unwrap();
    TerminalLimits {
        codes_per_minute: often,
        reads_per_second: often,
        writes_per_second: often,
        refused_cards_per_minute: 3,
        watches: 8,
        watch_every: None,
    }
}

impl Shop {
    /// A replica over this database and these banks.
    pub(super) async fn replica(hub: &TestHub, bank: &PlayedBank, name: &str, policy: Policy) -> Self {
        Self::budgeted(hub, bank, (name, policy), roomy()).await
    }

    /// The same with other budgets for look-ups.
    pub(super) async fn budgeted(
        hub: &TestHub,
        bank: &PlayedBank,
        (name, policy): (&str, Policy),
        lookups: LookupsConfig,
    ) -> Self {
        let (mark, draining) = (hub.id(), CancellationToken::new());
        let options = DirectoryOptions { lookups, ..DirectoryOptions::default() };
        let (directory, _) = Directory::start(hub.directory_parts(name), options);
        let link = LinkOptions { timeout: PATIENCE, tries: 1 };
        let banks = Banks::played(directory.clone(), link);
        let parts = FeedParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            replica: mark,
            followers: Vec::new(),
            draining: draining.clone(),
        };
        let feed = Feed::new(parts, FeedOptions::default());
        let owner = Arc::new(Owner::take(&hub.store, name, mark).await.unwrap());
        let parts = RecordParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            feed: feed.clone(),
            owner: owner.clone(),
            writer: WriterOptions::default(),
        };
        let (records, _) = Records::start(parts);
        let (prices, _) = Prices::start(hub.store.clone(), owner.clone());
        let (bills, _) = Bills::start(bill_parts(hub, &feed, &owner));
        let (credit_history, _) = CreditHistory::start(history_parts(hub, &feed, owner.clone()));
        let (offers, _) = Offers::start(offer_parts(hub, &feed, owner.clone()));
        let parts = repayment_parts(hub, &feed, &owner, banks.clone(), policy.clone());
        let (repayments, _) = Repayments::start(parts);
        let (most, _) = PaymentLimits::start(hub.store.clone(), hub.keys.clone(), owner.clone()).await.unwrap();
        let (fees, _) = Fees::start(hub.fee_parts(owner.clone())).await.unwrap();
        let (desk, _) = Desk::start(DeskOptions {
            store: hub.store.clone(),
            directory: directory.clone(),
            banks: banks.clone(),
            feed: feed.clone(),
            keys: hub.keys.clone(),
            rng: hub.rng.clone(),
            ids: hub.ids.clone(),
            clock: hub.clock(),
            policy,
            limits: most.clone(),
            fees: fees.clone(),
            owner,
            writer: WriterOptions::default(),
            answer_within: PATIENCE,
        });
        let (notices, _) = Notices::start(notify_tests::parts(hub), NoticesOptions::default(), Vec::new());
        Self {
            hub: hub.clone(),
            bank: bank.clone(),
            terminal: TerminalApi::new(desk.clone(), prices, limits(), draining.clone()),
            federation: FederationApi::new(desk.clone(), records, bills, credit_history, (offers, repayments)),
            operator: OperatorApi::new(directory, Arc::new(banks), notices).limiting(most).charging(fees),
            desk,
            feed,
            draining,
        }
    }

    /// The first replica, with a bank, its card numbers, a merchant and a till.
    pub(super) async fn open(hub: &TestHub, policy: Policy) -> Self {
        let bank = PlayedBank::default();
        Self::replica(hub, &bank, "hub-1", policy).await.furnished().await
    }

    /// The same with other budgets for look-ups.
    pub(super) async fn open_budgeted(hub: &TestHub, lookups: LookupsConfig) -> Self {
        let bank = PlayedBank::default();
        Self::budgeted(hub, &bank, ("hub-1", at_once()), lookups).await.furnished().await
    }

    async fn furnished(self) -> Self {
        let shop = self;
        shop.register_bank("bank-a", &shop.bank.open().await, false).await;
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

    /// Somebody who holds the card, which pays for the phone number, too.
    pub(super) async fn holder(&self) -> String {
        let person_id = self.person("+8613800138000").await;
        let masked = self.bind_card(&person_id, CARD_ID).await.unwrap();
        assert_eq!(masked, "622848******0015");
        person_id
    }

    pub(super) async fn person(&self, phone: &str) -> String {
        let person_id = self.hub.id().to_string();
        let request = operator::RegisterPersonRequest {
            person_id: person_id.clone(),
            phone_number: phone.to_owned(),
            name: "王小明".to_owned(),
        };
        self.operator.register_person(from_member(Role::Operator, "anna", request)).await.unwrap();
        let person = PersonId::parse(&person_id).unwrap();
        let mac = password_mac(self.hub.keys.as_ref(), &person, PASSWORD).unwrap();
        let mut tx = self.hub.store.begin().await.unwrap();
        let sql = "UPDATE persons SET password_mac = $1, version = version + 1 WHERE person_id = $2";
        tx.execute(sql, vec![mac.to_vec().into(), person.uuid().into()]).await.unwrap();
        tx.commit().await.unwrap();
        person_id
    }

    pub(super) async fn bind_card(&self, person_id: &str, card_id: &str) -> Result<String, Status> {
        let request = operator::BindCardRequest {
            person_id: person_id.to_owned(),
            bank_id: "bank-a".to_owned(),
            card_id: card_id.to_owned(),
            make_default: false,
            card_number: String::new(),
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

    /// Pays by phone number, with the code that the payer's phone gets.
    pub(super) async fn pay_by_phone(&self, phone: &PhoneNumber, minor: i64) -> pb::Payment {
        let payment_id = self.hub.id().to_string();
        let payer = pb::create_payment_request::Payer::PhoneNumber(phone.as_e164().to_owned());
        let request = pb::CreatePaymentRequest {
            payment_id: payment_id.clone(),
            payer: Some(payer),
            amount: Some(cny(minor)),
            ..pb::CreatePaymentRequest::default()
        };
        self.terminal.create_payment(from_member(Role::Terminal, "till-1", request)).await.unwrap();
        let sealed = self.hub.store.fetch_one("SELECT sealed_code FROM events", Vec::new()).await.unwrap().unwrap();
        let bound = PaymentId::parse(&payment_id).unwrap().uuid();
        let code = self.hub.keys.open(KeyName::SealedPayload, bound.as_bytes(), &sealed.bytes(0).unwrap()).unwrap();
        let request = pb::AuthorizePaymentRequest {
            payment_id,
            attempt_id: self.hub.id().to_string(),
            code: String::from_utf8(code).unwrap(),
            transaction_password: PASSWORD.to_owned(),
        };
        let answer = self.terminal.authorize_payment(from_member(Role::Terminal, "till-1", request)).await;
        answer.unwrap().into_inner().payment.unwrap()
    }

    pub(super) async fn inquire(
        &self,
        card: Option<common::PresentedCard>,
    ) -> Result<pb::InquireBalanceResponse, Status> {
        let request = pb::InquireBalanceRequest { card };
        let answer = self.terminal.inquire_balance(from_member(Role::Terminal, "till-1", request)).await;
        answer.map(tonic::Response::into_inner)
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
                // Of what another replica moves, such as a killed one whose last task was still under way, this one is not told.
                let _ = tokio::time::timeout(LOOK_AGAIN, watching.changed()).await;
            }
        };
        tokio::time::timeout(PATIENCE, follow).await.unwrap_or_else(|_| panic!("{id} never came to {state:?}"))
    }

    /// The kinds of what a person was told, in order.
    pub(super) async fn told(&self, person_id: &str) -> Vec<String> {
        let sql = "SELECT sequence, kind FROM events WHERE person_id = $1 \
                   UNION ALL SELECT sequence, 'CHARGE' FROM purchases WHERE person_id = $1 ORDER BY sequence";
        let person = PersonId::parse(person_id).unwrap();
        let rows = self.hub.store.fetch(sql, vec![person.uuid().into()]).await.unwrap();
        rows.iter().map(|row| row.text(1).unwrap()).collect()
    }

    /// The first events of a person's feed, as a phone reads them that comes late.
    pub(super) async fn feed(&self, person_id: &str, events: usize) -> Vec<Arc<Event>> {
        let mut watch = self.feed.watch(PersonId::parse(person_id).unwrap(), 0).unwrap();
        let mut found = Vec::new();
        while found.len() < events {
            found.push(watch.next().await.unwrap().unwrap());
        }
        found
    }

    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
    }

    /// Every text and every row of bytes that is stored, by table.
    pub(super) async fn everything_stored(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut found = Vec::new();
        for (table, columns, sql) in [
            ("payments", 7, "SELECT terminal_id, merchant, items, reference, masked, state, kind FROM payments"),
            ("events", 1, "SELECT kind FROM events"),
            ("purchases", 3, "SELECT account_masked, merchant, items FROM purchases"),
            ("audit_log", 1, "SELECT entries FROM audit_log"),
            ("bindings", 2, "SELECT masked, instrument FROM bindings"),
        ] {
            let rows = self.hub.store.fetch(sql, Vec::new()).await.unwrap();
            let texts = |row: &Row| (0..columns).map(|column| row.text(column).unwrap()).collect::<Vec<_>>();
            found.push((table, rows.iter().flat_map(texts).collect()));
        }
        found
    }

    /// Lets the time pass in which a payment has to be decided or completed.
    pub(super) async fn age(&self, id: &str) {
        let mut tx = self.hub.store.begin().await.unwrap();
        let sql = "UPDATE payments SET decide_before = created_at, due_at = created_at, version = version + 1 \
                   WHERE payment_id = $1";
        let id = PaymentId::parse(id).unwrap();
        assert_eq!(tx.execute(sql, vec![id.uuid().into()]).await.unwrap(), 1);
        tx.commit().await.unwrap();
    }

    /// The same for whatever is not held yet.
    pub(super) async fn age_all_holding(&self) {
        let mut tx = self.hub.store.begin().await.unwrap();
        let sql = "UPDATE payments SET decide_before = created_at, due_at = created_at, version = version + 1 \
                   WHERE state = 'HOLDING'";
        tx.execute(sql, Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Waits until nothing but the terminals of what is authorised is waited for.
    pub(super) async fn until_nothing_is_due(&self) {
        let due = "SELECT count(*) FROM payments WHERE due_at IS NOT NULL AND state <> 'AUTHORISED'";
        self.in_the_end(async || self.count(due).await == 0).await;
    }

    pub(super) async fn count_in(&self, state: &str) -> i64 {
        let sql = "SELECT count(*) FROM payments WHERE state = $1";
        self.hub.store.fetch_one(sql, vec![state.into()]).await.unwrap().unwrap().int(0).unwrap()
    }

    /// What the bank is told when it asks about the leg of a payment.
    pub(super) async fn verdict(&self, id: &str) -> federation::LegVerdict {
        let leg_id = self.stored(id).await.charge.unwrap().leg_id.unwrap().to_string();
        let request = federation::ResolveLegRequest { leg_id, payment_id: id.to_owned() };
        let answer = self.federation.resolve_leg(from_member(Role::Bank, "bank-a", request)).await;
        answer.unwrap().into_inner().verdict()
    }

    pub(super) async fn oldest_unsettled_seconds(&self) -> i64 {
        let request = from_member(Role::Operator, "anna", operator::GetOverviewRequest {});
        self.operator.get_overview(request).await.unwrap().into_inner().oldest_unsettled_seconds
    }

    pub(super) async fn until_bank(&self, is: impl Fn(&PlayedBank) -> bool) {
        self.in_the_end(async || is(&self.bank)).await;
    }

    pub(super) async fn until_told(&self, person_id: &str, kinds: &[&str]) {
        self.in_the_end(async || self.told(person_id).await == kinds).await;
    }

    /// Looks again and again until it is so.
    async fn in_the_end(&self, is: impl AsyncFn() -> bool) {
        let looking = async {
            while !is().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap();
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
