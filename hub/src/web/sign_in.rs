//! Signing in: a number, then a code and a password in one form. What the pages say never depends on whether the number is known.

use domain::sign_in::AccountPassword;
use domain::{OneTimeCode, PhoneNumber, Reason};
use http::StatusCode;
use maud::{Markup, html};

use super::answer::{Asked, Told};
use crate::pages::door::status_of;
use crate::pages::response::{Keep, Outcome};

/// The country of numbers that are typed without one.
const HERE: &str = "+86";

pub(super) async fn page(asked: &Asked<'_>, is_form: bool) -> Result<Told, Reason> {
    match (asked.visit.path.as_str(), is_form) {
        ("/sign-in/code", true) => finish(asked).await,
        ("/sign-in/code", false) => Ok(code_page(asked, None)),
        (_, true) => begin(asked).await,
        (_, false) => Ok(number_page(asked, None)),
    }
}

/// A number as people type it.
fn number(typed: &str) -> Result<PhoneNumber, Reason> {
    let bare: String = typed.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).take(32).collect();
    let is_local = bare.len() == 11 && bare.starts_with('1');
    PhoneNumber::parse(&if is_local { format!("{HERE}{bare}") } else { bare })
}

async fn begin(asked: &Asked<'_>) -> Result<Told, Reason> {
    let phone = match number(asked.form.get("phone")) {
        Ok(phone) => phone,
        Err(reason) => return Ok(number_page(asked, Some(reason))),
    };
    if let Err(reason) = asked.web.inner.limits.sign_in(asked.visit.from, Some(&phone)) {
        return Ok(number_page(asked, Some(reason)));
    }
    let token = asked.web.inner.parts.sign_ins.begin(&phone).await?;
    Ok(Told { outcome: Outcome::Go("/sign-in/code".to_owned()), keep: vec![Keep::Token(token)] })
}

async fn finish(asked: &Asked<'_>) -> Result<Told, Reason> {
    if let Err(reason) = asked.web.inner.limits.sign_in(asked.visit.from, None) {
        return Ok(code_page(asked, Some(reason)));
    }
    let code = OneTimeCode::parse(asked.form.get("code")).ok();
    let password = AccountPassword::parse(asked.form.raw("password")).ok();
    match asked.web.inner.parts.sign_ins.finish(asked.visit.token.as_ref(), code, password).await {
        Ok((token, _)) => Ok(Told { outcome: Outcome::Go("/".to_owned()), keep: vec![Keep::Token(token)] }),
        Err(reason @ (Reason::SignInRefused | Reason::TooBusy)) => Ok(code_page(asked, Some(reason))),
        Err(reason) => Err(reason),
    }
}

fn told(asked: &Asked<'_>, refused: Option<Reason>, main: &Markup) -> Told {
    let title = asked.frame.say("Sign in", "登录");
    Outcome::Page(refused.map_or(StatusCode::OK, status_of), asked.frame.page(title, main)).into()
}

fn number_page(asked: &Asked<'_>, refused: Option<Reason>) -> Told {
    let frame = &asked.frame;
    let typed = asked.form.get("phone");
    let main = html! {
        @if !asked.visit.query.get("out").is_empty() {
            p.note role="status" { (frame.say("You are signed out.", "您已退出登录。")) }
        }
        form.card method="post" action="/sign-in" {
            (frame.mark())
            label for="phone" { (frame.say("Phone number", "手机号码")) }
            p.hint #phone-hint { (frame.say("As +8613800138000, or 11 digits in mainland China.", "例如13800138000，境外号码以+和国家代码开头。")) }
            @if let Some(reason) = refused { p.error #phone-error role="alert" { (frame.language.reason(reason)) } }
            input #phone name="phone" type="tel" autocomplete="tel" inputmode="tel" maxlength="32" required value=(typed.chars().take(32).collect::<String>())
                aria-describedby=(if refused.is_some() { "phone-error phone-hint" } else { "phone-hint" }) aria-invalid=[refused.map(|_| "true")];
            button type="submit" { (frame.say("Send me a code", "获取验证码")) }
        }
        p.hint { (frame.say("You need an account password, which you set in the app.", "登录需要账户密码，请先在手机应用中设置。")) }
    };
    told(asked, refused, &main)
}

fn code_page(asked: &Asked<'_>, refused: Option<Reason>) -> Told {
    let frame = &asked.frame;
    let described = refused.map(|_| "sign-in-error");
    let invalid = refused.map(|_| "true");
    let main = html! {
        p {
            (frame.say(
                "If this number can sign in here, a code is on its way to its phone. It is good for three minutes.",
                "如果该号码可以在此登录，验证码已发送到手机，三分钟内有效。",
            ))
        }
        form.card method="post" action="/sign-in/code" autocomplete="off" {
            (frame.mark())
            @if let Some(reason) = refused { p.error #sign-in-error role="alert" { (frame.language.reason(reason)) } }
            label for="code" { (frame.say("Code", "验证码")) }
            input #code name="code" type="text" inputmode="numeric" pattern="[0-9]{6}" maxlength="6" required autocomplete="one-time-code"
                aria-describedby=[described] aria-invalid=[invalid];
            label for="password" { (frame.say("Account password", "账户密码")) }
            input #password name="password" type="password" maxlength="64" required autocomplete="current-password"
                aria-describedby=[described] aria-invalid=[invalid];
            button type="submit" { (frame.say("Sign in", "登录")) }
        }
        p { a href="/sign-in" { (frame.say("Another number, or another code", "更换号码或重新获取验证码")) } }
    };
    told(asked, refused, &main)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f3_a_number_is_read_as_people_type_it() {
        for typed in ["+8613800138078", "13800138078", "138 0013 8078", "+86 138-0013-8078", "(+86)13800138078"] {
            assert_eq!(number(typed).unwrap().as_e164(), "+8613800138078", "{typed}");
        }
        for bad in ["", "138", "+86138\r\nset-cookie: x=1", "１３８００１３８０７８", &"1".repeat(1_000_000)]
        {
            assert_eq!(number(bad).err(), Some(Reason::PhoneNumberMalformed));
        }
    }
}
