//! The directory as operators and the payment path see it, on both engines.

mod bins;
mod refusals;
mod rotation;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::feed::EventKind;
use domain::payment::Instrument;
use domain::{BankId, PersonId, PhoneNumber, Reason, TerminalId};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use proto::operator::operator_service_server::OperatorService as _;
use proto::{common, operator as pb};
use server_kit::audit;
use server_kit::identity::{IdentityError, Role};
use server_kit::tls::Peer;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::{BankInstruments, Directory, DirectoryOptions, OperatorApi};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::notify::{Notices, NoticesOptions, tests as notify_tests};
use crate::testing::past::Past;
use crate::testing::{TestHub, from_member, from_stranger, on_each_engine, reason};

/// A bank that has every account, except that it refuses while `refusal` says so; counts how often it was asked.
#[derive(Default)]
struct AnyAccount {
    asked: AtomicUsize,
    followed: AtomicUsize,
    refusal: Option<Reason>,
    shown: Option<&'static str>,
}

impl BankInstruments for AnyAccount {
    fn follow(&self, _: &BankId, _: Instrument) -> BoxFuture<'_, Result<(), Reason>> {
        self.followed.fetch_add(1, Ordering::SeqCst);
        async { Ok(()) }.boxed()
    }

    fn masked(&self, _: &BankId, _: Instrument) -> BoxFuture<'_, Result<String, Reason>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.refusal.map_or_else(|| Ok(self.shown.unwrap_or("****4821").to_owned()), Err);
        async move { answer }.boxed()
    }
}

struct Office {
    hub: TestHub,
    directory: Directory,
    api: OperatorApi,
    bank: Arc<AnyAccount>,
}

fn open(hub: &TestHub, replica: &str, bank: AnyAccount) -> Office {
    let parts = hub.directory_parts(replica);
    // What is cached never ends by itself here, so that a test sees when it is forgotten.
    let options = DirectoryOptions { cache_ttl: Duration::from_secs(3_600), ..DirectoryOptions::default() };
    let (directory, _) = Directory::start(parts, options);
    let bank = Arc::new(bank);
    let (notices, _) = Notices::start(notify_tests::parts(hub), NoticesOptions::default(), Vec::new());
    let api = OperatorApi::new(directory.clone(), bank.clone(), notices);
    Office { hub: hub.clone(), directory, api, bank }
}

fn by_operator<T>(message: T) -> Request<T> {
    from_member(Role::Operator, "anna", message)
}

fn a_bank(id: &str) -> pb::RegisterBankRequest {
    let bank = pb::Bank {
        bank_id: id.to_owned(),
        display_name: "First Bank".to_owned(),
        endpoint: "https://127.0.0.1:8443".to_owned(),
        suspended: false,
    };
    pb::RegisterBankRequest { bank: Some(bank) }
}

fn a_merchant() -> pb::RegisterMerchantRequest {
    let merchant = common::Merchant {
        merchant_id: "noodles".to_owned(),
        display_name: "老王面馆".to_owned(),
        category_code: "5812".to_owned(),
    };
    pb::RegisterMerchantRequest { merchant: Some(merchant) }
}

fn a_terminal() -> pb::RegisterTerminalRequest {
    let terminal = pb::Terminal {
        terminal_id: "till-1".to_owned(),
        merchant_id: "noodles".to_owned(),
        place: "West Gate".to_owned(),
        location: Some(common::Location { latitude: 31.25, longitude: 121.5 }),
        suspended: false,
    };
    pb::RegisterTerminalRequest { terminal: Some(terminal) }
}

const PHONE: &str = "+8613800138000";
const NAME: &str = "王小明";

impl Office {
    fn person(&self, phone: &str) -> pb::RegisterPersonRequest {
        pb::RegisterPersonRequest {
            person_id: self.hub.id().to_string(),
            phone_number: phone.to_owned(),
            name: NAME.to_owned(),
        }
    }

    async fn register_person(&self, phone: &str) -> String {
        let answer = self.api.register_person(by_operator(self.person(phone))).await.unwrap();
        answer.into_inner().person_id
    }

    fn account(&self, person_id: &str, make_default: bool) -> pb::BindAccountRequest {
        pb::BindAccountRequest {
            person_id: person_id.to_owned(),
            bank_id: "bank-a".to_owned(),
            account_id: self.hub.id().to_string(),
            make_default,
        }
    }

    async fn bind(&self, request: &pb::BindAccountRequest) -> Result<String, Status> {
        let answer = self.api.bind_account(by_operator(request.clone())).await;
        answer.map(|answer| answer.into_inner().account_masked)
    }

    async fn default_account(&self, person_id: &str) -> Option<String> {
        let payer = self.directory.payer(PersonId::parse(person_id).unwrap()).await.unwrap().unwrap();
        payer.instrument.as_ref().map(|paying| match paying.instrument {
            Instrument::Account(id) => id.to_string(),
            Instrument::Card(id) => format!("card {id}"),
        })
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
    }
}

#[tokio::test]
async fn m9_a_bank_is_registered_once_and_may_move() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let id = BankId::parse("bank-a").unwrap();
        assert_eq!(office.directory.bank(&id).await.unwrap(), None);
        for _ in 0..2 {
            let answer = office.api.register_bank(by_operator(a_bank("bank-a"))).await.unwrap();
            assert_eq!(answer.into_inner().bank, a_bank("bank-a").bank, "{}", hub.engine);
        }
        assert_eq!(office.count("SELECT count(*) FROM audit_log").await, 1);

        let mut moved = a_bank("bank-a");
        moved.bank.as_mut().unwrap().endpoint = "https://bank-a.example:443".to_owned();
        office.api.register_bank(by_operator(moved.clone())).await.unwrap();
        let entry = office.directory.bank(&id).await.unwrap().unwrap();
        assert_eq!(entry.endpoint, "https://bank-a.example:443");

        let mut renamed = moved.clone();
        renamed.bank.as_mut().unwrap().display_name = "Second Bank".to_owned();
        assert_eq!(reason(office.api.register_bank(by_operator(renamed)).await), Reason::NameTaken);

        office.api.register_bank(by_operator(a_bank("a-bank"))).await.unwrap();
        let banks = office.api.list_banks(by_operator(pb::ListBanksRequest {})).await.unwrap().into_inner().banks;
        let names: Vec<_> = banks.iter().map(|bank| bank.bank_id.as_str()).collect();
        assert_eq!(names, ["a-bank", "bank-a"]);
    })
    .await;
}

#[tokio::test]
async fn r3_a_terminal_has_its_merchant_and_its_place_and_can_be_suspended() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let api = &office.api;
        let id = TerminalId::parse("till-1").unwrap();
        assert_eq!(office.directory.terminal(&id).await.unwrap(), None);
        let early = api.register_terminal(by_operator(a_terminal())).await;
        assert_eq!(reason(early), Reason::MerchantUnknown, "{}", hub.engine);
        for _ in 0..2 {
            api.register_merchant(by_operator(a_merchant())).await.unwrap();
            let answer = api.register_terminal(by_operator(a_terminal())).await.unwrap();
            assert_eq!(answer.into_inner().terminal, a_terminal().terminal);
        }
        let terminal = office.directory.terminal(&id).await.unwrap().unwrap();
        assert_eq!(terminal.merchant.name.as_str(), "老王面馆");
        assert_eq!(terminal.place.as_ref().unwrap().as_str(), "West Gate");
        assert_eq!(terminal.location.unwrap().latitude, 31.25);

        let suspend = pb::SetTerminalSuspendedRequest { terminal_id: "till-1".to_owned(), suspended: true };
        api.set_terminal_suspended(by_operator(suspend)).await.unwrap();
        assert!(office.directory.terminal(&id).await.unwrap().unwrap().suspended);
        // The same registration again does not let it go on.
        let again = api.register_terminal(by_operator(a_terminal())).await.unwrap();
        assert!(again.into_inner().terminal.unwrap().suspended);

        let mut elsewhere = a_terminal();
        elsewhere.terminal.as_mut().unwrap().place = "East Gate".to_owned();
        assert_eq!(reason(api.register_terminal(by_operator(elsewhere)).await), Reason::NameTaken);
        let mut renamed = a_merchant();
        renamed.merchant.as_mut().unwrap().category_code = "5814".to_owned();
        assert_eq!(reason(api.register_merchant(by_operator(renamed)).await), Reason::NameTaken);
        let nobody = pb::SetTerminalSuspendedRequest { terminal_id: "till-2".to_owned(), suspended: true };
        assert_eq!(reason(api.set_terminal_suspended(by_operator(nobody)).await), Reason::TerminalUnknown);
    })
    .await;
}

#[tokio::test]
async fn m4_a_phone_number_is_one_persons_and_is_found_as_soon_as_it_is_registered() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let phone = PhoneNumber::parse(PHONE).unwrap();
        // That it is unknown is remembered, and forgotten again when it is registered.
        assert_eq!(office.directory.payer_by_phone(&phone).await.unwrap(), None);
        assert_eq!(office.directory.payer_by_phone(&phone).await.unwrap(), None);
        let person = office.person(PHONE);
        for _ in 0..2 {
            let answer = office.api.register_person(by_operator(person.clone())).await.unwrap();
            assert_eq!(answer.into_inner().person_id, person.person_id, "{}", hub.engine);
        }
        let payer = office.directory.payer_by_phone(&phone).await.unwrap().unwrap();
        assert_eq!(payer.person_id.to_string(), person.person_id);
        assert_eq!((payer.password_mac.as_ref(), payer.instrument.as_ref()), (None, None));
        assert_eq!(office.count("SELECT count(*) FROM payers WHERE version = 1 AND last_sequence = 0").await, 1);

        let somebody_else = office.person(PHONE);
        assert_eq!(reason(office.api.register_person(by_operator(somebody_else)).await), Reason::PhoneNumberTaken);
        for (number, name) in [("+8613800138001", NAME), (PHONE, "王大明")] {
            let changed =
                pb::RegisterPersonRequest { phone_number: number.to_owned(), name: name.to_owned(), ..person.clone() };
            assert_eq!(reason(office.api.register_person(by_operator(changed)).await), Reason::NameTaken);
        }
    })
    .await;
}

#[tokio::test]
async fn m4_the_first_account_pays_until_another_is_made_the_default() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let person = office.register_person(PHONE).await;
        let first = office.account(&person, false);
        assert_eq!(reason(office.bind(&first).await), Reason::BankUnknown, "{}", hub.engine);
        office.api.register_bank(by_operator(a_bank("bank-a"))).await.unwrap();
        for _ in 0..3 {
            assert_eq!(office.bind(&first).await.unwrap(), "****4821");
        }
        assert_eq!(office.bank.asked.load(Ordering::SeqCst), 1, "the same call again asks nobody");
        assert_eq!(office.bank.followed.load(Ordering::SeqCst), 3, "it is followed whenever it is bound");
        assert_eq!(office.default_account(&person).await.as_ref(), Some(&first.account_id));

        let second = office.account(&person, false);
        office.bind(&second).await.unwrap();
        assert_eq!(office.default_account(&person).await.as_ref(), Some(&first.account_id));
        for chosen in [&second, &first, &second] {
            office.bind(&pb::BindAccountRequest { make_default: true, ..chosen.clone() }).await.unwrap();
            assert_eq!(office.default_account(&person).await.as_ref(), Some(&chosen.account_id));
        }
        assert_eq!(office.count("SELECT count(*) FROM bindings WHERE is_default = 1").await, 1);

        let other = office.register_person("+8613800138001").await;
        let taken = pb::BindAccountRequest { person_id: other, ..first.clone() };
        assert_eq!(reason(office.bind(&taken).await), Reason::AccountTaken);
        let nobody = office.account(&hub.id().to_string(), false);
        assert_eq!(reason(office.bind(&nobody).await), Reason::PersonUnknown);

        let refusing =
            open(&hub, "hub-2", AnyAccount { refusal: Some(Reason::AccountUnknown), ..AnyAccount::default() });
        assert_eq!(reason(refusing.bind(&office.account(&person, false)).await), Reason::AccountUnknown);
    })
    .await;
}

#[tokio::test]
async fn m9_a_suspended_bank_shows_at_its_payers_at_once() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        office.api.register_bank(by_operator(a_bank("bank-a"))).await.unwrap();
        let person = office.register_person(PHONE).await;
        office.bind(&office.account(&person, false)).await.unwrap();
        let phone = PhoneNumber::parse(PHONE).unwrap();
        for suspended in [false, true, false] {
            let mut bank = a_bank("bank-a");
            bank.bank.as_mut().unwrap().suspended = suspended;
            office.api.register_bank(by_operator(bank)).await.unwrap();
            let payer = office.directory.payer_by_phone(&phone).await.unwrap().unwrap();
            assert_eq!(payer.instrument.as_ref().unwrap().bank_suspended, suspended, "{}", hub.engine);
        }
    })
    .await;
}

#[tokio::test]
async fn m9_an_enrolment_code_has_eight_digits_and_replaces_the_one_before() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let person_id = office.register_person(PHONE).await;
        let ask = |person_id: &str| by_operator(pb::IssueEnrolmentCodeRequest { person_id: person_id.to_owned() });
        for _ in 0..2 {
            let answer = office.api.issue_enrolment_code(ask(&person_id)).await.unwrap().into_inner();
            assert_eq!(answer.enrolment_code.len(), 8, "{}", hub.engine);
            assert!(answer.enrolment_code.bytes().all(|b| b.is_ascii_digit()));
            assert!(proto::from_timestamp(&answer.expires_at.unwrap()) > hub.clock().now());
        }
        assert_eq!(office.count("SELECT count(*) FROM enrolment_codes").await, 1);
        let nobody = office.api.issue_enrolment_code(ask(&hub.id().to_string())).await;
        assert_eq!(reason(nobody), Reason::PersonUnknown);
    })
    .await;
}

#[tokio::test]
async fn m9_an_operator_sees_a_payment_with_its_steps_and_how_many_there_are() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        let parts = FeedParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            replica: hub.id(),
            followers: Vec::new(),
            draining: CancellationToken::new(),
        };
        let past = Past::new(&hub, &Feed::new(parts, FeedOptions::default()));
        let person = past.person().await;
        let told = past.happen(&[person], 4).await;
        let EventKind::Charge(purchase) = &told[1].kind else { panic!("{told:?}") };
        let id = purchase.payment_id;
        let steps = [("HOLDING", "purchase amount=1"), ("DECLINED", "purchase amount=1 reason=INSUFFICIENT_FUNDS")];
        // Two replicas carried it on, each with a chain of its own.
        let mut logged_at = Vec::new();
        for (chain, (kind, content)) in ["hub-2/payment", "hub-1/payment"].into_iter().zip(steps) {
            let mut tx = hub.store.begin().await.unwrap();
            let entry = audit::Entry { kind, subject: id.uuid(), content: content.to_owned() };
            audit::Chain::new(chain, hub.keys.clone()).append(&mut tx, vec![entry]).await.unwrap();
            logged_at.extend(tx.now().micros().to_be_bytes());
            let sql = "UPDATE payments SET logged_at = $1 WHERE payment_id = $2";
            tx.execute(sql, vec![logged_at.clone().into(), id.uuid().into()]).await.unwrap();
            let later = tx.now().plus(Duration::from_micros(1));
            tx.commit().await.unwrap();
            while hub.clock().now() < later {
                tokio::task::yield_now().await;
            }
        }
        let request = pb::InspectPaymentRequest { payment_id: id.to_string() };
        let seen = office.api.inspect_payment(by_operator(request)).await.unwrap().into_inner();
        assert_eq!((seen.state.as_str(), seen.terminal_id.as_str()), ("POSTED", "till-1"), "{}", hub.engine);
        assert_eq!((seen.amount.unwrap().minor_units, seen.bank_id.as_str()), (200, "bank-a"));
        assert_eq!(seen.leg_id, id.to_string());
        let steps: Vec<_> = seen.steps.iter().map(|step| (step.state.as_str(), step.reason.as_str())).collect();
        assert_eq!(steps, [("HOLDING", ""), ("DECLINED", "INSUFFICIENT_FUNDS")]);

        let overview =
            async || office.api.get_overview(by_operator(pb::GetOverviewRequest {})).await.unwrap().into_inner();
        let before = overview().await;
        assert_eq!(before.payments_by_state.get("POSTED"), Some(&4));
        assert_eq!(before.oldest_unsettled_seconds, 0);
        let mut tx = hub.store.begin().await.unwrap();
        let sql = "UPDATE payments SET state = 'COMMITTED', due_at = created_at WHERE payment_id = $1";
        tx.execute(sql, vec![id.uuid().into()]).await.unwrap();
        tx.commit().await.unwrap();
        hub.clock.advance(Duration::from_secs(90));
        let after = overview().await;
        assert_eq!(
            (after.payments_by_state.get("POSTED"), after.payments_by_state.get("COMMITTED")),
            (Some(&3), Some(&1))
        );
        assert!((90..150).contains(&after.oldest_unsettled_seconds), "{after:?}");
    })
    .await;
}

#[tokio::test]
async fn the_same_registration_a_hundred_times_at_once_at_two_replicas_is_one() {
    on_each_engine(async |hub| {
        let offices = [open(&hub, "hub-1", AnyAccount::default()), open(&hub, "hub-2", AnyAccount::default())];
        let person = offices[0].person(PHONE);
        let calls = (0..100).map(|i| offices[i % 2].api.register_person(by_operator(person.clone())));
        for answer in join_all(calls).await {
            assert_eq!(answer.unwrap().into_inner().person_id, person.person_id, "{}", hub.engine);
        }
        assert_eq!(offices[0].count("SELECT count(*) FROM persons").await, 1);
        assert_eq!(offices[0].count("SELECT count(*) FROM audit_log").await, 1);
    })
    .await;
}

#[tokio::test]
async fn m8_every_change_stands_in_the_log_and_no_secret_does() {
    on_each_engine(async |hub| {
        let office = open(&hub, "hub-1", AnyAccount::default());
        office.api.register_bank(by_operator(a_bank("bank-a"))).await.unwrap();
        office.api.register_merchant(by_operator(a_merchant())).await.unwrap();
        office.api.register_terminal(by_operator(a_terminal())).await.unwrap();
        let suspend = pb::SetTerminalSuspendedRequest { terminal_id: "till-1".to_owned(), suspended: true };
        office.api.set_terminal_suspended(by_operator(suspend)).await.unwrap();
        let person_id = office.register_person(PHONE).await;
        office.bind(&office.account(&person_id, false)).await.unwrap();
        let ask = pb::IssueEnrolmentCodeRequest { person_id };
        let code = office.api.issue_enrolment_code(by_operator(ask)).await.unwrap().into_inner().enrolment_code;

        let log = audit::read_chain(&hub.store, "hub-1/directory").await.unwrap();
        let kinds: Vec<&str> = log.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "BANK_REGISTERED",
                "MERCHANT_REGISTERED",
                "TERMINAL_REGISTERED",
                "TERMINAL_SUSPENDED",
                "PERSON_REGISTERED",
                "ACCOUNT_BOUND",
                "ENROLMENT_CODE_ISSUED"
            ],
            "{}",
            hub.engine
        );
        for entry in &log {
            let content = &entry.content;
            assert!(content.ends_with("by=anna"), "{content}");
            assert!(![PHONE, NAME, &code].iter().any(|secret| content.contains(*secret)), "{content}");
        }
        let reports = audit::verify(&hub.store, &*hub.keys).await.unwrap();
        assert!(reports.iter().all(|report| report.faults.is_empty()), "{reports:?}");
        // Number and name are nowhere in the clear.
        let row =
            hub.store.fetch_one("SELECT phone_sealed, name_sealed FROM persons", Vec::new()).await.unwrap().unwrap();
        for (column, text) in [(0, PHONE), (1, NAME)] {
            let sealed = row.bytes(column).unwrap();
            assert!(!sealed.windows(text.len()).any(|bytes| bytes == text.as_bytes()));
        }
    })
    .await;
}
