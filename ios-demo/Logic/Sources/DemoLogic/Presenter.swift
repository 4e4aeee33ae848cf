import Foundation

/// Does what the person asks for and keeps the screen.
///
/// `alert` is called for each event that the person is to be told of, with its words, before the event counts as handled: an app that is
/// killed in between tells it again, and the sequence says that it is the same.
@MainActor
public final class Presenter {
    private let hub: Hub
    private let now: @Sendable () -> Date
    private let alert: (Int64, String) -> Void
    private var state = AppState(isEnrolled: false)
    private var listening: Task<Void, Never>?
    private var nextEnd: Task<Void, Never>?
    private var loading: [Part: Task<Void, Never>] = [:]

    /// In which words the screen speaks; another language may come at any time.
    public var screens: Screens {
        didSet { show() }
    }

    public private(set) var screen: Screen

    /// Hears of every screen that is another one than the last.
    public var onScreen: (Screen) -> Void = { _ in }

    public init(hub: Hub, screens: Screens, now: @escaping @Sendable () -> Date, alert: @escaping (Int64, String) -> Void) {
        self.hub = hub
        self.screens = screens
        self.now = now
        self.alert = alert
        self.screen = screens.screen(AppState(isEnrolled: false), now: now())
    }

    /// Listens and loads, if the phone is bound. Starting again does no harm.
    public func start() async {
        state.isEnrolled = await hub.isEnrolled()
        show()
        guard state.isEnrolled, listening == nil else { return }
        listen()
        Part.allCases.forEach(load)
    }

    /// Does what was pressed, and returns when it is done. What was typed goes along and is not kept.
    public func act(_ action: Action, typed: [Input: Secret] = [:]) async {
        switch action {
        case let .open(tab):
            state.tab = tab
            state.notice = nil
            state.asking = nil
            if tab == .bill {
                load(.bills)
            }
        case .refresh: Part.allCases.forEach(load)
        case .listenAgain:
            state.notice = nil
            listen()
        case .back:
            state.asking = nil
            state.notice = nil
        case let .askApprove(paymentId): ask(state.approvals.first { $0.paymentId == paymentId }.map(Asking.approve))
        case let .askUnfreeze(name): ask(state.instruments.value.first { $0.name == name }.map(Asking.unfreeze))
        case .signIn: await signIn(typed)
        case let .freeze(name):
            await change(.instruments) { self.ordered(.freezeOrdered, try await self.hub.freeze([name])) }
        case .freezeAll:
            await change(.instruments) { self.ordered(.freezeOrdered, try await self.hub.freezeAll()) }
        case let .decline(paymentId):
            await change(.approvals) { self.answered(paymentId, try await self.hub.decline(paymentId: paymentId)) }
        case .confirm: await confirm(typed[.password] ?? Secret(""))
        }
        show()
    }

    private func ask(_ asking: Asking?) {
        if let asking {
            state.asking = asking
            state.notice = nil
        }
    }

    private func signIn(_ typed: [Input: Secret]) async {
        let number = (typed[.number]?.reveal() ?? "").filter { !$0.isWhitespace && $0 != "-" }
        let (code, password) = (typed[.code] ?? Secret(""), typed[.password] ?? Secret(""))
        if !Self.isNumber(number) {
            state.notice = Notice(.numberMalformed)
        } else if !Self.isDigits(code, .code) {
            state.notice = Notice(.codeMalformed)
        } else if !Self.isDigits(password, .password) {
            state.notice = Notice(.passwordMalformed)
        } else {
            await change(nil) {
                try await self.hub.enrol(phoneNumber: number, code: code, transactionPassword: password)
                await self.start()
                return nil
            }
        }
    }

    private func confirm(_ password: Secret) async {
        guard let asking = state.asking else { return }
        guard Self.isDigits(password, .password) else {
            state.notice = Notice(.passwordMalformed)
            return
        }
        switch asking {
        case let .approve(approval):
            await change(.approvals) {
                self.answered(approval.paymentId, try await self.hub.approve(approval, transactionPassword: password))
            }
        case let .unfreeze(instrument):
            await change(.instruments) {
                self.ordered(.unfreezeOrdered, try await self.hub.unfreeze([instrument.name], transactionPassword: password))
            }
        }
    }

    private func ordered(_ message: Message, _ instruments: [Instrument]) -> Notice {
        state.take(instruments)
        if case .unfreeze = state.asking {
            state.asking = nil
        }
        return Notice(message)
    }

    /// A payment that still waits keeps its page: another password may be tried.
    private func answered(_ paymentId: String, _ outcome: Outcome) -> Notice {
        if outcome.state != .awaiting {
            state.answered(paymentId)
        }
        switch outcome.state {
        case .awaiting: return Notice(.failed, outcome.text)
        case .pending: return Notice(.approvalPending)
        case .approved: return Notice(.approved)
        case .declined: return outcome.text.isEmpty ? Notice(.declined) : Notice(.notCharged, outcome.text)
        case .reversed: return Notice(.notCharged, outcome.text)
        }
    }

    /// One change at a time: a button that is pressed twice does it once. What it was about is read again, whatever came of it.
    private func change(_ about: Part?, _ call: () async throws -> Notice?) async {
        guard !state.isBusy else { return }
        state.isBusy = true
        state.notice = nil
        show()
        do {
            state.notice = try await call()
        } catch let failed as HubError {
            state.notice = Self.notice(failed)
        } catch {
            state.notice = Notice(.outcomeUnknown)
        }
        state.isBusy = false
        if let about {
            load(about)
        }
    }

    private static func notice(_ failed: HubError) -> Notice {
        switch failed.trouble {
        case .unreachable: return Notice(.outcomeUnknown, failed.text)
        case .notOffered: return Notice(.notOffered)
        case .refused, .key, .other: return Notice(.failed, failed.text.isEmpty ? failed.reason : failed.text)
        }
    }

    private func listen() {
        guard listening == nil else { return }
        state.isLive = true
        listening = Task {
            var notice: Notice?
            do {
                try await hub.listen { event in await self.hear(event) }
            } catch {
                notice = Notice(.streamStopped, (error as? HubError)?.text ?? "")
            }
            listening = nil
            state.isLive = false
            state.notice = notice ?? state.notice
            show()
        }
    }

    private func hear(_ event: HubEvent) {
        guard state.hear(event) else { return }
        show()
        if event.isAlert {
            alert(event.sequence, screens.text(event))
        }
        event.outdates.forEach(load)
    }

    /// Reads a part again, in the place of a reading that is under way: an answer from before a charge must not come after it. What fails
    /// leaves what is there, and says so only where nothing else would.
    private func load(_ part: Part) {
        loading[part]?.cancel()
        loading[part] = Task {
            do {
                let put = try await read(part)
                if Task.isCancelled { return }
                put(&state)
                state.notOffered.remove(part)
            } catch {
                if Task.isCancelled { return }
                let failed = error as? HubError
                if failed?.trouble == .notOffered {
                    state.notOffered.insert(part)
                } else if state.notice == nil {
                    state.notice = Notice(.failed, failed?.text ?? "")
                }
            }
            show()
        }
    }

    private func read(_ part: Part) async throws -> (inout AppState) -> Void {
        switch part {
        case .purchases:
            let read = try await hub.purchases()
            return { $0.purchases = read }
        case .instruments:
            let read = try await hub.instruments()
            return { $0.instruments = read }
        case .approvals:
            let read = try await hub.pendingApprovals()
            return { $0.approvals = read }
        case .bills:
            let read = try await hub.bills()
            return { $0.bills = read }
        }
    }

    private func show() {
        let next = screens.screen(state, now: now())
        if next != screen {
            screen = next
            onScreen(next)
        }
        // What waits ends by itself; the screen is made again at that moment and at no other.
        nextEnd?.cancel()
        nextEnd = nil
        guard let end = state.nextEnd(now()) else { return }
        let wait = max(0, end.timeIntervalSince(now())) + 0.001
        nextEnd = Task {
            guard (try? await Task.sleep(nanoseconds: UInt64(wait * 1_000_000_000))) != nil else { return }
            show()
        }
    }

    private static func isNumber(_ text: String) -> Bool {
        guard text.first == "+", (8...16).contains(text.count) else { return false }
        let digits = text.dropFirst()
        return digits.first != "0" && digits.allSatisfy { ("0"..."9").contains($0) }
    }

    private static func isDigits(_ secret: Secret, _ input: Input) -> Bool {
        let text = secret.reveal()
        return text.count == input.length && text.allSatisfy { ("0"..."9").contains($0) }
    }
}
