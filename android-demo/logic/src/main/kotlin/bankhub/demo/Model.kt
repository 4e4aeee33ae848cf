package bankhub.demo

import java.time.Instant

/** An amount in whole minor units of its currency, as ISO 4217 counts them: 1250 of CNY is 12.50. */
data class Money(val currencyCode: String, val minorUnits: Long)

/** A code or a password. It stands in no log and no `toString`; ask for it where it is shown or sent. */
class Secret(private val text: String) {
    fun reveal(): String = text

    override fun toString() = "Secret"

    companion object {
        val NONE = Secret("")
    }
}

data class Purchase(
    val paymentId: String,
    val amount: Money,
    val occurredAt: Instant,
    val bankId: String,
    val accountMasked: String,
    val merchantName: String,
    val place: String,
    /** What came back so far, in minor units. */
    val givenBackMinor: Long = 0,
    val isReversed: Boolean = false,
)

/** Purchases, the newest first. */
data class Purchases(
    val list: List<Purchase>,
    /** When the hub said so, where the answer is an old one that was kept. */
    val keptSince: Instant? = null,
)

/** Names an account or a card. */
data class InstrumentName(val bankId: String, val id: String, val isCard: Boolean)

enum class FreezeState {
    FREE,

    /** Nothing goes out at the hub; the bank has yet to confirm. */
    FREEZING,

    /** Nothing goes out, confirmed by the bank. */
    FROZEN,

    /** Set free at the hub; the bank may still refuse. */
    UNFREEZING,

    /** The bank has no such account or card any more. */
    ENDED,

    /** One that this app does not know. */
    UNKNOWN,
}

data class Instrument(
    val name: InstrumentName,
    val bankName: String,
    val masked: String,
    /** Whether the phone number pays with it. */
    val isDefault: Boolean,
    val freezeState: FreezeState,
    /** By the bank's clock; set when it is frozen. */
    val frozenSince: Instant? = null,
)

/** Accounts and cards, the default first. */
data class Instruments(val list: List<Instrument>, val keptSince: Instant? = null)

/** A payment that waits for the person's answer, with everything that an approval signs. */
data class Approval(
    val paymentId: String,
    val amount: Money,
    val merchantName: String,
    val place: String,
    val bankName: String,
    val accountMasked: String,
    val expiresAt: Instant,
)

enum class OutcomeState {
    /** It still waits: the password was wrong, which counts as at a terminal. */
    AWAITING,

    /** The bank is being asked; the charge comes as an event when there is one. */
    PENDING,
    APPROVED,
    DECLINED,
    REVERSED,
}

/** What came of an answer, with the hub's words where it says why. */
data class Outcome(val state: OutcomeState, val text: String = "")

enum class BillState { OPEN, PART_PAID, MINIMUM_MET, PAID, OVERDUE }

/** The newest bill of an account. Days are such as "2026-11-22". */
data class Bill(
    val bankId: String,
    val accountMasked: String,
    val left: Money,
    val minimumLeftMinor: Long,
    val dueOn: String,
    val state: BillState,
)

/** What is to be paid over all banks, in one currency. */
data class TotalBill(val due: Money, val minimumMinor: Long, val nextDueOn: String?, val overdueMinor: Long, val openCount: Int)

data class Bills(val totals: List<TotalBill>, val bills: List<Bill>, val keptSince: Instant? = null)

enum class Topic { INQUIRY, REMINDER, BILL, OFFER, PRICES, SECURITY, OTHER }

/** Something that happened. The sequence counts up; one that was heard before may come again after the app was killed. */
sealed interface HubEvent {
    val sequence: Long
    val at: Instant

    /** A till asks for a payment. There is no code once that has ended. */
    data class PaymentCode(
        override val sequence: Long,
        override val at: Instant,
        val paymentId: String,
        val amount: Money,
        val merchantName: String,
        val expiresAt: Instant,
        val code: Secret?,
    ) : HubEvent

    data class Charge(override val sequence: Long, override val at: Instant, val purchase: Purchase) : HubEvent

    data class GiveBack(override val sequence: Long, override val at: Instant, val paymentId: String, val amount: Money, val merchantName: String) :
        HubEvent

    data class PaidIn(override val sequence: Long, override val at: Instant, val amount: Money, val masked: String) : HubEvent

    /** A purchase stands differently than it did. */
    data class Update(override val sequence: Long, override val at: Instant, val purchase: Purchase) : HubEvent

    data class News(override val sequence: Long, override val at: Instant, val topic: Topic, val text: String) : HubEvent

    /**
     * Somebody signs in to the person's pages by web, or is at a terminal with an errand other than to pay, in words. There is no code
     * once that has ended.
     */
    data class SignInCode(
        override val sequence: Long,
        override val at: Instant,
        val signInId: String,
        val expiresAt: Instant,
        val code: Secret?,
        val errand: String? = null,
    ) : HubEvent

    /** A kind that this app does not know. */
    data class Other(override val sequence: Long, override val at: Instant) : HubEvent
}
