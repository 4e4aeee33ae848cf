package bankhub.demo

import kotlinx.coroutines.flow.Flow

/** The port to the bank hub. Every call fails with a [HubException] or not at all. */
interface Hub {
    fun isEnrolled(): Boolean

    /** Binds this phone to the person, by the eight digits from the bank, and sets the transaction password of six. */
    suspend fun enrol(phoneNumber: String, code: Secret, transactionPassword: Secret)

    /** What happens, in order. An event is handled when the collector has done with it; one that was not comes again. */
    fun events(): Flow<HubEvent>

    suspend fun purchases(): Purchases

    suspend fun bills(): Bills

    suspend fun instruments(): Instruments

    /** Stops money from going out of them, at the hub at once; how they stand then. */
    suspend fun freeze(names: List<InstrumentName>): List<Instrument>

    suspend fun freezeAll(): List<Instrument>

    suspend fun unfreeze(names: List<InstrumentName>, transactionPassword: Secret): List<Instrument>

    suspend fun pendingApprovals(): List<Approval>

    /** Approves exactly what the approval says: amount, payee and account are signed. */
    suspend fun approve(approval: Approval, transactionPassword: Secret): Outcome

    suspend fun decline(paymentId: String): Outcome

    /** Every call after it fails. */
    suspend fun shutDown()
}

enum class Trouble {
    /** The hub said no. */
    REFUSED,

    /** No answer: of a call that changes something it is not known whether it was done. */
    UNREACHABLE,

    /** The phone's key was not released or is another one. */
    KEY,

    /** This build's SDK or the hub has no such call. */
    NOT_OFFERED,
    OTHER,
}

/** Why a call failed: a reason that programs compare and a sentence for the person, which may be empty. */
class HubException(val trouble: Trouble, val reason: String, val text: String, cause: Throwable? = null) : Exception(reason, cause)
