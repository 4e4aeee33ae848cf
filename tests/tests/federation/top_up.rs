//! Cash at a terminal, with real processes: paid in once, whatever is killed in the middle.

use bankhub::terminal::{PaymentState as Seen, TopUp};
use domain::{Currency, Money, OrderId};
use federation_tests::databases::Engine;
use federation_tests::till::fen;
use federation_tests::world::Setup;
use futures_util::future::join_all;
use proto::cardholder::event::Kind;
use proto::terminal::PaymentState;

use crate::reason;

const PEOPLE: usize = 4;
const CASH: i64 = 20_000;

/// Four people pay cash in at once; `server` kills itself at `point` with SIGKILL, and is started again. What a terminal was told is what
/// the bank did, and nobody is credited twice.
async fn killed_at(engine: Engine, server: &str, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with("payments.decide_within", "10s").start().await;
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push(world.payer("bank-a", 0).await);
    }
    world.arm(server, point, 1).await;
    let till = world.till("till-1");
    let paying = join_all(people.iter().map(|payer| till.pay_in(payer, fen(CASH))));
    let (mut paid, ()) = tokio::join!(paying, world.rise_again(server));
    paid.extend(join_all(people.iter().map(|payer| till.pay_in(payer, fen(CASH)))).await);
    for payment in &paid {
        let in_time = payment.state() == PaymentState::Approved;
        assert!(in_time || reason(payment) == "DECISION_TIMED_OUT", "{point}: {payment:?}");
    }
    let mut credited = 0;
    for (n, payer) in people.iter().enumerate() {
        let theirs = [n, n + PEOPLE].into_iter().filter(|at| paid[*at].state() == PaymentState::Approved).count();
        let theirs = i64::try_from(theirs).unwrap() * CASH;
        // Posting may come a moment after the answer.
        let there = async || (world.available(payer).await == theirs).then_some(());
        federation_tests::wait::until("the money to be there", federation_tests::world::World::HEALING, there).await;
        credited += theirs;
    }
    assert!(credited >= i64::try_from(PEOPLE).unwrap() * CASH, "{point}: {credited}");
    let ledgers = world.settled().await;
    assert_eq!(ledgers.payments.len(), 2 * PEOPLE, "{point}");
    assert_eq!(ledgers.charged_minor(), -credited, "{point}: all that moved came in");
}

kill! {
    m3_a_hub_killed_before_it_takes_a_top_up_in_credits_once: "hub-1" at "D2.before";
    m3_a_hub_killed_after_it_has_taken_a_top_up_in_credits_once: "hub-1" at "D2.after";
    m3_a_hub_killed_after_the_bank_has_answered_a_top_up_credits_once: "hub-1" at "hold.after";
    m3_a_hub_killed_before_the_commit_point_of_a_top_up_credits_once: "hub-1" at "D4.before";
    m3_a_hub_killed_after_the_commit_point_of_a_top_up_credits_once: "hub-1" at "D4.after";
    m3_a_bank_killed_before_it_holds_a_top_up_credits_once: "bank-a" at "D3.before";
    m3_a_bank_killed_after_it_holds_a_top_up_credits_once: "bank-a" at "D3.after";
    m3_a_bank_killed_before_it_posts_a_top_up_credits_once: "bank-a" at "D5.before";
    m3_a_bank_killed_after_it_has_posted_a_top_up_credits_once: "bank-a" at "D5.after";
}

#[tokio::test]
async fn m3_the_terminal_client_pays_cash_in_also_when_frozen_and_the_phone_is_told() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if !engine.is_there() {
            continue;
        }
        let world = Setup::on(engine).with("payments.top_up_once_minor", "30000").start().await;
        let payer = world.payer("bank-a", 0).await;
        let terminal = world.federation.terminal("till-1").unwrap();
        let order = |minor| TopUp {
            phone: payer.person.phone.clone(),
            amount: Money::new(Currency::CNY, minor),
            reference: "shift 7".to_owned(),
        };
        let paid = terminal.top_up(&order(30_000)).await.unwrap();
        assert_eq!((paid.state, paid.bank_id.as_str()), (Seen::Approved, "bank-a"), "{paid:?}");
        let mut feed = payer.person.device.follow(0);
        let told = feed.next().await.unwrap();
        let Some(Kind::PaidIn(told)) = told.kind else { panic!("{told:?}") };
        assert_eq!((told.payment_id, told.amount), (paid.id.to_string(), Some(fen(30_000))));
        let refused = terminal.top_up(&order(30_001)).await.unwrap();
        assert_eq!(refused.reason(), Some(domain::Reason::TopUpTooLarge));
        // What has come in stays: the terminal that wants it back hears that, and keeps nothing open.
        let back = terminal.reverse(paid.id, paid.amount).await.unwrap_err();
        assert_eq!(back.reason(), Some(domain::Reason::NotReversible));
        let order_id = OrderId::parse(&world.till("till-1").new_id()).unwrap();
        payer.person.device.freeze(order_id, Vec::new()).await.unwrap();
        assert_eq!(terminal.top_up(&order(100)).await.unwrap().state, Seen::Approved, "frozen, money comes in (F4)");
        let till = world.till("till-1");
        let stopped = till.create(&till.new_id(), &payer, fen(1)).await.unwrap();
        assert_eq!(reason(&stopped), "PAYER_UNAVAILABLE");
        assert!(terminal.open_payments().is_empty());
        drop(terminal);
        let ledgers = world.settled().await;
        assert_eq!(ledgers.charged_minor(), -30_100);
    }
}
