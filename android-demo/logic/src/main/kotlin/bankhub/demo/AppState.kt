package bankhub.demo

import java.time.Instant

enum class Tab { CHARGES, CARDS, APPROVALS, BILL, ALERTS }

/** What the password on the page is asked for. */
sealed interface Asking {
    data class Approve(val approval: Approval) : Asking

    data class Unfreeze(val instrument: Instrument) : Asking
}

/** What the app says about what was done last. */
enum class Message {
    NUMBER_MALFORMED,
    CODE_MALFORMED,
    PASSWORD_MALFORMED,
    FAILED,
    OUTCOME_UNKNOWN,
    NOT_OFFERED,
    STREAM_STOPPED,
    APPROVED,
    APPROVAL_PENDING,
    NOT_CHARGED,
    DECLINED,
    FREEZE_ORDERED,
    UNFREEZE_ORDERED,
}

data class Notice(val message: Message, val fromHub: String = "")

/** What the person is told of, once for each event. */
data class Alert(val event: HubEvent)

/** A payment that waits: one that can be approved here, one whose code is known, or both. */
data class Waiting(
    val paymentId: String,
    val amount: Money,
    val merchantName: String,
    val expiresAt: Instant,
    val approval: Approval?,
    val code: Secret?,
)

enum class Part { PURCHASES, INSTRUMENTS, APPROVALS, BILLS }

/** Everything that the app knows; the screens are made of it alone. */
data class AppState(
    val isEnrolled: Boolean,
    val tab: Tab = Tab.CHARGES,
    val asking: Asking? = null,
    val isBusy: Boolean = false,
    val isLive: Boolean = false,
    val notice: Notice? = null,
    val purchases: Purchases = Purchases(emptyList()),
    val instruments: List<Instrument> = emptyList(),
    val instrumentsKeptSince: Instant? = null,
    val approvals: List<Approval> = emptyList(),
    val codes: List<HubEvent.PaymentCode> = emptyList(),
    val signIns: List<HubEvent.SignInCode> = emptyList(),
    val bills: Bills? = null,
    val alerts: List<Alert> = emptyList(),
    val lastSequence: Long = 0,
    /** Parts that the hub does not serve: they are said to be missing, not empty. */
    val notOffered: Set<Part> = emptySet(),
) {
    /** What waits for an answer at this moment, what ends first at the top. */
    fun waiting(now: Instant): List<Waiting> {
        val codes = codes.associateBy { it.paymentId }
        val approvals = approvals.associateBy { it.paymentId }
        return (approvals.keys + codes.keys).map { id ->
            val (approval, code) = approvals[id] to codes[id]
            if (approval != null) {
                Waiting(id, approval.amount, approval.merchantName, approval.expiresAt, approval, code?.code)
            } else {
                codes.getValue(id).let { Waiting(id, it.amount, it.merchantName, it.expiresAt, null, it.code) }
            }
        }.filter { it.expiresAt > now }.sortedBy { it.expiresAt }
    }

    /** Who signs in by web page at this moment, what ends first at the top. */
    fun signingIn(now: Instant): List<HubEvent.SignInCode> = signIns.filter { it.expiresAt > now }.sortedBy { it.expiresAt }

    /** When the first of all that is shown ends by itself. */
    fun nextEnd(now: Instant): Instant? = listOfNotNull(waiting(now).firstOrNull()?.expiresAt, signingIn(now).firstOrNull()?.expiresAt).minOrNull()

    fun bankName(bankId: String): String = instruments.firstOrNull { it.name.bankId == bankId }?.bankName ?: bankId

    /** With what has happened. An event that was heard before changes nothing. */
    fun heard(event: HubEvent): AppState {
        if (event.sequence <= lastSequence) return this
        val next = copy(lastSequence = event.sequence, isLive = true)
        return when (event) {
            is HubEvent.PaymentCode ->
                if (event.code == null) {
                    next.answered(event.paymentId)
                } else {
                    next.copy(codes = codes.filter { it.paymentId != event.paymentId } + event).alerted(event)
                }
            is HubEvent.SignInCode -> {
                val others = signIns.filter { it.signInId != event.signInId }
                if (event.code == null) next.copy(signIns = others) else next.copy(signIns = others + event).alerted(event)
            }
            is HubEvent.Charge -> next.answered(event.purchase.paymentId).with(event.purchase).alerted(event)
            is HubEvent.Update -> next.with(event.purchase)
            is HubEvent.GiveBack, is HubEvent.PaidIn, is HubEvent.News -> next.alerted(event)
            is HubEvent.Other -> next
        }
    }

    /** Without a payment that waits no more. */
    fun answered(paymentId: String): AppState {
        val asked = asking as? Asking.Approve
        return copy(
            approvals = approvals.filter { it.paymentId != paymentId },
            codes = codes.filter { it.paymentId != paymentId },
            asking = asking.takeUnless { asked?.approval?.paymentId == paymentId },
        )
    }

    /** With how some instruments stand; those that the answer does not name stay. */
    fun with(changed: List<Instrument>): AppState {
        val byName = changed.associateBy { it.name }
        val known = instruments.map { byName[it.name] ?: it }
        return copy(instruments = known + changed.filter { new -> instruments.none { it.name == new.name } })
    }

    private fun with(purchase: Purchase): AppState {
        val isKnown = purchases.list.any { it.paymentId == purchase.paymentId }
        val list = when {
            isKnown -> purchases.list.map { if (it.paymentId == purchase.paymentId) purchase else it }
            else -> (listOf(purchase) + purchases.list).take(MOST_PURCHASES)
        }
        return copy(purchases = purchases.copy(list = list))
    }

    private fun alerted(event: HubEvent) = copy(alerts = (listOf(Alert(event)) + alerts).take(MOST_ALERTS))

    companion object {
        const val MOST_PURCHASES = 200
        const val MOST_ALERTS = 50

        /** What an event makes out of date. */
        fun outdatedBy(event: HubEvent): Set<Part> = when (event) {
            is HubEvent.PaymentCode -> setOf(Part.APPROVALS)
            is HubEvent.Charge, is HubEvent.GiveBack, is HubEvent.Update -> setOf(Part.PURCHASES, Part.BILLS)
            is HubEvent.PaidIn -> setOf(Part.BILLS)
            is HubEvent.News -> when (event.topic) {
                Topic.SECURITY -> setOf(Part.INSTRUMENTS)
                Topic.BILL, Topic.REMINDER -> setOf(Part.BILLS)
                else -> emptySet()
            }
            is HubEvent.SignInCode, is HubEvent.Other -> emptySet()
        }
    }
}
