//! What merchants are charged, with real processes: a server is killed around the commit point, and each payment bears one fee.

use std::time::Duration;

use federation_tests::databases::Engine;
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use futures_util::future::join_all;
use proto::operator as pb;
use proto::terminal::PaymentState;
use server_kit::clock::{Clock as _, SystemClock};

use crate::reason;

const PAYERS: usize = 4;
const BALANCE: i64 = 100_000;
const PRICE: i64 = 1_250;
/// One per cent of it is 12.5, of which halves go to the even one.
const FEE: i64 = 12;
/// A schedule holds ten seconds after it was set.
const HOLDS_WITHIN: Duration = Duration::from_secs(30);

/// One per cent of everything, once it holds.
async fn charged(world: &World) {
    let operator = world.federation.operator().unwrap();
    let schedule = pb::FeeSchedule {
        schedule_id: world.till("till-1").new_id(),
        currency_code: "CNY".to_owned(),
        rate_ppm: 10_000,
        returns: pb::FeeReturns::Proportional.into(),
        ..pb::FeeSchedule::default()
    };
    let set = operator.set_fee_schedule(schedule).await.unwrap();
    let from = proto::from_timestamp(set.valid_from.as_ref().unwrap());
    until("the schedule to hold", HOLDS_WITHIN, async || (SystemClock.now() > from).then_some(())).await;
}

/// What the shop is paid for today; tests that run over midnight see both days.
async fn paid_out(world: &World, days: &[String]) -> pb::Settlement {
    let operator = world.federation.operator().unwrap();
    let mut sum = pb::Settlement::default();
    for day in days {
        for it in operator.settlements(day, None).await.unwrap().0 {
            sum.sale_count += it.sale_count;
            sum.gross_minor += it.gross_minor;
            sum.refunds_minor += it.refunds_minor;
            sum.reversals_minor += it.reversals_minor;
            sum.fees_minor += it.fees_minor;
            sum.net_minor += it.net_minor;
        }
    }
    sum
}

fn today() -> String {
    let now = jiff::Timestamp::from_microsecond(SystemClock.now().micros()).unwrap();
    now.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).date().to_string()
}

/// Four people pay at once and then again; `hub-1` kills itself at `point` with SIGKILL, and is started again.
async fn killed_at(engine: Engine, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with("payments.decide_within", "10s").start().await;
    let begun = today();
    charged(&world).await;
    let mut payers = Vec::new();
    for _ in 0..PAYERS {
        payers.push(world.payer("bank-a", BALANCE).await);
    }
    world.arm("hub-1", point, 1).await;
    let till = world.till("till-1");
    let paying = join_all(payers.iter().map(|payer| till.pay(payer, fen(PRICE))));
    let (mut paid, ()) = tokio::join!(paying, world.rise_again("hub-1"));
    paid.extend(join_all(payers.iter().map(|payer| till.pay(payer, fen(PRICE)))).await);
    for payment in &paid {
        let in_time = payment.state() == PaymentState::Approved;
        assert!(in_time || reason(payment) == "DECISION_TIMED_OUT", "{point}: {payment:?}");
    }
    let approved: Vec<_> = paid.iter().filter(|payment| payment.state() == PaymentState::Approved).collect();
    assert!(approved.len() >= PAYERS, "{point}: of {} payments {} were approved", paid.len(), approved.len());
    // One is taken back whole, and of one all comes back in two parts.
    let reversed = &approved[0].payment_id;
    till.insist(async |till| till.reverse(reversed, fen(PRICE)).await).await;
    for part in [1_000, PRICE - 1_000] {
        let refund = till.new_id();
        till.insist(async |till| till.refund(&refund, &approved[1].payment_id, fen(part)).await).await;
    }
    let mut days = vec![begun, today()];
    days.dedup();
    let sold = i64::try_from(approved.len()).unwrap();
    let settled = paid_out(&world, &days).await;
    let expected = pb::Settlement {
        sale_count: sold,
        gross_minor: sold * PRICE,
        refunds_minor: PRICE,
        reversals_minor: PRICE,
        fees_minor: (sold - 2) * FEE,
        net_minor: (sold - 2) * (PRICE - FEE),
        ..pb::Settlement::default()
    };
    assert_eq!(settled, expected, "{point}");
    // The books of the hub say that each payment has one entry, with its fee.
    let ledgers = world.settled().await;
    assert_eq!(ledgers.charged_minor(), PRICE * (sold - 2), "{point}: payers pay the same");
}

kill! {
    m9_a_hub_killed_before_the_commit_point_charges_one_fee: "D4.before";
    m9_a_hub_killed_after_the_commit_point_charges_one_fee: "D4.after";
    m9_a_hub_killed_before_it_notes_the_post_charges_one_fee: "D6.before";
}
