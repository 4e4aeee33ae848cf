//! Dialogues over FastAGI as they were recorded, in both languages.

use hub::voice::VoiceConfig;
use serde_json::{Value, json};

use super::asterisk::{heard, play};
use super::desk::{CARD, CARD_PASSWORD, CODE};
use super::front::{TestFront, config};

const WELCOME: &str = "普通话请按一。 For English, press two.";
const MENU_EN: &str = "To freeze all your cards and accounts, press one. To set them free, press two. To hear your last purchases, press three. To set a safety code, press four. To hear this again, press zero. To go back, press star.";
const MENU_ZH: &str =
    "冻结所有银行卡和账户请按一，解冻请按二，查询最近消费请按三，设置安全码请按四，重听请按零，返回请按星号键。";

fn call(press: &[&str]) -> Value {
    json!({ "caller": "13800138000", "press": press })
}

#[tokio::test]
async fn f2_c8_a_caller_freezes_and_unfreezes_in_english_over_fastagi() {
    let front = TestFront::start(&config()).await;
    let Some(events) = play(front.agi(), call(&["2", "1", "271828#", "2", "1"])).await else { return };
    let some = "Everything is frozen here. two of three banks have confirmed it; the rest is being told.";
    let wanted = [
        WELCOME,
        "> 2",
        MENU_EN,
        "> 1",
        "Enter your safety code, then the hash key.",
        "> 271828#",
        &format!("One moment, please. {some} {MENU_EN}"),
        "> 2",
        "To set everything free, press one. To go back, press star.",
        "> 1",
        &format!("One moment, please. Everything is free again. Your bank has confirmed it. {MENU_EN}"),
        "hung up by the caller",
    ];
    assert_eq!(heard(&events), wanted);
    assert_eq!(front.desk.asked(), ["freeze", "unfreeze"]);
    assert!(front.desk.every_order_has_its_own_id());
    front.stop().await;
}

#[tokio::test]
async fn f2_a_caller_sets_the_code_and_freezes_in_mandarin_over_fastagi() {
    let front = TestFront::start(&config()).await;
    let (card, password, code) = (format!("{CARD}#"), format!("{CARD_PASSWORD}#"), format!("{CODE}#"));
    let Some(events) = play(front.agi(), call(&["1", "4", &card, &password, &code, &code, "1", CODE])).await else {
        return;
    };
    let wanted = [
        WELCOME,
        "> 1",
        MENU_ZH,
        "> 4",
        "请输入银行卡卡号，按井号键结束。",
        &format!("> {card}"),
        "请输入银行卡密码，按井号键结束。",
        &format!("> {password}"),
        "请输入六到八位数字的新安全码，按井号键结束。",
        &format!("> {code}"),
        "请再次输入新安全码，按井号键结束。",
        &format!("> {code}"),
        &format!("请稍候。安全码设置成功。{MENU_ZH}"),
        "> 1",
        "请输入安全码，按井号键结束。",
        &format!("> {CODE}"),
        &format!("请稍候。已在本系统全部冻结，三家银行中两家已确认，其余正在通知。{MENU_ZH}"),
        "hung up by the caller",
    ];
    assert_eq!(heard(&events), wanted);
    assert_eq!(front.desk.asked(), ["set", "freeze"]);
    front.stop().await;
}

#[tokio::test]
async fn r7_a_caller_hears_the_last_purchases_over_fastagi() {
    let front = TestFront::start(&config()).await;
    let Some(events) = play(front.agi(), call(&["2", "3", CODE])).await else { return };
    let one = "twelve point five zero yuan on September twenty one at twenty two thirteen from what ends in four eight two one";
    let told = heard(&events);
    assert_eq!(told[6], format!("One moment, please. {one} {one} {MENU_EN}"));
    front.stop().await;
}

#[tokio::test]
async fn f2_keys_that_interrupt_a_prompt_are_heard_in_whole() {
    let front = TestFront::start(&config()).await;
    let scenario = json!({ "caller": "13800138000", "press": ["2", "1", "271828#"], "interrupt": true });
    let Some(events) = play(front.agi(), scenario).await else { return };
    let told = heard(&events).join("\n");
    assert!(told.contains("two of three banks"), "{told}");
    assert_eq!(front.desk.asked(), ["freeze"]);
    front.stop().await;
}

#[tokio::test]
async fn f2_three_errors_end_the_call_over_fastagi_and_a_wrong_code_may_be_typed_again() {
    let front = TestFront::start(&config()).await;
    let Some(events) = play(front.agi(), call(&["2", "1", "999999#", CODE])).await else { return };
    assert!(heard(&events).join("\n").contains("two of three banks"));
    let scenario = json!({ "caller": "13800138000", "press": ["2", null, "9", "1", "12#"] });
    let events = play(front.agi(), scenario).await.unwrap();
    let told = heard(&events);
    let last = &told[told.len() - 2..];
    assert_eq!(last[0], "That cannot be right. That was wrong too often. Please call again. Goodbye.");
    assert_eq!(last[1], "hung up by the hub");
    front.stop().await;
}

#[tokio::test]
async fn f2_whoever_is_not_known_by_a_number_that_is_shown_is_told_so_politely() {
    let front = TestFront::start(&config()).await;
    for (caller, presentation) in
        [("unknown", "0"), ("anonymous", "35"), ("", "67"), ("13800138000", "32"), ("13800138000", "2"), ("1", "0")]
    {
        let scenario = json!({ "caller": caller, "presentation": presentation, "press": ["2"] });
        let Some(events) = play(front.agi(), scenario).await else { return };
        let told = heard(&events);
        assert!(told[0].ends_with("Please call again with your number shown. Goodbye."), "{caller}: {told:?}");
        assert_eq!(told[1..], ["hung up by the hub"], "{caller}");
    }
    assert!(front.desk.asked().is_empty());
    front.stop().await;
}

#[tokio::test]
async fn f2_a_stranger_hears_what_a_known_number_with_a_wrong_code_hears() {
    let front = TestFront::start(&config()).await;
    let stranger = json!({ "caller": "13911112222", "press": ["2", "1", CODE, "3"] });
    let Some(of_stranger) = play(front.agi(), stranger).await else { return };
    let known = json!({ "caller": "13800138000", "press": ["2", "1", "999999", "3"] });
    let of_known = play(front.agi(), known).await.unwrap();
    let without_keys =
        |events: &[Value]| heard(events).into_iter().filter(|line| !line.starts_with('>')).collect::<Vec<_>>();
    assert_eq!(without_keys(&of_stranger), without_keys(&of_known));
    front.stop().await;
}

#[tokio::test]
async fn f2_a_number_that_calls_too_often_is_asked_to_call_later() {
    let few = VoiceConfig { calls_per_caller_per_minute: std::num::NonZeroU32::new(2).unwrap(), ..config() };
    let front = TestFront::start(&few).await;
    for number in 0..3 {
        let Some(events) = play(front.agi(), call(&["2"])).await else { return };
        let is_busy = heard(&events)[0].ends_with("All lines are busy. Please call again. Goodbye.");
        assert_eq!(is_busy, number == 2, "call {number}");
    }
    front.stop().await;
}

#[tokio::test]
async fn f2_hanging_up_at_every_single_prompt_ends_the_call_cleanly() {
    let front = TestFront::start(&config()).await;
    let press = ["2", "4", "6228480000000007#", "314159#", "271828#", "271828#", "1", "271828#", "2", "1", "3"];
    let whole = json!({ "caller": "13800138000", "press": press });
    let Some(events) = play(front.agi(), whole).await else { return };
    let commands = events.iter().filter(|event| event["said"].is_string()).count() + 1;
    assert!(commands > 40, "{commands}");
    for dead in [false, true] {
        for at in 1..=commands {
            let scenario = json!({ "caller": "13800138000", "press": press, "hang_up_after": at, "dead": dead });
            let events = play(front.agi(), scenario).await.unwrap();
            let told = heard(&events);
            assert_eq!(told.last().unwrap(), "hung up by the caller", "at {at}: {told:?}");
        }
    }
    front.stop().await;
}
