//! The frame around each page, and the parts that pages share.

use domain::{Currency, Money, Reason};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use proto::common;

use crate::pages::language::Language;
use crate::pages::response::{Outcome, STYLE_PATH};
use crate::pages::visit::MARK;

/// What is around a page.
pub(super) struct Frame<'v> {
    pub(super) language: Language,
    pub(super) path: &'v str,
    /// The mark of forms for this browser.
    pub(super) mark: String,
    pub(super) is_signed_in: bool,
}

const PAGES: [(&str, &str, &str); 5] = [
    ("/", "Overview", "总览"),
    ("/purchases", "Purchases", "消费记录"),
    ("/bills", "Bills", "账单"),
    ("/freeze", "Freeze", "冻结"),
    ("/consents", "Consents", "授权与查询"),
];

impl Frame<'_> {
    /// One of the two languages.
    pub(super) fn say(&self, english: &'static str, chinese: &'static str) -> &'static str {
        self.language.say(english, chinese)
    }

    /// A whole page; its title is its one heading of the first rank.
    pub(super) fn page(&self, title: &str, main: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · bankhub" }
                    link rel="stylesheet" href=(STYLE_PATH.as_str());
                }
                body {
                    a.skip href="#main" { (self.say("Skip to the content", "跳到正文")) }
                    header {
                        div.bar {
                            p.brand { "bankhub" }
                            nav.tools aria-label=(self.say("Language", "语言")) {
                                a href={ (self.path) "?lang=zh-CN" } lang="zh-CN" hreflang="zh-CN" aria-current=[self.current(Language::Chinese)] { "中文" }
                                a href={ (self.path) "?lang=en" } lang="en" hreflang="en" aria-current=[self.current(Language::English)] { "English" }
                            }
                        }
                        @if self.is_signed_in { (self.navigation()) }
                    }
                    main #main tabindex="-1" {
                        h1 { (title) }
                        (main)
                    }
                    footer { p { (self.say("bankhub self-service. Nobody from your bank asks for your code or your password.", "bankhub 自助服务。银行工作人员不会索要您的验证码或密码。")) } }
                }
            }
        }
    }

    fn current(&self, language: Language) -> Option<&'static str> {
        (self.language == language).then_some("true")
    }

    fn navigation(&self) -> Markup {
        let is_here = |path: &str| if path == "/" { self.path == "/" } else { self.path.starts_with(path) };
        html! {
            div.bar {
                nav.pages aria-label=(self.say("Pages", "页面")) {
                    ul {
                        @for (path, english, chinese) in PAGES {
                            li { a href=(path) aria-current=[is_here(path).then_some("page")] { (self.say(english, chinese)) } }
                        }
                    }
                }
                form.out method="post" action="/sign-out" {
                    (self.mark())
                    button.quiet type="submit" { (self.say("Sign out", "退出登录")) }
                }
            }
        }
    }

    /// The hidden field that every form has.
    pub(super) fn mark(&self) -> Markup {
        html! { input type="hidden" name=(MARK) value=(self.mark); }
    }

    /// Why something was refused, announced when the page comes.
    pub(super) fn alert(&self, reason: Reason) -> Markup {
        html! { div.alert role="alert" #alert { p { (self.language.reason(reason)) } } }
    }

    /// A page that says no and nothing else.
    pub(super) fn refusal(&self, status: StatusCode, reason: &str) -> Outcome {
        let (title, back) = match status {
            StatusCode::NOT_FOUND => (self.say("There is no such page", "没有此页面"), "/"),
            _ => (self.say("That did not work", "操作未完成"), "/"),
        };
        let main = html! {
            div.alert role="alert" { p { (reason) } }
            p { a href=(back) { (self.say("Back to the overview", "返回总览")) } }
        };
        Outcome::Page(status, self.page(title, &main))
    }
}

/// An amount, as people write it.
pub(super) fn money(amount: Option<&common::Money>) -> String {
    let Some(amount) = amount else { return String::new() };
    match Currency::parse(&amount.currency_code) {
        Ok(currency) => Money::new(currency, amount.minor_units).to_string(),
        Err(_) => String::new(),
    }
}

/// So many minor units in the currency of an amount.
pub(super) fn minor(like: Option<&common::Money>, minor_units: i64) -> String {
    let code = like.map(|like| like.currency_code.clone()).unwrap_or_default();
    money(Some(&common::Money { currency_code: code, minor_units }))
}
