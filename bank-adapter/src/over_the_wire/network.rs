//! The bank's switch at the counter: charges that other networks carried.

use proto::common::{LineItem, Location};
use proto::counter::network_charge::Payer;
use proto::counter::{
    HoldNetworkChargeRequest, NetworkCharge, NetworkChargeStanding, NetworkChargeState, NetworkSeller,
    PostNetworkChargeRequest, PostOfflineNetworkChargeRequest, RefundNetworkChargeRequest, VoidNetworkChargeRequest,
};

use super::*;

/// A charge of 3.00 that another network carried.
pub(super) fn charge(purchase_id: &str, account_id: &str, minor: i64) -> NetworkCharge {
    let seller = NetworkSeller {
        merchant_code: "898310148160568".to_owned(),
        display_name: "老王面馆".to_owned(),
        category_code: "5812".to_owned(),
        terminal_code: "00000042".to_owned(),
        place: "West Gate".to_owned(),
        location: Some(Location { latitude: 31.23, longitude: 121.47 }),
    };
    NetworkCharge {
        purchase_id: purchase_id.to_owned(),
        payer: Some(Payer::AccountId(account_id.to_owned())),
        nature: Nature::Purchase.into(),
        amount: cny(minor),
        occurred_at: Some(proto::to_timestamp(Timestamp::from_secs(1_700_000_000))),
        seller: Some(seller),
        items: Vec::new(),
    }
}

impl Trial {
    pub(super) async fn charge(&mut self, charge: NetworkCharge) -> Result<NetworkChargeStanding, Status> {
        let request = HoldNetworkChargeRequest { charge: Some(charge) };
        Ok(self.counter.hold_network_charge(request).await?.into_inner().standing.unwrap())
    }

    pub(super) async fn post_charge(&mut self, purchase_id: &str, minor: i64) -> Result<NetworkChargeStanding, Status> {
        let request = PostNetworkChargeRequest { purchase_id: purchase_id.to_owned(), amount: cny(minor) };
        Ok(self.counter.post_network_charge(request).await?.into_inner().standing.unwrap())
    }

    pub(super) async fn void_charge(&mut self, purchase_id: &str) -> Result<NetworkChargeStanding, Status> {
        let request = VoidNetworkChargeRequest { purchase_id: purchase_id.to_owned() };
        Ok(self.counter.void_network_charge(request).await?.into_inner().standing.unwrap())
    }

    /// The state of the refund, its refusal, and how much of the purchase came back.
    pub(super) async fn refund_charge(
        &mut self,
        refund_id: &str,
        purchase_id: &str,
        minor: i64,
    ) -> Result<(NetworkChargeState, String, Option<i64>), Status> {
        let request = RefundNetworkChargeRequest {
            refund_id: refund_id.to_owned(),
            purchase_id: purchase_id.to_owned(),
            amount: cny(minor),
        };
        let answer = self.counter.refund_network_charge(request).await?.into_inner();
        let refusal = answer.refusal.as_ref().map(|refusal| refusal.reason.clone()).unwrap_or_default();
        Ok((answer.state(), refusal, answer.standing.map(|standing| standing.given_back_minor)))
    }
}

fn said(standing: &NetworkChargeStanding) -> (NetworkChargeState, i64, i64, &str) {
    let amount = standing.amount.as_ref().map_or(0, |amount| amount.minor_units);
    let refusal = standing.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str());
    (standing.state(), amount, standing.given_back_minor, refusal)
}

#[tokio::test]
async fn c2_a_charge_of_another_network_is_held_posted_with_less_and_given_back_in_parts() {
    use NetworkChargeState::{Held, Posted, Refused, Voided};
    let mut trial = Trial::start().await;
    let account = trial.account_with(1_000).await;
    let [paid, first, second, third, dropped, unseen, offline, poor] = std::array::from_fn(|_| trial.id());
    for _ in 0..2 {
        let held = trial.charge(charge(&paid, &account, 300)).await.unwrap();
        assert_eq!(said(&held), (Held, 300, 0, ""));
        assert!(held.purchase_id == paid && held.masked.starts_with("****"), "{held:?}");
    }
    let early = trial.refund_charge(&third, &paid, 1).await.unwrap();
    assert_eq!(early, (Refused, "LEG_NOT_POSTED".to_owned(), Some(0)));
    for back in [0, 100] {
        assert_eq!(said(&trial.post_charge(&paid, 250).await.unwrap()), (Posted, 250, back, ""));
        assert_eq!(trial.refund_charge(&first, &paid, 100).await.unwrap(), (Posted, String::new(), Some(100)));
    }
    assert_eq!(trial.refund_charge(&second, &paid, 150).await.unwrap(), (Posted, String::new(), Some(250)));
    let again = trial.id();
    let too_much = trial.refund_charge(&again, &paid, 1).await.unwrap();
    assert_eq!(too_much, (Refused, "REFUND_TOO_LARGE".to_owned(), Some(250)));
    let again = trial.id();
    let of_nothing = trial.refund_charge(&again, &unseen, 1).await.unwrap();
    assert_eq!(of_nothing, (Refused, "ORIGINAL_UNKNOWN".to_owned(), None));

    trial.charge(charge(&dropped, &account, 200)).await.unwrap();
    assert_eq!(said(&trial.void_charge(&dropped).await.unwrap()), (Voided, 200, 0, ""));
    assert_eq!(said(&trial.void_charge(&unseen).await.unwrap()), (Voided, 0, 0, ""));
    assert_eq!(said(&trial.charge(charge(&unseen, &account, 200)).await.unwrap()), (Voided, 0, 0, "LEG_VOIDED"));
    let request = |charge| PostOfflineNetworkChargeRequest { charge: Some(charge) };
    for _ in 0..2 {
        let answer = trial.counter.post_offline_network_charge(request(charge(&offline, &account, 400))).await.unwrap();
        assert_eq!(said(&answer.into_inner().standing.unwrap()), (Posted, 400, 0, ""));
    }
    let answer = trial.counter.post_offline_network_charge(request(charge(&poor, &account, 601))).await.unwrap();
    assert_eq!(said(&answer.into_inner().standing.unwrap()), (Refused, 601, 0, "INSUFFICIENT_FUNDS"));
    assert_eq!(trial.available(&account).await, 600);

    let refused = |done: Result<NetworkChargeStanding, Status>| reason_of(&done.unwrap_err());
    assert_eq!(refused(trial.charge(charge(&paid, &account, 301)).await), Some(Reason::LegIdTaken));
    assert_eq!(refused(trial.post_charge(&paid, 249).await), Some(Reason::LegPosted));
    assert_eq!(refused(trial.post_charge(&dropped, 200).await), Some(Reason::LegVoided));
    assert_eq!(refused(trial.void_charge(&paid).await), Some(Reason::LegPosted));
    let other = trial.id();
    assert_eq!(refused(trial.post_charge(&other, 1).await), Some(Reason::LegUnknown));
    let request = GetLegRequest { leg_id: paid.clone() };
    let unseen = trial.hub.get_leg(request).await.unwrap_err();
    assert_eq!(reason_of(&unseen), Some(Reason::LegUnknown), "the hub does not know it");
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn a_charge_that_cannot_be_read_is_refused_by_reason_and_stores_nothing() {
    let mut trial = Trial::start().await;
    let (account, purchase) = (trial.account_with(1_000).await, trial.id());
    let with = |change: &dyn Fn(&mut NetworkCharge)| {
        let mut request = charge(&purchase, &account, 300);
        change(&mut request);
        request
    };
    let seller = |change: &dyn Fn(&mut NetworkSeller)| with(&|it| change(it.seller.as_mut().unwrap()));
    let at = |seconds| with(&|it| it.occurred_at = Some(proto::to_timestamp(Timestamp::from_secs(seconds))));
    let item = |name: &str| LineItem { name: name.to_owned(), code: String::new(), quantity_milli: 1, amount_minor: 1 };
    let long = "好".repeat(100);
    let table = [
        (with(&|it| it.purchase_id.clear()), Reason::IdMalformed),
        (with(&|it| it.purchase_id = purchase.to_uppercase()), Reason::IdMalformed),
        (with(&|it| it.payer = None), Reason::FieldMissing),
        (with(&|it| it.payer = Some(Payer::CardId("6228480012345678".to_owned()))), Reason::IdMalformed),
        (with(&|it| it.nature = 0), Reason::FieldUnknown),
        (with(&|it| it.nature = 99), Reason::FieldUnknown),
        (with(&|it| it.nature = Nature::TopUp.into()), Reason::NatureUnsupported),
        (with(&|it| it.nature = Nature::Savings.into()), Reason::NatureUnsupported),
        (with(&|it| it.amount = None), Reason::FieldMissing),
        (with(&|it| it.amount = cny(0)), Reason::AmountNotPositive),
        (with(&|it| it.amount = cny(i64::MAX)), Reason::AmountTooLarge),
        (with(&|it| it.occurred_at = None), Reason::FieldMissing),
        (at(0), Reason::TimeOutOfRange),
        (at(i64::MAX / 2_000_000), Reason::TimeOutOfRange),
        (with(&|it| it.seller = None), Reason::FieldMissing),
        (seller(&|it| it.merchant_code.clear()), Reason::NameMalformed),
        (seller(&|it| it.merchant_code = "1".repeat(16)), Reason::NameMalformed),
        (seller(&|it| it.merchant_code = "A1".to_owned()), Reason::NameMalformed),
        (seller(&|it| it.terminal_code = "1".repeat(9)), Reason::NameMalformed),
        (seller(&|it| it.terminal_code = "a/b".to_owned()), Reason::NameMalformed),
        (seller(&|it| it.display_name = "a\u{1b}[31m".to_owned()), Reason::TextMalformed),
        (seller(&|it| it.place = "a\nb".to_owned()), Reason::TextMalformed),
        (seller(&|it| it.category_code = "58".to_owned()), Reason::CategoryMalformed),
        (seller(&|it| it.location = Some(Location { latitude: f64::NAN, longitude: 0.0 })), Reason::LocationMalformed),
        (with(&|it| it.items = vec![item("x"); 101]), Reason::TooManyItems),
        (with(&|it| it.items = vec![LineItem { code: long.clone(), ..item(&long) }; 60]), Reason::TooManyItems),
        (with(&|it| it.items = vec![item("")]), Reason::TextMalformed),
    ];
    for (request, reason) in table {
        let refused = trial.charge(request.clone()).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason), "{request:?}");
    }
    let nothing = trial.counter.hold_network_charge(HoldNetworkChargeRequest { charge: None }).await.unwrap_err();
    assert_eq!(reason_of(&nothing), Some(Reason::FieldMissing));
    assert_eq!(reason_of(&trial.post_charge("x", 1).await.unwrap_err()), Some(Reason::IdMalformed));
    assert_eq!(reason_of(&trial.post_charge(&purchase, 0).await.unwrap_err()), Some(Reason::AmountNotPositive));
    assert_eq!(reason_of(&trial.void_charge("").await.unwrap_err()), Some(Reason::IdMalformed));
    assert_eq!(reason_of(&trial.refund_charge("", &purchase, 1).await.unwrap_err()), Some(Reason::IdMalformed));
    assert_eq!(trial.available(&account).await, 1_000);
    let unknown = trial.post_charge(&purchase, 1).await.unwrap_err();
    assert_eq!(reason_of(&unknown), Some(Reason::LegUnknown), "nothing was stored");
    trial.charge(charge(&purchase, &account, 300)).await.unwrap();

    let nobody = trial.id();
    for (named, reason) in [
        (None, Reason::FieldMissing),
        (Some(follow_instrument_request::Instrument::AccountId("x".to_owned())), Reason::IdMalformed),
        (Some(follow_instrument_request::Instrument::AccountId(nobody.clone())), Reason::AccountUnknown),
        (Some(follow_instrument_request::Instrument::CardId(nobody.clone())), Reason::CardUnknown),
    ] {
        let request = FollowInstrumentRequest { instrument: named };
        let refused = trial.hub.follow_instrument(request.clone()).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason), "{request:?}");
        assert!(!matches!(reason, Reason::AccountUnknown | Reason::CardUnknown) || refused.code() == Code::NotFound);
    }
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn only_the_banks_own_operators_bring_charges_and_only_the_hub_says_what_is_followed() {
    let trial = Trial::start().await;
    let purchase_id = trial.id();
    for (caller, at_counter, of_hub) in [
        (Caller::Operator, Reason::LegUnknown, Reason::RoleNotAllowed),
        (Caller::Hub, Reason::RoleNotAllowed, Reason::AccountUnknown),
        (Caller::OtherOperator, Reason::RoleNotAllowed, Reason::RoleNotAllowed),
        (Caller::OtherBank, Reason::RoleNotAllowed, Reason::RoleNotAllowed),
        (Caller::Nobody, Reason::CertificateMissing, Reason::CertificateMissing),
    ] {
        let mut counter = trial.federation.counter(&trial.node, caller);
        let request = PostNetworkChargeRequest { purchase_id: purchase_id.clone(), amount: cny(1) };
        let refused = counter.post_network_charge(request).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(at_counter), "{caller:?}");
        let read = counter.get_reporting(counter::GetReportingRequest {}).await;
        assert_eq!(read.is_ok(), caller == Caller::Operator, "{caller:?}");
        let instrument = Some(follow_instrument_request::Instrument::AccountId(purchase_id.clone()));
        let mut hub = trial.federation.call(&trial.node, caller);
        let refused = hub.follow_instrument(FollowInstrumentRequest { instrument }).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(of_hub), "{caller:?}");
    }
    trial.node.stop().await.unwrap();
}
