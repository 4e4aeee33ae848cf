/// The port to the bank hub. Every call fails with a ``HubError`` or not at all.
public protocol Hub: Sendable {
    func isEnrolled() async -> Bool

    /// Binds this phone to the person, by the eight digits from the bank, and sets the transaction password of six.
    func enrol(phoneNumber: String, code: Secret, transactionPassword: Secret) async throws

    /// What happens, in order; each event counts as handled when `hear` has returned. Ends by an error, or when the task is cancelled.
    func listen(_ hear: @Sendable (HubEvent) async -> Void) async throws

    /// The newest first.
    func purchases() async throws -> Kept<[Purchase]>

    func bills() async throws -> Kept<Bills>

    /// Accounts and cards, the default first.
    func instruments() async throws -> Kept<[Instrument]>

    /// Stops money from going out of them, at the hub at once; how they stand then.
    func freeze(_ names: [InstrumentName]) async throws -> [Instrument]

    func freezeAll() async throws -> [Instrument]

    func unfreeze(_ names: [InstrumentName], transactionPassword: Secret) async throws -> [Instrument]

    func pendingApprovals() async throws -> [Approval]

    /// Approves exactly what the approval says: amount, payee and account are signed.
    func approve(_ approval: Approval, transactionPassword: Secret) async throws -> Outcome

    func decline(paymentId: String) async throws -> Outcome
}

/// Why a call failed: a reason that programs compare and a sentence for the person, which may be empty.
public struct HubError: Error, Hashable {
    public enum Trouble: Sendable {
        /// The hub said no.
        case refused
        /// No answer: of a call that changes something it is not known whether it was done.
        case unreachable
        /// The phone's key was not released or is another one.
        case key
        /// This build's SDK or the hub has no such call.
        case notOffered
        case other
    }

    public let trouble: Trouble
    public let reason: String
    public let text: String

    public init(_ trouble: Trouble, _ reason: String, _ text: String = "") {
        self.trouble = trouble
        self.reason = reason
        self.text = text
    }
}
