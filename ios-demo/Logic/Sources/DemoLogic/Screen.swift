/// How a piece is coloured. No meaning is in the colour alone: the words say the same.
public enum Tone: Sendable {
    case plain, quiet, good, warning
}

/// What the person types, and how many characters at most.
public enum Input: CaseIterable, Hashable, Sendable {
    case number, code, password

    public var length: Int {
        switch self {
        case .number: return 24
        case .code: return 8
        case .password: return 6
        }
    }
}

public enum Action: Hashable, Sendable {
    case signIn, refresh, listenAgain, freezeAll, back
    case open(Tab)
    case freeze(InstrumentName)
    case askUnfreeze(InstrumentName)
    case askApprove(String)
    case decline(String)
    /// Does what the page asks the password for.
    case confirm
}

/// A button. `spoken` names what it is about, since "Freeze" alone tells nobody which card.
public struct Press: Hashable, Sendable {
    public let label: String
    public let action: Action
    public let spoken: String
    public let tone: Tone
    public var isEnabled: Bool
}

/// One thing on a page, in words.
public enum Piece: Hashable, Sendable {
    case note(String, Tone)
    /// `spoken` is what a screen reader says for the whole row.
    case row(title: String, detail: String, amount: String, spoken: String, Tone)
    case field(Input, label: String)
    case press(Press)
    /// A code, shown large; a screen reader says its digits one by one.
    case code(label: String, Secret)
}

public struct TabLabel: Hashable, Sendable {
    public let tab: Tab
    public let label: String
    public let badge: Int
}

/// What is seen. The UI draws it and decides nothing.
public struct Screen: Equatable, Sendable {
    public let title: String
    public let notice: Piece?
    public let pieces: [Piece]
    /// None before the phone is bound and on pages that ask for a password.
    public let tabs: [TabLabel]
    public let open: Tab
    /// Whether it shows a code or asks for a password: it is covered while the app is not in front.
    public let isSecret: Bool
}
