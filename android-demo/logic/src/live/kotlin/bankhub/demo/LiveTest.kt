package bankhub.demo

import bankhub.sdk.Federation
import bankhub.sdk.PlatformKey
import bankhub.sdk.TestStore
import java.time.Instant
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Row S3: the app over the SDK, against a hub, a bank and a till that are real processes. */
class LiveTest {
    @OptIn(ExperimentalCoroutinesApi::class)
    private val one = Dispatchers.Default.limitedParallelism(1)
    private val told = mutableListOf<String>()

    private fun presses(screen: Screen) = screen.pieces.filterIsInstance<Piece.Press>()

    private fun rows(screen: Screen) = screen.pieces.filterIsInstance<Piece.Row>()

    private suspend fun Presenter.until(holds: (Screen) -> Boolean): Screen = withTimeout(60_000) { screen.first(holds) }

    /** Approves what waits, freezes everything, is refused at the till, and sets it free. */
    private suspend fun walk(presenter: Presenter, federation: Federation, person: bankhub.sdk.Person) {
        val code = federation.newCode(person)
        val typed = mapOf(Input.NUMBER to person.number, Input.CODE to code, Input.PASSWORD to Federation.PASSWORD)
        presenter.start()
        presenter.act(Action.SignIn, Typed(typed.mapValues { Secret(it.value) }))
        presenter.until { it.tabs.isNotEmpty() && presses(it).all { press -> press.isEnabled } }

        federation.begin(person, "36.80")
        presenter.act(Action.Open(Tab.APPROVALS))
        val asked = presenter.until { screen -> presses(screen).any { it.action is Action.AskApprove && it.isEnabled } }
        assertTrue(asked.isSecret, "the code shows")
        presenter.act(presses(asked).first { it.action is Action.AskApprove }.action)
        presenter.act(Action.Confirm, Typed(mapOf(Input.PASSWORD to Secret("000000"))))
        presenter.until { it.notice?.tone == Tone.WARNING }
        presenter.act(Action.Confirm, Typed(mapOf(Input.PASSWORD to Secret(Federation.PASSWORD))))
        presenter.until { it.notice?.tone == Tone.GOOD && it.tabs.isNotEmpty() }
        presenter.act(Action.Open(Tab.CHARGES))
        val charged = presenter.until { rows(it).isNotEmpty() }
        assertEquals("CNY 36.80", rows(charged).single().amount)

        presenter.act(Action.Open(Tab.CARDS))
        presenter.until { screen -> presses(screen).any { it.action is Action.FreezeAll && it.isEnabled } }
        presenter.act(Action.FreezeAll)
        val frozen = presenter.until { screen -> rows(screen).isNotEmpty() && rows(screen).all { it.detail.startsWith("Frozen, confirmed by the bank") } }
        assertEquals(1, rows(frozen).size)
        presenter.until { screen -> presses(screen).all { it.isEnabled } }
        assertTrue(federation.refusalAtTill(person).isNotBlank())
        presenter.act(presses(frozen).first { it.action is Action.AskUnfreeze }.action)
        presenter.act(Action.Confirm, Typed(mapOf(Input.PASSWORD to Secret(Federation.PASSWORD))))
        presenter.until { screen -> rows(screen).isNotEmpty() && rows(screen).all { it.detail == English.state(FreezeState.FREE, null) } }
    }

    @Test
    fun `s3 a real payment is approved in the app, and what is frozen pays no more`() = runBlocking {
        Federation().use { federation ->
            val person = federation.newPerson()
            val phone = federation.builder(federation.newFolder(), PlatformKey(), TestStore()).build()
            val scope = CoroutineScope(one)
            val screens = Screens(Language.ENGLISH, Formats(Language.ENGLISH, SHANGHAI), isPlayed = false)
            withContext(one) {
                val presenter = Presenter(SdkHub(phone), scope, Instant::now, screens) { _, text -> told += text }
                walk(presenter, federation, person)
            }
            scope.cancel()
            phone.shutDown()
            assertEquals(1, told.count { it.startsWith("Paid CNY 36.80 at ") }, "$told")
        }
    }
}
