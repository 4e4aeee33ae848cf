public enum Language: CaseIterable, Sendable {
    case english, chinese
}

/// Every word that the app says: each is written in both languages side by side, so that none can lack one.
public struct Words: Sendable {
    public let language: Language

    public init(_ language: Language) {
        self.language = language
    }

    func say(_ english: String, _ chinese: String) -> String {
        language == .chinese ? chinese : english
    }

    public var appName: String { say("Bankhub", "银行枢纽") }
    var number: String { say("Phone number", "手机号码") }
    var code: String { say("Code from your bank (8 digits)", "银行给您的绑定码（8位）") }
    var newPassword: String { say("New transaction password (6 digits)", "新交易密码（6位）") }
    var password: String { say("Transaction password", "交易密码") }
    var signIn: String { say("Bind this phone", "绑定本机") }
    var signInNote: String {
        say("Your bank gives you a code of eight digits. The key of this phone never leaves it.", "绑定码由银行提供，共八位数字。本机密钥不会离开手机。")
    }
    var sample: String {
        say(
            "Played banks, no real money. Number +8613800138000, code 20261122, any six digits as password.",
            "此为模拟银行，不涉及真实资金。号码 +8613800138000，绑定码 20261122，密码任意六位数字。")
    }
    var nothingYet: String { say("Nothing yet.", "暂无内容。") }
    var notOffered: String { say("The hub or this build does not offer this yet.", "枢纽或本版本暂不提供此功能。") }
    var live: String { say("Live", "实时") }
    var notLive: String { say("Not live: what happens is not heard.", "未连接：无法收到最新动态。") }
    var listenAgain: String { say("Listen again", "重新连接") }
    var refresh: String { say("Refresh", "刷新") }
    var back: String { say("Back", "返回") }
    var confirm: String { say("Confirm", "确认") }
    var decline: String { say("Decline", "拒绝") }
    var approve: String { say("Approve…", "批准…") }
    var askApprove: String { say("Approve this payment?", "批准这笔付款？") }
    var askUnfreeze: String { say("Let money go out again?", "恢复支出？") }
    var codeForTill: String { say("Code for the till", "收银台验证码") }
    var typeAtTill: String { say("Or type this code and your password at the till.", "也可在收银台输入此验证码和交易密码。") }
    var signingIn: String { say("Somebody signs in to your pages with this code", "有人正用此验证码登录您的网页") }
    var codeForPages: String { say("Code for your pages", "网页登录验证码") }
    var notYou: String {
        say("If this is not you, tell nobody the code; without it nobody gets in.", "如非本人操作，请勿告诉任何人；没有验证码无法登录。")
    }
    var freeze: String { say("Freeze", "冻结") }
    var freezeAll: String { say("Freeze everything", "全部冻结") }
    var unfreeze: String { say("Unfreeze…", "解冻…") }
    var paysByNumber: String { say("your number pays with it", "手机号付款默认账户") }
    var toPay: String { say("To pay", "应还合计") }
    var minimum: String { say("At least", "最低还款") }
    var overdue: String { say("Overdue", "逾期") }
    var reversed: String { say("taken back", "已撤销") }
    var minorUnits: String { say("minor units", "最小货币单位") }

    func tab(_ tab: Tab) -> String {
        switch tab {
        case .charges: return say("Charges", "消费")
        case .cards: return say("Cards", "卡片")
        case .approvals: return say("Approve", "批准")
        case .bill: return say("Bill", "账单")
        case .alerts: return say("Alerts", "提醒")
        }
    }

    func state(_ state: FreezeState, since: String?) -> String {
        switch state {
        case .free: return say("Money can go out.", "可正常支出。")
        case .freezing:
            return say("Stopped at the hub. The bank has not confirmed yet and is told until it does.", "枢纽已停止支出；银行尚未确认，将持续通知银行。")
        case .frozen:
            let english = "Frozen, confirmed by the bank" + (since.map { " since \($0)." } ?? ".") + " Money can come in."
            return say(english, (since.map { "自\($0)起冻结" } ?? "已冻结") + "，银行已确认。资金可以转入。")
        case .unfreezing: return say("Set free. The bank has not confirmed yet and may still refuse.", "已解冻；银行尚未确认，仍可能拒绝。")
        case .ended: return say("The bank has it no more; nothing goes out through the hub.", "银行已无此账户或卡片，枢纽不再支出。")
        case .unknown: return say("How it stands, a newer app shows.", "请更新应用以查看其状态。")
        }
    }

    func state(_ state: BillState) -> String {
        switch state {
        case .open: return say("nothing paid yet", "尚未还款")
        case .partPaid: return say("less than the minimum paid", "未达最低还款")
        case .minimumMet: return say("minimum paid", "已还最低还款")
        case .paid: return say("paid", "已还清")
        case .overdue: return say("overdue", "已逾期")
        }
    }

    func message(_ message: Message) -> String {
        switch message {
        case .numberMalformed:
            return say("Enter the number with its country, such as +8613800138000.", "请输入带国家代码的号码，例如 +8613800138000。")
        case .codeMalformed: return say("The code from your bank has eight digits.", "绑定码为八位数字。")
        case .passwordMalformed: return say("The transaction password has six digits.", "交易密码为六位数字。")
        case .failed: return say("That did not work.", "操作未成功。")
        case .outcomeUnknown:
            return say("No answer came. It may have been done; look before you try again.", "没有收到回应，操作可能已完成；请先查看再重试。")
        case .notOffered: return notOffered
        case .streamStopped: return say("The live stream has stopped.", "实时连接已停止。")
        case .approved: return say("Approved and charged.", "已批准并扣款。")
        case .approvalPending:
            return say("Approved. The bank is being asked; the charge follows if it agrees.", "已批准，正在请求银行；银行同意后扣款。")
        case .notCharged: return say("Nothing is charged.", "未扣款。")
        case .declined: return say("Declined. Nothing is charged.", "已拒绝，不会扣款。")
        case .freezeOrdered:
            return say("Nothing goes out at the hub any more. Below is what the banks have confirmed.", "枢纽已停止支出。各银行的确认情况见下。")
        case .unfreezeOrdered: return say("Set free. Below is what the banks have confirmed.", "已解冻。各银行的确认情况见下。")
        }
    }

    func keptSince(_ time: String) -> String { say("Offline: as of \(time).", "离线：数据截至\(time)。") }
    func until(_ time: String) -> String { say("until \(time)", "\(time)前有效") }
    func givenBack(_ amount: String) -> String { say("\(amount) came back", "已退\(amount)") }
    func asksFor(_ merchant: String, _ amount: String) -> String { say("\(merchant) asks for \(amount)", "\(merchant)请求付款\(amount)") }
    func charged(_ merchant: String, _ amount: String) -> String { say("Paid \(amount) at \(merchant)", "在\(merchant)消费\(amount)") }
    func cameBack(_ merchant: String, _ amount: String) -> String { say("\(amount) came back from \(merchant)", "\(merchant)退回\(amount)") }
    func cameIn(_ masked: String, _ amount: String) -> String { say("\(amount) came in on \(masked)", "\(masked)转入\(amount)") }

    func due(_ day: String, _ days: Int) -> String {
        func count(_ days: Int) -> String { days == 1 ? "1 day" : "\(days) days" }
        if days < 0 {
            return say("\(day), \(count(-days)) late", "\(day)到期，逾期\(-days)天")
        }
        if days == 0 {
            return say("\(day), due today", "\(day)，今天到期")
        }
        return say("due \(day), in \(count(days))", "\(day)到期，还有\(days)天")
    }
}
