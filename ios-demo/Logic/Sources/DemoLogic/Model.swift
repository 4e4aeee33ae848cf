import Foundation

/// An amount in whole minor units of its currency, as ISO 4217 counts them: 1250 of CNY is 12.50.
public struct Money: Hashable, Sendable {
    public let currencyCode: String
    public let minorUnits: Int64

    public init(_ currencyCode: String, _ minorUnits: Int64) {
        self.currencyCode = currencyCode
        self.minorUnits = minorUnits
    }
}

/// A code or a password. It stands in no log and no description; ask for it where it is shown or sent.
public struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let text: String

    public init(_ text: String) {
        self.text = text
    }

    public func reveal() -> String { text }

    public var description: String { "Secret" }
    public var debugDescription: String { "Secret" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

public struct Purchase: Hashable, Sendable {
    public let paymentId: String
    public let amount: Money
    public let occurredAt: Date
    public let bankId: String
    public let accountMasked: String
    public let merchantName: String
    public let place: String
    /// What came back so far, in minor units.
    public let givenBackMinor: Int64
    public let isReversed: Bool

    public init(
        paymentId: String, amount: Money, occurredAt: Date, bankId: String, accountMasked: String, merchantName: String, place: String,
        givenBackMinor: Int64 = 0, isReversed: Bool = false
    ) {
        self.paymentId = paymentId
        self.amount = amount
        self.occurredAt = occurredAt
        self.bankId = bankId
        self.accountMasked = accountMasked
        self.merchantName = merchantName
        self.place = place
        self.givenBackMinor = givenBackMinor
        self.isReversed = isReversed
    }
}

/// What was read, and when the hub said so where the answer is an old one that was kept.
public struct Kept<Value: Hashable & Sendable>: Hashable, Sendable {
    public let value: Value
    public let since: Date?

    public init(_ value: Value, since: Date? = nil) {
        self.value = value
        self.since = since
    }
}

/// Names an account or a card.
public struct InstrumentName: Hashable, Sendable {
    public let bankId: String
    public let id: String
    public let isCard: Bool

    public init(bankId: String, id: String, isCard: Bool) {
        self.bankId = bankId
        self.id = id
        self.isCard = isCard
    }
}

public enum FreezeState: CaseIterable, Sendable {
    case free
    /// Nothing goes out at the hub; the bank has yet to confirm.
    case freezing
    /// Nothing goes out, confirmed by the bank.
    case frozen
    /// Set free at the hub; the bank may still refuse.
    case unfreezing
    /// The bank has no such account or card any more.
    case ended
    /// One that this app does not know.
    case unknown
}

public struct Instrument: Hashable, Sendable {
    public let name: InstrumentName
    public let bankName: String
    public let masked: String
    /// Whether the phone number pays with it.
    public let isDefault: Bool
    public var freezeState: FreezeState
    /// By the bank's clock; set when it is frozen.
    public var frozenSince: Date?

    public init(name: InstrumentName, bankName: String, masked: String, isDefault: Bool, freezeState: FreezeState, frozenSince: Date? = nil) {
        self.name = name
        self.bankName = bankName
        self.masked = masked
        self.isDefault = isDefault
        self.freezeState = freezeState
        self.frozenSince = frozenSince
    }
}

/// A payment that waits for the person's answer, with everything that an approval signs.
public struct Approval: Hashable, Sendable {
    public let paymentId: String
    public let amount: Money
    public let merchantName: String
    public let place: String
    public let bankName: String
    public let accountMasked: String
    public let expiresAt: Date

    public init(
        paymentId: String, amount: Money, merchantName: String, place: String, bankName: String, accountMasked: String, expiresAt: Date
    ) {
        self.paymentId = paymentId
        self.amount = amount
        self.merchantName = merchantName
        self.place = place
        self.bankName = bankName
        self.accountMasked = accountMasked
        self.expiresAt = expiresAt
    }
}

/// What came of an answer, with the hub's words where it says why.
public struct Outcome: Hashable, Sendable {
    public enum State: Sendable {
        /// It still waits: the password was wrong, which counts as at a terminal.
        case awaiting
        /// The bank is being asked; the charge comes as an event when there is one.
        case pending
        case approved, declined, reversed
    }

    public let state: State
    public let text: String

    public init(_ state: State, _ text: String = "") {
        self.state = state
        self.text = text
    }
}

public enum BillState: CaseIterable, Sendable {
    case open, partPaid, minimumMet, paid, overdue
}

/// The newest bill of an account. Days are such as "2026-11-22".
public struct Bill: Hashable, Sendable {
    public let bankId: String
    public let accountMasked: String
    public let left: Money
    public let dueOn: String
    public let state: BillState

    public init(bankId: String, accountMasked: String, left: Money, dueOn: String, state: BillState) {
        self.bankId = bankId
        self.accountMasked = accountMasked
        self.left = left
        self.dueOn = dueOn
        self.state = state
    }
}

/// What is to be paid over all banks, in one currency.
public struct TotalBill: Hashable, Sendable {
    public let due: Money
    public let minimumMinor: Int64
    public let nextDueOn: String?
    public let overdueMinor: Int64

    public init(due: Money, minimumMinor: Int64, nextDueOn: String?, overdueMinor: Int64) {
        self.due = due
        self.minimumMinor = minimumMinor
        self.nextDueOn = nextDueOn
        self.overdueMinor = overdueMinor
    }
}

public struct Bills: Hashable, Sendable {
    public let totals: [TotalBill]
    public let bills: [Bill]

    public init(totals: [TotalBill], bills: [Bill]) {
        self.totals = totals
        self.bills = bills
    }
}

public enum Topic: Sendable {
    case inquiry, reminder, bill, offer, prices, security, other
}

/// Something that happened. The sequence counts up; one that was heard before may come again after the app was killed.
public struct HubEvent: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// A till asks for a payment. There is no code once that has ended.
        case paymentCode(paymentId: String, amount: Money, merchantName: String, expiresAt: Date, code: Secret?)
        case charge(Purchase)
        case giveBack(amount: Money, merchantName: String)
        case paidIn(amount: Money, masked: String)
        /// A purchase stands differently than it did.
        case update(Purchase)
        case news(Topic, text: String)
        /// Somebody signs in to the person's pages by web, or is at a terminal with an errand other than to pay, in words. There is no code
        /// once that has ended.
        case signInCode(signInId: String, expiresAt: Date, code: Secret?, errand: String?)
        /// A kind that this app does not know.
        case other
    }

    public let sequence: Int64
    public let at: Date
    public let kind: Kind

    public init(sequence: Int64, at: Date, kind: Kind) {
        self.sequence = sequence
        self.at = at
        self.kind = kind
    }
}
