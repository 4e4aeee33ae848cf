package bankhub.demo

import java.time.Duration
import java.time.Instant
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch

/**
 * Does what the person asks for and keeps the screen. It belongs to one thread: that of its scope, from which it is called as well.
 *
 * [alert] is called for each event that the person is to be told of, with its words, before the event counts as handled: an app that is
 * killed in between tells it again, and the sequence says that it is the same.
 */
class Presenter(
    private val hub: Hub,
    private val scope: CoroutineScope,
    private val now: () -> Instant,
    screens: Screens,
    private val alert: (sequence: Long, text: String) -> Unit,
) {
    private var state = AppState(isEnrolled = hub.isEnrolled())
    private var listening: Job? = null
    private var nextEnd: Job? = null
    private val loading = mutableMapOf<Part, Job>()
    private val shown = MutableStateFlow(screens.of(state, now()))

    val screen: StateFlow<Screen> = shown.asStateFlow()

    /** In which words the screen speaks; another language may come at any time. */
    var screens: Screens = screens
        set(value) {
            field = value
            show(state)
        }

    /** Listens and loads, if the phone is bound. Starting again does no harm. */
    fun start() {
        if (!state.isEnrolled || listening?.isActive == true) return
        listen()
        Part.entries.forEach { load(it) }
    }

    fun act(action: Action, typed: Typed = Typed()) {
        when (action) {
            is Action.Open -> show(state.copy(tab = action.tab, notice = null, asking = null)).also { if (action.tab == Tab.BILL) load(Part.BILLS) }
            is Action.Refresh -> Part.entries.forEach { load(it) }
            is Action.ListenAgain -> show(state.copy(notice = null)).also { listen() }
            is Action.Back -> show(state.copy(asking = null, notice = null))
            is Action.AskApprove -> ask(state.approvals.firstOrNull { it.paymentId == action.paymentId }?.let { Asking.Approve(it) })
            is Action.AskUnfreeze -> ask(state.instruments.firstOrNull { it.name == action.name }?.let { Asking.Unfreeze(it) })
            is Action.SignIn -> signIn(typed)
            is Action.Freeze -> change(Part.INSTRUMENTS) { ordered(Message.FREEZE_ORDERED, hub.freeze(listOf(action.name))) }
            is Action.FreezeAll -> change(Part.INSTRUMENTS) { ordered(Message.FREEZE_ORDERED, hub.freezeAll()) }
            is Action.Decline -> change(Part.APPROVALS) { answered(action.paymentId, hub.decline(action.paymentId)) }
            is Action.Confirm -> confirm(typed[Input.PASSWORD])
        }
    }

    private fun ordered(message: Message, instruments: List<Instrument>): Notice {
        show(state.with(instruments).copy(asking = state.asking.takeUnless { it is Asking.Unfreeze }))
        return Notice(message)
    }

    /** A payment that still waits keeps its page: another password may be tried. */
    private fun answered(paymentId: String, outcome: Outcome): Notice {
        if (outcome.state != OutcomeState.AWAITING) show(state.answered(paymentId))
        return when (outcome.state) {
            OutcomeState.AWAITING -> Notice(Message.FAILED, outcome.text)
            OutcomeState.PENDING -> Notice(Message.APPROVAL_PENDING)
            OutcomeState.APPROVED -> Notice(Message.APPROVED)
            OutcomeState.DECLINED -> if (outcome.text.isBlank()) Notice(Message.DECLINED) else Notice(Message.NOT_CHARGED, outcome.text)
            OutcomeState.REVERSED -> Notice(Message.NOT_CHARGED, outcome.text)
        }
    }

    private fun ask(asking: Asking?) {
        if (asking != null) show(state.copy(asking = asking, notice = null))
    }

    private fun signIn(typed: Typed) {
        val number = typed[Input.NUMBER].reveal().filterNot { it.isWhitespace() || it == '-' }
        when {
            !NUMBER.matches(number) -> say(Message.NUMBER_MALFORMED)
            !isDigits(typed[Input.CODE], Input.CODE) -> say(Message.CODE_MALFORMED)
            !isDigits(typed[Input.PASSWORD], Input.PASSWORD) -> say(Message.PASSWORD_MALFORMED)
            else -> change(null) {
                hub.enrol(number, typed[Input.CODE], typed[Input.PASSWORD])
                show(state.copy(isEnrolled = true))
                start()
                null
            }
        }
    }

    private fun confirm(password: Secret) {
        val asking = state.asking ?: return
        if (!isDigits(password, Input.PASSWORD)) return say(Message.PASSWORD_MALFORMED)
        when (asking) {
            is Asking.Approve -> change(Part.APPROVALS) { answered(asking.approval.paymentId, hub.approve(asking.approval, password)) }
            is Asking.Unfreeze -> change(Part.INSTRUMENTS) {
                ordered(Message.UNFREEZE_ORDERED, hub.unfreeze(listOf(asking.instrument.name), password))
            }
        }
    }

    private fun say(message: Message) = show(state.copy(notice = Notice(message)))

    /** One change at a time: a button that is pressed twice does it once. What it was about is read again, whatever came of it. */
    private fun change(about: Part?, call: suspend () -> Notice?) {
        if (state.isBusy) return
        show(state.copy(isBusy = true, notice = null))
        scope.launch {
            try {
                val notice = call()
                show(state.copy(notice = notice))
            } catch (failed: HubException) {
                show(state.copy(notice = noticeOf(failed)))
            } finally {
                show(state.copy(isBusy = false))
                if (about != null) load(about)
            }
        }
    }

    private fun noticeOf(failed: HubException) = when (failed.trouble) {
        Trouble.UNREACHABLE -> Notice(Message.OUTCOME_UNKNOWN, failed.text)
        Trouble.NOT_OFFERED -> Notice(Message.NOT_OFFERED)
        else -> Notice(Message.FAILED, failed.text.ifBlank { failed.reason })
    }

    private fun listen() {
        if (listening?.isActive == true) return
        listening = scope.launch {
            try {
                show(state.copy(isLive = true))
                hub.events().collect(::hear)
            } catch (failed: HubException) {
                show(state.copy(notice = Notice(Message.STREAM_STOPPED, failed.text)))
            } finally {
                show(state.copy(isLive = false))
            }
        }
    }

    private fun hear(event: HubEvent) {
        val before = state
        show(state.heard(event))
        if (state == before) return
        state.alerts.firstOrNull()?.takeIf { it.event == event }?.let { alert(event.sequence, screens.text(it)) }
        AppState.outdatedBy(event).forEach { load(it) }
    }

    /**
     * Reads a part again, in the place of a reading that is under way: an answer from before a charge must not come after it. What fails
     * leaves what is there, and says so only where nothing else would.
     */
    private fun load(part: Part) {
        loading.remove(part)?.cancel()
        loading[part] = scope.launch {
            try {
                val read = read(part)
                show(read.copy(notOffered = read.notOffered - part))
            } catch (failed: HubException) {
                when {
                    failed.trouble == Trouble.NOT_OFFERED -> show(state.copy(notOffered = state.notOffered + part))
                    state.notice == null -> show(state.copy(notice = Notice(Message.FAILED, failed.text)))
                }
            }
        }
    }

    private suspend fun read(part: Part): AppState = when (part) {
        Part.PURCHASES -> hub.purchases().let { state.copy(purchases = it) }
        Part.INSTRUMENTS -> hub.instruments().let { state.copy(instruments = it.list, instrumentsKeptSince = it.keptSince) }
        Part.APPROVALS -> hub.pendingApprovals().let { state.copy(approvals = it) }
        Part.BILLS -> hub.bills().let { state.copy(bills = it) }
    }

    private fun show(next: AppState) {
        state = next
        shown.value = screens.of(next, now())
        // What waits ends by itself; the screen is made again at that moment and at no other.
        nextEnd?.cancel()
        val end = next.nextEnd(now()) ?: return
        nextEnd = scope.launch {
            delay(Duration.between(now(), end).toMillis() + 1)
            show(state)
        }
    }

    private companion object {
        val NUMBER = Regex("\\+[1-9][0-9]{6,14}")

        fun isDigits(secret: Secret, input: Input) = secret.reveal().let { text -> text.length == input.length && text.all { it in '0'..'9' } }
    }
}
