//! What a person is told of consents and inquiries, in English and Chinese.

use domain::Reason;
use domain::credit_history::{ConsentForm, Field, Fields, Purpose};
use domain::feed::{News, Topic};
use domain::text::Line;
use uuid::Uuid;

const fn purpose(purpose: Purpose) -> (&'static str, &'static str) {
    match purpose {
        Purpose::CardApplication => ("a card application", "申请卡片"),
        Purpose::LoanApplication => ("a loan application", "申请贷款"),
        Purpose::LimitChange => ("a change of limit", "调整额度"),
        Purpose::Review => ("a review", "贷后管理"),
    }
}

const fn field(field: Field) -> (&'static str, &'static str) {
    match field {
        Field::Summary => ("summary", "概要"),
        Field::OpenBills => ("open bills", "未到期账单"),
        Field::Arrears => ("arrears", "逾期情况"),
        Field::GoodRecord => ("good record", "良好记录"),
    }
}

fn list(fields: &Fields) -> (String, String) {
    let words = || Field::ALL.into_iter().filter(|field| fields.contains(*field)).map(field);
    let english: Vec<_> = words().map(|(english, _)| english).collect();
    let chinese: Vec<_> = words().map(|(_, chinese)| chinese).collect();
    (english.join(", "), chinese.join("、"))
}

/// A bank has asked, and was told what it asked for, or nothing for a reason.
pub(super) fn inquiry(
    subject: Uuid,
    bank: &Line,
    asked_for: Purpose,
    fields: &Fields,
    told: Result<(), Reason>,
) -> News {
    let ((why_en, why_zh), (what_en, what_zh)) = (purpose(asked_for), list(fields));
    let (then_en, then_zh) = match told {
        Ok(()) => ("It was told, with your consent.".to_owned(), "已凭您的授权提供。".to_owned()),
        Err(reason) => (format!("It was told nothing: {}", reason.english()), format!("未提供：{}", reason.chinese())),
    };
    News {
        topic: Topic::Inquiry,
        subject,
        english: format!("{bank} asked for your credit history for {why_en}: {what_en}. {then_en}"),
        chinese: format!("{bank}因{why_zh}查询您的信用记录：{what_zh}。{then_zh}"),
    }
}

/// The person has given a consent.
pub(super) fn given(form: &ConsentForm, bank: &Line) -> News {
    let ((why_en, why_zh), (what_en, what_zh)) = (purpose(form.purpose), list(&form.fields));
    News {
        topic: Topic::Security,
        subject: form.id.uuid(),
        english: format!("You allowed {bank} to ask once for your credit history, for {why_en}: {what_en}."),
        chinese: format!("您已授权{bank}因{why_zh}查询一次您的信用记录：{what_zh}。"),
    }
}

/// The person has taken a consent back.
pub(super) fn revoked(form: &ConsentForm, bank: &Line) -> News {
    let (why_en, why_zh) = purpose(form.purpose);
    News {
        topic: Topic::Security,
        subject: form.id.uuid(),
        english: format!("You took back that {bank} may ask for your credit history for {why_en}."),
        chinese: format!("您已撤销{bank}因{why_zh}查询您信用记录的授权。"),
    }
}
