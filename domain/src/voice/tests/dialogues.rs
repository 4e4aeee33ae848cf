//! Calls from the first word to the last: they are what the dialogue is to be like.
//!
//! A line `hub:` is what the caller hears, `caller:` what is typed (`-` is silence, `!` is hanging up), `asked:` what the hub is asked
//! for and `answer:` what it says to that. The last line says how the call ended.

use super::super::*;
use crate::{Currency, Money};

const CARD: &str = "6228480000000007";

fn moment() -> Moment {
    Moment { month: 11, day: 22, hour: 9, minute: 5 }
}

fn answer(word: &str) -> Answer {
    let held = |confirmed, being_told| Answer::Held { confirmed, being_told, some_ended: false };
    let cny = |minor| Money::new(Currency::CNY, minor);
    match word {
        "set" => Answer::CodeSet,
        "held by 2 of 3" => held(2, 1),
        "held by 1 of 1" => held(1, 0),
        "held by 3 of 3" => held(3, 0),
        "held by 0 of 2" => held(0, 2),
        "nothing" => held(0, 0),
        "one ended" => Answer::Held { confirmed: 1, being_told: 0, some_ended: true },
        "two purchases" => Answer::Purchases(vec![
            PurchaseHeard { amount: cny(1_250), at: moment(), ending: LastDigits::of("622848******4821") },
            PurchaseHeard { amount: cny(200_000), at: Moment { hour: 12, minute: 0, ..moment() }, ending: None },
        ]),
        "no purchases" => Answer::Purchases(Vec::new()),
        "wrong code" => Answer::Refused(Refused::Code),
        "wrong card" => Answer::Refused(Refused::Card),
        "simple" => Answer::Refused(Refused::CodeTooSimple),
        "not by phone" => Answer::Refused(Refused::NotByPhone),
        "away" => Answer::Refused(Refused::Away),
        other => panic!("no answer {other}"),
    }
}

fn asked(request: &Request) -> String {
    match request {
        Request::SetSafetyCode { pan, card_password, code } => {
            format!("set {} {} {}", pan.reveal(), card_password.reveal(), code.reveal())
        }
        Request::Freeze { code } => format!("freeze {}", code.reveal()),
        Request::Unfreeze { code } => format!("unfreeze {}", code.reveal()),
        Request::LastPurchases { code, at_most } => format!("purchases {} {at_most}", code.reveal()),
    }
}

fn written(output: &Output) -> Vec<String> {
    let mut lines: Vec<String> = output.say.iter().map(|said| format!("hub: {}", said.text())).collect();
    match &output.then {
        Then::Gather(_) => {}
        Then::Ask(request) => lines.push(format!("asked: {}", asked(request))),
        Then::HangUp(ending) => lines.push(format!("end: {ending:?}")),
    }
    lines
}

/// Plays the caller's and the hub's part of a script, and holds everything that is said against it.
fn plays(script: &str) {
    let lines: Vec<String> =
        script.lines().map(|line| line.trim().replace("CARD", CARD)).filter(|line| !line.is_empty()).collect();
    let (mut call, output) = Call::begin(Language::Mandarin);
    let mut heard = written(&output);
    for line in &lines {
        let input = match line.split_once(": ") {
            Some(("caller", "-")) => Input::Silence,
            Some(("caller", "!")) => Input::HangUp,
            Some(("caller", keys)) => Input::Digits(Digits::typed(keys)),
            Some(("answer", word)) => Input::Answer(answer(word)),
            _ => continue,
        };
        heard.push(line.clone());
        let (next, output) = call.hears(input);
        call = next;
        heard.extend(written(&output));
    }
    assert_eq!(heard, lines, "\n{}", heard.join("\n"));
}

const MENU_EN: &str = "hub: To freeze all your cards and accounts, press one. To set them free, press two. To hear your last purchases, press three. To set a safety code, press four. To hear this again, press zero. To go back, press star.";
const MENU_ZH: &str =
    "hub: 冻结所有银行卡和账户请按一，解冻请按二，查询最近消费请按三，设置安全码请按四，重听请按零，返回请按星号键。";

fn script(text: &str) {
    plays(&text.replace("hub: MENU", MENU_EN).replace("hub: 菜单", MENU_ZH));
}

#[test]
fn f2_a_caller_freezes_in_four_steps_in_english() {
    script(
        "hub: 普通话请按一。
         hub: For English, press two.
         caller: 2
         hub: MENU
         caller: 1
         hub: Enter your safety code, then the hash key.
         caller: 271828#
         hub: One moment, please.
         asked: freeze 271828
         answer: held by 2 of 3
         hub: Everything is frozen here. two of three banks have confirmed it; the rest is being told.
         hub: MENU
         caller: !
         end: CallerHungUp",
    );
}

#[test]
fn f2_a_caller_freezes_in_four_steps_in_mandarin() {
    script(
        "hub: 普通话请按一。
         hub: For English, press two.
         caller: 1
         hub: 菜单
         caller: 1
         hub: 请输入安全码，按井号键结束。
         caller: 271828#
         hub: 请稍候。
         asked: freeze 271828
         answer: held by 2 of 3
         hub: 已在本系统全部冻结，三家银行中两家已确认，其余正在通知。
         hub: 菜单
         caller: !
         end: CallerHungUp",
    );
}

#[test]
fn f2_a_caller_sets_the_code_with_card_and_password_then_freezes_and_unfreezes_with_it() {
    script(
        "hub: 普通话请按一。
         hub: For English, press two.
         caller: 2
         hub: MENU
         caller: 4
         hub: Enter your card number, then the hash key.
         caller: CARD#
         hub: Enter your card password, then the hash key.
         caller: 314159#
         hub: Choose a safety code of six to eight digits and enter it, then the hash key.
         caller: 27182818
         hub: Enter the new safety code again, then the hash key.
         caller: 27182818#
         hub: One moment, please.
         asked: set CARD 314159 27182818
         answer: set
         hub: The safety code is set.
         hub: MENU
         caller: 1
         hub: Enter your safety code, then the hash key.
         caller: 27182818#
         hub: One moment, please.
         asked: freeze 27182818
         answer: held by 1 of 1
         hub: Everything is frozen. Your bank has confirmed it.
         hub: MENU
         caller: 2
         hub: To set everything free, press one. To go back, press star.
         caller: 0
         hub: To set everything free, press one. To go back, press star.
         caller: 1
         hub: One moment, please.
         asked: unfreeze 27182818
         answer: held by 0 of 2
         hub: No bank has confirmed yet that you are free again; they are being told.
         hub: MENU
         caller: !
         end: CallerHungUp",
    );
}

#[test]
fn r7_a_caller_hears_the_last_purchases_in_both_languages() {
    script(
        "hub: 普通话请按一。
         hub: For English, press two.
         caller: 2
         hub: MENU
         caller: 3
         hub: Enter your safety code, then the hash key.
         caller: 271828
         hub: One moment, please.
         asked: purchases 271828 5
         answer: two purchases
         hub: twelve point five zero yuan on November twenty two at nine oh five from what ends in four eight two one
         hub: two thousand yuan on November twenty two at twelve o'clock
         hub: MENU
         caller: *
         hub: 普通话请按一。
         hub: For English, press two.
         caller: 1
         hub: 菜单
         caller: 3
         hub: 请稍候。
         asked: purchases 271828 5
         answer: two purchases
         hub: 十一月二十二日九点零五分尾号四八二一消费十二点五零元
         hub: 十一月二十二日十二点零分消费两千元
         hub: 菜单
         caller: 3
         hub: 请稍候。
         asked: purchases 271828 5
         answer: no purchases
         hub: 没有消费记录。
         hub: 菜单
         caller: !
         end: CallerHungUp",
    );
}

#[test]
fn f2_three_errors_of_whatever_sort_end_the_call_politely() {
    script(
        "hub: 普通话请按一。
         hub: For English, press two.
         caller: -
         hub: 您没有输入。
         hub: Nothing was entered.
         hub: 普通话请按一。
         hub: For English, press two.
         caller: 2
         hub: MENU
         caller: 1
         hub: Enter your safety code, then the hash key.
         caller: 12345#
         hub: That cannot be right.
         hub: Enter your safety code, then the hash key.
         caller: 123456#
         hub: One moment, please.
         asked: freeze 123456
         answer: wrong code
         hub: That was not accepted. The code is not right, or it was wrong too often.
         hub: That was wrong too often. Please call again. Goodbye.
         end: TooManyErrors
         caller: 1
         end: TooManyErrors",
    );
}

#[test]
fn f2_a_wrong_code_may_be_typed_again_and_unfreezing_is_confirmed_again_with_it() {
    script(
        "hub: 普通话请按一。
         hub: For English, press two.
         caller: 1
         hub: 菜单
         caller: 2
         hub: 请输入安全码，按井号键结束。
         caller: 111222#
         hub: 确认全部解冻请按一，返回请按星号键。
         caller: 1
         hub: 请稍候。
         asked: unfreeze 111222
         answer: wrong code
         hub: 验证未通过，安全码不正确或近期错误次数过多。
         hub: 请输入安全码，按井号键结束。
         caller: 271828#
         hub: 确认全部解冻请按一，返回请按星号键。
         caller: 1
         hub: 请稍候。
         asked: unfreeze 271828
         answer: held by 3 of 3
         hub: 已全部解冻，三家银行均已确认。
         hub: 菜单
         caller: 2
         hub: 确认全部解冻请按一，返回请按星号键。
         caller: *
         hub: 菜单
         caller: !
         end: CallerHungUp",
    );
}

#[test]
fn f2_what_can_go_wrong_while_a_code_is_set() {
    script(
        "hub: 普通话请按一。
         hub: For English, press two.
         caller: 2
         hub: MENU
         caller: 4
         hub: Enter your card number, then the hash key.
         caller: 6228480000000008#
         hub: That cannot be right.
         hub: Enter your card number, then the hash key.
         caller: CARD#
         hub: Enter your card password, then the hash key.
         caller: *#
         hub: MENU
         caller: 4
         hub: Enter your card number, then the hash key.
         caller: CARD#
         hub: Enter your card password, then the hash key.
         caller: 314159#
         hub: Choose a safety code of six to eight digits and enter it, then the hash key.
         caller: 111111#
         hub: Enter the new safety code again, then the hash key.
         caller: 111111#
         hub: One moment, please.
         asked: set CARD 314159 111111
         answer: simple
         hub: That code is too easy to guess.
         hub: Choose a safety code of six to eight digits and enter it, then the hash key.
         caller: 271828#
         hub: Enter the new safety code again, then the hash key.
         caller: 271829#
         hub: The two codes differ.
         hub: That was wrong too often. Please call again. Goodbye.
         end: TooManyErrors",
    );
}

#[test]
fn f2_a_refused_card_is_asked_for_again_and_what_is_not_done_by_phone_is_said_to_be_so() {
    script(
        "hub: 普通话请按一。
         hub: For English, press two.
         caller: 2
         hub: MENU
         caller: 4
         hub: Enter your card number, then the hash key.
         caller: CARD#
         hub: Enter your card password, then the hash key.
         caller: 000000#
         hub: Choose a safety code of six to eight digits and enter it, then the hash key.
         caller: 271828#
         hub: Enter the new safety code again, then the hash key.
         caller: 271828#
         hub: One moment, please.
         asked: set CARD 000000 271828
         answer: wrong card
         hub: Card number or password was not accepted.
         hub: Enter your card number, then the hash key.
         caller: CARD#
         hub: Enter your card password, then the hash key.
         caller: 000000#
         hub: Choose a safety code of six to eight digits and enter it, then the hash key.
         caller: 271828#
         hub: Enter the new safety code again, then the hash key.
         caller: 271828#
         hub: One moment, please.
         asked: set CARD 000000 271828
         answer: not by phone
         hub: This cannot be done by telephone here. Please use the app.
         hub: MENU
         caller: !
         end: CallerHungUp",
    );
}

#[test]
fn f2_when_the_hub_cannot_the_caller_is_told_and_no_error_is_counted() {
    let mut text = "hub: 普通话请按一。
         hub: For English, press two.
         caller: 2
         hub: MENU
         caller: 1
         hub: Enter your safety code, then the hash key.
         caller: 271828#
         "
    .to_owned();
    for _ in 0..4 {
        text.push_str(
            "hub: One moment, please.
             asked: freeze 271828
             answer: away
             hub: This cannot be done right now. Please try again, or call your bank.
             hub: MENU
             caller: 1
             ",
        );
    }
    text.push_str(
        "hub: One moment, please.
         asked: freeze 271828
         answer: nothing
         hub: Nothing is bound to this number.
         hub: MENU
         caller: 1
         hub: One moment, please.
         asked: freeze 271828
         answer: one ended
         hub: Everything is frozen. Your bank has confirmed it.
         hub: Some of your cards or accounts are closed at their bank.
         hub: MENU
         caller: !
         end: CallerHungUp",
    );
    script(&text);
}
