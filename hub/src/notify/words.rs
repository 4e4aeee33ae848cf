//! The words that notices have unless a person has set their own, in Chinese and English.

use domain::notice::{Language, NoticeKind};

/// The template of a kind of notice.
pub(super) const fn default_template(kind: NoticeKind, language: Language) -> &'static str {
    match language {
        Language::Chinese => chinese(kind),
        Language::English => english(kind),
    }
}

const fn chinese(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Code => {
            "验证码{{ code }}，{% if amount %}{% if merchant %}在{{ merchant }}{% endif %}支付{{ amount }}{% elif subject %}\
             {% if merchant %}在{{ merchant }}{% endif %}{{ subject }}{% else %}用于网页登录{% endif %}，{{ until }}前有效。切勿告诉任何人。"
        }
        NoticeKind::Security => {
            "{% if message %}{{ message }}{% else %}\
             安全提醒：{% if time %}{{ time }}，{% endif %}{{ subject }}{% if card %}（{{ bank }}{{ card }}）{% endif %}。\
             如非本人操作，请立即冻结账户。{% endif %}"
        }
        NoticeKind::Charge => {
            "您的{{ bank }}{{ card }}于{{ time }}在{{ merchant }}{% if place %}（{{ place }}）{% endif %}\
             支出{{ amount }}。{% if message %}\n{{ message }}{% endif %}"
        }
        NoticeKind::GiveBack => "{{ merchant }}于{{ time }}向您的{{ bank }}{{ card }}退回{{ amount }}。",
        NoticeKind::PaidIn => "您的{{ bank }}{{ card }}于{{ time }}在{{ merchant }}存入{{ amount }}。",
        NoticeKind::Bill => {
            "{% if message %}{{ message }}{% else %}\
             您的{{ bank }}{{ card }}账单已出：应还{{ amount }}{% if minimum %}，最低还款{{ minimum }}{% endif %}\
             {% if due %}，还款日{{ due }}{% endif %}。{% endif %}"
        }
        NoticeKind::Reminder => {
            "{% if message %}{{ message }}{% else %}\
             还款提醒：{{ bank }}{{ card }}应还{{ amount }}{% if minimum %}，最低还款{{ minimum }}{% endif %}\
             {% if due %}，还款日{{ due }}{% endif %}。{% endif %}"
        }
        NoticeKind::Offer => "{{ bank }}优惠：{{ subject }}{% if message %}\n{{ message }}{% endif %}",
        NoticeKind::Inquiry => {
            "{% if message %}{{ message }}{% else %}\
             {{ bank }}于{{ time }}查询了您的信用记录{% if subject %}，用途：{{ subject }}{% endif %}。{% endif %}"
        }
        NoticeKind::Personal => "{{ message }}",
        NoticeKind::Address => {
            "验证码{{ code }}，{{ until }}前有效，用于确认以后的通知可以发送到此邮箱。\
             如非本人填写，请忽略本邮件，不会再收到其他邮件。"
        }
        NoticeKind::Enrolment => {
            "登记码{{ code }}，用于在手机上绑定银行枢纽应用，{{ until }}前有效。切勿告诉任何人，银行工作人员也不会索取。如非本人操作，请勿理会。"
        }
    }
}

const fn english(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Code => {
            "{{ code }} is your code to {% if amount %}pay {{ amount }}{% if merchant %} at {{ merchant }}{% endif %}{% elif subject %}\
             {{ subject }}{% if merchant %} at {{ merchant }}{% endif %}{% else %}sign in by web page{% endif %}, until {{ until }}. Tell it to nobody."
        }
        NoticeKind::Security => {
            "{% if message %}{{ message }}{% else %}\
             Security: {{ subject }}{% if card %} ({{ bank }} {{ card }}){% endif %}{% if time %}, {{ time }}{% endif %}. \
             If this was not you, freeze your accounts at once.{% endif %}"
        }
        NoticeKind::Charge => {
            "{{ amount }} paid at {{ merchant }}{% if place %}, {{ place }}{% endif %}, {{ time }}, \
             with {{ bank }} {{ card }}.{% if message %}\n{{ message }}{% endif %}"
        }
        NoticeKind::GiveBack => "{{ merchant }} gave {{ amount }} back to {{ bank }} {{ card }}, {{ time }}.",
        NoticeKind::PaidIn => "{{ amount }} came in to {{ bank }} {{ card }} at {{ merchant }}, {{ time }}.",
        NoticeKind::Bill => {
            "{% if message %}{{ message }}{% else %}\
             Your bill of {{ bank }} {{ card }}: {{ amount }} due{% if due %} by {{ due }}{% endif %}\
             {% if minimum %}, at least {{ minimum }}{% endif %}.{% endif %}"
        }
        NoticeKind::Reminder => {
            "{% if message %}{{ message }}{% else %}\
             Reminder: {{ bank }} {{ card }}, {{ amount }} due{% if due %} by {{ due }}{% endif %}\
             {% if minimum %}, at least {{ minimum }}{% endif %}.{% endif %}"
        }
        NoticeKind::Offer => "{{ bank }} offers: {{ subject }}{% if message %}\n{{ message }}{% endif %}",
        NoticeKind::Inquiry => {
            "{% if message %}{{ message }}{% else %}\
             {{ bank }} has asked for your credit history, {{ time }}{% if subject %}, for: {{ subject }}{% endif %}.{% endif %}"
        }
        NoticeKind::Personal => "{{ message }}",
        NoticeKind::Address => {
            "{{ code }} confirms, until {{ until }}, that notices may be sent to this address. \
             If you did not ask for it, do nothing: somebody has mistyped, and nothing more will come."
        }
        NoticeKind::Enrolment => {
            "{{ code }} binds the bankhub app on a phone, until {{ until }}. Tell it to nobody, nor to a bank that asks. \
             If you did not ask for it, do nothing."
        }
    }
}

/// The subject of an e-mail. It names the sort of news and nothing of it: subjects are shown on locked screens.
pub(super) const fn subject(kind: NoticeKind, language: Language) -> &'static str {
    match (language, kind) {
        (Language::Chinese, NoticeKind::Code) => "验证码",
        (Language::Chinese, NoticeKind::Security) => "安全提醒",
        (Language::Chinese, NoticeKind::Charge) => "支出提醒",
        (Language::Chinese, NoticeKind::GiveBack) => "退款提醒",
        (Language::Chinese, NoticeKind::PaidIn) => "入账提醒",
        (Language::Chinese, NoticeKind::Bill) => "账单",
        (Language::Chinese, NoticeKind::Reminder) => "还款提醒",
        (Language::Chinese, NoticeKind::Offer) => "优惠信息",
        (Language::Chinese, NoticeKind::Inquiry) => "信用记录查询提醒",
        (Language::Chinese, NoticeKind::Personal) => "消费小贴士",
        (Language::Chinese, NoticeKind::Address) => "确认邮箱地址",
        (Language::Chinese, NoticeKind::Enrolment) => "登记码",
        (Language::English, NoticeKind::Code) => "Your code",
        (Language::English, NoticeKind::Security) => "Security notice",
        (Language::English, NoticeKind::Charge) => "A charge",
        (Language::English, NoticeKind::GiveBack) => "Money came back",
        (Language::English, NoticeKind::PaidIn) => "Money came in",
        (Language::English, NoticeKind::Bill) => "Your bill",
        (Language::English, NoticeKind::Reminder) => "A payment is due",
        (Language::English, NoticeKind::Offer) => "An offer",
        (Language::English, NoticeKind::Inquiry) => "Your credit history was asked for",
        (Language::English, NoticeKind::Personal) => "About your purchase",
        (Language::English, NoticeKind::Address) => "Confirm your address",
        (Language::English, NoticeKind::Enrolment) => "Your enrolment code",
    }
}
