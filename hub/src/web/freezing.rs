//! Freezing and setting free: a session shows who it is, and the safety code that it is not whoever found the browser open.

use domain::freeze::Channel;
use domain::payment::FrozenInstrument;
use domain::safety_code::SafetyCode;
use domain::{OrderId, PersonId, Reason};
use http::StatusCode;
use maud::{Markup, html};
use proto::cardholder as pb;

use super::answer::{Asked, Told};
use super::overview::{reason_of, state};
use crate::freeze::{AtDistance, Wish};
use crate::pages::door::status_of;
use crate::pages::response::Outcome;

/// The name of what is listed, as a form has it.
fn name_of(it: &pb::Instrument) -> String {
    match &it.instrument {
        Some(pb::instrument::Instrument::AccountId(id)) => format!("{} ACCOUNT {id}", it.bank_id),
        Some(pb::instrument::Instrument::CardId(id)) => format!("{} CARD {id}", it.bank_id),
        None => String::new(),
    }
}

fn wish(asked: &Asked<'_>, frozen: bool) -> Result<(SafetyCode, Wish), Reason> {
    let form = &asked.form;
    let which: Vec<&str> = form.all("which").collect();
    if which.is_empty() {
        return Err(Reason::FieldMissing);
    }
    let is_all = which.contains(&"all");
    let named = which.iter().filter(|_| !is_all).map(|name| FrozenInstrument::parse(name));
    let instruments = named.collect::<Result<Vec<_>, _>>()?;
    let code = SafetyCode::parse(form.get("code"))?;
    Ok((code, Wish { order_id: OrderId::parse(form.get("order"))?, frozen, instruments }))
}

pub(super) async fn page(asked: &Asked<'_>, person_id: PersonId) -> Result<Told, Reason> {
    let parts = &asked.web.inner.parts;
    // A form always has its mark.
    let is_form = !asked.form.get(crate::pages::visit::MARK).is_empty();
    let frozen = asked.visit.path == "/freeze";
    let mut refused = None;
    if is_form {
        let ordered = match wish(asked, frozen) {
            Ok((code, wish)) => {
                let who = AtDistance { person_id: Some(person_id), channel: Channel::Web, by: "web".to_owned() };
                parts.freezes.by_code(who, code, wish).await.map(|_| ())
            }
            Err(reason) => Err(reason),
        };
        match ordered {
            Ok(()) => return Ok(Told::go(if frozen { "/freeze?done=frozen" } else { "/freeze?done=free" })),
            Err(reason) => refused = Some((frozen, reason)),
        }
    }
    let listed = parts.freezes.list_instruments(person_id).await.map_err(|it| reason_of(&it))?.instruments;
    let main = shown(asked, &listed, refused)?;
    let status = refused.map_or(StatusCode::OK, |(_, reason)| status_of(reason));
    let title = asked.frame.say("Freeze or set free", "冻结与解冻");
    Ok(Outcome::Page(status, asked.frame.page(title, &main)).into())
}

fn shown(asked: &Asked<'_>, listed: &[pb::Instrument], refused: Option<(bool, Reason)>) -> Result<Markup, Reason> {
    let frame = &asked.frame;
    let is_free =
        |it: &&pb::Instrument| matches!(it.freeze_state(), pb::FreezeState::Free | pb::FreezeState::Unfreezing);
    let (free, held): (Vec<_>, Vec<_>) = listed.iter().partition(is_free);
    let done = match asked.visit.query.get("done") {
        "frozen" => Some(frame.say(
            "It is frozen here from now on. What each bank has confirmed stands below.",
            "本平台已即刻冻结，各银行的确认情况如下。",
        )),
        "free" => Some(frame.say(
            "Your banks are being told. Until they have confirmed, they may refuse.",
            "正在通知银行解冻，确认前仍可能拒付。",
        )),
        _ => None,
    };
    Ok(html! {
        @if let Some(done) = done { p.note role="status" { (done) } }
        p { (frame.say("Frozen: money can come in, none can go out.", "冻结后只进不出。")) }
        @if listed.is_empty() {
            p.empty { (frame.say("No card or account is bound to your number.", "您的号码未绑定卡片或账户。")) }
        } @else {
            (choice(asked, (true, &free), refused)?)
            (choice(asked, (false, &held), refused)?)
        }
    })
}

fn choice(
    asked: &Asked<'_>,
    (frozen, all): (bool, &[&pb::Instrument]),
    refused: Option<(bool, Reason)>,
) -> Result<Markup, Reason> {
    let frame = &asked.frame;
    let (id, action) = if frozen { ("freeze", "/freeze") } else { ("unfreeze", "/unfreeze") };
    let error = refused.filter(|(of, _)| *of == frozen).map(|(_, reason)| reason);
    // Sent twice, it is the same order.
    let order = asked.web.inner.parts.ids.uuid().map_err(|_| Reason::Fault)?;
    let (title, button) = if frozen {
        (frame.say("Freeze", "冻结"), frame.say("Freeze", "冻结"))
    } else {
        (frame.say("Set free", "解冻"), frame.say("Set free", "解冻"))
    };
    Ok(html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            @if all.is_empty() {
                p.empty { (if frozen { frame.say("Everything is frozen.", "已全部冻结。") } else { frame.say("Nothing is frozen.", "没有已冻结的项目。") }) }
            } @else {
                form.card method="post" action=(action) autocomplete="off" {
                    (frame.mark())
                    input type="hidden" name="order" value=(order);
                    fieldset {
                        legend { (frame.say("Which", "选择")) }
                        @if frozen {
                            label.check { input type="checkbox" name="which" value="all"; " " strong { (frame.say("Everything", "全部")) } }
                        }
                        @for it in all {
                            label.check { input type="checkbox" name="which" value=(name_of(it)); " " (it.bank_name) " " (it.masked) " " (state(frame, it)) }
                        }
                    }
                    @if let Some(reason) = error { p.error id={ (id) "-error" } role="alert" { (frame.language.reason(reason)) } }
                    label for={ (id) "-code" } { (frame.say("Safety code", "安全码")) }
                    input id={ (id) "-code" } name="code" type="password" inputmode="numeric" pattern="[0-9]{6,8}" maxlength="8" required autocomplete="off"
                        aria-describedby=[error.map(|_| format!("{id}-error"))] aria-invalid=[error.map(|_| "true")];
                    button class=(if frozen { "danger" } else { "" }) type="submit" { (button) }
                }
            }
        }
    })
}
