//! Tables and properties of look-up budgets.

use proptest::prelude::*;

use super::*;

fn rate(burst: u32, per_hour: u32) -> Rate {
    Rate { burst: NonZeroU32::new(burst).unwrap(), per_hour: NonZeroU32::new(per_hour).unwrap() }
}

const COSTS: Costs = Costs { hit: 1, miss: 20, paid: 2 };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + seconds)
}

#[test]
fn m4_a_bucket_gives_what_it_has_and_fills_up_with_time() {
    let rate = rate(100, 360);
    let mut bucket = Bucket::full(at(0));
    // (second, wanted, least, drawn, left after it)
    let table = [
        (0, 40, 20, 40, 60),
        (0, 100, 20, 60, 0),
        (0, 1, 1, 0, 0),
        (9, 1, 1, 0, 0),
        (10, 1, 1, 1, 0),
        (200, 40, 20, 0, 19),
        (210, 40, 20, 20, 0),
        (210 + 2_000, 500, 20, 100, 0),
    ];
    for (second, wanted, least, drawn, left) in table {
        assert_eq!(bucket.draw(wanted, least, rate, at(second)), drawn, "second {second}");
        assert_eq!(bucket.left(rate, at(second)), left, "second {second}");
    }
}

#[test]
fn m4_a_bucket_says_when_it_has_enough_again() {
    let rate = rate(100, 360);
    let mut bucket = Bucket::full(at(0));
    assert_eq!(bucket.has_in(100, rate, at(0)), Duration::ZERO);
    assert_eq!(bucket.draw(95, 1, rate, at(0)), 95);
    assert_eq!(bucket.has_in(20, rate, at(0)), Duration::from_secs(150));
    assert_eq!(bucket.has_in(20, rate, at(149)), Duration::from_secs(1));
    assert_eq!((bucket.has_in(20, rate, at(150)), bucket.left(rate, at(150))), (Duration::ZERO, 20));
    assert!(!bucket.is_well_again(rate, at(449)));
    assert!(bucket.is_well_again(rate, at(450)));
}

#[test]
fn m4_a_clock_that_is_set_back_neither_fills_a_bucket_nor_empties_it_for_longer_than_it_takes_to_fill() {
    let rate = rate(100, 360);
    let mut bucket = Bucket::full(at(100_000));
    assert_eq!(bucket.draw(50, 1, rate, at(100_000)), 50);
    assert_eq!(bucket.left(rate, at(0)), 0);
    assert_eq!(bucket.has_in(100, rate, at(0)), Duration::from_secs(1_000));
    assert_eq!(bucket.draw(1, 1, rate, at(0)), 0);
}

#[test]
fn m4_what_is_set_aside_and_what_is_drawn_at_once_fit_the_bucket() {
    // (burst, set aside, drawn at once)
    for (burst, reserved, part) in [(1_000, 20, 100), (500, 20, 80), (50, 20, 50), (5, 5, 5), (10_000, 20, 1_000)] {
        let rate = rate(burst, 60);
        assert_eq!((rate.reserved(COSTS), rate.part(COSTS)), (reserved, part), "{burst}");
    }
    let free = Costs { hit: 0, miss: 0, paid: 0 };
    assert_eq!((rate(1_000, 60).reserved(free), rate(1_000, 60).part(free)), (0, 100));
}

#[test]
fn m4_an_allowance_pays_the_dearer_price_first_and_refuses_before_it_is_known_who_it_is() {
    let rate = rate(100, 60);
    let mut allowance = Allowance::default();
    assert_eq!(allowance.take(20, at(0)), Take::Draw);
    allowance.drawn(40, rate);
    assert_eq!((allowance.take(20, at(0)), allowance.tokens()), (Take::Paid, 20));
    allowance.give_back(19, rate);
    assert_eq!((allowance.take(20, at(0)), allowance.tokens()), (Take::Paid, 19));
    assert_eq!(allowance.take(20, at(0)), Take::Draw, "a hit would cost one, and still it is refused");
    allowance.dry(at(5));
    assert_eq!((allowance.take(20, at(4)), allowance.take(20, at(5))), (Take::Dry, Take::Draw));
    allowance.dry(at(50));
    allowance.ask_again();
    assert_eq!(allowance.take(20, at(6)), Take::Draw);
    allowance.give_back(u32::MAX, rate);
    assert_eq!(allowance.tokens(), 100, "what is given back fills no more than a bucket");
}

#[test]
fn m4_a_shop_that_sells_never_runs_dry_and_one_that_guesses_soon_does() {
    let rate = rate(1_000, 240);
    let run = |is_known: fn(i64) -> bool| {
        let (mut bucket, mut allowance) = (Bucket::full(at(0)), Allowance::default());
        // A look-up every other second, for an hour.
        (0..1_800).filter(|turn| look_up(&mut bucket, &mut allowance, (rate, at(turn * 2)), is_known(*turn))).count()
    };
    assert_eq!(run(|_| true), 1_800);
    assert_eq!(run(|turn| turn % 20 != 0), 1_800, "one number in twenty is mistyped");
    let guessed = run(|_| false);
    assert_eq!(guessed, (1_000 + 239) / 20, "and no more");
}

/// One look-up as the hub makes it; a known number goes on to pay. Says whether it was allowed.
fn look_up(bucket: &mut Bucket, allowance: &mut Allowance, (rate, now): (Rate, Timestamp), known: bool) -> bool {
    let reserved = rate.reserved(COSTS);
    if allowance.take(reserved, now) == Take::Draw {
        match bucket.draw(rate.part(COSTS), reserved, rate, now) {
            0 => return false,
            drawn => allowance.drawn(drawn, rate),
        }
        if allowance.take(reserved, now) != Take::Paid {
            return false;
        }
    }
    if known {
        allowance.give_back(reserved - COSTS.hit, rate);
        allowance.give_back(COSTS.paid, rate);
    }
    true
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Wait(u32),
    Ask { replica: usize, known: bool },
    Restart(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0_u32..600).prop_map(Op::Wait),
        8 => (0_usize..3, prop::bool::weighted(0.2)).prop_map(|(replica, known)| Op::Ask { replica, known }),
        1 => (0_usize..3).prop_map(Op::Restart),
    ]
}

proptest! {
    /// However many replicas there are and however often they die, what was looked up costs no more than the bucket had, what came
    /// back with time, and what payments gave.
    #[test]
    fn m4_no_replicas_and_no_restarts_make_a_budget_larger(
        burst in 20_u32..2_000,
        per_hour in 1_u32..5_000,
        ops in prop::collection::vec(op(), 1..400),
    ) {
        let rate = rate(burst, per_hour);
        let mut bucket = Bucket::full(at(0));
        let mut replicas = [Allowance::default(); 3];
        let (mut seconds, mut misses, mut hits) = (0_u32, 0_u64, 0_u64);
        for op in ops {
            match op {
                Op::Wait(more) => seconds += more,
                Op::Restart(replica) => replicas[replica] = Allowance::default(),
                Op::Ask { replica, known } => {
                    let now = at(i64::from(seconds));
                    if look_up(&mut bucket, &mut replicas[replica], (rate, now), known) {
                        if known { hits += 1 } else { misses += 1 }
                    }
                }
            }
        }
        let came_back = u64::from(per_hour) * u64::from(seconds) / 3_600;
        let (price, given) = (misses * u64::from(COSTS.miss) + hits * u64::from(COSTS.hit), hits * u64::from(COSTS.paid));
        prop_assert!(price <= u64::from(burst) + came_back + given, "{price} of {burst} + {came_back} + {given}");
    }

    #[test]
    fn m4_a_bucket_never_has_more_than_it_holds_nor_gives_more_than_it_has(
        burst in 1_u32..1_000_000_000,
        per_hour in 1_u32..u32::MAX,
        draws in prop::collection::vec((0_i64..100_000, any::<u32>(), any::<u32>()), 1..50),
    ) {
        let rate = rate(burst, per_hour);
        let mut bucket = Bucket::full(at(0));
        for (second, wanted, least) in draws {
            let before = bucket.left(rate, at(second));
            prop_assert!(before <= burst);
            let drawn = bucket.draw(wanted, least, rate, at(second));
            prop_assert!(drawn <= before && drawn <= wanted);
            prop_assert_eq!(bucket.left(rate, at(second)), before - drawn);
        }
    }
}

#[test]
fn m4_scopes_have_names_of_their_own() {
    for scope in Scope::ALL {
        assert_eq!(Scope::parse(scope.as_str()), Ok(scope));
    }
    assert_eq!(Scope::parse("PHONE"), Err(Reason::FieldUnknown));
}
