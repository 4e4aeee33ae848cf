//! An e-mail address counts when its code has come back.

use std::sync::Arc;
use std::time::Duration;

use domain::notice::{ChannelKind, MailAddress, PriceNews, QuietHours};
use domain::{PersonId, Reason};
use server_kit::audit;

use super::super::channel::Address;
use super::super::{Preferences, SendError, Standing};
use super::{Office, PHONE, Told, charge, eventually, open, quick};
use crate::testing::on_each_engine;
use crate::testing::peer::{PeerProcess, TlsFiles};
use crate::zone::Zone;

const MAIL: &[ChannelKind] = &[ChannelKind::Mail];

fn address(text: &str) -> MailAddress {
    MailAddress::parse(text).unwrap()
}

fn wanting(mail: &str) -> Preferences {
    Preferences { mail: Some(address(mail)), ..Preferences::default() }
}

/// The six digits of a text.
fn code_in(text: &str) -> String {
    let digits: Vec<_> = text.split(|c: char| !c.is_ascii_digit()).filter(|word| word.len() == 6).collect();
    assert_eq!(digits.len(), 1, "{text}");
    digits[0].to_owned()
}

fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

impl Office {
    async fn prefer(&self, person: PersonId, wanted: Preferences) -> Result<Standing, Reason> {
        self.notices.prefer(person, wanted).await.unwrap()
    }

    async fn confirm(&self, person: PersonId, code: &str) -> Result<Standing, Reason> {
        self.notices.confirm_mail(person, code).await.unwrap()
    }

    /// The code of the letter of this number.
    async fn code_of(&self, channel: &Arc<Told>, n: usize) -> String {
        eventually("the code is sent", async || channel.ids().len() > n).await;
        code_in(&channel.texts()[n])
    }

    /// The log of the outbox, which is whole.
    async fn logged(&self) -> Vec<(String, String)> {
        let reports = audit::verify(&self.hub.store, &*self.hub.keys).await.unwrap();
        assert!(!reports.is_empty() && reports.iter().all(|report| report.faults.is_empty()), "{reports:?}");
        let chain = format!("{}/notices", self.notices.inner.parts.replica);
        let entries = audit::read_chain(&self.hub.store, &chain).await.unwrap();
        entries.into_iter().map(|entry| (entry.kind, entry.content)).collect()
    }
}

#[tokio::test]
async fn r6_an_address_gets_nothing_but_a_code_until_the_code_has_come_back() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), MAIL);
        let person = office.person(PHONE).await;
        let channel = Told::to(ChannelKind::Mail, []);
        let worker = office.work(&channel);
        let mut wanted = wanting("wang@example.com");
        wanted.choices.choose(domain::notice::NoticeKind::Charge, ChannelKind::Mail, true).unwrap();
        wanted.quiet = QuietHours::from_minutes(0, 1_439).ok();
        let standing = office.prefer(person, wanted.clone()).await.unwrap();
        assert_eq!(standing.preferences, Preferences { mail: None, ..wanted.clone() });
        assert_eq!(standing.awaited.as_ref().unwrap().0, address("wang@example.com"));
        assert_eq!(office.queue(&[charge(person, "1")]).await, 0, "a stranger would be told");
        let code = office.code_of(&channel, 0).await;
        let letter = channel.letters.lock().unwrap()[0].clone();
        assert!(matches!(&letter.to, Address::Mail(mail) if mail.as_str() == "wang@example.com"));
        for told in ["王", "8000", "银行"] {
            assert!(!letter.text.contains(told) && !letter.subject.contains(told), "{}", letter.text);
        }
        assert_eq!(office.notices.standing(person).await.unwrap(), standing);

        let confirmed = office.confirm(person, &code).await.unwrap();
        assert_eq!(confirmed, Standing { preferences: wanted.clone(), awaited: None });
        assert_eq!(office.confirm(person, &code).await, Ok(confirmed.clone()), "the same call again");
        assert_eq!(office.confirm(person, &another(&code)).await, Err(Reason::NoMailAddressAwaited));
        assert_eq!(office.queue(&[charge(person, "1")]).await, 1);
        assert_eq!(office.prefer(person, wanted).await, Ok(confirmed), "it needs no other code");
        assert_eq!(channel.ids().len(), 1);
        let wiped = "SELECT count(*) FROM notices WHERE kind = 'ADDRESS' AND payload_sealed IS NULL";
        assert_eq!(office.number(wiped, Vec::new()).await, 1, "no code stays after it was sent");
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_another_address_takes_the_place_of_the_confirmed_one_when_it_is_confirmed() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), MAIL);
        let person = office.person(PHONE).await;
        office.notices.set_preferences(person, wanting("old@example.com")).await.unwrap();
        let channel = Told::to(ChannelKind::Mail, []);
        let worker = office.work(&channel);
        let mut codes = Vec::new();
        for (n, mail) in ["typo@example.com", "new@example.com"].into_iter().enumerate() {
            let standing = office.prefer(person, wanting(mail)).await.unwrap();
            assert_eq!(standing.preferences.mail, Some(address("old@example.com")));
            codes.push(office.code_of(&channel, n).await);
            let to = channel.letters.lock().unwrap()[n].to.clone();
            assert!(matches!(to, Address::Mail(to) if to.as_str() == mail), "{}", hub.engine);
        }
        if codes[0] != codes[1] {
            assert_eq!(office.confirm(person, &codes[0]).await, Err(Reason::VerificationFailed), "of another address");
        }
        let confirmed = office.confirm(person, &codes[1]).await.unwrap();
        assert_eq!(confirmed.preferences.mail, Some(address("new@example.com")));
        let without = office.prefer(person, Preferences::default()).await.unwrap();
        assert_eq!((without.preferences.mail, without.awaited), (None, None));
        assert_eq!(office.confirm(person, &codes[1]).await, Err(Reason::NoMailAddressAwaited), "it is over");
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_code_whose_address_was_replaced_meanwhile_is_sent_to_nobody() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), MAIL);
        let person = office.person(PHONE).await;
        office.prefer(person, wanting("typo@example.com")).await.unwrap();
        office.prefer(person, wanting("wang@example.com")).await.unwrap();
        let channel = Told::to(ChannelKind::Mail, []);
        let worker = office.work(&channel);
        office.becomes("SENT", 1).await;
        office.becomes("DEAD", 1).await;
        let code = office.code_of(&channel, 0).await;
        assert_eq!(office.confirm(person, &code).await.unwrap().preferences.mail, Some(address("wang@example.com")));
        assert_eq!(office.notices.dead_letters(None, 10).await.unwrap()[0].error, "NO_ADDRESS");
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_five_wrong_codes_are_the_end_of_a_code_and_five_codes_a_day_of_them_all() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), MAIL);
        let person = office.person(PHONE).await;
        let channel = Told::to(ChannelKind::Mail, []);
        let worker = office.work(&channel);
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", "123456\n"] {
            assert_eq!(office.confirm(person, bad).await, Err(Reason::CodeMalformed), "{bad:?}");
        }
        assert_eq!(office.confirm(person, "123456").await, Err(Reason::NoMailAddressAwaited));
        office.prefer(person, wanting("wang@example.com")).await.unwrap();
        let code = office.code_of(&channel, 0).await;
        let same = office.prefer(person, wanting("wang@example.com")).await.unwrap();
        assert_eq!(same.awaited.unwrap().1.tries_left, 5, "the same address again is sent no other code");
        for _ in 0..5 {
            assert_eq!(office.confirm(person, &another(&code)).await, Err(Reason::VerificationFailed));
        }
        assert_eq!(office.confirm(person, &code).await, Err(Reason::AttemptsExhausted));
        // The same address again is sent another one, up to five in all.
        for n in 1..5 {
            office.prefer(person, wanting("wang@example.com")).await.unwrap();
            let code = office.code_of(&channel, n).await;
            for _ in 0..5 {
                assert_eq!(office.confirm(person, &another(&code)).await, Err(Reason::VerificationFailed));
            }
        }
        let before = office.notices.standing(person).await.unwrap();
        let other = Preferences { prices: PriceNews::Off, ..wanting("other@example.com") };
        assert_eq!(office.prefer(person, other).await, Err(Reason::MailCodesExhausted));
        assert_eq!(office.notices.standing(person).await.unwrap(), before, "nothing was changed");
        // Dropping the address does not begin the count anew.
        office.prefer(person, Preferences::default()).await.unwrap();
        assert_eq!(office.prefer(person, wanting("wang@example.com")).await, Err(Reason::MailCodesExhausted));
        assert_eq!(channel.ids().len(), 5);
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_a_code_for_an_address_ends_after_half_an_hour() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), MAIL);
        let person = office.person(PHONE).await;
        office.prefer(person, wanting("wang@example.com")).await.unwrap();
        let good_for = office.number("SELECT expires_at - created_at FROM notices", Vec::new()).await;
        assert_eq!(good_for, 30 * 60 * 1_000_000, "the letter ends with the code");
        let mut tx = hub.store.begin().await.unwrap();
        let ended = tx.now().minus(Duration::from_secs(1));
        tx.execute("UPDATE mail_proofs SET expires_at = $1", vec![ended.into()]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(office.confirm(person, "123456").await, Err(Reason::CodeExpired));
        let again = office.prefer(person, wanting("wang@example.com")).await.unwrap();
        assert!(again.awaited.unwrap().1.expires_at > ended, "the same address is sent another one");
    })
    .await;
}

#[tokio::test]
async fn r6_a_hub_without_mail_takes_no_address() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), &[ChannelKind::Sms]);
        let person = office.person(PHONE).await;
        assert_eq!(office.prefer(person, wanting("wang@example.com")).await, Err(Reason::ChannelAbsent));
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let wanted = Preferences { zone, prices: PriceNews::WithCharge, ..Preferences::default() };
        assert_eq!(office.prefer(person, wanted.clone()).await.unwrap().preferences, wanted);
        assert_eq!(office.notices.preferences(person).await.unwrap(), wanted);
    })
    .await;
}

#[tokio::test]
async fn m8_who_changed_what_stands_in_the_log_without_address_or_code() {
    on_each_engine(async |hub| {
        let office = open(&hub, quick(), MAIL);
        let person = office.person(PHONE).await;
        let channel = Told::to(ChannelKind::Mail, [Err(SendError::Refused { code: "550".to_owned() })]);
        let worker = office.work(&channel);
        office.prefer(person, wanting("wang@example.com")).await.unwrap();
        office.becomes("DEAD", 1).await;
        let dead = office.notices.dead_letters(None, 10).await.unwrap()[0].notice_id;
        assert_eq!(office.notices.retry(dead, "anna").await.unwrap(), Ok(()));
        let code = office.code_of(&channel, 1).await;
        office.confirm(person, &another(&code)).await.unwrap_err();
        office.confirm(person, &code).await.unwrap();
        office.prefer(person, Preferences::default()).await.unwrap();
        let logged = office.logged().await;
        let kinds: Vec<_> = logged.iter().map(|(kind, _)| kind.as_str()).collect();
        let wanted = [
            "MAIL_CODE_QUEUED",
            "PREFERENCES_SET",
            "NOTICE_RETRIED",
            "MAIL_ADDRESS_REFUSED",
            "MAIL_ADDRESS_CONFIRMED",
            "MAIL_ADDRESS_REMOVED",
            "PREFERENCES_SET",
        ];
        assert_eq!(kinds, wanted, "{}", hub.engine);
        assert_eq!(logged[2].1, format!("notice={dead} by=anna"));
        assert!(logged.iter().all(|(_, content)| !content.contains("wang") && !content.contains(&code)), "{logged:?}");
        for sql in ["SELECT mail_sealed FROM mail_proofs", "SELECT code_mac FROM mail_proofs"] {
            assert!(hub.store.fetch(sql, Vec::new()).await.unwrap()[0].maybe_bytes(0).unwrap().is_none(), "{sql}");
        }
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r6_the_code_arrives_at_a_mail_server_and_comes_back() {
    on_each_engine(async |hub| {
        let files = TlsFiles::new();
        let (certificate, key) = (files.certificate(), files.key());
        let args =
            ["--certificate", certificate.to_str().unwrap(), "--key", key.to_str().unwrap(), "--mode", "starttls"];
        let Some(mut server) = PeerProcess::python("aiosmtpd", "mail/mail.py", &args).await else { return };
        let options = super::mail::options(&files, server.port, super::super::MailTls::StartTls);
        let channel = Arc::new(super::mail::mail(&options));
        let office = open(&hub, quick(), MAIL);
        let person = office.person(PHONE).await;
        let receipts = tokio::sync::mpsc::channel(1).1;
        let worker = tokio::spawn(office.notices.clone().deliver(channel, receipts, office.draining.clone()));
        office.prefer(person, wanting("wang@example.com")).await.unwrap();
        office.becomes("SENT", 1).await;
        let state = server.state().await;
        let code = code_in(state["messages"][0]["text"].as_str().unwrap().trim());
        assert_eq!(office.confirm(person, &code).await.unwrap().awaited, None);
        office.draining.cancel();
        worker.await.unwrap();
    })
    .await;
}
