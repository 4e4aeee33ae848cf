//! A person's own words, stored and used.

use domain::Reason;
use domain::notice::{ChannelKind, Language, MailAddress, NoticeKind};

use super::super::{Notices, Preferences};
use super::{PHONE, Told, charge, open, quick};
use crate::testing::on_each_engine;

const CHARGE: (NoticeKind, Language, ChannelKind) = (NoticeKind::Charge, Language::Chinese, ChannelKind::Sms);

#[tokio::test]
async fn r6_a_charge_is_told_in_the_words_that_the_person_has_set() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), &[ChannelKind::Sms]);
        let person = office.person(PHONE).await;
        let own = "花了{{ amount }}{% if place %}（{{ place }}）{% endif %}，{{ merchant }}";
        let preview = office.notices.save_template(person, CHARGE, own).await.unwrap();
        assert_eq!(preview.as_deref(), Ok("花了12.50元（上海西门），老王面馆"));
        let channel = Told::to(ChannelKind::Sms, []);
        let worker = office.work(&channel);
        office.queue(&[charge(person, "1")]).await;
        office.becomes("SENT", 1).await;
        assert_eq!(channel.texts(), ["花了12.50元，老王面馆"]);
        // Another language and another channel have their own.
        let usual = office.notices.template(person, (CHARGE.0, Language::English, CHARGE.2)).await.unwrap();
        assert!(usual.contains("paid at"), "{usual}");
        assert_eq!(office.notices.template(person, CHARGE).await.unwrap(), own);
        assert!(office.notices.save_template(person, CHARGE, "{{ amount }}").await.unwrap().is_ok());
        assert_eq!(office.notices.template(person, CHARGE).await.unwrap(), "{{ amount }}");
        office.notices.forget_template(person, CHARGE).await.unwrap().unwrap();
        assert!(office.notices.template(person, CHARGE).await.unwrap().contains("支出"));
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_template_that_is_refused_leaves_the_one_before() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), &[ChannelKind::Sms]);
        let person = office.person(PHONE).await;
        office.notices.save_template(person, CHARGE, "{{ amount }}").await.unwrap().unwrap();
        for (bad, reason) in [
            ("{% for i in amount %}{% endfor %}", Reason::TemplateMalformed),
            ("{{ phone }}", Reason::TemplateFieldUnknown),
            (&"x".repeat(1_000_000), Reason::TemplateMalformed),
            ("", Reason::TemplateMalformed),
            ("{% if not amount %}x{% endif %}", Reason::TemplateMalformed),
        ] {
            assert_eq!(office.notices.save_template(person, CHARGE, bad).await.unwrap(), Err(reason));
        }
        for kind in [NoticeKind::Code, NoticeKind::Security] {
            let place = (kind, Language::Chinese, ChannelKind::Sms);
            let refused = office.notices.save_template(person, place, "你好").await.unwrap();
            assert_eq!(refused, Err(Reason::NoticeFixed), "words without the code would turn it off");
        }
        let push = (NoticeKind::Charge, Language::Chinese, ChannelKind::Push);
        assert!(office.notices.save_template(person, push, "{{ amount }}").await.unwrap().is_err());
        assert_eq!(office.notices.template(person, CHARGE).await.unwrap(), "{{ amount }}");
        assert_eq!(Notices::preview(CHARGE.0, Language::English, "{{ amount }}").as_deref(), Ok("12.50 CNY"));
    })
    .await;
}

#[tokio::test]
async fn r6_a_mail_has_a_subject_a_text_and_a_page_in_which_markup_is_text() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), &[ChannelKind::Mail]);
        let person = office.person(PHONE).await;
        let mut preferences = Preferences {
            language: Language::English,
            mail: MailAddress::parse("wang@example.com").ok(),
            ..Preferences::default()
        };
        preferences.choices.choose(NoticeKind::Charge, ChannelKind::Mail, true).unwrap();
        office.notices.set_preferences(person, preferences).await.unwrap();
        let place = (NoticeKind::Charge, Language::English, ChannelKind::Mail);
        office.notices.save_template(person, place, "<h1>{{ amount }}</h1>\n{{ merchant }}").await.unwrap().unwrap();
        let channel = Told::to(ChannelKind::Mail, []);
        let worker = office.work(&channel);
        office.queue(&[charge(person, "1")]).await;
        office.becomes("SENT", 1).await;
        let letter = channel.letters.lock().unwrap()[0].clone();
        assert_eq!(letter.subject, "A charge");
        assert_eq!(letter.text, "<h1>12.50 CNY</h1>\n老王面馆");
        let html = letter.html.unwrap();
        assert!(html.contains("<p>&lt;h1&gt;12.50 CNY&lt;") && html.contains("<p>老王面馆</p>"), "{html}");
        assert!(!format!("{:?}", channel.letters.lock().unwrap()).contains("12.50"), "not in debug output");
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}
