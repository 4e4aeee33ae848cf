//! Who may be told of somebody, and who has asked.

use domain::{PersonId, Reason};
use maud::{Markup, html};
use proto::cardholder as pb;

use super::answer::{Asked, Told};
use super::overview::reason_of;
use super::page::Frame;

/// The last so many inquiries are shown.
const INQUIRIES: i64 = 50;

pub(super) async fn page(asked: &Asked<'_>, person_id: PersonId) -> Result<Told, Reason> {
    let (history, frame) = (&asked.web.inner.parts.credit_history, &asked.frame);
    let token = asked.visit.query.get("page").to_owned();
    let request = pb::ListConsentsRequest { page_size: 0, page_token: token };
    let consents = history.list_consents(person_id, &request).await.map_err(|it| reason_of(&it))?;
    let head = pb::ListInquiriesRequest { after_number: 0, page_size: 1 };
    let last = history.list_inquiries(person_id, &head).await.map_err(|it| reason_of(&it))?.last_number;
    let request = pb::ListInquiriesRequest { after_number: last.saturating_sub(INQUIRIES).max(0), page_size: 0 };
    let mut inquiries = history.list_inquiries(person_id, &request).await.map_err(|it| reason_of(&it))?.inquiries;
    inquiries.reverse();
    let main = html! {
        @if !asked.visit.query.get("done").is_empty() { p.note role="status" { (frame.say("The consent is taken back.", "授权已撤回。")) } }
        section aria-labelledby="consents" {
            h2 #consents { (frame.say("Consents", "授权")) }
            @if consents.consents.is_empty() { p.empty { (frame.say("You have given no consents.", "您没有授权。")) } }
            @for consent in &consents.consents { (shown(frame, consent)) }
            @if !consents.next_page_token.is_empty() {
                p { a.button rel="next" href={ "/consents?page=" (consents.next_page_token) } { (frame.say("Earlier consents", "更早的授权")) } }
            }
        }
        section aria-labelledby="inquiries" {
            h2 #inquiries { (frame.say("Who has asked", "查询记录")) }
            @if inquiries.is_empty() { p.empty { (frame.say("Nobody has asked about you.", "尚无机构查询。")) } } @else { (table(frame, &inquiries)) }
        }
    };
    Ok(asked.page(frame.say("Consents and inquiries", "授权与查询"), &main))
}

/// The value of a line of a signed text or of a record.
fn line<'t>(text: &'t str, key: &str) -> &'t str {
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(known, _)| *known == key)
        .map_or("", |(_, value)| value)
}

/// Whom it is about: a bank or an operator.
fn asker(text: &str) -> &str {
    match line(text, "bank") {
        "" => line(text, "operator"),
        bank => bank,
    }
}

fn shown(frame: &Frame<'_>, consent: &pb::Consent) -> Markup {
    let text = consent.text.as_str();
    let (is_open, state) = match consent.state() {
        pb::ConsentState::Given => (true, frame.say("In force", "有效")),
        pb::ConsentState::Used => (false, frame.say("Used", "已使用")),
        pb::ConsentState::Revoked => (false, frame.say("Taken back", "已撤回")),
        pb::ConsentState::Expired => (false, frame.say("Expired", "已过期")),
        pb::ConsentState::Unspecified => (false, ""),
    };
    html! {
        article.card {
            h3 { (asker(text)) " " span.tag { (state) } }
            dl {
                dt { (frame.say("Purpose", "用途")) } dd { (line(text, "purpose")) }
                dt { (frame.say("What", "内容")) } dd { (line(text, "fields")) }
                dt { (frame.say("From", "开始")) } dd { (line(text, "from")) }
                dt { (frame.say("Until", "截止")) } dd { (line(text, "until")) }
            }
            @if is_open {
                form method="post" action="/consents/take-back" {
                    (frame.mark())
                    input type="hidden" name="consent" value=(consent.consent_id);
                    button type="submit" aria-label={ (frame.say("Take back the consent for ", "撤回授权：")) (asker(text)) } { (frame.say("Take back", "撤回")) }
                }
            }
        }
    }
}

fn table(frame: &Frame<'_>, inquiries: &[pb::Inquiry]) -> Markup {
    let (at, who, purpose, answer) = (
        frame.say("Time (UTC)", "时间（UTC）"),
        frame.say("Who", "机构"),
        frame.say("Purpose", "用途"),
        frame.say("Answer", "结果"),
    );
    html! {
        table {
            caption { (frame.say("Inquiries about you, the last one first", "有关您的查询，按时间倒序")) }
            thead { tr { th scope="col" { (at) } th scope="col" { (who) } th scope="col" { (purpose) } th scope="col" { (answer) } } }
            tbody {
                @for it in inquiries {
                    tr {
                        td data-label=(at) { (line(&it.record, "at")) }
                        th scope="row" data-label=(who) { (asker(&it.record)) }
                        td data-label=(purpose) { (line(&it.record, "purpose")) }
                        td data-label=(answer) { (line(&it.record, "answer")) }
                    }
                }
            }
        }
    }
}

/// Takes a consent of this person back; somebody else's is none.
pub(super) async fn take_back(asked: &Asked<'_>, person_id: PersonId) -> Result<Told, Reason> {
    let request = pb::RevokeConsentRequest { consent_id: asked.form.get("consent").to_owned() };
    match asked.web.inner.parts.credit_history.revoke_consent(person_id, &request).await {
        Ok(_) => Ok(Told::go("/consents?done=1")),
        Err(status) => Ok(asked.refused(reason_of(&status))),
    }
}
