//! What a person is told of consents and inquiries, in English and Chinese.

use domain::Reason;
use domain::credit_history::{ConsentForm, Field, Fields, Purpose, Question, Subject};
use domain::feed::{News, Topic};
use domain::text::Line;
use uuid::Uuid;

const fn purpose(purpose: Purpose) -> (&'static str, &'static str) {
    match purpose {
        Purpose::CardApplication => ("a card application", "申请卡片"),
        Purpose::LoanApplication => ("a loan application", "申请贷款"),
        Purpose::LimitChange => ("a change of limit", "调整额度"),
        Purpose::Review => ("a review", "贷后管理"),
        Purpose::Offers => ("offers that fit", "推送合适的优惠"),
        Purpose::Support => ("help with a payment", "协助处理交易"),
        Purpose::Dispute => ("a contested payment", "处理有争议的交易"),
    }
}

const fn field(field: Field) -> (&'static str, &'static str) {
    match field {
        Field::Summary => ("summary", "概要"),
        Field::OpenBills => ("open bills", "未到期账单"),
        Field::Arrears => ("arrears", "逾期情况"),
        Field::GoodRecord => ("good record", "良好记录"),
        Field::Habits => ("totals by kind of shop, weekday and part of the day", "按商户类别、星期和时段的汇总"),
        Field::Amounts => ("amounts", "金额"),
        Field::Merchants => ("merchants", "商户"),
        Field::Places => ("places", "地点"),
        Field::Items => ("things bought", "商品"),
    }
}

/// What is asked about.
const fn subject(fields: Option<Subject>) -> (&'static str, &'static str) {
    match fields {
        Some(Subject::Habits) => ("spending habits", "消费习惯"),
        Some(Subject::Records) => ("purchases", "消费记录"),
        Some(Subject::History) | None => ("credit history", "信用记录"),
    }
}

fn list(fields: &Fields) -> (String, String) {
    let words = || Field::ALL.into_iter().filter(|field| fields.contains(*field)).map(field);
    let english: Vec<_> = words().map(|(english, _)| english).collect();
    let chinese: Vec<_> = words().map(|(_, chinese)| chinese).collect();
    (english.join(", "), chinese.join("、"))
}

/// Somebody has asked, and was told what was asked for, or nothing for a reason.
pub(super) fn inquiry(id: Uuid, asker: &Line, question: &Question, told: Result<(), Reason>) -> News {
    let ((why_en, why_zh), (what_en, what_zh)) = (purpose(question.purpose), list(&question.fields));
    let (of_en, of_zh) = subject(question.fields.subject());
    let (then_en, then_zh) = match told {
        Ok(()) => ("It was told, with your consent.".to_owned(), "已凭您的授权提供。".to_owned()),
        Err(reason) => (format!("It was told nothing: {}", reason.english()), format!("未提供：{}", reason.chinese())),
    };
    News {
        topic: Topic::Inquiry,
        subject: id,
        english: format!("{asker} asked for your {of_en} for {why_en}: {what_en}. {then_en}"),
        chinese: format!("{asker}因{why_zh}查询您的{of_zh}：{what_zh}。{then_zh}"),
    }
}

/// The person has given a consent.
pub(super) fn given(form: &ConsentForm, asker: &Line) -> News {
    let ((why_en, why_zh), (what_en, what_zh)) = (purpose(form.purpose), list(&form.fields));
    let (of_en, of_zh) = subject(form.fields.subject());
    let (how_en, how_zh) = if form.is_standing() { ("until it ends", "在有效期内") } else { ("once", "") };
    let once_zh = if form.is_standing() { "" } else { "一次" };
    News {
        topic: Topic::Security,
        subject: form.id.uuid(),
        english: format!("You allowed {asker} to ask {how_en} for your {of_en}, for {why_en}: {what_en}."),
        chinese: format!("您已授权{asker}{how_zh}因{why_zh}查询{once_zh}您的{of_zh}：{what_zh}。"),
    }
}

/// The person has taken a consent back.
pub(super) fn revoked(form: &ConsentForm, asker: &Line) -> News {
    let (why_en, why_zh) = purpose(form.purpose);
    let (of_en, of_zh) = subject(form.fields.subject());
    News {
        topic: Topic::Security,
        subject: form.id.uuid(),
        english: format!("You took back that {asker} may ask for your {of_en} for {why_en}."),
        chinese: format!("您已撤销{asker}因{why_zh}查询您{of_zh}的授权。"),
    }
}
