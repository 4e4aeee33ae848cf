package bankhub.demo

import bankhub.sdk.Event
import bankhub.sdk.EventKind
import bankhub.sdk.Freshness
import bankhub.sdk.Phone
import bankhub.sdk.SdkException
import bankhub.sdk.eventFlow
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.catch
import kotlinx.coroutines.flow.map

/** The hub behind the SDK. */
class SdkHub(private val phone: Phone) : Hub {
    private var listed = emptyMap<Approval, bankhub.sdk.Approval>()

    override fun isEnrolled() = phone.enrolled() != null

    override suspend fun enrol(phoneNumber: String, code: Secret, transactionPassword: Secret) = asked {
        phone.enrol(phoneNumber, code.reveal(), transactionPassword.reveal())
        Unit
    }

    override fun events(): Flow<HubEvent> = phone.eventFlow().map { eventOf(it) }.catch { throw wrapped(it) }

    override suspend fun purchases() = asked {
        val page = phone.payments(pageSize = PAGE)
        Purchases(page.purchases.map(::purchaseOf), keptSince(page.freshness))
    }

    override suspend fun bills() = asked {
        val totals = phone.totalBill()
        val bills = phone.bills(most = 1u)
        Bills(totals.totals.map(::totalOf), bills.accounts.mapNotNull { it.bills.firstOrNull() }.map(::billOf), keptSince(totals.freshness))
    }

    override suspend fun instruments() = asked {
        val known = phone.instruments()
        Instruments(known.instruments.map(::instrumentOf), keptSince(known.freshness))
    }

    override suspend fun freeze(names: List<InstrumentName>) = asked { phone.freeze(names.map(::sdkNameOf)).map(::instrumentOf) }

    override suspend fun freezeAll() = asked { phone.freezeAll().flatMap { it.instruments }.map(::instrumentOf) }

    override suspend fun unfreeze(names: List<InstrumentName>, transactionPassword: Secret) = asked {
        phone.unfreeze(names.map(::sdkNameOf), transactionPassword.reveal()).map(::instrumentOf)
    }

    override suspend fun pendingApprovals() = asked {
        listed = phone.pendingApprovals().associateBy(::approvalOf)
        listed.keys.toList()
    }

    /** What is signed is the text that was listed with what the person saw; what is listed no more is not signed. */
    override suspend fun approve(approval: Approval, transactionPassword: Secret) = asked {
        val waiting = listed[approval] ?: throw HubException(Trouble.REFUSED, "NOT_AWAITING_CODE", "")
        outcomeOf(phone.approve(waiting, transactionPassword.reveal()))
    }

    override suspend fun decline(paymentId: String) = asked { outcomeOf(phone.decline(paymentId)) }

    override suspend fun shutDown() = asked { phone.shutDown() }

    private suspend fun <T> asked(call: suspend () -> T): T = try {
        call()
    } catch (cancelled: CancellationException) {
        throw cancelled
    } catch (failed: Exception) {
        throw wrapped(failed)
    }

    private companion object {
        const val PAGE = 50u
    }
}

internal fun wrapped(failed: Throwable): Throwable = when (failed) {
    is CancellationException, is Error, is HubException -> failed
    is SdkException.Refused -> HubException(Trouble.REFUSED, failed.reason, failed.text, failed)
    is SdkException.Unreachable -> HubException(Trouble.UNREACHABLE, failed.reason, failed.text, failed)
    is SdkException.Untrusted -> HubException(Trouble.OTHER, failed.reason, failed.text, failed)
    is SdkException.Key -> HubException(Trouble.KEY, failed.reason, failed.text, failed)
    is SdkException.Store -> HubException(Trouble.OTHER, failed.reason, failed.text, failed)
    is SdkException.Invalid -> HubException(Trouble.REFUSED, failed.reason, failed.text, failed)
    is SdkException.NotEnrolled -> HubException(Trouble.OTHER, failed.reason, failed.text, failed)
    is SdkException.Closed -> HubException(Trouble.OTHER, failed.reason, failed.text, failed)
    // What was done is not known of a call in which the library failed.
    is SdkException.Internal -> HubException(Trouble.UNREACHABLE, failed.reason, failed.text, failed)
    else -> HubException(Trouble.OTHER, "APP_FAULT", "", failed)
}

internal fun keptSince(freshness: Freshness) = if (freshness.isCached) freshness.fetchedAt else null

internal fun moneyOf(it: bankhub.sdk.Money) = Money(it.currencyCode, it.minorUnits)

internal fun purchaseOf(it: bankhub.sdk.Purchase) = Purchase(
    it.paymentId,
    moneyOf(it.amount),
    it.occurredAt,
    it.bankId,
    it.accountMasked,
    it.merchant.displayName,
    it.place,
    it.givenBackMinor,
    it.state == bankhub.sdk.PurchaseState.REVERSED,
)

internal fun sdkNameOf(it: InstrumentName): bankhub.sdk.InstrumentName {
    val id = if (it.isCard) bankhub.sdk.InstrumentId.Card(it.id) else bankhub.sdk.InstrumentId.Account(it.id)
    return bankhub.sdk.InstrumentName(it.bankId, id)
}

internal fun instrumentOf(it: bankhub.sdk.Instrument): Instrument {
    val name = when (val id = it.name.id) {
        is bankhub.sdk.InstrumentId.Account -> InstrumentName(it.name.bankId, id.accountId, isCard = false)
        is bankhub.sdk.InstrumentId.Card -> InstrumentName(it.name.bankId, id.cardId, isCard = true)
        is bankhub.sdk.InstrumentId.Unknown -> InstrumentName(it.name.bankId, "", isCard = false)
    }
    val state = when (it.freezeState) {
        bankhub.sdk.FreezeState.FREE -> FreezeState.FREE
        bankhub.sdk.FreezeState.FREEZING -> FreezeState.FREEZING
        bankhub.sdk.FreezeState.FROZEN -> FreezeState.FROZEN
        bankhub.sdk.FreezeState.UNFREEZING -> FreezeState.UNFREEZING
        bankhub.sdk.FreezeState.ENDED -> FreezeState.ENDED
        bankhub.sdk.FreezeState.UNKNOWN -> FreezeState.UNKNOWN
    }
    return Instrument(name, it.bankName, it.masked, it.isDefault, state, it.frozenSince)
}

internal fun approvalOf(it: bankhub.sdk.Approval) =
    Approval(it.paymentId, moneyOf(it.amount), it.merchant.displayName, it.place, it.bankName, it.accountMasked, it.expiresAt)

/** An outcome that this app does not know is not said to be one that it knows. */
internal fun outcomeOf(it: bankhub.sdk.ApprovalOutcome): Outcome {
    val state = when (it.state) {
        bankhub.sdk.ApprovalState.AWAITING -> OutcomeState.AWAITING
        bankhub.sdk.ApprovalState.PENDING -> OutcomeState.PENDING
        bankhub.sdk.ApprovalState.APPROVED -> OutcomeState.APPROVED
        bankhub.sdk.ApprovalState.DECLINED -> OutcomeState.DECLINED
        bankhub.sdk.ApprovalState.REVERSED -> OutcomeState.REVERSED
        bankhub.sdk.ApprovalState.UNKNOWN -> throw HubException(Trouble.UNREACHABLE, "OUTCOME_UNKNOWN", "")
    }
    return Outcome(state, it.refusal?.text.orEmpty())
}

internal fun billOf(it: bankhub.sdk.Bill) = Bill(
    it.bankId,
    it.accountMasked,
    moneyOf(it.closing).copy(minorUnits = it.leftMinor),
    it.minimumLeftMinor,
    it.dueOn,
    when (it.state) {
        bankhub.sdk.BillState.PART_PAID -> BillState.PART_PAID
        bankhub.sdk.BillState.MINIMUM_MET -> BillState.MINIMUM_MET
        bankhub.sdk.BillState.PAID -> BillState.PAID
        bankhub.sdk.BillState.OVERDUE -> BillState.OVERDUE
        bankhub.sdk.BillState.OPEN, bankhub.sdk.BillState.UNKNOWN -> BillState.OPEN
    },
)

internal fun totalOf(it: bankhub.sdk.TotalBill) =
    TotalBill(moneyOf(it.due), it.minimumMinor, it.nextDueOn, it.overdueMinor, it.openCount)

internal fun eventOf(event: Event): HubEvent {
    val (sequence, at) = event.sequence to event.occurredAt
    return when (val kind = event.kind) {
        is EventKind.PaymentCode -> {
            val code = kind.code?.use { Secret(it.reveal()) }
            HubEvent.PaymentCode(sequence, at, kind.paymentId, moneyOf(kind.amount), kind.merchant.displayName, kind.expiresAt, code)
        }
        is EventKind.Charge -> HubEvent.Charge(sequence, at, purchaseOf(kind.purchase))
        is EventKind.GiveBack -> HubEvent.GiveBack(sequence, at, kind.paymentId, moneyOf(kind.amount), kind.merchant.displayName)
        is EventKind.PaidIn -> HubEvent.PaidIn(sequence, at, moneyOf(kind.amount), kind.cardMasked)
        is EventKind.PurchaseUpdate -> HubEvent.Update(sequence, at, purchaseOf(kind.purchase))
        is EventKind.News -> HubEvent.News(sequence, at, topicOf(kind.topic), kind.text)
        is EventKind.SignInCode -> {
            val code = kind.code?.use { Secret(it.reveal()) }
            HubEvent.SignInCode(sequence, at, kind.signInId, kind.expiresAt, code)
        }
        is EventKind.ErrandCode -> {
            val code = kind.code?.use { Secret(it.reveal()) }
            HubEvent.SignInCode(sequence, at, kind.errandId, kind.expiresAt, code, "${kind.merchant.displayName}: ${kind.purpose}")
        }
        is EventKind.Unknown -> HubEvent.Other(sequence, at)
    }
}

private fun topicOf(topic: bankhub.sdk.Topic) = when (topic) {
    bankhub.sdk.Topic.INQUIRY -> Topic.INQUIRY
    bankhub.sdk.Topic.REMINDER -> Topic.REMINDER
    bankhub.sdk.Topic.BILL -> Topic.BILL
    bankhub.sdk.Topic.OFFER -> Topic.OFFER
    bankhub.sdk.Topic.PRICES -> Topic.PRICES
    bankhub.sdk.Topic.SECURITY -> Topic.SECURITY
    else -> Topic.OTHER
}
