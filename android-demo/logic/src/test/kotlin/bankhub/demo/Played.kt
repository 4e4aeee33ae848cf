package bankhub.demo

import java.time.Instant
import java.time.ZoneId
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.advanceTimeBy
import kotlinx.coroutines.test.currentTime
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest

val SHANGHAI: ZoneId = ZoneId.of("Asia/Shanghai")
val NOON: Instant = Instant.parse("2026-11-22T04:00:00Z")

/** The app over a hub, by a clock that the test moves. */
@OptIn(ExperimentalCoroutinesApi::class)
class Played(private val test: TestScope, language: Language = Language.ENGLISH, wrap: (Hub) -> Hub = { it }) {
    val now = { NOON.plusMillis(test.currentTime) }
    val alerts = mutableListOf<Pair<Long, String>>()
    val hub = wrap(PlayedHub(test.backgroundScope, language, SHANGHAI, now))
    val screens = Screens(language, Formats(language, SHANGHAI), isPlayed = true)
    val presenter = Presenter(hub, test.backgroundScope, now, screens) { sequence, text -> alerts += sequence to text }.also { it.start() }
    val screen get() = presenter.screen.value

    fun pass(millis: Long) {
        test.advanceTimeBy(millis)
        test.runCurrent()
    }

    fun signIn(number: String = PlayedHub.NUMBER, code: String = PlayedHub.CODE, password: String = PASSWORD) {
        presenter.act(Action.SignIn, Typed(mapOf(Input.NUMBER to Secret(number), Input.CODE to Secret(code), Input.PASSWORD to Secret(password))))
        pass(1_000)
    }

    fun open(tab: Tab) = presenter.act(Action.Open(tab)).also { pass(1_000) }

    fun press(action: Action) = presenter.act(action).also { pass(1_000) }

    fun confirm(password: String) = presenter.act(Action.Confirm, Typed(mapOf(Input.PASSWORD to Secret(password)))).also { pass(1_000) }

    fun rows() = screen.pieces.filterIsInstance<Piece.Row>()

    fun presses() = screen.pieces.filterIsInstance<Piece.Press>()

    fun badge() = screen.tabs.first { it.tab == Tab.APPROVALS }.badge

    companion object {
        const val PASSWORD = "271828"
    }
}

fun played(language: Language = Language.ENGLISH, wrap: (Hub) -> Hub = { it }, scene: Played.() -> Unit) = runTest { Played(this, language, wrap).scene() }
