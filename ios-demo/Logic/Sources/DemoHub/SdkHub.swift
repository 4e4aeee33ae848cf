import BankhubSDK
import DemoLogic
import Foundation

/// The hub behind the SDK.
public actor SdkHub: Hub {
    private let phone: Phone
    private var listed: [DemoLogic.Approval: BankhubSDK.Approval] = [:]

    public init(_ phone: Phone) {
        self.phone = phone
    }

    public func isEnrolled() -> Bool { phone.enrolled() != nil }

    public func enrol(phoneNumber: String, code: Secret, transactionPassword: Secret) async throws {
        try await asked {
            _ = try await phone.enrol(
                phoneNumber: phoneNumber, enrolmentCode: code.reveal(), transactionPassword: transactionPassword.reveal())
        }
    }

    public func listen(_ hear: @Sendable (HubEvent) async -> Void) async throws {
        try await asked {
            for try await event in phone.eventSequence() {
                await hear(eventOf(event))
            }
        }
    }

    public func purchases() async throws -> Kept<[DemoLogic.Purchase]> {
        try await asked {
            let page = try await phone.payments(pageSize: 50)
            return Kept(page.purchases.map(purchaseOf), since: keptSince(page.freshness))
        }
    }

    public func bills() async throws -> Kept<Bills> {
        try await asked {
            let totals = try await phone.totalBill()
            let accounts = try await phone.bills(most: 1).accounts
            return Kept(
                Bills(totals: totals.totals.map(totalOf), bills: accounts.compactMap { $0.bills.first }.map(billOf)),
                since: keptSince(totals.freshness))
        }
    }

    public func instruments() async throws -> Kept<[DemoLogic.Instrument]> {
        try await asked {
            let known = try await phone.instruments()
            return Kept(known.instruments.map(instrumentOf), since: keptSince(known.freshness))
        }
    }

    public func freeze(_ names: [DemoLogic.InstrumentName]) async throws -> [DemoLogic.Instrument] {
        try await asked { try await phone.freeze(instruments: names.map(sdkNameOf)).map(instrumentOf) }
    }

    public func freezeAll() async throws -> [DemoLogic.Instrument] {
        try await asked { try await phone.freezeAll().flatMap { $0.instruments }.map(instrumentOf) }
    }

    public func unfreeze(_ names: [DemoLogic.InstrumentName], transactionPassword: Secret) async throws -> [DemoLogic.Instrument] {
        try await asked {
            try await phone.unfreeze(instruments: names.map(sdkNameOf), transactionPassword: transactionPassword.reveal()).map(instrumentOf)
        }
    }

    public func pendingApprovals() async throws -> [DemoLogic.Approval] {
        let waiting = try await asked { try await phone.pendingApprovals() }
        listed = Dictionary(waiting.map { (approvalOf($0), $0) }, uniquingKeysWith: { first, _ in first })
        return waiting.map(approvalOf)
    }

    /// What is signed is the text that was listed with what the person saw; what is listed no more is not signed.
    public func approve(_ approval: DemoLogic.Approval, transactionPassword: Secret) async throws -> Outcome {
        guard let waiting = listed[approval] else { throw HubError(.refused, "NOT_AWAITING_CODE") }
        return try await asked {
            try outcomeOf(try await phone.approve(approval: waiting, transactionPassword: transactionPassword.reveal()))
        }
    }

    public func decline(paymentId: String) async throws -> Outcome {
        try await asked { try outcomeOf(try await phone.decline(paymentId: paymentId)) }
    }

    private func asked<Answer>(_ call: () async throws -> Answer) async throws -> Answer {
        do {
            return try await call()
        } catch let failed as SdkError {
            throw hubErrorOf(failed)
        }
    }
}

func hubErrorOf(_ failed: SdkError) -> HubError {
    switch failed {
    case let .Refused(reason, _, text), let .Invalid(reason, _, text): return HubError(.refused, reason, text)
    // What was done is not known of a call in which the library failed.
    case let .Unreachable(reason, _, text), let .Internal(reason, _, text): return HubError(.unreachable, reason, text)
    case let .Key(reason, _, text): return HubError(.key, reason, text)
    case let .Untrusted(reason, _, text), let .Store(reason, _, text), let .NotEnrolled(reason, _, text), let .Closed(reason, _, text):
        return HubError(.other, reason, text)
    }
}

func keptSince(_ freshness: Freshness) -> Date? { freshness.isCached ? freshness.fetchedAt : nil }

func moneyOf(_ it: BankhubSDK.Money) -> DemoLogic.Money { DemoLogic.Money(it.currencyCode, it.minorUnits) }

func purchaseOf(_ it: BankhubSDK.Purchase) -> DemoLogic.Purchase {
    DemoLogic.Purchase(
        paymentId: it.paymentId, amount: moneyOf(it.amount), occurredAt: it.occurredAt, bankId: it.bankId, accountMasked: it.accountMasked,
        merchantName: it.merchant.displayName, place: it.place, givenBackMinor: it.givenBackMinor, isReversed: it.state == .reversed)
}

func sdkNameOf(_ it: DemoLogic.InstrumentName) -> BankhubSDK.InstrumentName {
    BankhubSDK.InstrumentName(bankId: it.bankId, id: it.isCard ? .card(cardId: it.id) : .account(accountId: it.id))
}

func instrumentOf(_ it: BankhubSDK.Instrument) -> DemoLogic.Instrument {
    let name: DemoLogic.InstrumentName
    switch it.name.id {
    case let .account(accountId): name = DemoLogic.InstrumentName(bankId: it.name.bankId, id: accountId, isCard: false)
    case let .card(cardId): name = DemoLogic.InstrumentName(bankId: it.name.bankId, id: cardId, isCard: true)
    case .unknown: name = DemoLogic.InstrumentName(bankId: it.name.bankId, id: "", isCard: false)
    }
    let state: DemoLogic.FreezeState
    switch it.freezeState {
    case .free: state = .free
    case .freezing: state = .freezing
    case .frozen: state = .frozen
    case .unfreezing: state = .unfreezing
    case .ended: state = .ended
    case .unknown: state = .unknown
    }
    return DemoLogic.Instrument(
        name: name, bankName: it.bankName, masked: it.masked, isDefault: it.isDefault, freezeState: state, frozenSince: it.frozenSince)
}

func approvalOf(_ it: BankhubSDK.Approval) -> DemoLogic.Approval {
    DemoLogic.Approval(
        paymentId: it.paymentId, amount: moneyOf(it.amount), merchantName: it.merchant.displayName, place: it.place, bankName: it.bankName,
        accountMasked: it.accountMasked, expiresAt: it.expiresAt)
}

/// An outcome that this app does not know is not said to be one that it knows.
func outcomeOf(_ it: ApprovalOutcome) throws -> Outcome {
    let text = it.refusal?.text ?? ""
    switch it.state {
    case .awaiting: return Outcome(.awaiting, text)
    case .pending: return Outcome(.pending, text)
    case .approved: return Outcome(.approved, text)
    case .declined: return Outcome(.declined, text)
    case .reversed: return Outcome(.reversed, text)
    case .unknown: throw HubError(.unreachable, "OUTCOME_UNKNOWN")
    }
}

func billOf(_ it: BankhubSDK.Bill) -> DemoLogic.Bill {
    let state: DemoLogic.BillState
    switch it.state {
    case .open, .unknown: state = .open
    case .partPaid: state = .partPaid
    case .minimumMet: state = .minimumMet
    case .paid: state = .paid
    case .overdue: state = .overdue
    }
    return DemoLogic.Bill(
        bankId: it.bankId, accountMasked: it.accountMasked, left: DemoLogic.Money(it.closing.currencyCode, it.leftMinor), dueOn: it.dueOn,
        state: state)
}

func totalOf(_ it: BankhubSDK.TotalBill) -> DemoLogic.TotalBill {
    DemoLogic.TotalBill(due: moneyOf(it.due), minimumMinor: it.minimumMinor, nextDueOn: it.nextDueOn, overdueMinor: it.overdueMinor)
}

func eventOf(_ event: Event) -> HubEvent {
    HubEvent(sequence: event.sequence, at: event.occurredAt, kind: kindOf(event.kind))
}

private func kindOf(_ kind: EventKind) -> HubEvent.Kind {
    switch kind {
    case let .paymentCode(paymentId, code, amount, merchant, expiresAt):
        return .paymentCode(
            paymentId: paymentId, amount: moneyOf(amount), merchantName: merchant.displayName, expiresAt: expiresAt,
            code: code.map { Secret($0.reveal()) })
    case let .charge(purchase): return .charge(purchaseOf(purchase))
    case let .giveBack(_, amount, _, merchant): return .giveBack(amount: moneyOf(amount), merchantName: merchant.displayName)
    case let .paidIn(_, _, amount, _, cardMasked, _): return .paidIn(amount: moneyOf(amount), masked: cardMasked)
    case let .purchaseUpdate(purchase, _): return .update(purchaseOf(purchase))
    case let .news(topic, _, text): return .news(topicOf(topic), text: text)
    case let .signInCode(signInId, code, expiresAt):
        return .signInCode(signInId: signInId, expiresAt: expiresAt, code: code.map { Secret($0.reveal()) }, errand: nil)
    case let .errandCode(errandId, _, purpose, code, merchant, expiresAt):
        return .signInCode(
            signInId: errandId, expiresAt: expiresAt, code: code.map { Secret($0.reveal()) }, errand: "\(merchant.displayName): \(purpose)")
    case .unknown: return .other
    }
}

private func topicOf(_ topic: BankhubSDK.Topic) -> DemoLogic.Topic {
    switch topic {
    case .inquiry: return .inquiry
    case .reminder: return .reminder
    case .bill: return .bill
    case .offer: return .offer
    case .prices: return .prices
    case .security: return .security
    case .unknown: return .other
    }
}
