import Foundation

/// Makes a screen of what the app knows, in one language. Pure: the same state gives the same screen.
public struct Screens: Sendable {
    private let formats: Formats
    private let isPlayed: Bool
    private var words: Words { formats.words }
    private static let good: Set<Message> = [.approved, .approvalPending, .declined, .freezeOrdered, .unfreezeOrdered]

    public init(_ formats: Formats, isPlayed: Bool) {
        self.formats = formats
        self.isPlayed = isPlayed
    }

    public func screen(_ state: AppState, now: Date) -> Screen {
        let notice = state.notice.map(notice)
        if !state.isEnrolled {
            return Screen(title: words.appName, notice: notice, pieces: signIn(state), tabs: [], open: state.tab, isSecret: true)
        }
        if let asking = state.asking {
            let pieces = ask(asking, state, now)
            var title = words.askUnfreeze
            if case .approve = asking {
                title = words.askApprove
            }
            return Screen(title: title, notice: notice, pieces: pieces, tabs: [], open: state.tab, isSecret: true)
        }
        let pieces = signingIn(state, now) + page(state, now)
        let hasCode = pieces.contains { piece in
            if case .code = piece { return true }
            return false
        }
        let tabs = Tab.allCases.map { tab in
            TabLabel(tab: tab, label: words.tab(tab), badge: tab == .approvals ? state.waiting(now).count : 0)
        }
        return Screen(title: words.tab(state.tab), notice: notice, pieces: pieces, tabs: tabs, open: state.tab, isSecret: hasCode)
    }

    /// The words of an alert, for the list and for the platform's notification: no code is in it.
    public func text(_ event: HubEvent) -> String {
        switch event.kind {
        case let .paymentCode(_, amount, merchantName, _, _): return words.asksFor(merchantName, formats.money(amount))
        case let .signInCode(_, _, _, errand): return errand ?? words.signingIn
        case let .charge(purchase): return words.charged(purchase.merchantName, formats.money(purchase.amount))
        case let .giveBack(amount, merchantName): return words.cameBack(merchantName, formats.money(amount))
        case let .paidIn(amount, masked): return words.cameIn(masked, formats.money(amount))
        case let .news(_, text): return text
        case .update, .other: return ""
        }
    }

    private func notice(_ notice: Notice) -> Piece {
        let text = [words.message(notice.message), notice.fromHub].filter { !$0.isEmpty }.joined(separator: " ")
        return .note(text, Self.good.contains(notice.message) ? .good : .warning)
    }

    private func signIn(_ state: AppState) -> [Piece] {
        let sample: [Piece] = isPlayed ? [.note(words.sample, .quiet)] : []
        return sample + [
            .note(words.signInNote, .quiet),
            .field(.number, label: words.number),
            .field(.code, label: words.code),
            .field(.password, label: words.newPassword),
            press(words.signIn, .signIn, state),
        ]
    }

    private func ask(_ asking: Asking, _ state: AppState, _ now: Date) -> [Piece] {
        var about: Piece
        var isOver = false
        switch asking {
        case let .approve(approval):
            about = row(approval)
            isOver = approval.expiresAt <= now
        case let .unfreeze(instrument):
            about = row(instrument)
        }
        return [
            about,
            .field(.password, label: words.password),
            press(words.confirm, .confirm, state, isEnabled: !isOver),
            press(words.back, .back, state, tone: .quiet),
        ]
    }

    private func page(_ state: AppState, _ now: Date) -> [Piece] {
        switch state.tab {
        case .charges: return charges(state)
        case .cards: return cards(state)
        case .approvals: return approvals(state, now)
        case .bill: return bill(state, now)
        case .alerts: return orNothing(state.alerts.map { row(text($0), formats.time($0.at), "") })
        }
    }

    /// Stands above every page: whoever is asked for the code is looking at another screen.
    private func signingIn(_ state: AppState, _ now: Date) -> [Piece] {
        state.signingIn(now).flatMap { it -> [Piece] in
            [
                row(it.errand ?? words.signingIn, words.until(formats.clock(it.expiresAt)), "", .warning),
                .code(label: words.codeForPages, it.code),
                .note(words.notYou, .warning),
            ]
        }
    }

    private func orNothing(_ pieces: [Piece]) -> [Piece] {
        pieces.isEmpty ? [.note(words.nothingYet, .quiet)] : pieces
    }

    private func kept(_ since: Date?) -> [Piece] {
        since.map { [.note(words.keptSince(formats.time($0)), .warning)] } ?? []
    }

    private func charges(_ state: AppState) -> [Piece] {
        let live: [Piece] =
            state.isLive
            ? [.note(words.live, .good)]
            : [.note(words.notLive, .warning), press(words.listenAgain, .listenAgain, state)]
        let rows = state.purchases.value.map { charge($0, state.bankName($0.bankId)) }
        return live + kept(state.purchases.since) + orNothing(rows) + [press(words.refresh, .refresh, state, tone: .quiet)]
    }

    private func charge(_ it: Purchase, _ bankName: String) -> Piece {
        var back = ""
        if it.isReversed {
            back = words.reversed
        } else if it.givenBackMinor > 0 {
            back = words.givenBack(formats.money(Money(it.amount.currencyCode, it.givenBackMinor)))
        }
        let detail = join([formats.time(it.occurredAt), it.place, "\(bankName) \(it.accountMasked)", back])
        return row(it.merchantName, detail, formats.money(it.amount), it.isReversed ? .quiet : .plain)
    }

    private func cards(_ state: AppState) -> [Piece] {
        if state.notOffered.contains(.instruments) {
            return [.note(words.notOffered, .warning)]
        }
        let cards = state.instruments.value.flatMap { [row($0)] + turn($0, state) }
        let all: [Piece] = cards.isEmpty ? [] : [press(words.freezeAll, .freezeAll, state, tone: .warning)]
        return kept(state.instruments.since) + orNothing(cards) + all
    }

    private func row(_ it: Instrument) -> Piece {
        let title = "\(it.bankName) \(it.masked)" + (it.isDefault ? " · \(words.paysByNumber)" : "")
        let tone: Tone = it.freezeState == .free ? .good : it.freezeState == .ended ? .quiet : .warning
        return row(title, words.state(it.freezeState, since: it.frozenSince.map(formats.time)), "", tone)
    }

    /// What can be done about it. Freezing again while a bank is away is no use: it is told anyway.
    private func turn(_ it: Instrument, _ state: AppState) -> [Piece] {
        let about = "\(it.bankName) \(it.masked)"
        switch it.freezeState {
        case .free, .unfreezing, .unknown: return [press(words.freeze, .freeze(it.name), state, spoken: "\(words.freeze) \(about)")]
        case .freezing, .frozen: return [press(words.unfreeze, .askUnfreeze(it.name), state, spoken: "\(words.unfreeze) \(about)")]
        case .ended: return []
        }
    }

    private func approvals(_ state: AppState, _ now: Date) -> [Piece] {
        let missing: [Piece] = state.notOffered.contains(.approvals) ? [.note(words.notOffered, .quiet)] : []
        return missing + orNothing(state.waiting(now).flatMap { waiting($0, state) })
    }

    private func waiting(_ it: Waiting, _ state: AppState) -> [Piece] {
        let about = words.asksFor(it.merchantName, formats.money(it.amount))
        var pieces: [Piece] = []
        if let approval = it.approval {
            pieces = [
                row(approval),
                press(words.approve, .askApprove(it.paymentId), state, spoken: "\(words.approve) \(about)"),
                press(words.decline, .decline(it.paymentId), state, spoken: "\(words.decline) \(about)", tone: .warning),
            ]
        } else {
            pieces = [row(it.merchantName, words.until(formats.clock(it.expiresAt)), formats.money(it.amount))]
        }
        if let code = it.code {
            pieces += [.code(label: words.codeForTill, code), .note(words.typeAtTill, .quiet)]
        }
        return pieces
    }

    private func row(_ it: Approval) -> Piece {
        let detail = join([it.place, "\(it.bankName) \(it.accountMasked)", words.until(formats.clock(it.expiresAt))])
        return row(it.merchantName, detail, formats.money(it.amount))
    }

    private func bill(_ state: AppState, _ now: Date) -> [Piece] {
        let refresh = press(words.refresh, .refresh, state, tone: .quiet)
        guard let bills = state.bills else { return [.note(words.nothingYet, .quiet), refresh] }
        let totals = bills.value.totals.flatMap { total -> [Piece] in
            func amount(_ minor: Int64) -> String { formats.money(Money(total.due.currencyCode, minor)) }
            let due = total.nextDueOn.map { formats.due($0, now: now) } ?? ""
            let overdue = total.overdueMinor > 0 ? [row(words.overdue, "", amount(total.overdueMinor), .warning)] : []
            return [row(words.toPay, due, formats.money(total.due)), row(words.minimum, "", amount(total.minimumMinor))] + overdue
        }
        let each = bills.value.bills.map { bill -> Piece in
            let day = bill.state == .paid ? "" : formats.due(bill.dueOn, now: now)
            let title = "\(state.bankName(bill.bankId)) \(bill.accountMasked)"
            return row(title, join([words.state(bill.state), day]), formats.money(bill.left), bill.state == .overdue ? .warning : .plain)
        }
        return kept(bills.since) + orNothing(totals + each) + [refresh]
    }

    private func join(_ parts: [String]) -> String {
        parts.filter { !$0.isEmpty }.joined(separator: " · ")
    }

    private func row(_ title: String, _ detail: String, _ amount: String, _ tone: Tone = .plain) -> Piece {
        let spoken = [title, amount, detail].filter { !$0.isEmpty }.joined(separator: ", ")
        return .row(title: title, detail: detail, amount: amount, spoken: spoken, tone)
    }

    private func press(
        _ label: String, _ action: Action, _ state: AppState, spoken: String? = nil, tone: Tone = .plain, isEnabled: Bool = true
    ) -> Piece {
        .press(Press(label: label, action: action, spoken: spoken ?? label, tone: tone, isEnabled: isEnabled && !state.isBusy))
    }
}
