//! The desk on both engines: what callers may have done, and what is told to whom.

use domain::card::{Pan, Pin};
use domain::freeze::{Channel, Seen};
use domain::{CardId, PhoneNumber, Reason};

use super::*;
use crate::freeze::{AtDistance, Wish};
use crate::testing::bank::{EFFECTIVE_AT, Play};
use crate::testing::lost::{CODE, Lost, PAN, code};
use crate::testing::on_each_engine;

fn stranger() -> PhoneNumber {
    PhoneNumber::parse("+8613900139000").unwrap()
}

#[tokio::test]
async fn f2_f4_a_caller_sets_a_code_by_card_freezes_everything_by_it_and_sets_it_free() {
    on_each_engine(async |hub| {
        let (world, bank, caller, (account, card)) = Lost::open(&hub).await;
        world.allow("bank-a", &world.check(account)).await.unwrap();
        assert_eq!(world.desk.identify(&caller.phone).await, Ok(()));
        world.set_by_card(&caller.phone, CODE).await.unwrap();
        let asked = bank.proofs_asked();
        assert_eq!((asked[0].card_ids.clone(), asked[0].pin_pad_id.as_str()), (vec![card.to_string()], "hub-voice"));

        let order = world.order_id();
        let frozen = world.desk.freeze(&caller.phone, &code(CODE), order).await.unwrap();
        assert_eq!((frozen.len(), frozen[0].instruments.len()), (1, 2), "{}", hub.engine);
        assert_eq!((frozen[0].bank_name.as_str(), frozen[0].frozen_since()), ("The bank-a", Some(EFFECTIVE_AT)));
        assert_eq!((world.blocked(&caller).await, bank.has_frozen(&card.to_string())), (2, Some(true)));
        let calls = bank.calls().len();
        let again = world.desk.freeze(&caller.phone, &code(CODE), order).await.unwrap();
        assert_eq!((again, bank.calls().len()), (frozen, calls), "the same wish twice happens once");
        let other = world.desk.unfreeze(&caller.phone, &code(CODE), order).await;
        assert_eq!(other, Err(Reason::IdTaken), "another wish under its id");
        let wrong = world.desk.freeze(&caller.phone, &code("161803"), order).await;
        assert_eq!(wrong, Err(Reason::SafetyCodeRefused), "nobody hears how it stands without the code");

        let free = world.desk.unfreeze(&caller.phone, &code(CODE), world.order_id()).await.unwrap();
        assert!(free[0].is_free() && free[0].frozen_since().is_none());
        assert_eq!((world.blocked(&caller).await, bank.has_frozen(&account.to_string())), (0, Some(false)));
        let logged = world.logged("freeze.ordered").await;
        assert!(logged.iter().all(|line| line.contains("channel=CALL by=call/+8613*******01")), "{logged:?}");
        assert!(!world.told(&caller).await.is_empty());
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f2_a_bank_that_is_away_is_said_to_be_told_and_nothing_was_ever_frozen_is_nothing_to_free() {
    on_each_engine(async |hub| {
        let (world, bank, caller, (account, _)) = Lost::open(&hub).await;
        world.has_code(&caller, account).await;
        let free = world.desk.unfreeze(&caller.phone, &code(CODE), world.order_id()).await;
        assert_eq!((free, bank.calls().len()), (Ok(Vec::new()), 0), "{}", hub.engine);
        bank.play(&[Play::LoseCall]);
        let frozen = world.desk.freeze(&caller.phone, &code(CODE), world.order_id()).await.unwrap();
        assert_eq!(frozen[0].frozen_since(), None);
        assert!(frozen[0].instruments.iter().all(|it| it.seen == Seen::Freezing));
        assert_eq!(world.blocked(&caller).await, 2, "at the hub nothing goes out");
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f2_a_stranger_and_a_wrong_code_hear_the_same_and_change_nothing() {
    on_each_engine(async |hub| {
        let (world, bank, caller, (account, _)) = Lost::open(&hub).await;
        world.has_code(&caller, account).await;
        let refused = Reason::SafetyCodeRefused;
        for (phone, text) in [(&stranger(), CODE), (&caller.phone, "161803")] {
            assert_eq!(world.desk.identify(phone).await, Ok(()));
            assert_eq!(world.desk.freeze(phone, &code(text), world.order_id()).await, Err(refused), "{}", hub.engine);
            assert_eq!(world.desk.unfreeze(phone, &code(text), world.order_id()).await, Err(refused));
            assert_eq!(world.desk.last_purchases(phone, &code(text), 3).await, Err(refused));
        }
        assert_eq!((world.blocked(&caller).await, bank.calls().len()), (0, 0));
        assert_eq!(world.logged("safety_code.refused").await.len(), 6, "each is logged alike");
        assert_eq!(world.desk.last_purchases(&caller.phone, &code(CODE), 3).await, Ok(Vec::new()));
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f2_tries_at_all_channels_count_together() {
    on_each_engine(async |hub| {
        let (world, _, caller, (account, _)) = Lost::open(&hub).await;
        world.has_code(&caller, account).await;
        let wrong = code("161803");
        let refused = Err(Reason::SafetyCodeRefused);
        for _ in 0..2 {
            let frozen = world.desk.freeze(&caller.phone, &wrong, world.order_id()).await;
            assert_eq!(frozen.map(|_| ()), refused, "{}", hub.engine);
            let heard = world.desk.last_purchases(&caller.phone, &wrong, 1).await;
            assert_eq!(heard.map(|_| ()), refused);
        }
        let who = AtDistance { person_id: Some(caller.id), channel: Channel::Web, by: "web/+8613*******01".to_owned() };
        let wish = || Wish { order_id: world.order_id(), frozen: true, instruments: Vec::new() };
        let frozen = world.freezes.by_code(who.clone(), wrong, wish()).await;
        assert_eq!(frozen.map(|_| ()), refused, "the fifth");
        assert_eq!(
            world.freezes.by_code(who, code(CODE), wish()).await.map(|_| ()),
            refused,
            "blocked at the web page …"
        );
        let frozen = world.desk.freeze(&caller.phone, &code(CODE), world.order_id()).await;
        assert_eq!(frozen.map(|_| ()), refused, "… and over the telephone");
        let told = world.told(&caller).await;
        assert_eq!(told.iter().filter(|news| news.contains("was wrong too often")).count(), 1, "{told:?}");
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f2_a_code_is_set_by_ones_own_number_and_ones_own_card_alone() {
    on_each_engine(async |hub| {
        let (world, bank, caller, (account, card)) = Lost::open(&hub).await;
        world.allow("bank-a", &world.check(account)).await.unwrap();
        let other = world.person("+8613800138002").await;
        let theirs = world.bind("bank-a", &other, "ACCOUNT").await;
        world.allow("bank-a", &world.check(theirs)).await.unwrap();
        let refused = Err(Reason::SafetyCodeCardRefused);
        assert_eq!(world.set_by_card(&stranger(), CODE).await, refused, "{}", hub.engine);
        assert_eq!(world.set_by_card(&other.phone, CODE).await, refused, "somebody else's card");
        let asked = bank.proofs_asked();
        assert_eq!((asked.len(), asked.iter().map(|it| it.card_ids.len()).sum::<usize>()), (2, 0), "no PIN is counted");
        // The number has gone to somebody else since: the card stays with the person who had it.
        world
            .change(
                "UPDATE persons SET phone_hash = $1 WHERE person_id = $2",
                vec![vec![0_u8; 32].into(), caller.id.uuid().into()],
            )
            .await;
        assert_eq!(world.set_by_card(&caller.phone, CODE).await, refused, "a number of nobody");
        let hash = crate::directory::phone_hash(&*hub.keys, &caller.phone).unwrap().to_vec();
        let sql = "UPDATE persons SET phone_hash = $1 WHERE person_id = $2";
        world.change(sql, vec![hash.into(), other.id.uuid().into()]).await;
        assert_eq!(world.set_by_card(&caller.phone, CODE).await, refused, "a number that another person has now");
        // The bank says that it is proved all the same; whose it is is for the hub to know.
        let setting = crate::safety_code::CardSetting {
            person_id: other.id,
            card: Some(domain::payment::FrozenInstrument {
                bank_id: domain::BankId::parse("bank-a").unwrap(),
                instrument: domain::payment::Instrument::Card(CardId::from_uuid(card)),
            }),
            code: code(CODE),
            by: "call/+8613*******02".to_owned(),
        };
        assert_eq!(world.safety_codes.set_by_card(setting).await.unwrap(), refused);
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f2_what_keeps_a_code_from_being_set_is_said_as_far_as_it_tells_nothing() {
    on_each_engine(async |hub| {
        let (world, bank, caller, (account, _)) = Lost::open(&hub).await;
        let refused = Err(Reason::SafetyCodeCardRefused);
        assert_eq!(world.set_by_card(&caller.phone, CODE).await, refused, "nobody has checked, {}", hub.engine);
        world.allow("bank-a", &world.check(account)).await.unwrap();
        assert_eq!(world.set_by_card(&caller.phone, "123456").await, Err(Reason::SafetyCodeGuessable));
        let elsewhere = Pan::parse("4111111111111111").unwrap();
        let pin = Pin::parse("271828").unwrap();
        let set = world.desk.set_safety_code(&caller.phone, &elsewhere, &pin, &code(CODE)).await;
        assert_eq!(set, refused, "a card of no bank here");
        bank.proves_nothing_for_now(true);
        assert_eq!(world.set_by_card(&caller.phone, CODE).await, Err(Reason::BankAway));
        assert_eq!(world.set_by_card(&stranger(), CODE).await, Err(Reason::BankAway), "said to everybody");
        bank.proves_nothing_for_now(false);
        world.set_by_card(&caller.phone, CODE).await.unwrap();
        let sent = bank.proofs_asked();
        let block = sent.last().unwrap().card.as_ref().unwrap().pin_block.clone().unwrap();
        assert_eq!((sent.last().unwrap().card.as_ref().unwrap().pan.as_str(), block.block.len()), (PAN, 16));
        world.books_are_fine().await;
    })
    .await;
}

#[tokio::test]
async fn f2_a_hub_without_a_key_for_pins_says_that_it_sets_no_code_by_card() {
    on_each_engine(async |hub| {
        let world = Lost::replica_of(&hub, "hub-1", false).await;
        let set = world.set_by_card(&stranger(), CODE).await;
        assert_eq!(set, Err(Reason::SafetyCodeNotSetByCard), "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn f4_an_operator_freezes_what_was_reported_lost_and_the_person_sets_it_free() {
    use proto::operator::FreezeInstrumentsRequest;
    on_each_engine(async |hub| {
        let (world, bank, caller, (account, _)) = Lost::open(&hub).await;
        world.has_code(&caller, account).await;
        let request = FreezeInstrumentsRequest {
            order_id: world.order_id().to_string(),
            person_id: caller.id.to_string(),
            instruments: Vec::new(),
            why: "lost bag, called from the airport".to_owned(),
        };
        let frozen = world.freezes.freeze_lost("op-1", &request).await.unwrap();
        assert_eq!((frozen.instruments.len(), world.blocked(&caller).await), (2, 2), "{}", hub.engine);
        assert!(frozen.instruments.iter().all(|it| it.frozen_since.is_some()));
        let calls = bank.calls().len();
        assert_eq!(world.freezes.freeze_lost("op-1", &request).await.unwrap(), frozen);
        assert_eq!(bank.calls().len(), calls, "the same order changes nothing");
        let logged = world.logged("freeze.ordered").await;
        assert!(logged[0].contains("channel=OPERATOR by=operator/op-1 why=lost bag, called from the airport"));
        type Change = fn(&mut FreezeInstrumentsRequest);
        let table: [(Change, Reason); 4] = [
            (|it| it.person_id = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f".to_owned(), Reason::PersonUnknown),
            (|it| it.order_id = "1".to_owned(), Reason::IdMalformed),
            (|it| it.why = String::new(), Reason::TextMalformed),
            (|it| it.instruments = vec![proto::operator::FrozenInstrument::default(); 51], Reason::TooManyItems),
        ];
        for (change, wanted) in table {
            let mut request = FreezeInstrumentsRequest { order_id: world.order_id().to_string(), ..request.clone() };
            change(&mut request);
            let refused = world.freezes.freeze_lost("op-1", &request).await;
            assert_eq!(crate::testing::reason(refused), wanted);
        }
        let free = world.desk.unfreeze(&caller.phone, &code(CODE), world.order_id()).await.unwrap();
        assert!(free[0].is_free());
        assert_eq!(world.blocked(&caller).await, 0);
        world.books_are_fine().await;
    })
    .await;
}
