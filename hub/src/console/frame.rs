//! The frame around each page of the console.

use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::live;
use crate::operators::ConsoleSession;
use crate::pages::language::Language;
use crate::pages::response::{Outcome, STYLE_PATH};
use crate::pages::visit::{MARK, Visit};

/// What is around a page.
pub(super) struct Frame<'v> {
    pub(super) language: Language,
    pub(super) path: &'v str,
    /// The mark of forms for this browser.
    pub(super) mark: String,
    /// Who has signed in, and as what.
    pub(super) operator: Option<(String, &'static str)>,
}

const PAGES: &[(&str, &str, &str)] = &[
    ("/", "Overview", "总览"),
    ("/payments", "Payments", "支付"),
    ("/doubt", "In doubt", "未决"),
    ("/banks", "Banks", "银行"),
    ("/terminals", "Terminals", "终端"),
    ("/people", "People", "用户"),
    ("/bins", "Card numbers", "卡BIN"),
    ("/limits", "Limits", "限额"),
    ("/fees", "Fees", "费率"),
    ("/settlements", "Settlement", "清算"),
    ("/lookups", "Look-ups", "查询额度"),
    ("/links", "Links", "卡组织链路"),
    ("/links/totals", "Day totals", "对账"),
    ("/freezes", "Freezes", "冻结"),
    ("/dead-letters", "Dead letters", "未投递通知"),
    ("/inquiries", "Inquiries", "征信查询"),
    ("/approvals", "Approvals", "复核"),
    ("/log", "Log", "审计日志"),
    ("/operators", "Operators", "操作员"),
    ("/dictionaries", "Dictionaries", "字典"),
];

impl<'v> Frame<'v> {
    /// For nobody in particular.
    pub(super) fn outside(visit: &'v Visit, mark: String) -> Self {
        Self { language: visit.language, path: &visit.path, mark, operator: None }
    }

    /// For an operator who has signed in.
    pub(super) fn of(visit: &'v Visit, mark: String, session: &ConsoleSession) -> Self {
        let operator = Some((session.operator_id.to_string(), session.role.as_str()));
        Self { operator, ..Self::outside(visit, mark) }
    }

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
                    title { (title) " · bankhub console" }
                    link rel="stylesheet" href=(STYLE_PATH.as_str());
                    @if self.topic().is_some() {
                        script src=(live::SCRIPT_PATH.as_str()) defer {}
                        noscript { meta http-equiv="refresh" content="30"; }
                    }
                }
                body.wide {
                    a.skip href="#main" { (self.say("Skip to the content", "跳到正文")) }
                    header {
                        div.bar {
                            p.brand { "bankhub console" }
                            nav.tools aria-label=(self.say("Language", "语言")) {
                                a href={ (self.path) "?lang=zh-CN" } lang="zh-CN" hreflang="zh-CN" aria-current=[self.current(Language::Chinese)] { "中文" }
                                a href={ (self.path) "?lang=en" } lang="en" hreflang="en" aria-current=[self.current(Language::English)] { "English" }
                            }
                        }
                        @if let Some((name, role)) = &self.operator { (self.navigation(name, role)) }
                    }
                    main #main tabindex="-1" {
                        h1 { (title) }
                        div data-live=[self.topic()] { (main) }
                    }
                    footer { p { (self.say("Everything that is done here stands in the log, with your name.", "此处的一切操作均以您的名义记入审计日志。")) } }
                }
            }
        }
    }

    /// What this page is about, if it is kept up to date.
    fn topic(&self) -> Option<&'static str> {
        self.operator.as_ref().and_then(|_| live::topic(self.path))
    }

    fn current(&self, language: Language) -> Option<&'static str> {
        (self.language == language).then_some("true")
    }

    fn navigation(&self, name: &str, role: &str) -> Markup {
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
                    span.hint { (name) " (" (role) ") " }
                    button.quiet type="submit" { (self.say("Sign out", "退出登录")) }
                }
            }
        }
    }

    /// The hidden field that every form has.
    pub(super) fn mark(&self) -> Markup {
        html! { input type="hidden" name=(MARK) value=(self.mark); }
    }

    /// A page that says no and nothing else.
    pub(super) fn refusal(&self, status: StatusCode, reason: &str) -> Outcome {
        let title = match status {
            StatusCode::NOT_FOUND => self.say("There is no such page", "没有此页面"),
            _ => self.say("That did not work", "操作未完成"),
        };
        let main = html! {
            div.alert role="alert" { p { (reason) } }
            p { a href="/" { (self.say("Back to the overview", "返回总览")) } }
        };
        Outcome::Page(status, self.page(title, &main))
    }
}
