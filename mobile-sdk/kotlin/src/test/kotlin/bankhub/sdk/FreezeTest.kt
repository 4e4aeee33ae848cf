package bankhub.sdk

import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith

/** Rows S2, F3 and F4: what the person pays with is frozen and set free from the app. */
@ExtendWith(TheFederation::class)
class FreezeTest(private val federation: Federation) {
    private suspend fun Phone.standing() = instruments().instruments

    private suspend fun Phone.allAre(state: FreezeState) = until { standing().takeIf { all -> all.all { it.freezeState == state } } }

    @Test
    fun `f4 s2 everything is frozen bank by bank, lets nothing out, and is set free again`() = scene {
        val held = federation.held()
        val card = federation.newCard(held.person, "10.00")
        val phone = held.enrolled()
        val bound = phone.standing()
        assertEquals(listOf("bank-a" to true, "bank-b" to false), bound.map { it.name.bankId to it.isDefault })
        assertEquals(InstrumentId.Account(held.person.account), bound[0].name.id)
        assertEquals(InstrumentId.Card(card.id), bound[1].name.id)
        assertTrue(bound.all { it.freezeState == FreezeState.FREE && it.frozenSince == null && it.orderedAt == null })
        assertTrue(bound.all { it.masked.isNotBlank() && it.bankName.isNotBlank() })

        val banks = phone.freezeAll()
        assertEquals(listOf("bank-a", "bank-b"), banks.map { it.bankId })
        assertTrue(banks.all { bank -> bank.instruments.all { it.freezeState in setOf(FreezeState.FREEZING, FreezeState.FROZEN) } })
        assertTrue(banks.all { bank -> bank.isConfirmed == bank.instruments.all { it.freezeState == FreezeState.FROZEN } })
        assertTrue(phone.allAre(FreezeState.FROZEN).all { it.frozenSince != null && it.orderedAt != null })
        assertEquals("PAYER_UNAVAILABLE", federation.refusalAtTill(held.person))
        val news = phone.eventFlow(0).first { (it.kind as? EventKind.News)?.topic == Topic.SECURITY }
        assertNotNull(news)

        val names = phone.standing().map { it.name }
        val wrong = if (Federation.PASSWORD == "000000") "111111" else "000000"
        refused<SdkException.Refused>("VERIFICATION_FAILED") { phone.unfreeze(names, wrong) }
        phone.allAre(FreezeState.FROZEN)
        assertEquals(2, phone.unfreeze(names, Federation.PASSWORD).size)
        phone.allAre(FreezeState.FREE)
        federation.begin(held.person, "1.00")
        phone.shutDown()
    }

    @Test
    fun `s2 one is frozen and the other is not, and freezing again changes nothing`() = scene {
        val held = federation.held()
        federation.newCard(held.person, "10.00")
        val phone = held.enrolled()
        val (account, card) = phone.standing()
        val frozen = phone.freeze(listOf(card.name, card.name)).single()
        assertEquals(card.name, frozen.name)
        val since = until { phone.standing()[1].takeIf { it.freezeState == FreezeState.FROZEN } }
        assertEquals(since, phone.freeze(listOf(card.name)).single())
        assertEquals(FreezeState.FREE, phone.standing()[0].freezeState)
        assertEquals(account.name, phone.standing()[0].name)
        phone.shutDown()
    }

    @Test
    fun `s2 what cannot be frozen or set free is refused with its reason`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        val (mine, password) = phone.standing().single().name to Federation.PASSWORD
        val stranger = federation.newPerson().account
        val other = InstrumentName("bank-a", InstrumentId.Account(stranger))
        val long = "7".repeat(10_000_000)
        val table = listOf(
            "FIELD_MISSING" to listOf(),
            "ACCOUNT_UNKNOWN" to listOf(mine, other),
            "ACCOUNT_UNKNOWN" to listOf(mine.copy(bankId = "bank-b")),
            "CARD_UNKNOWN" to listOf(InstrumentName("bank-a", InstrumentId.Card(stranger))),
            "NAME_MALFORMED" to listOf(mine.copy(bankId = "Bank A")),
            "NAME_MALFORMED" to listOf(mine.copy(bankId = long)),
            "ID_MALFORMED" to listOf(InstrumentName("bank-a", InstrumentId.Card(long))),
            "FIELD_UNKNOWN" to listOf(InstrumentName("bank-a", InstrumentId.Unknown)),
        )
        for ((reason, names) in table) {
            refused<SdkException.Refused>(reason) { phone.freeze(names) }
            refused<SdkException.Refused>(reason) { phone.unfreeze(names, password) }
        }
        for (typed in listOf("", "27182", "27182a", "２７１８２８", long)) {
            refused<SdkException.Refused>("PASSWORD_MALFORMED") { phone.unfreeze(listOf(mine), typed) }
        }
        assertEquals(FreezeState.FREE, phone.standing().single().freezeState)
        phone.shutDown()
    }

    @Test
    fun `f4 s2 an order whose answer was lost is the same order after the app was killed`() = scene {
        Relay(federation.hub).use { relay ->
            val held = federation.held(relay.endpoint)
            val (lossy, other) = held.enrolled() to Held(federation, held.person).enrolled()
            val mine = listOf(other.standing().single().name)
            lossy.instruments()
            other.freeze(mine)
            other.allAre(FreezeState.FROZEN)
            relay.deafen()
            refused<SdkException.Unreachable>("NO_ANSWER", retryable = true) { lossy.unfreeze(mine, Federation.PASSWORD) }
            other.allAre(FreezeState.FREE)
            other.freeze(mine)
            other.allAre(FreezeState.FROZEN)
            lossy.close()

            relay.hear()
            val again = held.build()
            assertEquals(FreezeState.FROZEN, again.unfreeze(mine, Federation.PASSWORD).single().freezeState)
            assertEquals(FreezeState.FROZEN, other.standing().single().freezeState, "it was frozen after that order")
            again.unfreeze(mine, Federation.PASSWORD)
            other.allAre(FreezeState.FREE)
            again.shutDown()
            other.shutDown()
        }
    }

    @Test
    fun `f4 s2 a freeze whose answer was lost freezes, whatever was set free since`() = scene {
        Relay(federation.hub).use { relay ->
            val held = federation.held(relay.endpoint)
            val (lossy, other) = held.enrolled() to Held(federation, held.person).enrolled()
            assertFalse(lossy.instruments().freshness.isCached)
            relay.deafen()
            refused<SdkException.Unreachable>("NO_ANSWER", retryable = true) { lossy.freezeAll() }
            other.allAre(FreezeState.FROZEN)
            relay.down()
            // Whether the question was already under way when the line fell is not said.
            val lost = runCatching { lossy.instruments() }.exceptionOrNull()
            assertTrue(lost is SdkException.Unreachable && lost.retryable, "$lost")
            other.unfreeze(other.standing().map { it.name }, Federation.PASSWORD)
            other.allAre(FreezeState.FREE)
            relay.hear()
            relay.up()
            assertTrue(lossy.freezeAll().single().instruments.single().freezeState in setOf(FreezeState.FREEZING, FreezeState.FROZEN))
            other.allAre(FreezeState.FROZEN)
            lossy.shutDown()
            other.shutDown()
        }
    }
}
