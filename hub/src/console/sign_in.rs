//! Signing in: a name, a password and a one-time password in one form. Whatever is wrong is one answer.

use domain::sign_in::AccountPassword;
use domain::{OperatorId, Reason};
use http::StatusCode;
use maud::html;

use super::Console;
use super::answer::Told;
use super::frame::Frame;
use crate::operators::TotpCode;
use crate::pages::door::status_of;
use crate::pages::form::Fields;
use crate::pages::response::{Keep, Outcome};
use crate::pages::visit::Visit;

pub(super) async fn page(
    console: &Console,
    visit: &Visit,
    frame: &Frame<'_>,
    form: Option<Fields>,
) -> Result<Told, Reason> {
    let Some(form) = form else { return Ok(shown(visit, frame, "", None)) };
    let name = form.get("operator").to_owned();
    if console.inner.sign_ins_by_address.check_key(&visit.from).is_err() {
        return Ok(shown(visit, frame, &name, Some(Reason::TooBusy)));
    }
    let operator = OperatorId::parse(&name).ok();
    let password = AccountPassword::parse(form.raw("password")).ok();
    let code = TotpCode::parse(form.get("code"));
    match console.inner.parts.operators.sign_in(operator, password, code).await {
        Ok(token) => Ok((Outcome::Go("/".to_owned()), vec![Keep::Token(token)])),
        Err(reason @ (Reason::ConsoleRefused | Reason::TooBusy)) => Ok(shown(visit, frame, &name, Some(reason))),
        Err(reason) => Err(reason),
    }
}

fn shown(visit: &Visit, frame: &Frame<'_>, name: &str, refused: Option<Reason>) -> Told {
    let described = refused.map(|_| "sign-in-error");
    let invalid = refused.map(|_| "true");
    let typed: String = name.chars().take(64).collect();
    let main = html! {
        @if !visit.query.get("out").is_empty() {
            p.note role="status" { (frame.say("You are signed out.", "您已退出登录。")) }
        }
        form.card method="post" action="/sign-in" autocomplete="off" {
            (frame.mark())
            @if let Some(reason) = refused { p.error #sign-in-error role="alert" { (frame.language.reason(reason)) } }
            label for="operator" { (frame.say("Operator", "操作员")) }
            input #operator name="operator" type="text" maxlength="64" required autocomplete="username" value=(typed)
                aria-describedby=[described] aria-invalid=[invalid];
            label for="password" { (frame.say("Password", "密码")) }
            input #password name="password" type="password" maxlength="64" required autocomplete="current-password"
                aria-describedby=[described] aria-invalid=[invalid];
            label for="code" { (frame.say("One-time password", "动态口令")) }
            input #code name="code" type="text" inputmode="numeric" pattern="[0-9]{6}" maxlength="6" required autocomplete="one-time-code"
                aria-describedby=[described] aria-invalid=[invalid];
            button type="submit" { (frame.say("Sign in", "登录")) }
        }
        p.hint {
            (frame.say("Set both at the command line, with your certificate: ", "请先持操作员证书在命令行设置："))
            code { "bankhub operator console" }
        }
    };
    let status = refused.map_or(StatusCode::OK, status_of);
    (Outcome::Page(status, frame.page(frame.say("Sign in", "登录"), &main)), Vec::new())
}
