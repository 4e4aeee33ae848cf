import Foundation

public enum Tab: CaseIterable, Hashable, Sendable {
    case charges, cards, approvals, bill, alerts
}

/// What the password on the page is asked for.
public enum Asking: Hashable, Sendable {
    case approve(Approval)
    case unfreeze(Instrument)
}

/// What the app says about what was done last.
public enum Message: CaseIterable, Sendable {
    case numberMalformed, codeMalformed, passwordMalformed, failed, outcomeUnknown, notOffered, streamStopped
    case approved, approvalPending, notCharged, declined, freezeOrdered, unfreezeOrdered
}

public struct Notice: Hashable, Sendable {
    public let message: Message
    public let fromHub: String

    public init(_ message: Message, _ fromHub: String = "") {
        self.message = message
        self.fromHub = fromHub
    }
}

/// A payment that waits: one that can be approved here, one whose code is known, or both.
public struct Waiting: Hashable, Sendable {
    public let paymentId: String
    public let amount: Money
    public let merchantName: String
    public let expiresAt: Date
    public var approval: Approval?
    public var code: Secret?
}

/// Somebody who signs in to the person's pages by web, with this code.
public struct SigningIn: Hashable, Sendable {
    public let signInId: String
    public let expiresAt: Date
    public let code: Secret
    /// What else is done with the code than to sign in, in words.
    public let errand: String?
}

public enum Part: CaseIterable, Hashable, Sendable {
    case purchases, instruments, approvals, bills
}

/// Everything that the app knows; the screens are made of it alone.
public struct AppState: Equatable, Sendable {
    public static let mostPurchases = 200
    public static let mostAlerts = 50

    public var isEnrolled: Bool
    public var tab = Tab.charges
    public var asking: Asking?
    public var isBusy = false
    public var isLive = false
    public var notice: Notice?
    public var purchases = Kept<[Purchase]>([])
    public var instruments = Kept<[Instrument]>([])
    public var approvals: [Approval] = []
    /// Payments whose code was heard, each once.
    public var codes: [Waiting] = []
    /// Sign-ins by web whose code was heard, each once.
    public var signIns: [SigningIn] = []
    public var bills: Kept<Bills>?
    /// What the person was told of, the last first.
    public var alerts: [HubEvent] = []
    public var lastSequence: Int64 = 0
    /// Parts that the hub does not serve: they are said to be missing, not empty.
    public var notOffered: Set<Part> = []

    public init(isEnrolled: Bool) {
        self.isEnrolled = isEnrolled
    }

    /// What waits for an answer at this moment, what ends first at the top.
    public func waiting(_ now: Date) -> [Waiting] {
        var all: [String: Waiting] = [:]
        for code in codes {
            all[code.paymentId] = code
        }
        for it in approvals {
            let code = all[it.paymentId]?.code
            all[it.paymentId] = Waiting(
                paymentId: it.paymentId, amount: it.amount, merchantName: it.merchantName, expiresAt: it.expiresAt, approval: it, code: code)
        }
        return all.values.filter { $0.expiresAt > now }.sorted { ($0.expiresAt, $0.paymentId) < ($1.expiresAt, $1.paymentId) }
    }

    /// Who signs in by web page at this moment, what ends first at the top.
    public func signingIn(_ now: Date) -> [SigningIn] {
        signIns.filter { $0.expiresAt > now }.sorted { ($0.expiresAt, $0.signInId) < ($1.expiresAt, $1.signInId) }
    }

    /// When the first of all that is shown ends by itself.
    public func nextEnd(_ now: Date) -> Date? {
        [waiting(now).first?.expiresAt, signingIn(now).first?.expiresAt].compactMap { $0 }.min()
    }

    public func bankName(_ bankId: String) -> String {
        instruments.value.first { $0.name.bankId == bankId }?.bankName ?? bankId
    }

    /// Takes in what has happened. An event that was heard before changes nothing, and the answer is false.
    public mutating func hear(_ event: HubEvent) -> Bool {
        guard event.sequence > lastSequence else { return false }
        lastSequence = event.sequence
        isLive = true
        switch event.kind {
        case let .paymentCode(paymentId, amount, merchantName, expiresAt, code):
            guard let code else {
                answered(paymentId)
                return true
            }
            codes.removeAll { $0.paymentId == paymentId }
            codes.append(
                Waiting(paymentId: paymentId, amount: amount, merchantName: merchantName, expiresAt: expiresAt, approval: nil, code: code))
        case let .signInCode(signInId, expiresAt, code, errand):
            signIns.removeAll { $0.signInId == signInId }
            if let code {
                signIns.append(SigningIn(signInId: signInId, expiresAt: expiresAt, code: code, errand: errand))
            }
        case let .charge(purchase):
            answered(purchase.paymentId)
            take(purchase)
        case let .update(purchase):
            take(purchase)
        case .giveBack, .paidIn, .news, .other:
            break
        }
        if event.isAlert {
            alerts = Array(([event] + alerts).prefix(Self.mostAlerts))
        }
        return true
    }

    /// Takes away a payment that waits no more.
    public mutating func answered(_ paymentId: String) {
        approvals.removeAll { $0.paymentId == paymentId }
        codes.removeAll { $0.paymentId == paymentId }
        if case let .approve(approval) = asking, approval.paymentId == paymentId {
            asking = nil
        }
    }

    /// Takes in how some instruments stand; those that the answer does not name stay.
    public mutating func take(_ changed: [Instrument]) {
        let known = instruments.value.map { old in changed.first { $0.name == old.name } ?? old }
        let new = changed.filter { it in !known.contains { $0.name == it.name } }
        instruments = Kept(known + new, since: instruments.since)
    }

    private mutating func take(_ purchase: Purchase) {
        var list = purchases.value
        if let index = list.firstIndex(where: { $0.paymentId == purchase.paymentId }) {
            list[index] = purchase
        } else {
            list.insert(purchase, at: 0)
        }
        purchases = Kept(Array(list.prefix(Self.mostPurchases)), since: purchases.since)
    }
}

extension HubEvent {
    /// Whether the person is told of it.
    var isAlert: Bool {
        switch kind {
        case let .paymentCode(_, _, _, _, code): return code != nil
        case let .signInCode(_, _, code, _): return code != nil
        case .charge, .giveBack, .paidIn, .news: return true
        case .update, .other: return false
        }
    }

    /// What it makes out of date.
    var outdates: Set<Part> {
        switch kind {
        case .paymentCode: return [.approvals]
        case .charge, .giveBack, .update: return [.purchases, .bills]
        case .paidIn: return [.bills]
        case .news(.security, _): return [.instruments]
        case .news(.bill, _), .news(.reminder, _): return [.bills]
        case .news, .signInCode, .other: return []
        }
    }
}
