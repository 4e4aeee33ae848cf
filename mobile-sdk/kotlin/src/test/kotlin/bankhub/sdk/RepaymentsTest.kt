package bankhub.sdk

import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith

/** Rows S2 and R8: a card at one bank is repaid from an account at another, once, whatever is lost. */
@ExtendWith(TheFederation::class)
class RepaymentsTest(private val federation: Federation) {
    /** Somebody with 5,000.00 at bank-a who owes 300.00 on a card of bank-b. */
    private inner class Debtor(endpoint: String = federation.hub, key: DeviceKey = PlatformKey()) {
        val held = federation.held(endpoint, key)
        val card = federation.newCard(held.person, "300.00")
        val from = InstrumentName("bank-a", InstrumentId.Account(held.person.account))
        val to = InstrumentName("bank-b", InstrumentId.Card(card.id))

        suspend fun stands(account: Long, credit: Long) {
            val wanted = account to credit
            until { wanted.takeIf { it == federation.available("bank-a", held.person.account) to federation.available("bank-b", card.credit) } }
        }

        fun propose(phone: Phone, minor: Long = 12_000) = phone.proposeRepayment(from, to, Money("CNY", minor))
    }

    @Test
    fun `r8 s2 a repayment is signed over what the person saw, made once, read and listed`() = scene {
        val debtor = Debtor()
        val phone = debtor.held.enrolled()
        debtor.stands(500_000, 70_000)
        val proposal = debtor.propose(phone)
        assertTrue(proposal.text().contains("\nfrom: bank-a account ${debtor.held.person.account}\nto: bank-b card ${debtor.card.id}\namount: 120.00 CNY\n"))
        val made = phone.repay(proposal)
        assertEquals(proposal.repaymentId(), made.repaymentId)
        assertEquals(RepaymentState.APPROVED to Money("CNY", 12_000), made.state to made.amount)
        assertEquals(debtor.from to debtor.to, made.from.name to made.to.name)
        assertTrue(made.decidedAt != null && made.refusal == null && made.refusedBy == RepaymentSide.UNKNOWN)
        debtor.stands(488_000, 82_000)
        assertEquals(made, phone.repay(proposal), "the same again is the same")
        assertEquals(made, phone.repayment(made.repaymentId))
        assertNull(phone.openRepayment())
        assertNull(phone.resumeRepayment())

        val second = phone.repay(debtor.propose(phone, 100))
        assertNotEquals(made.repaymentId, second.repaymentId)
        assertEquals(listOf(second, made), phone.repaymentFlow(pageSize = 1u).toList())
        assertNotNull(phone.repayments(pageSize = 1u).nextPageToken)
        debtor.stands(487_900, 82_100)
        phone.shutDown()
    }

    @Test
    fun `r8 s2 a bank that says no is an answer with its reason, and nothing moves`() = scene {
        val debtor = Debtor()
        val phone = debtor.held.enrolled()
        val declined = phone.repay(debtor.propose(phone, 500_001))
        assertEquals(RepaymentState.DECLINED to RepaymentSide.PAYING, declined.state to declined.refusedBy)
        assertEquals("INSUFFICIENT_FUNDS", declined.refusal?.reason)
        assertEquals(false, declined.refusal?.text.isNullOrBlank())
        assertNull(phone.openRepayment())
        debtor.stands(500_000, 70_000)
        phone.shutDown()
    }

    @Test
    fun `s2 what cannot be repaid is refused before it is signed or by the hub`() = scene {
        val debtor = Debtor()
        val phone = debtor.held.enrolled()
        val (from, to) = debtor.from to debtor.to
        val long = "7".repeat(10_000_000)
        val table = listOf(
            "AMOUNT_NOT_POSITIVE" to Triple(from, to, Money("CNY", 0)),
            "AMOUNT_NOT_POSITIVE" to Triple(from, to, Money("CNY", Long.MIN_VALUE)),
            "AMOUNT_TOO_LARGE" to Triple(from, to, Money("CNY", Long.MAX_VALUE)),
            "CURRENCY_UNKNOWN" to Triple(from, to, Money("XYZ", 1)),
            "CURRENCY_UNKNOWN" to Triple(from, to, Money(long, 1)),
            "REPAYMENT_SAME_ACCOUNT" to Triple(from, from, Money("CNY", 1)),
            "NAME_MALFORMED" to Triple(from.copy(bankId = long), to, Money("CNY", 1)),
            "ID_MALFORMED" to Triple(from, InstrumentName("bank-b", InstrumentId.Card("4")), Money("CNY", 1)),
            "FIELD_UNKNOWN" to Triple(from, InstrumentName("bank-b", InstrumentId.Unknown), Money("CNY", 1)),
        )
        for ((reason, asked) in table) {
            refused<SdkException.Refused>(reason) { phone.proposeRepayment(asked.first, asked.second, asked.third) }
        }
        val stranger = InstrumentName("bank-a", InstrumentId.Account(federation.newPerson().account))
        refused<SdkException.Refused>("INSTRUMENT_UNKNOWN") { phone.repay(phone.proposeRepayment(stranger, to, Money("CNY", 1))) }
        assertNull(phone.openRepayment(), "what is refused for good does not wait")
        refused<SdkException.Refused>("PAYMENT_UNKNOWN") { phone.repayment("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f") }
        refused<SdkException.Refused>("ID_MALFORMED") { phone.repayment("repayment") }
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.repayment(long) }
        refused<SdkException.Refused>("PAGE_SIZE_OUT_OF_RANGE") { phone.repayments(pageSize = 201u) }
        refused<SdkException.Refused>("PAGE_TOKEN_MALFORMED") { phone.repayments(pageToken = "x") }
        assertEquals(listOf<Repayment>(), phone.repayments().repayments)
        debtor.stands(500_000, 70_000)
        phone.shutDown()
    }

    @Test
    fun `r8 s2 a repayment whose answer was lost goes on after the app was killed, and is made once`() = scene {
        Relay(federation.hub).use { relay ->
            val debtor = Debtor(relay.endpoint)
            val phone = debtor.held.enrolled()
            assertEquals(listOf<Repayment>(), phone.repayments().repayments)
            val proposal = debtor.propose(phone)
            relay.deafen()
            refused<SdkException.Unreachable>("NO_ANSWER", retryable = true) { phone.repay(proposal) }
            debtor.stands(488_000, 82_000)
            assertEquals(OpenRepayment(proposal.repaymentId(), proposal.text()), phone.openRepayment())
            refused<SdkException.Invalid>("REPAYMENT_OPEN") { phone.repay(debtor.propose(phone)) }
            phone.close()

            relay.hear()
            val again = debtor.held.build()
            assertEquals(proposal.repaymentId(), again.openRepayment()?.repaymentId)
            val made = again.resumeRepayment()
            assertEquals(proposal.repaymentId() to RepaymentState.APPROVED, made?.repaymentId to made?.state)
            assertNull(again.resumeRepayment())
            assertEquals(listOf(made), again.repayments().repayments)

            relay.down()
            val next = debtor.propose(again, 100)
            refused<SdkException.Unreachable>("HUB_UNREACHABLE", retryable = true) { again.repay(next) }
            assertTrue(again.repayments().freshness.isCached)
            relay.up()
            assertEquals(RepaymentState.APPROVED, again.repay(next).state)
            debtor.stands(487_900, 82_100)
            again.shutDown()
        }
    }

    @Test
    fun `s1 s2 a key that is not released signs no repayment and nothing waits`() = scene {
        val key = MoodyKey()
        val debtor = Debtor(key = key)
        val phone = debtor.held.enrolled()
        val (proposal, other) = debtor.propose(phone) to PlatformKey()
        phone.instruments()
        key.mood = { throw KeyException.Refused() }
        refused<SdkException.Key>("KEY_REFUSED") { phone.repay(proposal) }
        refused<SdkException.Key>("KEY_REFUSED") { phone.unfreeze(listOf(debtor.from), Federation.PASSWORD) }
        refused<SdkException.Key>("KEY_REFUSED") { phone.agreeToOffers(phone.proposeOfferAgreement(listOf("bank-a"), 3u)) }
        key.mood = { other.sign(it) }
        refused<SdkException.Key>("KEY_CHANGED") { phone.repay(proposal) }
        refused<SdkException.Key>("KEY_CHANGED") { phone.unfreeze(listOf(debtor.from), Federation.PASSWORD) }
        assertNull(phone.openRepayment())
        key.mood = key.honest
        assertEquals(RepaymentState.APPROVED, phone.repay(proposal).state)
        phone.shutDown()
    }
}
