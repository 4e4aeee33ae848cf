//! Words that a phone must not send.

use domain::Reason;
use federation_tests::databases::Engine;
use federation_tests::world::Setup;
use proto::cardholder as phone;
use proto::common::{NoticeChannel, NoticeKind, NoticeLanguage};

const MEBIBYTE: usize = 1 << 20;

#[tokio::test]
async fn r6_r9_a_megabyte_of_words_is_refused_by_its_reason_and_changes_nothing() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 0).await;
    let session = world.session(&payer).await;
    let device = &payer.person.device;
    let language = NoticeLanguage::English.into();
    let save = |text: String| phone::SaveTemplateRequest {
        kind: NoticeKind::Charge.into(),
        language,
        channel: NoticeChannel::Sms.into(),
        text,
    };
    let list = phone::ListTemplatesRequest { kind: NoticeKind::Charge.into(), language };
    device.save_template(save("Paid {{ amount }}".to_owned())).await.unwrap();
    let before = device.templates(list).await.unwrap();

    let long = || "{{ amount }}".repeat(MEBIBYTE / 12);
    let mut hub = session.hub.clone();
    let saved = hub.save_template(session.signed_in(save(long()))).await;
    assert_eq!(crate::refused(saved), Reason::MessageTooLarge);
    let preview = phone::PreviewTemplateRequest { kind: NoticeKind::Charge.into(), language, text: long() };
    assert_eq!(crate::refused(hub.preview_template(session.signed_in(preview)).await), Reason::MessageTooLarge);
    let device_id = device.device_id().to_string();
    let consent = phone::GiveConsentRequest { text: long(), device_id, signature: vec![0; 64] };
    assert_eq!(crate::refused(hub.give_consent(session.signed_in(consent)).await), Reason::MessageTooLarge);
    let usual = device.preferences().await.unwrap().preferences.unwrap();
    let mail = phone::Preferences { mail_address: long(), ..usual };
    let request = phone::SetPreferencesRequest { preferences: Some(mail) };
    assert_eq!(crate::refused(hub.set_preferences(session.signed_in(request)).await), Reason::MessageTooLarge);

    assert_eq!(device.templates(list).await.unwrap(), before);
    let consents = hub.list_consents(session.signed_in(phone::ListConsentsRequest::default())).await.unwrap();
    assert_eq!(consents.into_inner().consents, []);
    assert_eq!(device.preferences().await.unwrap().awaited, None);
    world.settled().await;
}
