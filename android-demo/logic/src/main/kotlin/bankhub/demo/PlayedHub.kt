package bankhub.demo

import java.time.Duration
import java.time.Instant
import java.time.LocalDate
import java.time.ZoneId
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.receiveAsFlow
import kotlinx.coroutines.launch

/**
 * A federation that is played on the phone, for trying the app without a server: three banks, a person, charges that arrive, payments
 * that ask for approval, and one bank that confirms a freeze late. The same every time; it keeps nothing when it ends.
 */
class PlayedHub(private val scope: CoroutineScope, private val language: Language, private val zone: ZoneId, private val now: () -> Instant) : Hub {
    private val events = Channel<HubEvent>(Channel.UNLIMITED)
    private var password: Secret? = null
    private var wrongPasswords = 0
    private var sequence = 0L
    private var isShutDown = false
    private var purchases = listOf<Purchase>()
    private var approvals = listOf<Approval>()
    private var instruments = BANKS.mapIndexed { index, bank -> Instrument(bank.name, bank.says(language), bank.masked, index == 0, FreezeState.FREE) }

    override fun isEnrolled() = password != null

    override suspend fun enrol(phoneNumber: String, code: Secret, transactionPassword: Secret) {
        answer()
        if (phoneNumber != NUMBER || code.reveal() != CODE) {
            throw refused("ENROLMENT_REFUSED", "The number or the code is not right.", "号码或绑定码不正确。")
        }
        password = transactionPassword
        purchases = listOf(purchase(SCRIPT.last(), 26), purchase(SCRIPT[1], 49))
        scope.launch { play() }
    }

    override fun events(): Flow<HubEvent> = events.receiveAsFlow()

    override suspend fun purchases(): Purchases = answer().let { Purchases(purchases) }

    override suspend fun bills(): Bills {
        answer()
        val today = LocalDate.ofInstant(now(), zone)
        val soon = Bill(BANKS[1].name.bankId, BANKS[1].masked, Money("CNY", 186_420), 18_642, "${today.plusDays(3)}", BillState.OPEN)
        val later = Bill(BANKS[2].name.bankId, BANKS[2].masked, Money("CNY", 52_300), 0, "${today.plusDays(12)}", BillState.MINIMUM_MET)
        return Bills(listOf(TotalBill(Money("CNY", 238_720), 18_642, soon.dueOn, 0, 2)), listOf(soon, later))
    }

    override suspend fun instruments() = answer().let { Instruments(instruments) }

    override suspend fun freeze(names: List<InstrumentName>): List<Instrument> = order(names, FreezeState.FREEZING, FreezeState.FROZEN)

    override suspend fun freezeAll(): List<Instrument> = freeze(instruments.map { it.name })

    override suspend fun unfreeze(names: List<InstrumentName>, transactionPassword: Secret): List<Instrument> {
        answer()
        check(transactionPassword)
        return order(names, FreezeState.UNFREEZING, FreezeState.FREE)
    }

    override suspend fun pendingApprovals(): List<Approval> = answer().let { approvals.filter { it.expiresAt > now() } }

    override suspend fun approve(approval: Approval, transactionPassword: Secret): Outcome {
        answer()
        val waiting = approvals.firstOrNull { it == approval && it.expiresAt > now() }
            ?: throw refused("PAYMENT_UNKNOWN", "This payment waits no more.", "该笔付款已不在等待。")
        try {
            check(transactionPassword)
        } catch (wrong: HubException) {
            if (wrongPasswords < 3) return Outcome(OutcomeState.AWAITING, wrong.text) else throw wrong
        }
        approvals = approvals - waiting
        val payer = BANKS.first()
        if (!pays(payer)) return Outcome(OutcomeState.DECLINED, says("The account is frozen.", "账户已冻结。"))
        charge(Purchase(waiting.paymentId, waiting.amount, now(), payer.name.bankId, payer.masked, waiting.merchantName, waiting.place))
        return Outcome(OutcomeState.APPROVED)
    }

    override suspend fun decline(paymentId: String): Outcome {
        answer()
        val waiting = approvals.firstOrNull { it.paymentId == paymentId } ?: return Outcome(OutcomeState.DECLINED)
        approvals = approvals - waiting
        // The feed's event without a code says that the payment has ended.
        tell { sequence, at -> HubEvent.PaymentCode(sequence, at, paymentId, waiting.amount, waiting.merchantName, at, null) }
        return Outcome(OutcomeState.DECLINED)
    }

    override suspend fun shutDown() {
        isShutDown = true
        events.close()
    }

    private suspend fun answer() {
        delay(ANSWER_MS)
        if (isShutDown) throw HubException(Trouble.OTHER, "PHONE_CLOSED", "")
    }

    private fun refused(reason: String, english: String, chinese: String) =
        HubException(Trouble.REFUSED, reason, says(english, chinese))

    private fun says(english: String, chinese: String) = if (language == Language.CHINESE) chinese else english

    /** Three wrong ones block the payer, as at a terminal. */
    private fun check(given: Secret) {
        if (wrongPasswords >= 3) throw refused("PAYER_BLOCKED", "Too many wrong tries; wait 30 minutes.", "错误次数过多，请30分钟后再试。")
        if (given.reveal() == password?.reveal()) return run { wrongPasswords = 0 }
        wrongPasswords += 1
        throw refused("CREDENTIALS_REFUSED", "The password is not right.", "密码不正确。")
    }

    /** The hub stands by the order at once; each bank confirms when it does, the late one long after. */
    private suspend fun order(names: List<InstrumentName>, ordered: FreezeState, confirmed: FreezeState): List<Instrument> {
        answer()
        set(names.toSet(), ordered)
        for (bank in BANKS.filter { it.name in names }) {
            scope.launch {
                delay(bank.confirmsAfterMs)
                if (instruments.any { it.name == bank.name && it.freezeState == ordered }) {
                    set(setOf(bank.name), confirmed)
                    val (english, chinese) = if (confirmed == FreezeState.FROZEN) "is frozen" to "已冻结" else "is set free" to "已解冻"
                    val text = "${bank.says(language)} ${bank.masked} " + if (language == Language.CHINESE) chinese else "$english."
                    tell { sequence, at -> HubEvent.News(sequence, at, Topic.SECURITY, text) }
                }
            }
        }
        return instruments.filter { it.name in names }
    }

    private fun set(names: Set<InstrumentName>, state: FreezeState) {
        val since = now().takeIf { state == FreezeState.FROZEN }
        instruments = instruments.map { if (it.name in names) it.copy(freezeState = state, frozenSince = since) else it }
    }

    private fun pays(bank: PlayedBank) = instruments.any { it.name == bank.name && it.freezeState == FreezeState.FREE }

    private suspend fun play() {
        var round = 0
        while (!isShutDown) {
            for (scene in SCRIPT) {
                delay(scene.afterMs)
                if (isShutDown) return
                val id = "played-${round++}"
                if (scene.bank == null) ask(scene, id) else if (pays(scene.bank)) charge(purchase(scene, 0, id))
            }
        }
    }

    private fun purchase(scene: Scene, hoursAgo: Long, id: String = "before-$hoursAgo"): Purchase {
        val bank = scene.bank ?: BANKS.first()
        val at = now().minus(Duration.ofHours(hoursAgo))
        return Purchase(id, Money("CNY", scene.fen), at, bank.name.bankId, bank.masked, scene.merchant(language), scene.place(language))
    }

    private fun charge(purchase: Purchase) {
        purchases = listOf(purchase) + purchases
        tell { sequence, at -> HubEvent.Charge(sequence, at, purchase) }
    }

    private fun ask(scene: Scene, id: String) {
        if (!pays(BANKS.first())) return
        val (merchant, amount) = scene.merchant(language) to Money("CNY", scene.fen)
        val until = now().plusSeconds(CODE_SECONDS)
        val payer = BANKS.first()
        approvals = approvals + Approval(id, amount, merchant, scene.place(language), payer.says(language), payer.masked, until)
        tell { sequence, at -> HubEvent.PaymentCode(sequence, at, id, amount, merchant, until, Secret("314159")) }
    }

    private fun tell(event: (Long, Instant) -> HubEvent) {
        sequence += 1
        events.trySend(event(sequence, now()))
    }

    private class PlayedBank(val name: InstrumentName, val masked: String, val confirmsAfterMs: Long, private val english: String, private val chinese: String) {
        fun says(language: Language) = if (language == Language.CHINESE) chinese else english
    }

    /** A charge at a bank, or, without one, a payment that asks for approval. */
    private class Scene(val afterMs: Long, val bank: PlayedBank?, val fen: Long, private val english: String, private val chinese: String, private val at: Pair<String, String>) {
        fun merchant(language: Language) = if (language == Language.CHINESE) chinese else english

        fun place(language: Language) = if (language == Language.CHINESE) at.second else at.first
    }

    companion object {
        const val NUMBER = "+8613800138000"
        const val CODE = "20261122"
        const val ANSWER_MS = 300L
        const val LATE_BANK_MS = 20_000L
        private const val CODE_SECONDS = 180L

        private val BANKS = listOf(
            PlayedBank(InstrumentName("bank-a", "account-1", isCard = false), "****4821", 800, "Harbour Bank", "海港银行"),
            PlayedBank(InstrumentName("bank-b", "card-1", isCard = true), "622202******7719", 1_500, "Mountain Bank", "山岳银行"),
            PlayedBank(InstrumentName("bank-c", "card-2", isCard = true), "621700******0356", LATE_BANK_MS, "Tea Bank", "茶乡银行"),
        )
        private val SCRIPT = listOf(
            Scene(5_000, BANKS[0], 3_680, "Noodle House", "面馆", "Nanjing Road" to "南京路"),
            Scene(8_000, null, 12_800, "Book Corner", "书角", "People's Square" to "人民广场"),
            Scene(12_000, BANKS[1], 45_900, "River Cinema", "江畔影院", "The Bund" to "外滩"),
            Scene(20_000, BANKS[2], 6_250, "Green Grocer", "绿叶果蔬", "Xujiahui" to "徐家汇"),
        )
    }
}
