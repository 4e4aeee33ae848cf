//! Looking people up, on both engines.

use std::sync::Arc;

use domain::operator::{PersonLookupPolicy, Role};
use domain::{OperatorId, PersonId, Reason};
use proto::operator as pb;
use proto::operator::find_person_request::Who;
use server_kit::audit;
use server_kit::store::Owner;
use tokio_util::sync::CancellationToken;

use super::{People, PeopleParts};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::sign_in::testing::{Holder, change};
use crate::testing::{TestHub, on_each_engine};

const PHONE: &str = "+8613800138000";

pub(crate) async fn people(hub: &TestHub, name: &str, policy: PersonLookupPolicy) -> People {
    let parts = FeedParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        replica: hub.id(),
        followers: Vec::new(),
        draining: CancellationToken::new(),
    };
    let owner = Arc::new(Owner::take(&hub.store, name, hub.id()).await.unwrap());
    let feed = Feed::new(parts, FeedOptions::default());
    People::start(PeopleParts { store: hub.store.clone(), keys: hub.keys.clone(), feed, owner, policy }).0
}

fn by_number(hub: &TestHub, number: &str) -> pb::FindPersonRequest {
    pb::FindPersonRequest {
        lookup_id: hub.id().to_string(),
        who: Some(Who::PhoneNumber(number.to_owned())),
        name: String::new(),
        purpose: pb::PersonPurpose::Support.into(),
        why: "case 12".to_owned(),
    }
}

async fn find(people: &People, role: Role, it: &pb::FindPersonRequest) -> Result<pb::FindPersonResponse, Reason> {
    let ann = OperatorId::parse("ann").unwrap();
    people.find((ann, role), it).await.map_err(|status| proto::reason_of(&status).unwrap())
}

#[tokio::test]
async fn m9_who_is_looked_up_is_shown_masked_by_role_and_is_told_and_logged_once() {
    on_each_engine(async |hub| {
        let people = people(&hub, "hub-1", PersonLookupPolicy::default()).await;
        let holder = Holder::new(&hub, PHONE).await;
        let asked = by_number(&hub, PHONE);
        let seen = find(&people, Role::Operator, &asked).await.unwrap();
        assert_eq!(seen.person_id, holder.id.to_string(), "{}", hub.engine);
        assert_eq!((seen.name_masked.as_str(), seen.left_today, seen.risk.clone()), ("A**", 49, None));
        assert_eq!(seen.phone_number_masked, holder.phone.masked());
        // The same look-up again has the same answer, and is neither counted nor told again.
        assert_eq!(find(&people, Role::Operator, &asked).await.unwrap(), seen);
        assert_eq!(holder.news().await, ["ann, who operates bankhub, has looked you up, for help that you asked for."]);
        let other = pb::FindPersonRequest { why: "case 13".to_owned(), ..asked.clone() };
        assert_eq!(find(&people, Role::Operator, &other).await, Err(Reason::IdTaken));
        // What it shows is how things stand, so after ten minutes it is another look-up.
        let long_ago = "UPDATE person_lookups SET looked_up_at = looked_up_at - 600000001, version = version + 1";
        change(&hub, long_ago, Vec::new()).await;
        assert_eq!(find(&people, Role::Operator, &asked).await, Err(Reason::IdTaken));
        let by_id = pb::FindPersonRequest { who: Some(Who::PersonId(seen.person_id)), ..by_number(&hub, PHONE) };
        let by_id = pb::FindPersonRequest { purpose: pb::PersonPurpose::Fraud.into(), ..by_id };
        let risk = find(&people, Role::Risk, &by_id).await.unwrap().risk.unwrap();
        assert_eq!((risk.phones.len(), risk.wrong_tries, risk.blocked_until), (1, 0, None));
        assert_eq!(risk.phones[0].device_id, holder.device_id.to_string());
        assert_eq!(holder.news().await.len(), 2);
        let log = audit::read_chain(&hub.store, "hub-1/people").await.unwrap();
        let lines: Vec<_> = log.iter().filter(|it| it.kind == "PERSON_LOOKED_UP").map(|it| &it.content).collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].contains("by=ann") && lines[0].contains("purpose=SUPPORT") && lines[0].ends_with("why=case 12")
        );
        assert!(lines.iter().all(|line| !line.contains("13800138000")), "{lines:?}");
    })
    .await;
}

#[tokio::test]
async fn m9_a_part_of_a_number_another_name_and_an_unknown_id_find_nobody_and_cost_a_look_up() {
    on_each_engine(async |hub| {
        let people = people(&hub, "hub-1", PersonLookupPolicy::default()).await;
        let holder = Holder::new(&hub, PHONE).await;
        let named = |name: &str| pb::FindPersonRequest { name: name.to_owned(), ..by_number(&hub, PHONE) };
        let nobody = pb::FindPersonRequest { who: Some(Who::PersonId(hub.id().to_string())), ..by_number(&hub, PHONE) };
        for wrong in [by_number(&hub, "+861380013800"), named("An"), named("ann"), nobody] {
            assert_eq!(find(&people, Role::Operator, &wrong).await, Err(Reason::PersonUnknown), "{}", hub.engine);
        }
        assert_eq!(holder.news().await, Vec::<String>::new());
        assert_eq!(find(&people, Role::Operator, &named("Ann")).await.unwrap().left_today, 45);
        type Spoil = fn(&mut pb::FindPersonRequest);
        let spoils: [(Spoil, Reason); 8] = [
            (|it| it.lookup_id.clear(), Reason::IdMalformed),
            (|it| it.who = None, Reason::FieldMissing),
            (|it| it.who = Some(Who::PersonId("ann".to_owned())), Reason::IdMalformed),
            (|it| it.who = Some(Who::PhoneNumber("1380".to_owned())), Reason::PhoneNumberMalformed),
            (|it| it.purpose = 0, Reason::FieldMissing),
            (|it| it.purpose = 99, Reason::FieldUnknown),
            (|it| it.why.clear(), Reason::TextMalformed),
            (|it| it.name = "A\nB".to_owned(), Reason::TextMalformed),
        ];
        for (number, (spoil, reason)) in spoils.into_iter().enumerate() {
            let mut asked = by_number(&hub, PHONE);
            spoil(&mut asked);
            assert_eq!(find(&people, Role::Operator, &asked).await, Err(reason), "{number}");
        }
        assert_eq!(
            find(&people, Role::Operator, &named("Ann")).await.unwrap().left_today,
            44,
            "and those cost nothing"
        );
    })
    .await;
}

#[tokio::test]
async fn m9_two_replicas_together_look_nobody_up_more_often_than_the_day_allows() {
    on_each_engine(async |hub| {
        let policy = PersonLookupPolicy { operator: 5, ..PersonLookupPolicy::default() };
        let (one, other) = (people(&hub, "hub-1", policy).await, people(&hub, "hub-2", policy).await);
        Holder::new(&hub, PHONE).await;
        let asked: Vec<_> = (0..12).map(|_| by_number(&hub, PHONE)).collect();
        let calls = asked.iter().enumerate().map(|(n, it)| find([&one, &other][n % 2], Role::Operator, it));
        let answers = futures_util::future::join_all(calls).await;
        let found = answers.iter().filter(|answer| answer.is_ok()).count();
        let refused = answers.iter().filter(|answer| **answer == Err(Reason::PersonLookupsExhausted)).count();
        assert_eq!((found, refused), (5, 7), "{}", hub.engine);
        // Whoever has asked before has the answer, and the next day there are as many again.
        let again = asked.iter().zip(&answers).find(|(_, answer)| answer.is_ok()).unwrap().0;
        assert!(find(&other, Role::Operator, again).await.is_ok());
        change(&hub, "UPDATE person_lookup_days SET day = day - 1, version = version + 1", Vec::new()).await;
        assert_eq!(find(&one, Role::Operator, &by_number(&hub, PHONE)).await.unwrap().left_today, 4);
    })
    .await;
}

#[tokio::test]
async fn m9_what_is_frozen_or_in_doubt_is_shown() {
    on_each_engine(async |hub| {
        let people = people(&hub, "hub-1", PersonLookupPolicy::default()).await;
        let holder = Holder::new(&hub, PHONE).await;
        let (account, id) = (hub.id(), holder.id.uuid());
        let sql = "INSERT INTO bindings (bank_id, instrument_id, instrument, version, person_id, masked, active, is_default, bound_at) \
                   VALUES ('bank-a', $1, 'ACCOUNT', 1, $2, '****4821', 1, 1, 0)";
        change(&hub, sql, vec![account.into(), id.into()]).await;
        let sql = "INSERT INTO freezes (bank_id, instrument_id, version, instrument, person_id, masked, order_number, frozen, \
                   channel, ordered_at, tries) VALUES ('bank-a', $1, 1, 'ACCOUNT', $2, '****4821', 1, 1, 'APP', 0, 0)";
        change(&hub, sql, vec![account.into(), id.into()]).await;
        change(&hub, "UPDATE payers SET number_closed = 'UNPROVED', version = version + 1", Vec::new()).await;
        let seen = find(&people, Role::Operator, &by_number(&hub, PHONE)).await.unwrap();
        let wanted = pb::FoundInstrument {
            bank_id: "bank-a".to_owned(),
            masked: "****4821".to_owned(),
            is_card: false,
            active: true,
            is_default: true,
            frozen: true,
        };
        assert!(seen.number_in_doubt, "{}", hub.engine);
        assert_eq!(seen.instruments, [wanted]);
        assert_eq!(PersonId::parse(&seen.person_id).unwrap(), holder.id);
    })
    .await;
}
