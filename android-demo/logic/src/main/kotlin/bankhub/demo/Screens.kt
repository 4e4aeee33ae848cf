package bankhub.demo

import java.time.Instant

/** Makes a screen of what the app knows, in one language. Pure: the same state gives the same screen. */
class Screens(language: Language, private val formats: Formats, private val isPlayed: Boolean) {
    private val words = Words.of(language)

    fun of(state: AppState, now: Instant): Screen {
        val asking = state.asking
        val notice = state.notice?.let(::notice)
        return when {
            !state.isEnrolled -> Screen(words.appName, notice, signIn(state), emptyList(), isSecret = true, canGoBack = false)
            asking != null -> asking(state, asking, notice, now)
            else -> (signingIn(state, now) + page(state, now)).let { pieces ->
                Screen(words.tab(state.tab), notice, pieces, tabs(state, now), isSecret = pieces.any { it is Piece.Code }, canGoBack = false)
            }
        }
    }

    private fun notice(notice: Notice): Piece.Note {
        val isGood = notice.message in GOOD
        val text = listOf(words.message(notice.message), notice.fromHub).filter { it.isNotBlank() }.joinToString(" ")
        return Piece.Note(text, if (isGood) Tone.GOOD else Tone.WARNING)
    }

    private fun signIn(state: AppState): List<Piece> = listOfNotNull(
        Piece.Note(words.sample).takeIf { isPlayed },
        Piece.Note(words.signInNote),
        Piece.Field(Input.NUMBER, words.number),
        Piece.Field(Input.CODE, words.code),
        Piece.Field(Input.PASSWORD, words.newPassword),
        press(words.signIn, Action.SignIn, state),
    )

    private fun asking(state: AppState, asking: Asking, notice: Piece.Note?, now: Instant): Screen {
        val about = when (asking) {
            is Asking.Approve -> listOf(approval(asking.approval))
            is Asking.Unfreeze -> listOf(row(asking.instrument))
        }
        val isOver = asking is Asking.Approve && asking.approval.expiresAt <= now
        val pieces = about + listOf(
            Piece.Field(Input.PASSWORD, words.password),
            press(words.confirm, Action.Confirm, state).let { it.copy(isEnabled = it.isEnabled && !isOver) },
            press(words.back, Action.Back, state, tone = Tone.QUIET),
        )
        val title = if (asking is Asking.Approve) words.askApprove else words.askUnfreeze
        return Screen(title, notice, pieces, emptyList(), isSecret = true, canGoBack = true)
    }

    private fun tabs(state: AppState, now: Instant) = Tab.entries.map { tab ->
        val badge = if (tab == Tab.APPROVALS) state.waiting(now).size else 0
        val label = words.tab(tab)
        TabLabel(tab, label, if (badge > 0) "$label, ${words.waitingCount(badge)}" else label, tab == state.tab, badge)
    }

    private fun page(state: AppState, now: Instant): List<Piece> = when (state.tab) {
        Tab.CHARGES -> charges(state)
        Tab.CARDS -> cards(state)
        Tab.APPROVALS -> approvals(state, now)
        Tab.BILL -> bill(state, now)
        Tab.ALERTS -> state.alerts.map(::alert).ifEmpty { listOf(Piece.Note(words.nothingYet)) }
    }

    /** Stands above every page: whoever is asked for the code is looking at another screen. */
    private fun signingIn(state: AppState, now: Instant): List<Piece> = state.signingIn(now).flatMap {
        val row = row(it.errand ?: words.signingIn, words.until(formats.clock(it.expiresAt)), "", Tone.WARNING)
        val code = it.code?.let { code -> listOf(Piece.Code(words.codeForPages, code)) }.orEmpty()
        listOf(row) + code + Piece.Note(words.notYou, Tone.WARNING)
    }

    private fun charges(state: AppState): List<Piece> {
        val live = if (state.isLive) listOf(Piece.Note(words.live, Tone.GOOD)) else {
            listOf(Piece.Note(words.notLive, Tone.WARNING), press(words.listenAgain, Action.ListenAgain, state))
        }
        val rows = state.purchases.list.map { charge(it, state.bankName(it.bankId)) }
        return live + kept(state.purchases.keptSince) + rows.ifEmpty { listOf(Piece.Note(words.nothingYet)) } +
            press(words.refresh, Action.Refresh, state, tone = Tone.QUIET)
    }

    private fun kept(since: Instant?) = listOfNotNull(since?.let { Piece.Note(words.keptSince(formats.time(it)), Tone.WARNING) })

    private fun charge(it: Purchase, bankName: String): Piece.Row {
        val back = when {
            it.isReversed -> words.reversed
            it.givenBackMinor > 0 -> words.givenBack(formats.money(it.amount.copy(minorUnits = it.givenBackMinor)))
            else -> ""
        }
        val detail = listOf(formats.time(it.occurredAt), it.place, "$bankName ${it.accountMasked}", back).filter { it.isNotBlank() }.joinToString(" · ")
        val tone = if (it.isReversed) Tone.QUIET else Tone.PLAIN
        return row(it.merchantName, detail, formats.money(it.amount), tone)
    }

    private fun cards(state: AppState): List<Piece> {
        if (Part.INSTRUMENTS in state.notOffered) return listOf(Piece.Note(words.notOffered, Tone.WARNING))
        val cards = state.instruments.flatMap { it: Instrument -> listOf(row(it)) + listOfNotNull(turn(it, state)) }
        val all = press(words.freezeAll, Action.FreezeAll, state, tone = Tone.WARNING)
        return kept(state.instrumentsKeptSince) + cards.ifEmpty { listOf(Piece.Note(words.nothingYet)) } + listOf(all).filter { state.instruments.isNotEmpty() }
    }

    private fun row(it: Instrument): Piece.Row {
        val title = "${it.bankName} ${it.masked}" + if (it.isDefault) " · ${words.paysByNumber}" else ""
        val tone = when (it.freezeState) {
            FreezeState.FREE -> Tone.GOOD
            FreezeState.ENDED -> Tone.QUIET
            else -> Tone.WARNING
        }
        return row(title, words.state(it.freezeState, it.frozenSince?.let(formats::time)), "", tone)
    }

    /** What can be done about it. Freezing again while a bank is away is no use: it is told anyway. */
    private fun turn(it: Instrument, state: AppState): Piece.Press? {
        val (label, action) = when (it.freezeState) {
            FreezeState.FREE, FreezeState.UNFREEZING, FreezeState.UNKNOWN -> words.freeze to Action.Freeze(it.name)
            FreezeState.FREEZING, FreezeState.FROZEN -> words.unfreeze to Action.AskUnfreeze(it.name)
            FreezeState.ENDED -> return null
        }
        return press(label, action, state, "$label ${it.bankName} ${it.masked}")
    }

    private fun approvals(state: AppState, now: Instant): List<Piece> {
        val waiting = state.waiting(now).flatMap { waiting(it, state) }
        val missing = listOf(Piece.Note(words.notOffered)).filter { Part.APPROVALS in state.notOffered }
        return missing + waiting.ifEmpty { listOf(Piece.Note(words.nothingYet)) }
    }

    private fun waiting(it: Waiting, state: AppState): List<Piece> {
        val about = words.asksFor(it.merchantName, formats.money(it.amount))
        val row = it.approval?.let(::approval) ?: row(it.merchantName, words.until(formats.clock(it.expiresAt)), formats.money(it.amount))
        val code = it.code?.let { listOf(Piece.Code(words.codeForTill, it), Piece.Note(words.typeAtTill)) }.orEmpty()
        val answers = listOf(
            press(words.approve, Action.AskApprove(it.paymentId), state, "${words.approve} $about"),
            press(words.decline, Action.Decline(it.paymentId), state, "${words.decline} $about", Tone.WARNING),
        )
        return listOf(row) + (if (it.approval == null) emptyList() else answers) + code
    }

    private fun approval(it: Approval): Piece.Row {
        val payer = "${it.bankName} ${it.accountMasked}"
        val detail = listOf(it.place, payer, words.until(formats.clock(it.expiresAt))).filter { part -> part.isNotBlank() }.joinToString(" · ")
        return row(it.merchantName, detail, formats.money(it.amount))
    }

    private fun bill(state: AppState, now: Instant): List<Piece> {
        val bills = state.bills ?: return listOf(Piece.Note(words.nothingYet), press(words.refresh, Action.Refresh, state, tone = Tone.QUIET))
        val totals = bills.totals.flatMap { total ->
            fun of(minor: Long) = formats.money(total.due.copy(minorUnits = minor))
            val due = total.nextDueOn?.let { formats.due(it, now) }.orEmpty()
            listOf(row(words.toPay, due, formats.money(total.due)), row(words.minimum, "", of(total.minimumMinor))) +
                listOf(row(words.overdue, "", of(total.overdueMinor), Tone.WARNING)).filter { total.overdueMinor > 0 }
        }
        val each = bills.bills.map { bill ->
            val title = "${state.bankName(bill.bankId)} ${bill.accountMasked}"
            val tone = if (bill.state == BillState.OVERDUE) Tone.WARNING else Tone.PLAIN
            val day = if (bill.state == BillState.PAID) "" else " · " + formats.due(bill.dueOn, now)
            row(title, words.state(bill.state) + day, formats.money(bill.left), tone)
        }
        return kept(bills.keptSince) + (totals + each).ifEmpty { listOf(Piece.Note(words.nothingYet)) } +
            press(words.refresh, Action.Refresh, state, tone = Tone.QUIET)
    }

    private fun alert(alert: Alert): Piece = row(text(alert), formats.time(alert.event.at), "")

    /** The words of an alert, for the list and for the platform's notification: no code is in it. */
    fun text(alert: Alert): String = when (val event = alert.event) {
        is HubEvent.PaymentCode -> words.asksFor(event.merchantName, formats.money(event.amount))
        is HubEvent.SignInCode -> event.errand ?: words.signingIn
        is HubEvent.Charge -> words.charged(event.purchase.merchantName, formats.money(event.purchase.amount))
        is HubEvent.GiveBack -> words.cameBack(event.merchantName, formats.money(event.amount))
        is HubEvent.PaidIn -> words.cameIn(event.masked, formats.money(event.amount))
        is HubEvent.News -> event.text
        is HubEvent.Update, is HubEvent.Other -> ""
    }

    private fun row(title: String, detail: String, amount: String, tone: Tone = Tone.PLAIN) =
        Piece.Row(title, detail, amount, listOf(title, amount, detail).filter { it.isNotBlank() }.joinToString(", "), tone)

    private fun press(label: String, action: Action, state: AppState, spoken: String = label, tone: Tone = Tone.PLAIN) =
        Piece.Press(label, action, spoken, tone, isEnabled = !state.isBusy)

    private companion object {
        val GOOD = setOf(Message.APPROVED, Message.APPROVAL_PENDING, Message.DECLINED, Message.FREEZE_ORDERED, Message.UNFREEZE_ORDERED)
    }
}
