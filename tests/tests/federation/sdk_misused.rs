//! What a thief of a session gets without the phone's key, and what a phone whose clock was set gets that has something signed.

use std::sync::Arc;

use bankhub::phone::Phone as Client;
use bankhub_mobile::{
    Clock, InstrumentId, InstrumentName, Language, MemorySecureStore, Money as SdkMoney, PhoneBuilder, SdkError,
    SoftwareDeviceKey,
};
use domain::freeze::Unfreeze;
use domain::offer::AgreementForm;
use domain::payment::Instrument;
use domain::repayment::{End, Form};
use domain::{BankId, CardId, Currency, Money, OrderId, PaymentId, Reason, Timestamp};
use federation_tests::databases::Engine;
use federation_tests::session::Session;
use federation_tests::till::fen;
use federation_tests::world::Setup;
use proto::cardholder as pb;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};
use tonic::{Response, Status};

fn new_id() -> uuid::Uuid {
    IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid().unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_secs(SystemClock.now().micros() / 1_000_000)
}

fn reason<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> Option<Reason> {
    proto::reason_of(&answer.expect_err("a thief was answered"))
}

/// What the victim could have signed.
struct Texts {
    unfreeze: String,
    repayment: String,
    agreement: String,
}

async fn texts(victim: &Client) -> Texts {
    let bank = BankId::parse("bank-a").unwrap();
    let instruments = victim.instruments().await.unwrap();
    let mine = bankhub::phone::freezing::name_of(&instruments[0]).unwrap();
    let instrument = mine.instrument;
    let order_id = OrderId::from_uuid(new_id());
    let unfreeze = Unfreeze { order_id, signed_at: SystemClock.now(), instruments: vec![mine] }.text();
    let repayment = Form {
        id: PaymentId::from_uuid(new_id()),
        from: End { bank_id: bank.clone(), instrument },
        to: End { bank_id: bank.clone(), instrument: Instrument::Card(CardId::from_uuid(new_id())) },
        amount: Money::new(Currency::CNY, 100),
        signed_at: now(),
    };
    let person_id = victim.person_id();
    let agreement = AgreementForm { person_id, banks: [bank].into(), most_a_week: 3, at: now() };
    Texts { unfreeze, repayment: repayment.to_string(), agreement: agreement.to_string() }
}

/// The calls that move money, let it go or tell a bank of the person, each by a text that somebody else's key has signed.
async fn steal(session: &Session, victim: &Client, thief: &Client, password: &str, approval: &str) {
    let device_id = victim.device_id().to_string();
    let sign = |prefix: &str, text: &str| -> Vec<u8> {
        thief.key().sign(format!("{prefix}\n{device_id}\n{text}").as_bytes()).unwrap()
    };
    let Texts { unfreeze, repayment, agreement } = texts(victim).await;
    for is_signed in [true, false] {
        let signed = |prefix: &str, text: &str| if is_signed { sign(prefix, text) } else { Vec::new() };
        let request = pb::UnfreezeInstrumentsRequest {
            signature: signed("bankhub.v1.unfreeze", &unfreeze),
            text: unfreeze.clone(),
            transaction_password: password.to_owned(),
        };
        let refused = session.hub.clone().unfreeze_instruments(session.signed_in(request)).await;
        assert_eq!(reason(refused), Some(Reason::SignatureRefused), "unfreezing");
        let request = pb::CreateRepaymentRequest {
            signature: signed("bankhub.v1.repayment", &repayment),
            text: repayment.clone(),
            device_id: device_id.clone(),
        };
        let refused = session.hub.clone().create_repayment(session.signed_in(request)).await;
        assert_eq!(reason(refused), Some(Reason::SignatureRefused), "repaying");
        let request = pb::SetOfferPreferencesRequest {
            signature: signed("bankhub.v1.offers", &agreement),
            text: agreement.clone(),
            device_id: device_id.clone(),
        };
        let refused = session.hub.clone().set_offer_preferences(session.signed_in(request)).await;
        assert_eq!(reason(refused), Some(Reason::SignatureRefused), "agreeing");
        let request = pb::ApprovePaymentRequest {
            signature: signed("bankhub.v1.approval", approval),
            text: approval.to_owned(),
            device_id: device_id.clone(),
            transaction_password: password.to_owned(),
        };
        let refused = session.hub.clone().approve_payment(session.signed_in(request)).await;
        assert_eq!(reason(refused), Some(Reason::SignatureRefused), "approving");
    }
    let named = pb::SetOfferPreferencesRequest {
        signature: sign("bankhub.v1.offers", &agreement),
        text: agreement,
        device_id: thief.device_id().to_string(),
    };
    let refused = session.hub.clone().set_offer_preferences(session.signed_in(named)).await;
    assert_eq!(reason(refused), Some(Reason::NotYours), "under the thief's own name");
}

#[tokio::test]
async fn s2_a_session_that_was_stolen_without_the_key_reads_and_freezes_and_moves_nothing() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let (payer, thief) = (world.payer("bank-a", 100_000).await, world.payer("bank-a", 100_000).await);
    let (till, victim) = (world.till("till-1"), &payer.person.device);
    let id = till.new_id();
    till.create(&id, &payer, fen(1_000)).await.unwrap();
    let session = world.session(&payer).await;
    let waiting = session.hub.clone().list_approvals(session.signed_in(pb::ListApprovalsRequest {})).await;
    let waiting = waiting.unwrap().into_inner().approvals;
    assert_eq!(waiting[0].payment_id, id);

    steal(&session, victim, &thief.person.device, payer.password(), &waiting[0].text).await;
    let frozen = victim.freeze(OrderId::from_uuid(new_id()), Vec::new()).await.unwrap();
    assert_ne!(frozen[0].freeze_state(), pb::FreezeState::Free);
    steal(&session, victim, &thief.person.device, payer.password(), &waiting[0].text).await;
    let still = victim.instruments().await.unwrap();
    assert!(!matches!(still[0].freeze_state(), pb::FreezeState::Free | pb::FreezeState::Unfreezing));
    assert_eq!(victim.repayments(10, "").await.unwrap().repayments, []);
    assert_eq!(victim.offer_preferences().await.unwrap().bank_ids, Vec::<String>::new());
    let account = world.counter("bank-a").await.account(payer.person.account).await.unwrap();
    assert_eq!(account.available.unwrap().minor_units, 100_000);
    world.federation.stop().await.unwrap();
}

/// A clock that somebody has set.
#[derive(Debug)]
struct SetTo(i64);

impl Clock for SetTo {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0)
    }
}

#[tokio::test]
async fn s2_what_was_signed_in_1970_or_2038_moves_nothing_and_does_not_wait_for_ever() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 100_000).await;
    let endpoint = world.federation.server("hub-1").unwrap().endpoint().unwrap();
    let authority = std::fs::read_to_string(world.federation.authority_certificate()).unwrap();
    let (folder, store) = (tempfile::tempdir().unwrap(), MemorySecureStore::new());
    let key = SoftwareDeviceKey::generate().unwrap();
    let builder = || {
        PhoneBuilder::new()
            .hub(endpoint.clone())
            .authority(authority.clone())
            .data_folder(folder.path().display().to_string())
            .language(Language::English)
            .device_key(key.clone().as_device_key())
            .secure_store(store.clone().as_secure_store())
    };
    let phone = builder().build().await.unwrap();
    let issued = world.federation.operator().unwrap().enrolment_code(payer.person.id).await.unwrap();
    phone.enrol(payer.number().to_owned(), issued.enrolment_code, None).await.unwrap();
    let mine = phone.instruments().await.unwrap().instruments.remove(0).name;
    phone.shut_down().await.unwrap();
    let card =
        InstrumentName { bank_id: "bank-b".to_owned(), id: InstrumentId::Card { card_id: new_id().to_string() } };
    let amount = SdkMoney { currency_code: "CNY".to_owned(), minor_units: 100 };

    for seconds in [0, i64::from(i32::MAX) + 1] {
        let phone = builder().clock(Arc::new(SetTo(seconds))).build().await.unwrap();
        let proposal = phone.propose_repayment(mine.clone(), card.clone(), amount.clone()).unwrap();
        let untrusted = |told: Result<(), SdkError>| {
            let Err(SdkError::Untrusted { reason, retryable, .. }) = told else { panic!("{seconds}: {told:?}") };
            assert_eq!((reason.as_str(), retryable), ("CLOCK_IMPLAUSIBLE", false), "{seconds}");
        };
        untrusted(phone.repay(proposal).await.map(|_| ()));
        untrusted(phone.freeze_all().await.map(|_| ()));
        untrusted(phone.unfreeze(vec![mine.clone()], payer.password().to_owned()).await.map(|_| ()));
        let agreement = phone.propose_offer_agreement(vec!["bank-a".to_owned()], 3).unwrap();
        untrusted(phone.agree_to_offers(agreement).await.map(|_| ()));
        phone.shut_down().await.unwrap();

        // The clock is put right, and what was signed by the wrong one is out of date.
        let phone = builder().build().await.unwrap();
        let told = phone.resume_repayment().await;
        let Err(SdkError::Refused { reason, .. }) = &told else { panic!("{seconds}: {told:?}") };
        assert_eq!(reason, "REPAYMENT_OUTDATED", "{seconds}");
        assert_eq!(phone.open_repayment().await.unwrap(), None, "{seconds}");
        assert_eq!(phone.repayments(0, None).await.unwrap().repayments, [], "{seconds}");
        phone.shut_down().await.unwrap();
    }
    world.federation.stop().await.unwrap();
}
