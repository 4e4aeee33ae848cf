//! People: one is looked up by what is known exactly, for a purpose, and what they have bound can be frozen.

use domain::operator::Act;
use domain::{PersonId, PhoneNumber, Reason};
use http::StatusCode;
use maud::{Markup, html};
use proto::operator as pb;
use proto::operator::find_person_request::Who;

use super::answer::Asked;
use super::payments::time;
use crate::pages::response::Outcome;

const PURPOSES: [(pb::PersonPurpose, &str, &str); 4] = [
    (pb::PersonPurpose::Support, "The person has asked for help", "用户求助"),
    (pb::PersonPurpose::Loss, "Something was reported as lost", "挂失"),
    (pb::PersonPurpose::Fraud, "Something looks like fraud", "涉嫌欺诈"),
    (pb::PersonPurpose::Rights, "What is stored was asked for", "个人信息查询请求"),
];

/// The form, which finds nothing by itself: whoever looks somebody up sends it.
pub(super) fn page(asked: &Asked<'_>) -> Outcome {
    let done = (asked.query("frozen") == "1").then(|| {
        asked.frame.say(
            "What the person has bound is frozen; only the person sets it free.",
            "该用户绑定的账户和卡已冻结，仅本人可解冻。",
        )
    });
    shown(asked, StatusCode::OK, &html! { @if let Some(done) = done { p.note role="status" { (done) } } })
}

/// Looks somebody up.
pub(super) async fn find(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let sought = asked.form.get("person").to_owned();
    let who = match PersonId::parse(&sought) {
        Ok(id) => Who::PersonId(id.to_string()),
        Err(_) => Who::PhoneNumber(PhoneNumber::parse(&sought)?.as_e164().to_owned()),
    };
    let purpose = PURPOSES.iter().find(|(purpose, ..)| purpose.as_str_name() == asked.form.get("purpose"));
    let request = pb::FindPersonRequest {
        lookup_id: asked.console.inner.parts.ids.uuid().map_err(|_| Reason::Fault)?.to_string(),
        who: Some(who),
        name: asked.form.get("name").to_owned(),
        purpose: purpose.ok_or(Reason::FieldMissing)?.0.into(),
        why: asked.form.get("why").to_owned(),
    };
    let by = (asked.session.operator_id.clone(), asked.session.role);
    match asked.console.inner.parts.api.find_person_as(by, &request).await {
        Ok(found) => Ok(shown(asked, StatusCode::OK, &person(asked, &found))),
        Err(reason @ (Reason::PersonUnknown | Reason::PersonLookupsExhausted)) => {
            let refused = html! { p.error role="alert" { (asked.frame.language.reason(reason)) } };
            Ok(shown(asked, crate::pages::door::status_of(reason), &refused))
        }
        Err(reason) => Err(reason),
    }
}

/// Freezes everything that the person has bound.
pub(super) async fn freeze(asked: &Asked<'_>) -> Result<Outcome, Reason> {
    let request = pb::FreezeInstrumentsRequest {
        order_id: asked.form.get("order").to_owned(),
        person_id: asked.form.get("person").to_owned(),
        instruments: Vec::new(),
        why: asked.form.get("why").to_owned(),
    };
    asked.console.inner.parts.api.freeze_as(asked.session.operator_id.as_str(), &request).await?;
    Ok(Outcome::Go("/people?frozen=1".to_owned()))
}

fn shown(asked: &Asked<'_>, status: StatusCode, above: &Markup) -> Outcome {
    let frame = &asked.frame;
    let main = html! {
        (above)
        form.card method="post" action="/people" autocomplete="off" {
            (frame.mark())
            label for="person" { (frame.say("Whole phone number (+86…) or the person's id", "完整手机号（+86…）或用户编号")) }
            input #person name="person" type="text" maxlength="64" required;
            label for="name" { (frame.say("Whole name, if it has to be this one, too", "完整姓名（选填，须完全一致）")) }
            input #name name="name" type="text" maxlength="100";
            label for="purpose" { (frame.say("What for", "用途")) }
            select #purpose name="purpose" required {
                option value="" { (frame.say("Choose", "请选择")) }
                @for (purpose, english, chinese) in PURPOSES { option value=(purpose.as_str_name()) { (frame.say(english, chinese)) } }
            }
            label for="why" { (frame.say("Why, for the log", "原因（记入审计日志）")) }
            input #why name="why" type="text" maxlength="100" required;
            button type="submit" { (frame.say("Look up", "查询")) }
        }
        p.hint {
            (frame.say(
                "Every look-up is counted, written into the log with your name, and told to the person. ",
                "每次查询均计数，以您的名义记入审计日志，并告知被查询人。",
            ))
            code { "bankhub person find --phone NUMBER --for support --why WHY --as operator.toml" }
        }
    };
    Outcome::Page(status, frame.page(frame.say("People", "用户"), &main))
}

fn person(asked: &Asked<'_>, found: &pb::FindPersonResponse) -> Markup {
    let frame = &asked.frame;
    let at = |it: &Option<prost_types::Timestamp>| {
        it.as_ref().map(|it| time(asked, proto::from_timestamp(it))).unwrap_or_default()
    };
    let yes = |it: bool| if it { frame.say("yes", "是") } else { frame.say("no", "否") };
    html! {
        section.card aria-label=(frame.say("The person", "用户")) {
            dl {
                dt { (frame.say("Id", "编号")) } dd { (found.person_id) }
                dt { (frame.say("Name", "姓名")) } dd { (found.name_masked) }
                dt { (frame.say("Number", "手机号")) } dd { (found.phone_number_masked) }
                dt { (frame.say("Known since", "登记时间")) } dd { (at(&found.registered_at)) }
                dt { (frame.say("Number in doubt", "号码待核实")) } dd { (yes(found.number_in_doubt)) }
                dt { (frame.say("Look-ups left today", "今日剩余查询次数")) } dd { (found.left_today) }
                @if let Some(risk) = &found.risk {
                    dt { (frame.say("Wrong tries in a row", "连续错误次数")) } dd { (risk.wrong_tries) }
                    dt { (frame.say("Blocked until", "锁定至")) } dd { (at(&risk.blocked_until)) }
                    dt { (frame.say("Changes of the number", "号码变更次数")) } dd { (risk.number_changes) }
                    @for phone in &risk.phones {
                        dt { (frame.say("Phone", "手机")) }
                        dd { (phone.device_id) " · " (at(&phone.enrolled_at)) @if phone.revoked { " · " (frame.say("revoked", "已解绑")) } }
                    }
                }
            }
            ul {
                @for it in &found.instruments {
                    li {
                        (it.bank_id) " " (it.masked) " "
                        @if it.is_card { (frame.say("card", "卡")) } @else { (frame.say("account", "账户")) }
                        @if it.is_default { " · " (frame.say("pays by default", "默认付款")) }
                        @if !it.active { " · " (frame.say("not activated", "未激活")) }
                        @if it.frozen { " · " strong { (frame.say("frozen", "已冻结")) } }
                    }
                }
            }
            @if asked.may(Act::FreezeLost).is_ok() && !found.instruments.is_empty() {
                @if let Ok(order) = asked.console.inner.parts.ids.uuid() {
                    form method="post" action="/people/freeze" {
                        (frame.mark())
                        input type="hidden" name="person" value=(found.person_id);
                        input type="hidden" name="order" value=(order.to_string());
                        label for="freeze-why" { (frame.say("Why", "原因")) }
                        input #freeze-why name="why" type="text" maxlength="100" required;
                        button.quiet type="submit" { (frame.say("Freeze everything", "全部冻结")) }
                    }
                }
            }
        }
    }
}
