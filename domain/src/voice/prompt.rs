//! Everything that a caller can hear, with its words.

use super::LastDigits;
use crate::Money;

/// A language of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    Mandarin,
    English,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::Mandarin, Self::English];

    /// The name of the folder with its recordings.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Mandarin => "zh",
            Self::English => "en",
        }
    }

    /// As BCP 47 has it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Mandarin => "zh-CN",
            Self::English => "en",
        }
    }

    /// Reads [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    pub const fn other(self) -> Self {
        match self {
            Self::Mandarin => Self::English,
            Self::English => Self::Mandarin,
        }
    }
}

/// A day and a time of day where the caller lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// A prompt in the language that it is said in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    pub language: Language,
    pub prompt: Prompt,
}

/// A part of a prompt that is not the same each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Count(u64),
    Amount(Money),
    Moment(Moment),
    LastDigits(LastDigits),
}

macro_rules! prompts {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident: $type:ty => $value:ident $as:ty),* })? $key:literal $english:literal $chinese:literal;)*) => {
        /// What is said. Its words name its fields in braces, in each language in the order that fits there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Prompt {
            $($(#[$doc])* $name $({ $($field: $type),* })?,)*
        }

        impl Prompt {
            /// Each with its name and its words in English and Chinese.
            pub(super) const WORDS: &[(&'static str, &'static str, &'static str)] = &[$(($key, $english, $chinese)),*];

            /// The name that its recordings have.
            pub const fn key(&self) -> &'static str {
                match self { $(Self::$name $({ $($field: _),* })? => $key,)* }
            }

            /// The words with the fields in braces.
            pub(super) const fn words(&self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$name $({ $($field: _),* })?, Language::English) => $english,
                      (Self::$name $({ $($field: _),* })?, Language::Mandarin) => $chinese,)*
                }
            }

            /// What stands for a field.
            pub(super) fn value(&self, field: &str) -> Option<Value> {
                match self {
                    $(Self::$name $({ $($field),* })? => {
                        let known: &[(&str, Value)] = &[$($((stringify!($field), Value::$value(<$as>::from(*$field)))),*)?];
                        known.iter().find(|(name, _)| *name == field).map(|(_, value)| *value)
                    })*
                }
            }
        }
    };
}

prompts! {
    /// Said in each language in turn, in that language.
    ChooseLanguage "choose-language" "For English, press two." "普通话请按一。";
    Menu "menu" "To freeze all your cards and accounts, press one. To set them free, press two. To hear your last purchases, press three. To set a safety code, press four. To hear this again, press zero. To go back, press star." "冻结所有银行卡和账户请按一，解冻请按二，查询最近消费请按三，设置安全码请按四，重听请按零，返回请按星号键。";
    AskCode "ask-code" "Enter your safety code, then the hash key." "请输入安全码，按井号键结束。";
    ConfirmUnfreeze "confirm-unfreeze" "To set everything free, press one. To go back, press star." "确认全部解冻请按一，返回请按星号键。";
    AskCardNumber "ask-card-number" "Enter your card number, then the hash key." "请输入银行卡卡号，按井号键结束。";
    AskCardPassword "ask-card-password" "Enter your card password, then the hash key." "请输入银行卡密码，按井号键结束。";
    AskNewCode "ask-new-code" "Choose a safety code of six to eight digits and enter it, then the hash key." "请输入六到八位数字的新安全码，按井号键结束。";
    AskNewCodeAgain "ask-new-code-again" "Enter the new safety code again, then the hash key." "请再次输入新安全码，按井号键结束。";
    OneMoment "one-moment" "One moment, please." "请稍候。";

    // What is wrong with what was typed.
    NothingHeard "nothing-heard" "Nothing was entered." "您没有输入。";
    NotUnderstood "not-understood" "That cannot be right." "您的输入有误。";
    CodesDiffer "codes-differ" "The two codes differ." "两次输入的安全码不一致。";
    CodeRefused "code-refused" "That was not accepted. The code is not right, or it was wrong too often." "验证未通过，安全码不正确或近期错误次数过多。";
    CardRefused "card-refused" "Card number or password was not accepted." "卡号或密码验证未通过。";
    CodeTooSimple "code-too-simple" "That code is too easy to guess." "该安全码过于简单。";
    NotByPhone "not-by-phone" "This cannot be done by telephone here. Please use the app." "本系统不支持通过电话办理此项业务，请使用手机应用。";
    Away "away" "This cannot be done right now. Please try again, or call your bank." "暂时无法办理，请重试，或致电发卡银行。";

    // What was done.
    CodeSet "code-set" "The safety code is set." "安全码设置成功。";
    /// Nothing of the caller's could be frozen or set free.
    NothingBound "nothing-bound" "Nothing is bound to this number." "该号码没有绑定银行卡或账户。";
    NothingFrozen "nothing-frozen" "Nothing of yours was frozen." "您没有已冻结的银行卡或账户。";
    FrozenAtOne "frozen-at-one" "Everything is frozen. Your bank has confirmed it." "已全部冻结，银行已确认。";
    FrozenAtAll { banks: u16 => Count u64 } "frozen-at-all" "Everything is frozen. All {banks} banks have confirmed it." "已全部冻结，{banks}家银行均已确认。";
    FrozenAtSome { confirmed: u16 => Count u64, banks: u16 => Count u64 } "frozen-at-some" "Everything is frozen here. {confirmed} of {banks} banks have confirmed it; the rest is being told." "已在本系统全部冻结，{banks}家银行中{confirmed}家已确认，其余正在通知。";
    FrozenAtNone "frozen-at-none" "Everything is frozen here. No bank has confirmed it yet; they are being told." "已在本系统全部冻结，银行尚未确认，正在通知。";
    FreeAtOne "free-at-one" "Everything is free again. Your bank has confirmed it." "已全部解冻，银行已确认。";
    FreeAtAll { banks: u16 => Count u64 } "free-at-all" "Everything is free again. All {banks} banks have confirmed it." "已全部解冻，{banks}家银行均已确认。";
    FreeAtSome { confirmed: u16 => Count u64, banks: u16 => Count u64 } "free-at-some" "{confirmed} of {banks} banks have set you free; the rest is being told." "{banks}家银行中{confirmed}家已解冻，其余正在通知。";
    FreeAtNone "free-at-none" "No bank has confirmed yet that you are free again; they are being told." "银行尚未确认解冻，正在通知。";
    /// Some of what is bound does not follow any more, since its bank has closed it.
    SomeEnded "some-ended" "Some of your cards or accounts are closed at their bank." "您的部分银行卡或账户已在银行销户。";
    NoPurchases "no-purchases" "There are no purchases." "没有消费记录。";
    Purchase { amount: Money => Amount Money, at: Moment => Moment Moment } "purchase" "{amount}, on {at}." "{at}消费{amount}。";
    PurchaseWith { amount: Money => Amount Money, at: Moment => Moment Moment, ending: LastDigits => LastDigits LastDigits } "purchase-with" "{amount}, on {at}, from what ends in {ending}." "{at}，尾号{ending}，消费{amount}。";

    // How it ends.
    TooManyErrors "too-many-errors" "That was wrong too often. Please call again. Goodbye." "错误次数过多，请稍后再拨，再见。";
    TooLong "too-long" "This call has taken too long. Goodbye." "通话时间过长，再见。";
    /// The number of who calls is not shown, or is none.
    NumberWithheld "number-withheld" "Your number is not shown. Please call again with your number shown. Goodbye." "无法识别您的来电号码，请显示号码后重拨，再见。";
    Busy "busy" "All lines are busy. Please call again. Goodbye." "线路繁忙，请稍后再拨，再见。";
    Goodbye "goodbye" "Goodbye." "再见。";
}
