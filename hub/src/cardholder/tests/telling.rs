//! How a person is told outside of the app, as a phone says it (R6, P3).

use std::sync::Arc;

use domain::notice::{ChannelKind, Field, Language, MailAddress, NoticeKind, Variables};
use domain::{Currency, Money};
use proto::common;
use tokio::sync::mpsc;

use super::*;
use crate::notify::tests::{Told, eventually};
use crate::notify::{Notice, Preferences, SendError};

const MAIL: &str = "wang@example.com";

fn wanted() -> pb::Preferences {
    pb::Preferences {
        language: common::NoticeLanguage::English.into(),
        time_zone: "Asia/Shanghai".to_owned(),
        prices: pb::PriceNews::Separate.into(),
        ..Default::default()
    }
}

fn choice(kind: common::NoticeKind, channel: common::NoticeChannel, wanted: bool) -> pb::NoticeChoice {
    pb::NoticeChoice { kind: kind.into(), channel: channel.into(), wanted }
}

fn saving(kind: common::NoticeKind, channel: common::NoticeChannel, text: &str) -> pb::SaveTemplateRequest {
    let (kind, channel) = (kind.into(), channel.into());
    pb::SaveTemplateRequest { kind, language: common::NoticeLanguage::English.into(), channel, text: text.to_owned() }
}

impl World {
    async fn standing(&self, token: &str) -> pb::GetPreferencesResponse {
        self.api.get_preferences(with_token(token, pb::GetPreferencesRequest {})).await.unwrap().into_inner()
    }

    async fn prefer(&self, token: &str, it: pb::Preferences) -> Result<pb::SetPreferencesResponse, Status> {
        let request = pb::SetPreferencesRequest { preferences: Some(it) };
        self.api.set_preferences(with_token(token, request)).await.map(tonic::Response::into_inner)
    }

    async fn confirm(&self, token: &str, code: &str) -> Result<pb::ConfirmMailAddressResponse, Status> {
        let request = pb::ConfirmMailAddressRequest { code: code.to_owned() };
        self.api.confirm_mail_address(with_token(token, request)).await.map(tonic::Response::into_inner)
    }

    async fn save(&self, token: &str, request: pb::SaveTemplateRequest) -> Result<String, Status> {
        self.api.save_template(with_token(token, request)).await.map(|answer| answer.into_inner().preview)
    }

    /// A worker of a channel that keeps what it is given.
    pub(super) fn work(&self, kind: ChannelKind) -> Arc<Told> {
        let told = Told::to(kind, []);
        self.work_with(told.clone());
        told
    }

    fn work_with(&self, told: Arc<Told>) {
        let (_, receipts) = mpsc::channel(1);
        tokio::spawn(self.notices.clone().deliver(told, receipts, self.draining.clone()));
    }
}

#[tokio::test]
async fn r6_p3_a_phone_says_how_the_person_is_told_and_hears_it_again() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let first = world.standing(&phone.token).await;
        let usual = first.preferences.unwrap();
        assert_eq!(usual.language(), common::NoticeLanguage::Chinese);
        assert_eq!((usual.time_zone.as_str(), usual.prices()), ("Asia/Shanghai", pb::PriceNews::Separate));
        assert_eq!((usual.choices.len(), first.channels, first.awaited), (36, vec![1, 2, 3], None));
        let set = pb::Preferences {
            quiet_hours: Some(pb::QuietHours { from_minute: 1_320, until_minute: 420 }),
            time_zone: "europe/berlin".to_owned(),
            choices: vec![choice(common::NoticeKind::Charge, common::NoticeChannel::Sms, false)],
            prices: pb::PriceNews::WithCharge.into(),
            ..wanted()
        };
        let told = world.prefer(&phone.token, set.clone()).await.unwrap().preferences.unwrap();
        assert_eq!(told.time_zone, "Europe/Berlin", "in its one spelling");
        assert_eq!((told.quiet_hours, told.prices()), (set.quiet_hours, pb::PriceNews::WithCharge));
        let differs: Vec<_> = told.choices.iter().filter(|choice| !usual.choices.contains(choice)).collect();
        assert_eq!(differs, [&set.choices[0]], "{}", hub.engine);
        assert_eq!(world.standing(&phone.token).await.preferences.as_ref(), Some(&told));
        let again = world.prefer(&phone.token, told.clone()).await.unwrap();
        assert_eq!(again.preferences, Some(told), "an answer is as good as a request");
    })
    .await;
}

#[tokio::test]
async fn r6_an_address_is_confirmed_with_the_code_that_came_to_it() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let mail = world.work(ChannelKind::Mail);
        let asked = world.prefer(&phone.token, pb::Preferences { mail_address: MAIL.to_owned(), ..wanted() }).await;
        let asked = asked.unwrap();
        assert_eq!(asked.preferences.unwrap().mail_address, "");
        let awaited = asked.awaited.unwrap();
        assert_eq!((awaited.mail_address.as_str(), awaited.tries_left), (MAIL, 5));
        assert_eq!(world.standing(&phone.token).await.awaited, Some(awaited));
        eventually("the code is sent", async || mail.texts().len() == 1).await;
        let code = mail.texts()[0].split(' ').next().unwrap().to_owned();
        let wrong = if code == "000000" { "000001" } else { "000000" };
        assert_eq!(reason(world.confirm(&phone.token, wrong).await), Reason::VerificationFailed);
        assert_eq!(world.standing(&phone.token).await.awaited.unwrap().tries_left, 4);
        assert_eq!(reason(world.confirm(&phone.token, "12345").await), Reason::CodeMalformed);
        let confirmed = world.confirm(&phone.token, &code).await.unwrap();
        assert_eq!(confirmed.preferences.unwrap().mail_address, MAIL);
        let standing = world.standing(&phone.token).await;
        assert_eq!((standing.preferences.unwrap().mail_address.as_str(), standing.awaited), (MAIL, None));
    })
    .await;
}

#[tokio::test]
async fn r6_what_cannot_be_meant_is_refused_by_its_reason_and_changes_nothing() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let before = world.standing(&phone.token).await;
        let mail = |text: &str| pb::Preferences { mail_address: text.to_owned(), ..wanted() };
        let zone = |text: &str| pb::Preferences { time_zone: text.to_owned(), ..wanted() };
        let quiet = |from_minute, until_minute| {
            let quiet_hours = Some(pb::QuietHours { from_minute, until_minute });
            pb::Preferences { quiet_hours, ..wanted() }
        };
        let choosing = |choices| pb::Preferences { choices, ..wanted() };
        let (code, security) = (common::NoticeKind::Code, common::NoticeKind::Security);
        let (sms, by_mail) = (common::NoticeChannel::Sms, common::NoticeChannel::Mail);
        for (bad, wanted) in [
            (mail("wang@example.com\r\nBcc: all@example.com"), Reason::MailAddressMalformed),
            (mail("wang@example.com>"), Reason::MailAddressMalformed),
            (mail(&"w".repeat(60_000)), Reason::MailAddressMalformed),
            (zone("Mars/Olympus"), Reason::TimeZoneUnknown),
            (zone(""), Reason::TimeZoneUnknown),
            (quiet(420, 420), Reason::QuietHoursMalformed),
            (quiet(-1, 420), Reason::QuietHoursMalformed),
            (quiet(0, 1_440), Reason::QuietHoursMalformed),
            (choosing(vec![choice(code, sms, false)]), Reason::NoticeFixed),
            (choosing(vec![choice(code, by_mail, true)]), Reason::NoticeFixed),
            (choosing(vec![choice(security, sms, false)]), Reason::NoticeFixed),
            (choosing(vec![choice(common::NoticeKind::Address, by_mail, false)]), Reason::NoticeFixed),
            (choosing(vec![choice(common::NoticeKind::Unspecified, sms, true)]), Reason::FieldUnknown),
            (choosing(vec![choice(common::NoticeKind::Charge, sms, true); 65]), Reason::TooManyItems),
            (choosing(vec![pb::NoticeChoice { kind: 3, channel: 9, wanted: true }]), Reason::FieldUnknown),
            (pb::Preferences { language: 0, ..wanted() }, Reason::FieldUnknown),
            (pb::Preferences { prices: 0, ..wanted() }, Reason::FieldUnknown),
            (pb::Preferences { prices: 7, ..wanted() }, Reason::FieldUnknown),
        ] {
            let shown = format!("{bad:.200?}");
            assert_eq!(reason(world.prefer(&phone.token, bad).await), wanted, "{shown}");
        }
        let nothing = with_token(&phone.token, pb::SetPreferencesRequest { preferences: None });
        assert_eq!(reason(world.api.set_preferences(nothing).await), Reason::FieldMissing);
        assert_eq!(world.standing(&phone.token).await, before, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r6_a_template_is_shown_saved_listed_and_forgotten() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let other = world.phone_in_session("+8613900139000").await;
        let (kind, channel) = (common::NoticeKind::Charge, common::NoticeChannel::Mail);
        let (text, language) = ("<b>{{ amount }}</b> at {{ merchant }}", common::NoticeLanguage::English);
        let preview =
            pb::PreviewTemplateRequest { kind: kind.into(), language: language.into(), text: text.to_owned() };
        let shown = world.api.preview_template(with_token(&phone.token, preview)).await.unwrap().into_inner().preview;
        assert_eq!(shown, "<b>12.50 CNY</b> at 老王面馆");
        assert_eq!(world.save(&phone.token, saving(kind, channel, text)).await.unwrap(), shown);
        let list = async |token: &str, kind: common::NoticeKind| {
            let request = pb::ListTemplatesRequest { kind: kind.into(), language: language.into() };
            world.api.list_templates(with_token(token, request)).await.unwrap().into_inner().templates
        };
        let listed = list(&phone.token, kind).await;
        let words: Vec<_> = listed.iter().map(|it| (it.channel(), it.own, it.text == text)).collect();
        assert_eq!(words, [(common::NoticeChannel::Sms, false, false), (channel, true, true)]);
        assert!(listed[0].fields.contains(&"amount".to_owned()) && listed[0].text.contains("paid at"));
        assert!(list(&other.token, common::NoticeKind::Unspecified).await.iter().all(|it| !it.own), "of nobody else");
        let request =
            pb::ForgetTemplateRequest { kind: kind.into(), language: language.into(), channel: channel.into() };
        let usual = world.api.forget_template(with_token(&phone.token, request)).await.unwrap().into_inner().text;
        assert_eq!(usual, listed[0].text);
        assert!(list(&phone.token, common::NoticeKind::Unspecified).await.iter().all(|it| !it.own));
        for kind in [
            common::NoticeKind::Code,
            common::NoticeKind::Security,
            common::NoticeKind::Address,
            common::NoticeKind::Enrolment,
        ] {
            assert!(list(&phone.token, kind).await.is_empty(), "nobody words these");
        }
    })
    .await;
}

#[tokio::test]
async fn r6_a_template_that_does_more_than_name_fields_is_refused_by_its_reason() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let (charge, sms) = (common::NoticeKind::Charge, common::NoticeChannel::Sms);
        for (bad, wanted) in [
            (saving(charge, sms, "{% for i in amount %}x{% endfor %}"), Reason::TemplateMalformed),
            (saving(charge, sms, "{{ amount | safe }}"), Reason::TemplateMalformed),
            (saving(charge, sms, "{{ phone }}"), Reason::TemplateFieldUnknown),
            (saving(charge, sms, &"x".repeat(60_000)), Reason::TemplateMalformed),
            (saving(charge, sms, "Hello\r\nBcc: all@example.com"), Reason::TemplateMalformed),
            (saving(charge, sms, ""), Reason::TemplateMalformed),
            (saving(charge, common::NoticeChannel::Push, "x"), Reason::TemplateMalformed),
            (saving(common::NoticeKind::Code, sms, "{{ code }}"), Reason::NoticeFixed),
            (saving(common::NoticeKind::Security, sms, "nothing happened"), Reason::NoticeFixed),
            (saving(common::NoticeKind::Unspecified, sms, "x"), Reason::FieldUnknown),
            (saving(charge, common::NoticeChannel::Unspecified, "x"), Reason::FieldUnknown),
        ] {
            let preview = pb::PreviewTemplateRequest { kind: bad.kind, language: bad.language, text: bad.text.clone() };
            let shown = format!("{bad:.200?}");
            let has_place = bad.channel() == sms;
            assert_eq!(reason(world.save(&phone.token, bad).await), wanted, "{shown}");
            if has_place {
                let previewed = world.api.preview_template(with_token(&phone.token, preview)).await;
                assert_eq!(reason(previewed), wanted, "{shown}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r6_markup_of_a_template_and_of_a_shop_is_text_in_a_mail() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let told = world.work(ChannelKind::Mail);
        let text = "<script>alert(1)</script>{{ merchant }}";
        let (kind, channel) = (common::NoticeKind::Charge, common::NoticeChannel::Mail);
        world.save(&phone.token, saving(kind, channel, text)).await.unwrap();
        let mut preferences =
            Preferences { language: Language::English, mail: MailAddress::parse(MAIL).ok(), ..Default::default() };
        preferences.choices.choose(NoticeKind::Charge, ChannelKind::Mail, true).unwrap();
        world.notices.set_preferences(phone.person_id, preferences).await.unwrap();
        let variables = Variables::new()
            .with_text(Field::Merchant, "<img src=x onerror=alert(2)>")
            .with_money(Field::Amount, Money::new(Currency::CNY, 1_250));
        let notice = Notice {
            person_id: phone.person_id,
            kind: NoticeKind::Charge,
            key: "charge/1".to_owned(),
            occurred_at: domain::Timestamp::from_secs(0),
            variables,
        };
        let mut tx = hub.store.begin().await.unwrap();
        world.notices.queue(&mut tx, &[notice]).await.unwrap();
        tx.commit().await.unwrap();
        world.notices.wake();
        eventually("it is sent", async || !told.ids().is_empty()).await;
        let page = told.letters.lock().unwrap()[0].html.clone().unwrap();
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;") && page.contains("&lt;img"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn r6_push_reaches_the_phone_that_says_so_until_it_says_otherwise() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let register = async |vendor: pb::PushVendor, token: &str| {
            let request = pb::RegisterPushRequest { vendor: vendor.into(), token: token.to_owned() };
            world.api.register_push(with_token(&phone.token, request)).await
        };
        for bad in ["", &"t".repeat(4_097), "a b", "a\n", "令牌"] {
            assert_eq!(reason(register(pb::PushVendor::Fcm, bad).await), Reason::TextMalformed);
        }
        assert_eq!(reason(register(pb::PushVendor::Unspecified, "t").await), Reason::FieldUnknown);
        assert_eq!(world.count("SELECT count(*) FROM push_targets").await, 0);
        register(pb::PushVendor::Fcm, &"t".repeat(4_096)).await.unwrap();
        register(pb::PushVendor::Hms, "another").await.unwrap();
        assert_eq!(world.count("SELECT count(*) FROM push_targets WHERE vendor = 'HMS'").await, 1, "{}", hub.engine);
        for _ in 0..2 {
            world.api.forget_push(with_token(&phone.token, pb::ForgetPushRequest {})).await.unwrap();
            assert_eq!(world.count("SELECT count(*) FROM push_targets").await, 0);
        }
    })
    .await;
}

/// Three charges that no SMSC wants.
async fn three_dead_letters(world: &World, person_id: PersonId) -> Arc<Told> {
    let refused = || Err(SendError::Refused { code: "SMPP_0B".to_owned() });
    let told = Told::to(ChannelKind::Sms, std::iter::repeat_with(refused).take(3));
    world.work_with(told.clone());
    let notice = |n: i32| Notice {
        person_id,
        kind: NoticeKind::Charge,
        key: format!("charge/{n}"),
        occurred_at: domain::Timestamp::from_secs(0),
        variables: Variables::new().with_money(Field::Amount, Money::new(Currency::CNY, 1_250)),
    };
    let mut tx = world.hub.store.begin().await.unwrap();
    world.notices.queue(&mut tx, &[notice(1), notice(2), notice(3)]).await.unwrap();
    tx.commit().await.unwrap();
    world.notices.wake();
    let dead = async || world.count("SELECT count(*) FROM notices WHERE state = 'DEAD'").await == 3;
    eventually("they are given up", dead).await;
    told
}

#[tokio::test]
async fn r6_an_operator_sees_what_was_given_up_and_has_it_tried_again() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let told = three_dead_letters(&world, phone.person_id).await;
        let list = async |page_size: i32, page_token: &str| {
            let request = operator_pb::ListDeadLettersRequest { page_size, page_token: page_token.to_owned() };
            let answer = world.operator.list_dead_letters(from_member(Role::Operator, "anna", request)).await;
            answer.map(tonic::Response::into_inner)
        };
        let first = list(2, "").await.unwrap();
        let second = list(2, &first.next_page_token).await.unwrap();
        assert_eq!((first.dead_letters.len(), second.dead_letters.len()), (2, 1), "{}", hub.engine);
        assert_eq!(second.next_page_token, "");
        assert_eq!(list(3, "").await.unwrap().next_page_token, "", "a page that is just full is the last");
        let all = list(0, "").await.unwrap().dead_letters;
        assert_eq!(all, [first.dead_letters, second.dead_letters].concat());
        let dead = &all[0];
        assert_eq!((dead.kind(), dead.channel()), (common::NoticeKind::Charge, common::NoticeChannel::Sms));
        assert_eq!((dead.error.as_str(), dead.tries), ("SMPP_0B", 1));
        assert!(!format!("{dead:?}").contains(PHONE.trim_start_matches("+86")), "no number: {dead:?}");
        for (size, token, wanted) in [
            (-1, "", Reason::PageSizeOutOfRange),
            (201, "", Reason::PageSizeOutOfRange),
            (1, "x", Reason::PageTokenMalformed),
        ] {
            assert_eq!(reason(list(size, token).await), wanted);
        }
        let retry = async |role: Role, notice_id: &str| {
            let request = operator_pb::RetryDeadLetterRequest { notice_id: notice_id.to_owned() };
            world.operator.retry_dead_letter(from_member(role, "anna", request)).await
        };
        assert_eq!(reason(retry(Role::Terminal, &dead.notice_id).await), Reason::RoleNotAllowed);
        assert_eq!(reason(retry(Role::Operator, "7").await), Reason::IdMalformed);
        assert_eq!(reason(retry(Role::Operator, &hub.id().to_string()).await), Reason::NoticeUnknown);
        retry(Role::Operator, &dead.notice_id).await.unwrap();
        let sent = async || world.count("SELECT count(*) FROM notices WHERE state = 'SENT'").await == 1;
        eventually("it is sent", sent).await;
        assert_eq!(told.ids().last().unwrap().to_string(), dead.notice_id, "under its own id");
        let log = audit::read_chain(&hub.store, "hub-1/notices").await.unwrap();
        let retried: Vec<_> = log.iter().filter(|entry| entry.kind == "NOTICE_RETRIED").collect();
        assert_eq!(retried.len(), 1);
        assert_eq!(retried[0].content, format!("notice={} by=anna", dead.notice_id));
        assert_eq!(retried[0].subject, phone.person_id.uuid());
    })
    .await;
}

#[tokio::test]
async fn s1_nothing_of_it_is_for_strangers() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let (api, wanted) = (&world.api, Reason::SessionInvalid);
        assert_eq!(reason(api.get_preferences(from_stranger(pb::GetPreferencesRequest {})).await), wanted);
        assert_eq!(reason(api.set_preferences(from_stranger(Default::default())).await), wanted);
        assert_eq!(reason(api.confirm_mail_address(from_stranger(Default::default())).await), wanted);
        assert_eq!(reason(api.preview_template(from_stranger(Default::default())).await), wanted);
        assert_eq!(reason(api.save_template(from_stranger(Default::default())).await), wanted);
        assert_eq!(reason(api.list_templates(from_stranger(Default::default())).await), wanted);
        assert_eq!(reason(api.forget_template(from_stranger(Default::default())).await), wanted);
        assert_eq!(reason(api.register_push(from_stranger(Default::default())).await), wanted);
        assert_eq!(reason(api.forget_push(from_stranger(pb::ForgetPushRequest {})).await), wanted);
    })
    .await;
}
