//! Errands over the hub's own calls, on each engine.

mod refused;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::feed::EventKind;
use domain::payment::Instrument;
use domain::purchase::{CategoryCode, Merchant, Terminal};
use domain::text::Line;
use domain::{BankId, ErrandId, MerchantId, PersonId, PhoneNumber, Reason, TerminalId};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use proto::common::ErrandKind;
use proto::operator::operator_service_server::OperatorService as _;
use proto::{common, operator, terminal as pb};
use server_kit::identity::Role;
use server_kit::shown::holds;
use server_kit::store::Owner;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::pin_pad::tests::{KEY, block, check_value};
use super::{ErrandParts, Errands};
use crate::directory::{
    BankInstruments, Directory, DirectoryOptions, OperatorApi, join, password_mac, password_matches,
};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::notify::{Notices, NoticesOptions, tests as notify_tests};
use crate::testing::{TestHub, from_member, on_each_engine, reason};

const PHONE: &str = "+8613800138000";
const PASSWORD: &str = "271828";

/// No bank is asked in these tests.
struct NoBank;

impl BankInstruments for NoBank {
    fn masked(&self, _: &BankId, _: Instrument) -> BoxFuture<'_, Result<String, Reason>> {
        Box::pin(async { Err(Reason::AccountUnknown) })
    }

    fn follow(&self, _: &BankId, _: Instrument) -> BoxFuture<'_, Result<(), Reason>> {
        Box::pin(async { Ok(()) })
    }
}

/// A replica of a hub with a shop, and somebody with an account.
pub(super) struct Bench {
    pub(super) hub: TestHub,
    pub(super) errands: Errands,
    pub(super) operator: OperatorApi,
    feed: Feed,
    pub(super) person: PersonId,
}

impl Bench {
    /// A hub with the key of the PIN pad of `till-1`, and somebody whose account is active or waits.
    pub(super) async fn open(hub: &TestHub, active: bool) -> Self {
        let bench =
            Self::replica(hub, "hub-1", domain::payment::Policy { sends: Vec::new(), ..Default::default() }).await;
        let mut tx = hub.store.begin().await.unwrap();
        let phone = PhoneNumber::parse(PHONE).unwrap();
        let name = Line::parse("王小明").unwrap();
        join::register(&mut tx, &*hub.keys, bench.person, (&phone, &name)).await.unwrap();
        let sql = "INSERT INTO bindings (bank_id, instrument_id, version, instrument, person_id, masked, active, is_default, bound_at) \
                   VALUES ('bank-a', $1, 1, 'ACCOUNT', $2, '****4821', $3, 1, 0)";
        let args = vec![hub.id().into(), bench.person.uuid().into(), i64::from(active).into()];
        tx.execute(sql, args).await.unwrap();
        tx.execute("INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ('bank-a', 1, 'First', 'https://a:1', 0)", Vec::new()).await.unwrap();
        tx.execute("INSERT INTO merchants (merchant_id, version, display_name, category) VALUES ('noodles', 1, '面馆', '5812')", Vec::new()).await.unwrap();
        for till in ["till-1", "till-2"] {
            let sql =
                "INSERT INTO terminals (terminal_id, version, merchant_id, suspended) VALUES ($1, 1, 'noodles', 0)";
            tx.execute(sql, vec![till.into()]).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(bench.set_key("till-1", KEY).await, Ok(1));
        bench
    }

    /// Another process of the same hub, with nothing of this one's memory.
    pub(super) async fn replica(hub: &TestHub, name: &str, policy: domain::payment::Policy) -> Self {
        let (directory, _) = Directory::start(hub.directory_parts(name), DirectoryOptions::default());
        let mark = hub.id();
        let parts = FeedParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            replica: mark,
            followers: Vec::new(),
            draining: CancellationToken::new(),
        };
        let feed = Feed::new(parts, FeedOptions::default());
        let owner = Arc::new(Owner::take(&hub.store, name, mark).await.unwrap());
        let (errands, _) = Errands::start(ErrandParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            rng: hub.rng.clone(),
            directory: directory.clone(),
            feed: feed.clone(),
            owner,
            policy,
            safety: domain::safety_code::Policy::default(),
        });
        let (notices, _) = Notices::start(notify_tests::parts(hub), NoticesOptions::default(), Vec::new());
        let person = PersonId::from_uuid(hub.id());
        Self {
            hub: hub.clone(),
            errands,
            operator: OperatorApi::new(directory, Arc::new(NoBank), notices),
            feed,
            person,
        }
    }

    pub(super) async fn set_key(&self, till: &str, key: [u8; 16]) -> Result<i64, Reason> {
        let request = operator::SetPinPadKeyRequest {
            terminal_id: till.to_owned(),
            key: key.to_vec(),
            check_value: check_value(key),
        };
        let answer = self.operator.set_pin_pad_key(from_member(Role::Operator, "anna", request)).await;
        answer.map(|answer| answer.into_inner().version).map_err(|status| proto::reason_of(&status).unwrap())
    }

    pub(super) fn request(&self, kind: ErrandKind) -> pb::CreateErrandRequest {
        let errand_id = self.hub.id().to_string();
        pb::CreateErrandRequest { errand_id, phone_number: PHONE.to_owned(), kind: kind.into() }
    }

    pub(super) async fn create(&self, request: &pb::CreateErrandRequest) -> Result<pb::Errand, Status> {
        self.create_at("till-1", request).await
    }

    pub(super) async fn create_at(&self, till: &str, request: &pb::CreateErrandRequest) -> Result<pb::Errand, Status> {
        let asked = self.errands.read(request)?;
        let paid = self.errands.inner.directory.lookups().pay(Vec::new()).await.unwrap().unwrap();
        self.errands.create(terminal(till), asked, paid).await
    }

    /// Begins an errand and gives it with the code that the phone got.
    pub(super) async fn begin(&self, kind: ErrandKind) -> (pb::Errand, String) {
        let errand = self.create(&self.request(kind)).await.unwrap();
        assert_eq!(errand.state(), pb::ErrandState::Waiting, "{errand:?}");
        let code = self.code(&errand.errand_id).await;
        (errand, code)
    }

    /// A try with everything right.
    pub(super) fn right(&self, errand: &pb::Errand, code: &str) -> pb::ProveErrandRequest {
        let id = ErrandId::parse(&errand.errand_id).unwrap();
        let typed = |pin: &str| Some(block(KEY, id, pin, 7));
        let (known, new_password) = match errand.kind() {
            ErrandKind::SetPassword => (None, typed(PASSWORD)),
            ErrandKind::ChangePassword => (typed(PASSWORD), typed("314159")),
            ErrandKind::ResetPassword => (typed("86420975"), typed("161803")),
            ErrandKind::Activate | ErrandKind::Unspecified => (None, None),
        };
        pb::ProveErrandRequest {
            errand_id: errand.errand_id.clone(),
            attempt_id: self.hub.id().to_string(),
            code: code.to_owned(),
            known,
            new_password,
        }
    }

    pub(super) async fn prove(&self, request: pb::ProveErrandRequest) -> Result<pb::Errand, Status> {
        let till = TerminalId::parse("till-1").unwrap();
        self.errands.prove(&till, request).await.map(|answer| answer.errand.unwrap())
    }

    /// What the person's feed has, by the names of events; and the code of an errand.
    pub(super) async fn told(&self) -> (Vec<&'static str>, BTreeMap<String, String>) {
        let last = crate::feed::read_last_sequence(&self.hub.store, self.person).await.unwrap();
        let mut watch = self.feed.watch(self.person, 0).unwrap();
        let (mut kinds, mut codes) = (Vec::new(), BTreeMap::new());
        while i64::try_from(kinds.len()).unwrap() < last {
            let event = watch.next().await.unwrap().unwrap();
            kinds.push(event.kind.name());
            if let EventKind::ErrandCode { errand_id, code: Some(code), merchant, .. } = &event.kind {
                assert_eq!(merchant.name.as_str(), "面馆");
                codes.insert(errand_id.to_string(), code.reveal().to_owned());
            }
        }
        (kinds, codes)
    }

    pub(super) async fn code(&self, errand: &str) -> String {
        self.told().await.1.remove(errand).unwrap()
    }

    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
    }

    pub(super) async fn change(&self, sql: &'static str) {
        let mut tx = self.hub.store.begin().await.unwrap();
        tx.execute(sql, vec![self.person.uuid().into()]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Whether this is the person's transaction password.
    pub(super) async fn is_password(&self, password: &str) -> bool {
        let sql = "SELECT password_mac FROM persons WHERE person_id = $1";
        let row = self.hub.store.fetch_one(sql, vec![self.person.uuid().into()]).await.unwrap().unwrap();
        let stored = row.maybe_bytes(0).unwrap().unwrap_or_default();
        password_matches(&*self.hub.keys, &self.person, password, &stored).unwrap()
    }

    pub(super) async fn give_password(&self, password: &str) {
        let mac = password_mac(&*self.hub.keys, &self.person, password).unwrap();
        let mut tx = self.hub.store.begin().await.unwrap();
        let sql = "UPDATE persons SET password_mac = $1, version = version + 1 WHERE person_id = $2";
        tx.execute(sql, vec![mac.to_vec().into(), self.person.uuid().into()]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// As if it had been set in the app after an identity check.
    pub(super) async fn give_safety_code(&self, code: &str) {
        let person = self.person.uuid();
        let parts: [&[u8]; 2] = [person.as_bytes(), code.as_bytes()];
        let mac = self.hub.keys.mac(server_kit::keystore::KeyName::SafetyCode, &parts).unwrap();
        let mut tx = self.hub.store.begin().await.unwrap();
        let sql = "INSERT INTO safety_codes (person_id, version, code_mac, set_at, set_by, failures) VALUES ($1, 1, $2, 0, 'APP', 0)";
        tx.execute(sql, vec![self.person.uuid().into(), mac.to_vec().into()]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Nothing in the books is at odds, of what these tests stand on.
    pub(super) async fn all_is_well(&self) {
        for (what, sql) in super::CHECKS {
            assert_eq!(self.count(sql).await, 0, "{what} on {}", self.hub.engine);
        }
        for report in server_kit::audit::verify(&self.hub.store, &*self.hub.keys).await.unwrap() {
            let unsigned = |fault: &String| fault.contains("no head of the chain was ever signed");
            assert!(report.faults.iter().all(unsigned), "{}: {:?}", self.hub.engine, report.faults);
        }
    }
}

pub(super) fn terminal(id: &str) -> Arc<Terminal> {
    Arc::new(Terminal {
        id: TerminalId::parse(id).unwrap(),
        merchant: Merchant {
            id: MerchantId::parse("noodles").unwrap(),
            name: Line::parse("面馆").unwrap(),
            category: CategoryCode::parse("5812").unwrap(),
        },
        place: None,
        location: None,
        suspended: false,
    })
}

pub(super) fn why(errand: &pb::Errand) -> &str {
    errand.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str())
}

#[tokio::test]
async fn m3_from_the_account_that_waits_to_the_password_that_was_forgotten() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, false).await;
        let done = async |kind| {
            let (errand, code) = bench.begin(kind).await;
            bench.prove(bench.right(&errand, &code)).await.unwrap()
        };
        assert_eq!(bench.count("SELECT active FROM bindings").await, 0);
        assert_eq!(done(ErrandKind::Activate).await.state(), pb::ErrandState::Done);
        assert_eq!(bench.count("SELECT active FROM bindings").await, 1);

        assert_eq!(done(ErrandKind::SetPassword).await.state(), pb::ErrandState::Done);
        assert!(bench.is_password(PASSWORD).await);
        assert_eq!(done(ErrandKind::ChangePassword).await.state(), pb::ErrandState::Done);
        assert!(bench.is_password("314159").await && !bench.is_password(PASSWORD).await);

        bench.give_safety_code("86420975").await;
        assert_eq!(done(ErrandKind::ResetPassword).await.state(), pb::ErrandState::Done);
        assert!(bench.is_password("161803").await);
        assert_eq!(bench.told().await.0, ["ERRAND_CODE", "NEWS"].repeat(4), "{}", hub.engine);
        bench.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m3_the_same_errand_and_the_same_try_sent_again_count_once_also_at_another_replica() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, true).await;
        let request = bench.request(ErrandKind::SetPassword);
        let errand = bench.create(&request).await.unwrap();
        assert_eq!(bench.create(&request).await.unwrap(), errand);
        let code = bench.code(&errand.errand_id).await;
        let wrong = pb::ProveErrandRequest { code: other(&code), ..bench.right(&errand, &code) };
        for _ in 0..3 {
            let tried = bench.prove(wrong.clone()).await.unwrap();
            assert_eq!(
                (tried.state(), tried.attempts_left, why(&tried)),
                (pb::ErrandState::Waiting, 2, "VERIFICATION_FAILED")
            );
        }
        let right = bench.right(&errand, &code);
        let policy = domain::payment::Policy::default();
        let other = Bench { person: bench.person, ..Bench::replica(&hub, "hub-2", policy).await };
        let done = other.prove(right.clone()).await.unwrap();
        assert_eq!(done.state(), pb::ErrandState::Done, "{done:?}");
        assert_eq!(bench.prove(right).await.unwrap(), done);
        assert_eq!(bench.create(&request).await.unwrap(), done, "the first answer is what became of it");
        let late = bench.right(&errand, &code);
        assert_eq!(reason(bench.prove(late).await), Reason::ErrandDecided);
        assert_eq!(bench.told().await.0, ["ERRAND_CODE", "NEWS"], "{}", hub.engine);
        assert_eq!(bench.count("SELECT failures FROM payers").await, 1, "a code alone clears nothing");
        bench.all_is_well().await;
    })
    .await;
}

/// Another code than this one.
pub(super) fn other(code: &str) -> String {
    let first = if code.starts_with('0') { '1' } else { '0' };
    std::iter::once(first).chain(code.chars().skip(1)).collect()
}

#[tokio::test]
async fn m8_nothing_that_was_typed_is_stored_or_logged() {
    on_each_engine(async |hub| {
        let bench = Bench::open(&hub, false).await;
        bench.give_safety_code("86420975").await;
        for kind in
            [ErrandKind::Activate, ErrandKind::SetPassword, ErrandKind::ChangePassword, ErrandKind::ResetPassword]
        {
            let (errand, code) = bench.begin(kind).await;
            let request = bench.right(&errand, &code);
            let blocks: Vec<Vec<u8>> = [&request.known, &request.new_password]
                .into_iter()
                .flatten()
                .map(|it: &common::PinBlock| it.block.clone())
                .collect();
            assert_eq!(bench.prove(request).await.unwrap().state(), pb::ErrandState::Done);
            let sql = "SELECT merchant, attempt_ids, fingerprint FROM errands";
            for row in hub.store.fetch(sql, Vec::new()).await.unwrap() {
                let stored = [row.text(0).unwrap().into_bytes(), row.bytes(1).unwrap(), row.bytes(2).unwrap()].concat();
                assert!(blocks.iter().all(|block| !stored.windows(block.len()).any(|bytes| bytes == block)));
            }
            for row in hub.store.fetch("SELECT entries FROM audit_log", Vec::new()).await.unwrap() {
                let text = row.text(0).unwrap();
                for secret in [code.as_str(), PASSWORD, "314159", "161803", "86420975", PHONE, "13800138000"] {
                    assert!(!holds(&text, secret), "{secret} in {text}");
                }
            }
        }
    })
    .await;
}
