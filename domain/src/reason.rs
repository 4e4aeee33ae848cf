//! The catalogue of reasons: every way in which bankhub says no, once, with its words in English and Chinese.
//!
//! A reason travels as the UPPER_SNAKE code in `google.rpc.ErrorInfo.reason` or in `common.v1.Refusal.reason`; programs
//! compare the code, people read the text.

use std::fmt;

/// What sort of no it is; each is one gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The request can never be right: mend it. `INVALID_ARGUMENT`.
    Invalid,
    /// There is no such thing, or not for this caller. `NOT_FOUND`.
    NotFound,
    /// The id is taken by something else. `ALREADY_EXISTS`.
    Exists,
    /// The thing is not in a state for this. `FAILED_PRECONDITION`.
    State,
    /// The caller is known and may not. `PERMISSION_DENIED`.
    Denied,
    /// The caller is not known. `UNAUTHENTICATED`.
    Stranger,
    /// Too many or too much; later it may pass. `RESOURCE_EXHAUSTED`.
    Exhausted,
    /// A part is away; the same call again may pass. `UNAVAILABLE`.
    Away,
    /// A fault of ours. `INTERNAL`.
    Fault,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $variant:ident $code:literal $class:ident $en:literal $zh:literal;)*) => {
        /// Why something was refused.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* #[doc = $en] $variant,)* }

        impl Reason {
            /// Every reason, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The UPPER_SNAKE code that programs compare.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }

            /// The sentence for people who read English.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $en,)* }
            }

            /// The sentence for people who read Chinese (zh-CN).
            pub const fn chinese(self) -> &'static str {
                match self { $(Self::$variant => $zh,)* }
            }

            /// The reason with this code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

catalogue! {
    // What was sent cannot be read.
    MessageMalformed "MESSAGE_MALFORMED" Invalid "The bytes are no message of this call." "报文无法解析。";
    MessageTooLarge "MESSAGE_TOO_LARGE" Invalid "A message is larger than this server takes." "报文超过大小上限。";
    IdMalformed "ID_MALFORMED" Invalid "An id is not a lower-case hyphenated UUID of version 7." "编号不是小写带连字符的第7版UUID。";
    NameMalformed "NAME_MALFORMED" Invalid "A name may only have a-z, 0-9 and '-', and 64 of them." "名称只能含a-z、0-9和“-”，且不超过64个字符。";
    TextMalformed "TEXT_MALFORMED" Invalid "A text is empty, too long, or has characters that cannot be shown safely." "文本为空、过长或含有不可安全显示的字符。";
    PhoneNumberMalformed "PHONE_NUMBER_MALFORMED" Invalid "A phone number is not in international form, like +8613800138000." "电话号码不是国际格式，例如+8613800138000。";
    AmountMalformed "AMOUNT_MALFORMED" Invalid "An amount cannot be read in this currency." "金额无法按该币种读取。";
    AmountNotPositive "AMOUNT_NOT_POSITIVE" Invalid "An amount must be more than zero." "金额必须大于零。";
    AmountTooLarge "AMOUNT_TOO_LARGE" Invalid "An amount is larger than a payment may be." "金额超过单笔上限。";
    CurrencyUnknown "CURRENCY_UNKNOWN" Invalid "A currency is not an upper-case code of ISO 4217 with minor units." "币种不是ISO 4217大写代码。";
    CurrencyMismatch "CURRENCY_MISMATCH" State "The currencies differ." "币种不一致。";
    FieldMissing "FIELD_MISSING" Invalid "A field that this call needs is not set." "缺少必填字段。";
    FieldUnknown "FIELD_UNKNOWN" Invalid "An enum or choice has a value that this version does not know." "字段取值未知。";
    TooManyItems "TOO_MANY_ITEMS" Invalid "A list has more entries than this call takes." "列表条目过多。";
    CodeMalformed "CODE_MALFORMED" Invalid "A one-time code has exactly six digits." "动态码必须为六位数字。";
    PasswordMalformed "PASSWORD_MALFORMED" Invalid "A transaction password has exactly six digits." "交易密码必须为六位数字。";
    PageTokenMalformed "PAGE_TOKEN_MALFORMED" Invalid "A page token was not made by this call." "分页标记无效。";
    PageSizeOutOfRange "PAGE_SIZE_OUT_OF_RANGE" Invalid "A page has 1 to 200 entries, or 0 for the usual number." "每页条数须为1至200，或填0取默认值。";
    SequenceOutOfRange "SEQUENCE_OUT_OF_RANGE" Invalid "A sequence is below zero or beyond the last event." "事件序号小于零或超出最新事件。";
    DeviceKeyMalformed "DEVICE_KEY_MALFORMED" Invalid "A device key is not an uncompressed P-256 point." "设备公钥格式错误。";
    LocationMalformed "LOCATION_MALFORMED" Invalid "Coordinates are out of range." "坐标超出范围。";
    CategoryMalformed "CATEGORY_MALFORMED" Invalid "A merchant category has four digits (ISO 18245)." "商户类别码必须为四位数字。";
    LocationUnknown "LOCATION_UNKNOWN" State "Nobody has said where this terminal stands." "终端未登记所在位置。";
    TimeOutOfRange "TIME_OUT_OF_RANGE" Invalid "A time lies before 2000 or more than a day ahead, or a span ends before it begins." "时间早于2000年、超前一天以上，或区间的结束早于开始。";
    EndpointMalformed "ENDPOINT_MALFORMED" Invalid "An endpoint is not of the form https://host:port." "地址格式必须为https://主机:端口。";

    // Who is calling.
    CertificateMissing "CERTIFICATE_MISSING" Stranger "This call needs a client certificate." "此调用需要客户端证书。";
    CertificateRefused "CERTIFICATE_REFUSED" Stranger "The certificate does not name exactly one role of this federation." "证书未能唯一标识本联盟中的角色。";
    RoleNotAllowed "ROLE_NOT_ALLOWED" Denied "This role may not make this call." "该角色无权进行此调用。";
    NotYours "NOT_YOURS" Denied "The message speaks of somebody else than the caller." "消息涉及的对象不属于调用方。";
    TerminalUnknown "TERMINAL_UNKNOWN" Denied "This terminal is not enrolled." "终端未登记。";
    TerminalSuspended "TERMINAL_SUSPENDED" Denied "This terminal is suspended." "终端已停用。";
    SessionInvalid "SESSION_INVALID" Stranger "The session is not known or has ended; open a new one." "会话无效或已过期，请重新登录。";
    SignatureRefused "SIGNATURE_REFUSED" Denied "The signature is not that of this phone over these bytes." "签名并非该设备对此内容所作。";
    DeviceRefused "DEVICE_REFUSED" Stranger "The phone could not be recognised." "无法识别该设备。";
    EnrolmentRefused "ENROLMENT_REFUSED" Stranger "The number or the enrolment code is not right, or the code has ended." "号码或登记码不正确，或登记码已失效。";

    // Payments.
    PaymentUnknown "PAYMENT_UNKNOWN" NotFound "There is no such payment of this caller." "没有该笔交易。";
    PaymentIdTaken "PAYMENT_ID_TAKEN" Exists "This id was used for another request." "该编号已用于其他请求。";
    PayerUnavailable "PAYER_UNAVAILABLE" State "This number cannot pay here." "该号码无法在此支付。";
    /// The same for a number that is known and one that is not: it is said before anybody has looked.
    PersonLookupsExhausted "PERSON_LOOKUPS_EXHAUSTED" Exhausted "This operator has looked up as many people today as one may." "今日查询用户次数已达上限。";
    LookupsExhausted "LOOKUPS_EXHAUSTED" Exhausted "Too many numbers were asked for from here that belong to nobody who can pay; try again later." "本处查询的无效号码过多，请稍后再试。";
    PaymentAboveLimit "PAYMENT_ABOVE_LIMIT" State "The amount is above what one payment may be here." "金额超过单笔支付限额。";
    SpendingLimitReached "SPENDING_LIMIT_REACHED" State "With this payment more would be paid than may be in this time." "该笔支付将超出规定时间内的累计限额。";
    PaymentsTooMany "PAYMENTS_TOO_MANY" State "There were as many payments as may be in this time." "规定时间内的支付笔数已达上限。";
    CodesExhausted "CODES_EXHAUSTED" Exhausted "Too many codes were sent to this number; try again later." "向该号码发送动态码过于频繁，请稍后再试。";
    VerificationFailed "VERIFICATION_FAILED" State "Code or transaction password is not right." "动态码或交易密码不正确。";
    AttemptsExhausted "ATTEMPTS_EXHAUSTED" State "Code or transaction password was wrong too often." "动态码或交易密码错误次数过多。";
    CodeExpired "CODE_EXPIRED" State "The one-time code has expired." "动态码已过期。";
    Cancelled "CANCELLED" State "The terminal cancelled the payment." "终端已取消该笔交易。";
    ReversedBeforeApproval "REVERSED_BEFORE_APPROVAL" State "The terminal reversed the payment before it was approved." "交易在批准前已被冲正。";
    NotAwaitingCode "NOT_AWAITING_CODE" State "The payment does not wait for a code." "该交易不在等待动态码的状态。";
    PayerDeclined "PAYER_DECLINED" State "The payer declined the payment on the phone." "付款人已在手机上拒绝该笔交易。";
    ApprovalMalformed "APPROVAL_MALFORMED" Invalid "What was signed is not written as an approval is." "所签内容不符合付款确认的格式。";
    ApprovalMismatch "APPROVAL_MISMATCH" State "What was signed speaks of something else than the payment." "所签内容与该笔交易不符。";
    ApprovalOutdated "APPROVAL_OUTDATED" State "What was signed was shown too long ago; look at it again." "所签内容已过时，请重新查看。";
    NotCancellable "NOT_CANCELLABLE" State "The payment is past cancelling; reverse or refund it." "该交易已无法取消，请冲正或退款。";
    NotReversible "NOT_REVERSIBLE" State "The payment cannot be reversed." "该交易无法冲正。";
    NotRefundable "NOT_REFUNDABLE" State "The payment cannot be refunded." "该交易无法退款。";
    RefundTooLarge "REFUND_TOO_LARGE" State "The refunds would be more than was paid." "退款总额超过支付金额。";
    ReversalAmountMismatch "REVERSAL_AMOUNT_MISMATCH" State "A reversal has exactly the amount of the payment." "冲正金额必须与原交易一致。";
    DecisionTimedOut "DECISION_TIMED_OUT" State "The bank did not answer in time; nothing was charged." "银行未及时应答，未扣款。";
    NumberNotServed "NUMBER_NOT_SERVED" State "Nothing can be done here for this number." "无法在此为该号码办理业务。";
    TopUpTooLarge "TOP_UP_TOO_LARGE" State "More cash than may be paid in at once." "现金充值金额超过单笔上限。";
    TopUpsExhausted "TOP_UPS_EXHAUSTED" State "With this amount more cash would be paid in today than this number or this terminal may." "充值后将超过该号码或该终端的当日现金上限。";

    // Errands at a terminal.
    ErrandUnknown "ERRAND_UNKNOWN" NotFound "There is no such errand of this caller." "没有该项办理。";
    ErrandDecided "ERRAND_DECIDED" State "The errand waits for no code any more." "该项办理已不在等待动态码。";
    AlreadyActive "ALREADY_ACTIVE" State "Nothing of this number waits to be activated." "该号码没有待激活的账户。";
    PasswordIsSet "PASSWORD_IS_SET" State "A transaction password is set already; change it instead." "已设置交易密码，请办理修改。";
    PasswordNotSet "PASSWORD_NOT_SET" State "No transaction password is set yet." "尚未设置交易密码。";
    PinPadUnknown "PIN_PAD_UNKNOWN" State "The hub has no key of this terminal's PIN pad; an operator gives it one." "枢纽没有该终端密码键盘的密钥，请由操作员登记。";

    // What a bank answers to a hold.
    InsufficientFunds "INSUFFICIENT_FUNDS" State "There is not enough money in the account." "账户余额不足。";
    AccountUnknown "ACCOUNT_UNKNOWN" NotFound "The bank does not know the account." "银行无此账户。";
    AccountInactive "ACCOUNT_INACTIVE" State "The account is not active." "账户未激活。";
    AccountFrozen "ACCOUNT_FROZEN" State "The account is frozen: money can come in, none can go out." "账户已冻结：只进不出。";
    AccountClosed "ACCOUNT_CLOSED" State "The account is closed." "账户已销户。";
    LimitExceeded "LIMIT_EXCEEDED" State "The amount is above a limit of the account." "超过账户限额。";
    LegIdTaken "LEG_ID_TAKEN" Exists "This leg id was used for another request." "该分录编号已用于其他请求。";
    LegUnknown "LEG_UNKNOWN" NotFound "There is no such leg at this bank." "银行无此分录。";
    LegVoided "LEG_VOIDED" State "The leg was voided." "该分录已撤销。";
    LegPosted "LEG_POSTED" State "The leg is posted; money goes back only by a reversal or a refund." "该分录已入账，只能冲正或退款。";
    BankRefused "BANK_REFUSED" State "The bank refuses." "银行拒绝交易。";
    OriginalUnknown "ORIGINAL_UNKNOWN" State "The leg to give back from is not posted at this bank." "原分录未在本行入账。";
    LegRefused "LEG_REFUSED" State "The hold of the leg was refused; there is nothing to post." "该分录的预授权已被拒绝，无可入账。";
    IdTaken "ID_TAKEN" Exists "This id was used for another request." "该编号已用于其他请求。";

    // PINs and the keys of a bank.
    PinBlockMalformed "PIN_BLOCK_MALFORMED" Invalid "A PIN block has not the length or the format that its key is for." "PIN块的长度或格式与其密钥不符。";
    PinRequired "PIN_REQUIRED" Invalid "This call needs the PIN." "此操作需要输入密码。";
    PinBlockUnreadable "PIN_BLOCK_UNREADABLE" Invalid "A PIN block does not open to a PIN of this card under this key; no try was counted." "PIN块无法以该密钥解出此卡的密码，未计入错误次数。";
    PinKeyUnknown "PIN_KEY_UNKNOWN" State "The bank does not hold this version of the key of the PIN block." "银行没有该版本的PIN密钥。";
    KeyRefused "KEY_REFUSED" Invalid "A key cannot be taken in: its seal, check value, length or purpose is not right." "密钥无法导入：封装、校验值、长度或用途不符。";
    HsmAway "HSM_AWAY" Away "The bank's key store gives no answer to rely on; the same call again is safe, and no try was counted." "银行加密机暂无可靠应答，可安全重试，且未计入错误次数。";

    // Cards. What a card or its holder has to prove is one refusal, whichever proof was wrong.
    CardNumberLength "CARD_NUMBER_LENGTH" Invalid "A card number has 13 to 19 digits." "卡号须为13至19位数字。";
    CardNumberMalformed "CARD_NUMBER_MALFORMED" Invalid "A card number has nothing but the digits 0 to 9." "卡号只能含半角数字0至9。";
    CardNumberInvalid "CARD_NUMBER_INVALID" Invalid "The check digit of the card number is not right." "卡号校验位错误。";
    CardNumberTaken "CARD_NUMBER_TAKEN" Exists "The card number is in use, or does not begin with the BIN that was named." "该卡号已被使用，或与所报卡BIN不符。";
    CardSidesMismatch "CARD_SIDES_MISMATCH" Invalid "The accounts do not fit what cards of this BIN are." "账户与该卡BIN的卡种不符。";
    CardsNotServed "CARDS_NOT_SERVED" State "This bank has no cards: its node has no key store for them." "该行未开通卡业务：节点未配置加密机。";
    CardNumbersExhausted "CARD_NUMBERS_EXHAUSTED" State "There is no number left under this BIN." "该发卡行标识代码下的卡号已用尽。";
    ExpiryMalformed "EXPIRY_MALFORMED" Invalid "An expiry is a month of two digits and a year of two digits." "有效期须为两位月份和两位年份。";
    TrackMalformed "TRACK_MALFORMED" Invalid "The track 2 data cannot be read." "二磁道数据无法解析。";
    TrackMismatch "TRACK_MISMATCH" Invalid "The track 2 data is that of another card than the one named." "二磁道数据与所报卡片不符。";
    CvvMalformed "CVV_MALFORMED" Invalid "A card verification value has exactly three digits." "卡片校验码必须为三位数字。";
    BinMalformed "BIN_MALFORMED" Invalid "A BIN range is two numbers of the same 6 to 12 digits, the first not above the second." "卡BIN区间须为两个位数相同（6至12位）且前小后大的数字。";
    BinTaken "BIN_TAKEN" Exists "The BIN range overlaps one that is registered." "该卡BIN区间与已登记区间重叠。";
    BinUnknown "BIN_UNKNOWN" NotFound "No bank of the federation has registered this kind of card number." "联盟内没有银行登记该卡BIN。";
    BinSuspended "BIN_SUSPENDED" State "No payment with this kind of card number is taken for now." "该卡BIN暂停支付。";
    /// For the bank's own counter. A terminal is told `CARD_NOT_VERIFIED`, as for a card that exists.
    CardUnknown "CARD_UNKNOWN" NotFound "The bank has no such card." "银行无此卡。";
    CardProofMissing "CARD_PROOF_MISSING" Invalid "Money goes out of a card by its track 2 or its CVV2, not by its number alone." "仅凭卡号不能付款，须提供二磁道数据或CVV2。";
    PinChangePending "PIN_CHANGE_PENDING" State "Another change of this card's PIN is not over." "该卡上一次密码变更尚未完成。";
    CardNotVerified "CARD_NOT_VERIFIED" State "The card or its holder could not be verified." "卡片或持卡人验证未通过。";
    CardLocked "CARD_LOCKED" State "The card is locked after too many wrong PINs." "密码错误次数过多，卡片已锁定。";
    CardValuesExhausted "CARD_VALUES_EXHAUSTED" State "The card was shown with a wrong verification value too often; for a day it pays with its PIN alone, or until its bank lifts that." "卡片校验码错误次数过多，一日内仅可凭密码使用，或由发卡行解除限制。";
    CardInactive "CARD_INACTIVE" State "The card is not activated." "卡片未激活。";
    CardExpired "CARD_EXPIRED" State "The card has expired." "卡片已过有效期。";
    CardFrozen "CARD_FROZEN" State "The card is frozen: money can come in, none can go out." "卡片已冻结：只进不出。";
    CardLost "CARD_LOST" State "The card was reported lost." "卡片已挂失。";
    CardReplaced "CARD_REPLACED" State "The card was replaced by another one." "卡片已换发新卡。";
    CardClosed "CARD_CLOSED" State "The card is closed." "卡片已注销。";
    NatureUnsupported "NATURE_UNSUPPORTED" State "There is no account here for this kind of transaction." "没有可办理此类交易的账户。";
    CashAdvanceLimitExceeded "CASH_ADVANCE_LIMIT_EXCEEDED" State "The cash advance is above its limit." "超过预借现金额度。";
    NotPreAuthorised "NOT_PRE_AUTHORISED" State "Only a pre-authorisation can be completed with an amount." "只有预授权交易才能按金额完成。";
    CompletionMismatch "COMPLETION_MISMATCH" State "The payment was completed with another amount." "该预授权已按其他金额完成。";
    NotAuthorised "NOT_AUTHORISED" State "The payment is not authorised, or not any more." "该交易未获预授权或预授权已失效。";
    AuthorisationLapsed "AUTHORISATION_LAPSED" State "The authorisation was not completed in time; nothing was charged." "预授权逾期未完成，未扣款。";
    CompletionTooLarge "COMPLETION_TOO_LARGE" State "The completion is more than was held." "预授权完成金额超过预授权金额。";
    LegNotPosted "LEG_NOT_POSTED" State "The leg is not posted." "该分录未入账。";

    // Credit accounts.
    TermsMalformed "TERMS_MALFORMED" Invalid "The terms of a credit account are out of range." "贷记账户条款超出范围。";
    DayOutOfOrder "DAY_OUT_OF_ORDER" State "The days of a credit account are closed one after the other." "贷记账户须逐日结账。";
    DayNotOver "DAY_NOT_OVER" State "The day is not over in the bank's time zone." "按银行所在时区，该日尚未结束。";
    DayMalformed "DAY_MALFORMED" Invalid "A day is not of the form YYYY-MM-DD." "日期格式必须为YYYY-MM-DD。";
    CreditSystemAbsent "CREDIT_SYSTEM_ABSENT" State "This bank has no existing credit system: its ledger keeps the credit accounts." "该行没有外部信用卡系统，贷记账户由本账本管理。";
    AdviceUnknown "ADVICE_UNKNOWN" NotFound "The credit system has nothing to be told of this." "没有需要通知信用卡系统的此项事务。";

    // What banks report of purchases that the hub did not carry.
    ReportsOutOfOrder "REPORTS_OUT_OF_ORDER" Invalid "The reports of a message count up by one, from 1." "同一报文中的上报序号须从1起逐一递增。";
    ReportSequenceTaken "REPORT_SEQUENCE_TAKEN" Exists "This sequence was used for another report." "该序号已用于其他上报。";
    RecordVersionTaken "RECORD_VERSION_TAKEN" Exists "This version of the purchase was reported with other content." "该消费记录的此版本已有不同内容。";
    RecordGoesBack "RECORD_GOES_BACK" State "A purchase does not go back to where it stood before." "消费记录的状态不能回退。";

    // Offers of banks to people.
    OfferRuleEmpty "OFFER_RULE_EMPTY" Invalid "The rule of an offer asks for a number of purchases or for a sum." "优惠规则须要求消费次数或消费金额。";
    OfferRuleOutOfRange "OFFER_RULE_OUT_OF_RANGE" Invalid "The rule of an offer looks at 1 to 189 days and asks for 1 to 1000 purchases or a sum above zero." "优惠规则须限于1至189天，且次数为1至1000次或金额大于零。";
    OfferRuleSensitive "OFFER_RULE_SENSITIVE" Invalid "No offer is made of purchases that tell of health, belief, politics, gambling or trouble." "不得依据涉及健康、信仰、政治、博彩或纠纷的消费推送优惠。";
    OfferTimesMalformed "OFFER_TIMES_MALFORMED" Invalid "An offer ends after it begins, and after it is filed." "优惠的结束时间须晚于开始时间和提交时间。";
    OfferBudgetMalformed "OFFER_BUDGET_MALFORMED" Invalid "The budget of an offer is 1 to 10,000,000 deliveries." "优惠的推送额度须为1至10000000次。";
    OfferUnknown "OFFER_UNKNOWN" NotFound "There is no such offer of this caller." "没有该项优惠。";
    OfferNotOpen "OFFER_NOT_OPEN" State "The offer is withdrawn or over." "该优惠已撤回或已结束。";
    OffersTooMany "OFFERS_TOO_MANY" Exhausted "This bank has too many offers that are not over." "该银行未结束的优惠过多。";
    OfferDeclined "OFFER_DECLINED" State "You have declined this offer." "您已拒绝该优惠。";
    OfferAccepted "OFFER_ACCEPTED" State "You have accepted this offer, and its bank has been told." "您已接受该优惠，并已告知银行。";
    OfferAgreementMalformed "OFFER_AGREEMENT_MALFORMED" Invalid "An agreement to offers names 1 to 20 banks in order and asks for 1 to 20 offers a week." "优惠接收授权须按顺序列出1至20家银行，且每周1至20条。";
    OfferAgreementOutdated "OFFER_AGREEMENT_OUTDATED" State "An agreement to offers is signed within five minutes and after the one before it." "优惠接收授权须在五分钟内签署，且晚于上一次。";
    AcceptanceMalformed "ACCEPTANCE_MALFORMED" Invalid "An acceptance does not say what the offer says, or cannot be read." "接受确认无法读取，或与优惠内容不符。";
    NothingToShow "NOTHING_TO_SHOW" State "You have no account or card at this bank that it could be shown." "您在该银行没有可出示的账户或卡片。";

    // Safety codes, by which somebody is known who calls. Whatever was wrong is one refusal.
    SafetyCodeMalformed "SAFETY_CODE_MALFORMED" Invalid "A safety code has six to eight digits." "安全码须为六至八位数字。";
    SafetyCodeGuessable "SAFETY_CODE_GUESSABLE" Invalid "This safety code is among the first that anybody would try; choose another one." "该安全码过于简单，请换一个。";
    SafetyCodeRefused "SAFETY_CODE_REFUSED" State "The number or the safety code is not right, or it was wrong too often lately." "号码或安全码不正确，或近期错误次数过多。";
    SafetyCodeNotAllowed "SAFETY_CODE_NOT_ALLOWED" State "A safety code is set within some time after a bank has checked who you are, and once for each check." "须在银行核验身份后的规定期限内设置安全码，每次核验仅可设置一次。";
    /// For whoever calls, one answer whatever the cause.
    SafetyCodeCardRefused "SAFETY_CODE_CARD_REFUSED" State "The number, the card or its password is not right, or no safety code may be set by them." "号码、卡片或密码不正确，或不能以此设置安全码。";
    SafetyCodeNotSetByCard "SAFETY_CODE_NOT_SET_BY_CARD" State "This hub sets no safety code by card and password; use the app." "本系统不支持凭卡片和密码设置安全码，请使用手机应用。";
    PinMalformed "PIN_MALFORMED" Invalid "A PIN has four to twelve digits." "密码须为四至十二位数字。";

    // Signing in by web page. Whatever was wrong is one refusal.
    AccountPasswordMalformed "ACCOUNT_PASSWORD_MALFORMED" Invalid "An account password has 12 to 64 characters, and none that cannot be typed." "账户密码须为12至64个可输入的字符。";
    AccountPasswordGuessable "ACCOUNT_PASSWORD_GUESSABLE" Invalid "This account password is among the first that anybody would try; choose another one." "该账户密码过于简单，请换一个。";
    SignInRefused "SIGN_IN_REFUSED" Stranger "The number, the code or the password is not right, or it was wrong too often lately." "号码、验证码或密码不正确，或近期错误次数过多。";

    // People whom carriers sign up, and their numbers.
    CitizenNumberMalformed "CITIZEN_NUMBER_MALFORMED" Invalid "A citizen identity number has 18 characters: a province, a real date of birth that is not to come, and the check character of GB 11643." "公民身份号码须为18位，省级代码、出生日期有效，且校验码符合GB 11643。";
    PersonNameMalformed "PERSON_NAME_MALFORMED" Invalid "A person's name is written as on the identity card: Chinese characters, or Latin letters, and never a mixture." "姓名须与身份证件一致：全部为汉字或全部为拉丁字母，不得混用。";
    CarrierUnknown "CARRIER_UNKNOWN" Denied "This carrier is not registered." "该运营商未登记。";
    CarrierSuspended "CARRIER_SUSPENDED" Denied "This carrier is suspended." "该运营商已停用。";
    BankNotOffered "BANK_NOT_OFFERED" State "The carrier signs nobody up at this bank." "该运营商不办理此银行的开户。";
    SignUpUnknown "SIGN_UP_UNKNOWN" NotFound "There is no such sign-up of this caller." "没有该项开户申请。";
    SignUpUnderWay "SIGN_UP_UNDER_WAY" State "This number is being signed up already; wait until that is decided." "该号码正在办理开户，请等待结果。";
    AlreadySignedUp "ALREADY_SIGNED_UP" State "This number pays from an account at this bank already." "该号码已绑定此银行的账户。";
    /// Whether the bank or the hub has found it out.
    IdentityMismatch "IDENTITY_MISMATCH" State "Name and citizen identity number do not belong to one person." "姓名与公民身份号码不一致。";
    CitizenUnknown "CITIZEN_UNKNOWN" State "There is no citizen of this identity number." "公民身份号码不存在。";
    IdentityAway "IDENTITY_AWAY" Away "The citizen-identity service gives no answer; nothing was stored, and the same call again is safe." "身份核验服务暂无应答，未作任何登记，可安全重试。";
    AccountsNotOpened "ACCOUNTS_NOT_OPENED" State "This bank opens no accounts through the hub." "该行未开通线上开户。";
    NumberNotYours "NUMBER_NOT_YOURS" Denied "This carrier has not signed this number up, or has it no more." "该号码并非由本运营商办理，或已不属于本运营商。";
    NumberChanged "NUMBER_CHANGED" State "The number has changed its SIM card or its owner since the code was sent; nothing was charged." "动态码发送后该号码已换卡或变更机主，未扣款。";
    NumberNotProved "NUMBER_NOT_PROVED" State "The number has changed its SIM card or its owner: until the payer has proved who they are, it pays by approval in the app alone. Nothing was charged." "该号码已换卡或变更机主，本人核验身份前仅可在手机应用中确认付款，本次未扣款。";
    NumberEnded "NUMBER_ENDED" State "This person has no number any more; another one is signed up first." "该用户已无手机号码，请先办理新号码。";

    // Bills and reminders.
    BillMalformed "BILL_MALFORMED" Invalid "The days or the amounts of a bill contradict each other." "账单的日期或金额相互矛盾。";
    BillUnknown "BILL_UNKNOWN" NotFound "There is no such bill of this person." "没有该账单。";
    ReminderMalformed "REMINDER_MALFORMED" Invalid "A reminder has at most 30 days before the due date or a day of 1 to 31, and a time of day." "提醒须设为到期日前不超过30天或每月1至31日，并有有效时刻。";

    // Repayments.
    RepaymentMalformed "REPAYMENT_MALFORMED" Invalid "A repayment is not written as it has to be." "还款申请的格式不正确。";
    RepaymentOutdated "REPAYMENT_OUTDATED" State "The repayment was signed more than 15 minutes ago, or by a clock that is ahead; nothing was charged. Sign it again." "还款签名已超过15分钟，或设备时钟超前，未扣款，请重新签名。";
    RepaymentSameAccount "REPAYMENT_SAME_ACCOUNT" Invalid "An account cannot repay itself." "账户不能为自身还款。";
    RepaymentTooLarge "REPAYMENT_TOO_LARGE" State "The repayment would leave more to the holder's credit than the bank keeps: at most the account's limit." "还款后的溢缴款将超过银行允许的上限，即该账户的信用额度。";
    RepaymentsTooMany "REPAYMENTS_TOO_MANY" Exhausted "Too many repayments were made today; try again tomorrow." "今日还款次数过多，请明日再试。";
    InstrumentUnknown "INSTRUMENT_UNKNOWN" NotFound "This person has bound no such account or card." "该用户未绑定此账户或卡片。";

    // Credit history.
    HistoryMalformed "HISTORY_MALFORMED" Invalid "The days or the amount of a credit history entry contradict each other." "信用记录的日期或金额相互矛盾。";
    HistoryOutdated "HISTORY_OUTDATED" State "A newer version of this credit history entry is stored." "已有该信用记录的更新版本。";
    HistoryVersionTaken "HISTORY_VERSION_TAKEN" Exists "This version of the credit history entry was reported with other content." "该版本的信用记录已以其他内容上报。";
    ConsentMalformed "CONSENT_MALFORMED" Invalid "A consent cannot be read, or its time, purpose or asker is none for what it allows." "授权书无法读取，或其有效期、用途或查询方与授权内容不符。";
    /// For an operator, one answer whatever the cause.
    ConsentRequired "CONSENT_REQUIRED" Denied "An operator is shown a person's purchases under a consent that the person has signed for this operator, and not otherwise." "操作员须持有本人为其签署的授权，方可查看消费记录。";
    ConsentUnknown "CONSENT_UNKNOWN" NotFound "There is no such consent of this caller." "没有该授权。";
    ConsentsTooMany "CONSENTS_TOO_MANY" Exhausted "Too many consents were given today; try again tomorrow." "今日授权次数过多，请明日再试。";
    ConsentRevoked "CONSENT_REVOKED" State "The consent was revoked." "授权已撤销。";
    ConsentUsed "CONSENT_USED" State "The consent was for one inquiry and is used." "授权仅限一次查询，已使用。";
    ConsentNotYetValid "CONSENT_NOT_YET_VALID" State "The consent is not valid yet." "授权尚未生效。";
    ConsentExpired "CONSENT_EXPIRED" State "The consent has expired." "授权已过期。";
    ConsentPurposeMismatch "CONSENT_PURPOSE_MISMATCH" State "The consent is for another purpose." "授权用途不符。";
    ConsentFieldsExceeded "CONSENT_FIELDS_EXCEEDED" State "More is asked for than the consent allows." "查询内容超出授权范围。";
    InquiriesTooMany "INQUIRIES_TOO_MANY" Exhausted "Inquiries are made too often; try again in a minute." "查询过于频繁，请一分钟后再试。";
    /// For a lender, one answer whatever the cause: it must not find out who is known here, or by which number.
    InquiryUnanswered "INQUIRY_UNANSWERED" NotFound "There is nothing to tell for this name and number." "没有可就该姓名和号码提供的信息。";

    // Telling people.
    MailAddressMalformed "MAIL_ADDRESS_MALFORMED" Invalid "An e-mail address is not of the plain form name@example.com." "电子邮箱地址格式错误。";
    NoticeFixed "NOTICE_FIXED" Denied "One-time codes and security notices cannot be turned off or held back." "动态码和安全提醒不能关闭或延后。";
    QuietHoursMalformed "QUIET_HOURS_MALFORMED" Invalid "Quiet hours are two different times of day." "免打扰时段须为两个不同的时刻。";
    TimeZoneUnknown "TIME_ZONE_UNKNOWN" Invalid "No time zone of the IANA database has this name." "IANA时区库中没有该时区。";
    TemplateMalformed "TEMPLATE_MALFORMED" Invalid "A template has up to 1000 characters, {{ field }} and {% if field %} … {% endif %}, and nothing else in braces." "模板最多1000个字符，花括号内只能使用{{ 字段 }}和{% if 字段 %} … {% endif %}。";
    TemplateFieldUnknown "TEMPLATE_FIELD_UNKNOWN" Invalid "A template names a field that this kind of notice does not have." "模板中的字段不属于该类通知。";
    NoMailAddressAwaited "NO_MAIL_ADDRESS_AWAITED" State "No e-mail address waits to be confirmed." "没有待确认的电子邮箱地址。";
    MailCodesExhausted "MAIL_CODES_EXHAUSTED" Exhausted "Too many codes were sent to e-mail addresses today; try again tomorrow." "今日发送邮箱验证码过于频繁，请明天再试。";
    ChannelAbsent "CHANNEL_ABSENT" State "This hub does not send anything this way." "本系统未开通该通知渠道。";
    NoticeUnknown "NOTICE_UNKNOWN" NotFound "There is no such notice among the dead letters." "未投递通知中没有该条记录。";

    // Operators.
    BankUnknown "BANK_UNKNOWN" NotFound "There is no such bank." "没有该银行。";
    BankSuspended "BANK_SUSPENDED" State "The bank is suspended." "该银行已停用。";
    MerchantUnknown "MERCHANT_UNKNOWN" NotFound "There is no such merchant." "没有该商户。";
    PersonUnknown "PERSON_UNKNOWN" NotFound "There is no such person." "没有该用户。";
    PhoneNumberTaken "PHONE_NUMBER_TAKEN" Exists "The number is bound to somebody else." "该号码已绑定其他用户。";
    NameTaken "NAME_TAKEN" Exists "The name is used with other content." "该名称已被占用。";
    AccountTaken "ACCOUNT_TAKEN" Exists "The account is bound to somebody else." "该账户已绑定其他用户。";
    CardTaken "CARD_TAKEN" Exists "The card is bound to somebody else." "该卡片已绑定其他用户。";
    OperatorUnknown "OPERATOR_UNKNOWN" Denied "This operator is not registered at the hub; an admin registers operators." "该操作员未在本系统登记，须由管理员登记。";
    OperatorSuspended "OPERATOR_SUSPENDED" Denied "This operator is suspended." "该操作员已停用。";
    ProposerRoleLacking "PROPOSER_ROLE_LACKING" Denied "Whoever proposed this may no longer do it." "提议人已无权进行此操作。";
    OperatorRoleLacking "OPERATOR_ROLE_LACKING" Denied "The operator's role does not allow this." "该操作员的角色无权进行此操作。";
    OperatorLastAdmin "OPERATOR_LAST_ADMIN" State "Nobody would be left who may approve it: the hub keeps an admin, and two where second persons are asked for." "至少须保留一名管理员；启用双人复核时须保留两名。";
    SecondPersonNeeded "SECOND_PERSON_NEEDED" State "This needs a second person: propose it, and have another operator approve it." "此操作须双人复核：请先提交申请，由另一名操作员批准。";
    SecondPersonIsFirst "SECOND_PERSON_IS_FIRST" Denied "Nobody approves what they have proposed themselves." "不能批准自己提交的申请。";
    ProposalUnknown "PROPOSAL_UNKNOWN" NotFound "There is no such proposal." "没有该申请。";
    ProposalDecided "PROPOSAL_DECIDED" State "The proposal was decided before." "该申请已有决定。";
    ProposalExpired "PROPOSAL_EXPIRED" State "Nobody has decided on the proposal in time; propose it again." "该申请已过期，请重新提交。";
    LookupBudgetUnknown "LOOKUP_BUDGET_UNKNOWN" NotFound "Nothing was ever drawn from such a look-up budget." "没有该查询额度的使用记录。";
    LimitUnknown "LIMIT_UNKNOWN" NotFound "There is no such limit." "没有该限额。";
    LimitMalformed "LIMIT_MALFORMED" Invalid "A limit bounds an amount, or for a window of a minute to 31 days an amount or a number of payments." "限额须规定单笔金额，或规定一分钟至31天内的累计金额或笔数。";
    LimitNotLower "LIMIT_NOT_LOWER" State "This would allow more than before, which takes a second person." "该变更将放宽限额，须双人复核。";
    LimitsTooMany "LIMITS_TOO_MANY" State "There are as many limits as a hub keeps." "限额数量已达上限。";
    FeeScheduleUnknown "FEE_SCHEDULE_UNKNOWN" NotFound "There is no such fee schedule." "没有该费率。";
    FeeScheduleTaken "FEE_SCHEDULE_TAKEN" Exists "This id was used for another fee schedule." "该编号已用于其他费率。";
    FeeRateOutOfRange "FEE_RATE_OUT_OF_RANGE" Invalid "A fee's rate is 0 to 100 % of the amount." "费率须为金额的0至100%。";
    FeeFloorAboveCap "FEE_FLOOR_ABOVE_CAP" Invalid "The least that is charged is more than the most." "手续费下限高于上限。";
    FeeSharesTooLarge "FEE_SHARES_TOO_LARGE" Invalid "The shares of a fee are not below zero, and all of it together at most." "手续费分成比例不得为负，且合计不得超过100%。";
    FeeValidityOutOfRange "FEE_VALIDITY_OUT_OF_RANGE" State "A fee schedule holds from a moment at least ten seconds and at most two years ahead." "费率的生效时间须在十秒之后、两年之内。";
    FeeValidityOverlaps "FEE_VALIDITY_OVERLAPS" State "A later or equal moment is taken already by a fee schedule for the same; withdraw that one first." "同一适用范围已有在此时间或之后生效的费率，请先撤回。";
    FeeScheduleInForce "FEE_SCHEDULE_IN_FORCE" State "The fee schedule holds already, or is about to; set another one after it." "该费率已经或即将生效，请另行设置新费率。";
    FeeSchedulesTooMany "FEE_SCHEDULES_TOO_MANY" State "There are as many fee schedules as a hub keeps." "费率数量已达上限。";
    CategoryUnknown "CATEGORY_UNKNOWN" NotFound "No merchant category has this code." "没有该商户类别码。";
    ConsoleRefused "CONSOLE_REFUSED" Stranger "Name, password or one-time password is not right, or signing in is blocked for a while." "名称、密码或动态口令不正确，或登录已暂时锁定。";

    // Keys.
    KeyUnknown "KEY_UNKNOWN" Invalid "There is no key of this name whose versions change." "没有可轮换的该名称密钥。";
    KeyVersionUnknown "KEY_VERSION_UNKNOWN" NotFound "There is no such version of the key." "该密钥没有此版本。";
    KeyVersionCurrent "KEY_VERSION_CURRENT" State "The version is written with, or is about to be." "该版本正在使用或即将启用。";
    KeyVersionAwaited "KEY_VERSION_AWAITED" State "A server may still write with this version of the key." "仍有服务器可能使用该密钥版本写入。";
    KeyVersionHasRows "KEY_VERSION_HAS_ROWS" State "Rows are left under this version of the key." "仍有数据使用该密钥版本。";

    // Links of a card network.
    NotSignedOn "NOT_SIGNED_ON" State "The link is not signed on." "链路尚未签到。";
    MacRefused "MAC_REFUSED" Denied "The message has no authentication code, or a wrong one." "报文缺少校验码或校验码错误。";
    LinkUnknown "LINK_UNKNOWN" NotFound "There is no such link." "没有该链路。";
    RoutingNeedsTls "ROUTING_NEEDS_TLS" State "A link without TLS is told no card number." "未启用TLS的链路不能获取卡号。";
    RoutingSuspended "ROUTING_SUSPENDED" State "The link may not route payments by itself at the moment." "该链路目前不得自行路由交易。";
    InstrumentNotRoutable "INSTRUMENT_NOT_ROUTABLE" State "What this person pays with has no card number that could be told to a network." "该用户的付款方式没有可供卡组织路由的卡号。";
    RoutingLapsed "ROUTING_LAPSED" State "The network told no outcome in time; nothing counts as charged." "卡组织逾期未告知结果，按未扣款处理。";
    NotRouted "NOT_ROUTED" State "The payment is not waiting for what a network tells of it." "该交易并未等待卡组织告知结果。";
    TotalsDiffer "TOTALS_DIFFER" State "The totals of the day differ." "当日对账总计不一致。";

    // Files between banks (ISO 20022).
    FileTooLarge "FILE_TOO_LARGE" Invalid "The file is larger than is taken." "文件超过大小上限。";
    FileMalformed "FILE_MALFORMED" Invalid "The file is no whole XML document in UTF-8, or has a document type, unknown entities or too many levels." "文件不是完整的UTF-8编码XML文档，或含有文档类型定义、未知实体或层级过深。";
    FileKindUnknown "FILE_KIND_UNKNOWN" Invalid "The file is of another message or version than is read here." "文件的报文类型或版本不受支持。";
    FileTotalsWrong "FILE_TOTALS_WRONG" Invalid "The transfers are not as many, or do not add up to as much, as the head of the file says." "文件头所报笔数或金额与明细不符。";
    TransferRepeated "TRANSFER_REPEATED" Invalid "The file tells of the same transfer twice." "文件中同一笔转账重复出现。";
    ClearingDayOpen "CLEARING_DAY_OPEN" State "The business day is not over, or payments of it are not decided yet." "该清算日尚未结束，或仍有未决交易。";
    ClearingFileEmpty "CLEARING_FILE_EMPTY" NotFound "There is nothing of this day for such a file." "该日没有此类文件的内容。";
    ClearingNameTooLong "CLEARING_NAME_TOO_LONG" State "A name is longer than the 35 characters that such a file has room for." "名称超过此类文件允许的35个字符。";

    // The machinery.
    TooBusy "TOO_BUSY" Exhausted "More than can be done right now; try again." "系统繁忙，请稍后再试。";
    ShuttingDown "SHUTTING_DOWN" Away "This server is going down; try again, another one will answer." "服务器正在停机，请重试。";
    BankAway "BANK_AWAY" Away "The bank does not answer; the same call again is safe." "银行暂无应答，可安全重试。";
    HubAway "HUB_AWAY" Away "The hub does not answer; the same call again is safe." "枢纽暂无应答，可安全重试。";
    StorageAway "STORAGE_AWAY" Away "The storage does not answer; the same call again is safe." "存储暂不可用，可安全重试。";
    Fault "FAULT" Fault "Something failed here; the same call again is safe." "系统内部错误，可安全重试。";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.english())
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for Reason {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_a_code_of_its_own_and_words_in_both_languages() {
        let mut seen = HashSet::new();
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'), "{code}");
            assert!(seen.insert(code), "{code} twice");
            assert_eq!(Reason::from_code(code), Some(*reason));
            assert!(reason.english().ends_with('.'), "{code}");
            assert!(reason.chinese().ends_with('。'), "{code}");
        }
        assert_eq!(Reason::from_code("NO_SUCH_REASON"), None);
    }
}
