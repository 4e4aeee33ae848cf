package bankhub.demo

enum class Language { ENGLISH, CHINESE }

/** Every word that the app says. A word that one language lacks does not compile. */
interface Words {
    val appName: String
    val number: String
    val code: String
    val newPassword: String
    val password: String
    val signIn: String
    val signInNote: String
    val sample: String
    val nothingYet: String
    val notOffered: String
    val live: String
    val notLive: String
    val listenAgain: String
    val refresh: String
    val back: String
    val confirm: String
    val decline: String
    val approve: String
    val askApprove: String
    val askUnfreeze: String
    val codeForTill: String
    val typeAtTill: String
    val signingIn: String
    val codeForPages: String
    val notYou: String
    val freeze: String
    val freezeAll: String
    val unfreeze: String
    val paysByNumber: String
    val toPay: String
    val minimum: String
    val overdue: String
    val reversed: String
    val dueToday: String
    val minorUnits: String
    val confirmYou: String

    fun tab(tab: Tab): String
    fun state(state: FreezeState, since: String?): String
    fun state(state: BillState): String
    fun message(message: Message): String
    fun keptSince(time: String): String
    fun until(time: String): String
    fun due(day: String, days: Long): String
    fun givenBack(amount: String): String
    fun asksFor(merchant: String, amount: String): String
    fun charged(merchant: String, amount: String): String
    fun cameBack(merchant: String, amount: String): String
    fun cameIn(masked: String, amount: String): String
    fun waitingCount(count: Int): String

    companion object {
        fun of(language: Language): Words = if (language == Language.CHINESE) Chinese else English
    }
}

object English : Words {
    override val appName = "Bankhub"
    override val number = "Phone number"
    override val code = "Code from your bank (8 digits)"
    override val newPassword = "New transaction password (6 digits)"
    override val password = "Transaction password"
    override val signIn = "Bind this phone"
    override val signInNote = "Your bank gives you a code of eight digits. The key of this phone never leaves it."
    override val sample = "Played banks, no real money. Number +8613800138000, code 20261122, any six digits as password."
    override val nothingYet = "Nothing yet."
    override val notOffered = "The hub or this build does not offer this yet."
    override val live = "Live"
    override val notLive = "Not live: what happens is not heard."
    override val listenAgain = "Listen again"
    override val refresh = "Refresh"
    override val back = "Back"
    override val confirm = "Confirm"
    override val decline = "Decline"
    override val approve = "Approve…"
    override val askApprove = "Approve this payment?"
    override val askUnfreeze = "Let money go out again?"
    override val codeForTill = "Code for the till"
    override val typeAtTill = "Or type this code and your password at the till."
    override val signingIn = "Somebody signs in to your pages with this code"
    override val codeForPages = "Code for your pages"
    override val notYou = "If this is not you, tell nobody the code; without it nobody gets in."
    override val freeze = "Freeze"
    override val freezeAll = "Freeze everything"
    override val unfreeze = "Unfreeze…"
    override val paysByNumber = "your number pays with it"
    override val toPay = "To pay"
    override val minimum = "At least"
    override val overdue = "Overdue"
    override val reversed = "taken back"
    override val dueToday = "due today"
    override val minorUnits = "minor units"
    override val confirmYou = "Confirm that it is you"

    override fun tab(tab: Tab) = when (tab) {
        Tab.CHARGES -> "Charges"
        Tab.CARDS -> "Cards"
        Tab.APPROVALS -> "Approve"
        Tab.BILL -> "Bill"
        Tab.ALERTS -> "Alerts"
    }

    override fun state(state: FreezeState, since: String?) = when (state) {
        FreezeState.FREE -> "Money can go out."
        FreezeState.FREEZING -> "Stopped at the hub. The bank has not confirmed yet and is told until it does."
        FreezeState.FROZEN -> "Frozen, confirmed by the bank" + (since?.let { " since $it." } ?: ".") + " Money can come in."
        FreezeState.UNFREEZING -> "Set free. The bank has not confirmed yet and may still refuse."
        FreezeState.ENDED -> "The bank has it no more; nothing goes out through the hub."
        FreezeState.UNKNOWN -> "How it stands, a newer app shows."
    }

    override fun state(state: BillState) = when (state) {
        BillState.OPEN -> "nothing paid yet"
        BillState.PART_PAID -> "less than the minimum paid"
        BillState.MINIMUM_MET -> "minimum paid"
        BillState.PAID -> "paid"
        BillState.OVERDUE -> "overdue"
    }

    override fun message(message: Message) = when (message) {
        Message.NUMBER_MALFORMED -> "Enter the number with its country, such as +8613800138000."
        Message.CODE_MALFORMED -> "The code from your bank has eight digits."
        Message.PASSWORD_MALFORMED -> "The transaction password has six digits."
        Message.FAILED -> "That did not work."
        Message.OUTCOME_UNKNOWN -> "No answer came. It may have been done; look before you try again."
        Message.NOT_OFFERED -> notOffered
        Message.STREAM_STOPPED -> "The live stream has stopped."
        Message.APPROVED -> "Approved and charged."
        Message.APPROVAL_PENDING -> "Approved. The bank is being asked; the charge follows if it agrees."
        Message.NOT_CHARGED -> "Nothing is charged."
        Message.DECLINED -> "Declined. Nothing is charged."
        Message.FREEZE_ORDERED -> "Nothing goes out at the hub any more. Below is what the banks have confirmed."
        Message.UNFREEZE_ORDERED -> "Set free. Below is what the banks have confirmed."
    }

    override fun keptSince(time: String) = "Offline: as of $time."
    override fun until(time: String) = "until $time"
    override fun due(day: String, days: Long) = when {
        days < 0 -> "$day, ${count(-days)} late"
        days == 0L -> "$day, $dueToday"
        else -> "due $day, in ${count(days)}"
    }

    override fun givenBack(amount: String) = "$amount came back"
    override fun asksFor(merchant: String, amount: String) = "$merchant asks for $amount"
    override fun charged(merchant: String, amount: String) = "Paid $amount at $merchant"
    override fun cameBack(merchant: String, amount: String) = "$amount came back from $merchant"
    override fun cameIn(masked: String, amount: String) = "$amount came in on $masked"
    override fun waitingCount(count: Int) = if (count == 1) "1 payment waits" else "$count payments wait"

    private fun count(days: Long) = if (days == 1L) "1 day" else "$days days"
}

object Chinese : Words {
    override val appName = "银行枢纽"
    override val number = "手机号码"
    override val code = "银行给您的绑定码（8位）"
    override val newPassword = "新交易密码（6位）"
    override val password = "交易密码"
    override val signIn = "绑定本机"
    override val signInNote = "绑定码由银行提供，共八位数字。本机密钥不会离开手机。"
    override val sample = "此为模拟银行，不涉及真实资金。号码 +8613800138000，绑定码 20261122，密码任意六位数字。"
    override val nothingYet = "暂无内容。"
    override val notOffered = "枢纽或本版本暂不提供此功能。"
    override val live = "实时"
    override val notLive = "未连接：无法收到最新动态。"
    override val listenAgain = "重新连接"
    override val refresh = "刷新"
    override val back = "返回"
    override val confirm = "确认"
    override val decline = "拒绝"
    override val approve = "批准…"
    override val askApprove = "批准这笔付款？"
    override val askUnfreeze = "恢复支出？"
    override val codeForTill = "收银台验证码"
    override val typeAtTill = "也可在收银台输入此验证码和交易密码。"
    override val signingIn = "有人正用此验证码登录您的网页"
    override val codeForPages = "网页登录验证码"
    override val notYou = "如非本人操作，请勿告诉任何人；没有验证码无法登录。"
    override val freeze = "冻结"
    override val freezeAll = "全部冻结"
    override val unfreeze = "解冻…"
    override val paysByNumber = "手机号付款默认账户"
    override val toPay = "应还合计"
    override val minimum = "最低还款"
    override val overdue = "逾期"
    override val reversed = "已撤销"
    override val dueToday = "今天到期"
    override val minorUnits = "最小货币单位"
    override val confirmYou = "请确认是您本人"

    override fun tab(tab: Tab) = when (tab) {
        Tab.CHARGES -> "消费"
        Tab.CARDS -> "卡片"
        Tab.APPROVALS -> "批准"
        Tab.BILL -> "账单"
        Tab.ALERTS -> "提醒"
    }

    override fun state(state: FreezeState, since: String?) = when (state) {
        FreezeState.FREE -> "可正常支出。"
        FreezeState.FREEZING -> "枢纽已停止支出；银行尚未确认，将持续通知银行。"
        FreezeState.FROZEN -> (since?.let { "自${it}起冻结" } ?: "已冻结") + "，银行已确认。资金可以转入。"
        FreezeState.UNFREEZING -> "已解冻；银行尚未确认，仍可能拒绝。"
        FreezeState.ENDED -> "银行已无此账户或卡片，枢纽不再支出。"
        FreezeState.UNKNOWN -> "请更新应用以查看其状态。"
    }

    override fun state(state: BillState) = when (state) {
        BillState.OPEN -> "尚未还款"
        BillState.PART_PAID -> "未达最低还款"
        BillState.MINIMUM_MET -> "已还最低还款"
        BillState.PAID -> "已还清"
        BillState.OVERDUE -> "已逾期"
    }

    override fun message(message: Message) = when (message) {
        Message.NUMBER_MALFORMED -> "请输入带国家代码的号码，例如 +8613800138000。"
        Message.CODE_MALFORMED -> "绑定码为八位数字。"
        Message.PASSWORD_MALFORMED -> "交易密码为六位数字。"
        Message.FAILED -> "操作未成功。"
        Message.OUTCOME_UNKNOWN -> "没有收到回应，操作可能已完成；请先查看再重试。"
        Message.NOT_OFFERED -> notOffered
        Message.STREAM_STOPPED -> "实时连接已停止。"
        Message.APPROVED -> "已批准并扣款。"
        Message.APPROVAL_PENDING -> "已批准，正在请求银行；银行同意后扣款。"
        Message.NOT_CHARGED -> "未扣款。"
        Message.DECLINED -> "已拒绝，不会扣款。"
        Message.FREEZE_ORDERED -> "枢纽已停止支出。各银行的确认情况见下。"
        Message.UNFREEZE_ORDERED -> "已解冻。各银行的确认情况见下。"
    }

    override fun keptSince(time: String) = "离线：数据截至${time}。"
    override fun until(time: String) = "${time}前有效"
    override fun due(day: String, days: Long) = when {
        days < 0 -> "${day}到期，逾期${-days}天"
        days == 0L -> "$day，$dueToday"
        else -> "${day}到期，还有${days}天"
    }

    override fun givenBack(amount: String) = "已退$amount"
    override fun asksFor(merchant: String, amount: String) = "${merchant}请求付款$amount"
    override fun charged(merchant: String, amount: String) = "在${merchant}消费$amount"
    override fun cameBack(merchant: String, amount: String) = "${merchant}退回$amount"
    override fun cameIn(masked: String, amount: String) = "${masked}转入$amount"
    override fun waitingCount(count: Int) = "${count}笔付款待处理"
}
