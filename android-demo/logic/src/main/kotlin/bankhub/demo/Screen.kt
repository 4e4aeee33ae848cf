package bankhub.demo

/** How a piece is coloured. No meaning is in the colour alone: the words say the same. */
enum class Tone { PLAIN, QUIET, GOOD, WARNING }

/** What the person types, and how many characters at most. */
enum class Input(val isSecret: Boolean, val length: Int) {
    NUMBER(false, 24),
    CODE(true, 8),
    PASSWORD(true, 6),
}

/** What was typed into the fields of a page. */
class Typed(private val values: Map<Input, Secret> = emptyMap()) {
    operator fun get(input: Input): Secret = values[input] ?: Secret.NONE

    override fun toString() = "Typed"
}

sealed interface Action {
    data object SignIn : Action

    data class Open(val tab: Tab) : Action

    data object Refresh : Action

    data object ListenAgain : Action

    data class Freeze(val name: InstrumentName) : Action

    data object FreezeAll : Action

    data class AskUnfreeze(val name: InstrumentName) : Action

    data class AskApprove(val paymentId: String) : Action

    data class Decline(val paymentId: String) : Action

    /** Does what the page asks the password for. */
    data object Confirm : Action

    data object Back : Action
}

/** One thing on a page, in words. */
sealed interface Piece {
    data class Note(val text: String, val tone: Tone = Tone.QUIET) : Piece

    /** [spoken] is what a screen reader says for the whole row. */
    data class Row(val title: String, val detail: String, val amount: String, val spoken: String, val tone: Tone = Tone.PLAIN) : Piece

    data class Field(val input: Input, val label: String) : Piece

    /** [spoken] names what it is about, since "Freeze" alone tells nobody which card. */
    data class Press(val label: String, val action: Action, val spoken: String, val tone: Tone = Tone.PLAIN, val isEnabled: Boolean = true) : Piece

    /** A code, shown large; a screen reader says its digits one by one. */
    data class Code(val label: String, val code: Secret) : Piece
}

data class TabLabel(val tab: Tab, val label: String, val spoken: String, val isOpen: Boolean, val badge: Int)

/** What is seen. The UI draws it and decides nothing. */
data class Screen(
    val title: String,
    val notice: Piece.Note?,
    val pieces: List<Piece>,
    /** None before the phone is bound and on pages that ask for a password. */
    val tabs: List<TabLabel>,
    /** Whether a picture of it must not be taken: it shows a code or asks for a password. */
    val isSecret: Boolean,
    /** Whether it can be left with the phone's own back. */
    val canGoBack: Boolean,
)
