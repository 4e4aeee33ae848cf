package bankhub.sdk

import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith

/** Row S2: a payment that waits at a till is approved or declined in the app, and the code need not be typed. */
@ExtendWith(TheFederation::class)
class ApprovalsTest(private val federation: Federation) {
    private val wrong = if (Federation.PASSWORD == "000000") "111111" else "000000"

    private fun Held.left() = federation.available("bank-a", person.account)

    @Test
    fun `s2 a payment is approved over what the person saw, once, and its charge comes`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        assertEquals(listOf<Approval>(), phone.pendingApprovals())
        val payment = federation.begin(held.person, "36.80", "till-1")
        val asked = phone.pendingApprovals().single()
        assertEquals(listOf(payment, Money("CNY", 3680), "noodle-house"), listOf(asked.paymentId, asked.amount, asked.merchant.merchantId))
        assertEquals(listOf("bank-a", "till-1", "12 Fuxing Road"), listOf(asked.bankId, asked.terminalId, asked.place))
        assertEquals(listOf("Noodles"), asked.items.map { it.name })
        assertTrue(asked.expiresAt > asked.createdAt && asked.bankName.isNotBlank() && asked.location != null)
        assertTrue(asked.text.contains("\namount: 36.80 CNY\npayee: ${asked.merchant.displayName}\nterminal: till-1\nfrom: bank-a ${asked.accountMasked}\n"))

        refused<SdkException.Refused>("PASSWORD_MALFORMED") { phone.approve(asked, "27182") }
        val mistyped = phone.approve(asked, wrong)
        assertEquals(ApprovalState.AWAITING to "VERIFICATION_FAILED", mistyped.state to mistyped.refusal?.reason)
        assertEquals(false, mistyped.refusal?.text.isNullOrBlank())
        val approved = phone.approve(asked, Federation.PASSWORD)
        assertTrue(approved.state in setOf(ApprovalState.PENDING, ApprovalState.APPROVED), "$approved")
        assertEquals(payment to null, approved.paymentId to approved.refusal)
        val charge = phone.eventFlow().first { (it.kind as? EventKind.Charge)?.purchase?.paymentId == payment }
        assertEquals(asked.amount, (charge.kind as EventKind.Charge).purchase.amount)
        assertEquals(ApprovalState.APPROVED, phone.approve(asked, Federation.PASSWORD).state, "the same again is as it stands")
        assertEquals(500_000L - 3_680, held.left())
        assertEquals(listOf<Approval>(), phone.pendingApprovals())
        refused<SdkException.Refused>("NOT_AWAITING_CODE") { phone.decline(payment) }
        phone.shutDown()
    }

    @Test
    fun `s2 a payment that is declined takes no money, and what is not there cannot be declined`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        val payment = federation.begin(held.person, "5.00")
        val asked = phone.pendingApprovals().single()
        val declined = phone.decline(payment)
        assertEquals(ApprovalState.DECLINED to "PAYER_DECLINED", declined.state to declined.refusal?.reason)
        assertEquals(declined, phone.decline(payment), "again it changes nothing")
        refused<SdkException.Refused>("NOT_AWAITING_CODE") { phone.approve(asked, Federation.PASSWORD) }
        val stranger = federation.held()
        stranger.enrolled().shutDown()
        val others = federation.begin(stranger.person, "5.00")
        refused<SdkException.Refused>("PAYMENT_UNKNOWN") { phone.decline(others) }
        refused<SdkException.Refused>("ID_MALFORMED") { phone.decline("payment") }
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.decline("7".repeat(10_000_000)) }
        assertEquals(500_000L, held.left())
        phone.shutDown()
    }

    @Test
    fun `s2 the key signs nothing but what the person was shown`() = scene {
        val key = MoodyKey()
        val held = federation.held(key = key)
        val phone = held.enrolled()
        val stranger = federation.held()
        val strange = stranger.enrolled()
        federation.begin(held.person, "5.00")
        federation.begin(stranger.person, "5.00")
        val (asked, foreign) = phone.pendingApprovals().single() to strange.pendingApprovals().single()
        var isAsked = false
        key.mood = { isAsked = true; key.honest(it) }
        val spoiled = listOf(
            foreign,
            asked.copy(text = foreign.text),
            asked.copy(amount = Money("CNY", 50)),
            asked.copy(amount = Money("JPY", 500)),
            asked.copy(merchant = asked.merchant.copy(displayName = "Somebody Else")),
            asked.copy(terminalId = "till-9"),
            asked.copy(bankId = "bank-b"),
            asked.copy(accountMasked = "****0000"),
            asked.copy(paymentId = foreign.paymentId),
        )
        for (approval in spoiled) refused<SdkException.Invalid>("TEXT_FOREIGN") { phone.approve(approval, Federation.PASSWORD) }
        for (text in listOf("", "sign here", "7".repeat(10_000_000), asked.text.trimEnd())) {
            refused<SdkException.Refused>("APPROVAL_MALFORMED") { phone.approve(asked.copy(text = text), Federation.PASSWORD) }
        }
        assertFalse(isAsked)
        key.mood = { throw KeyException.Refused() }
        refused<SdkException.Key>("KEY_REFUSED") { phone.approve(asked, Federation.PASSWORD) }
        assertEquals(listOf(asked.paymentId), phone.pendingApprovals().map { it.paymentId })
        assertEquals(500_000L, held.left())
        phone.shutDown()
        strange.shutDown()
    }

    @Test
    fun `s2 an approval whose answer was lost charges once when it is made again`() = scene {
        Relay(federation.hub).use { relay ->
            val held = federation.held(relay.endpoint)
            val phone = held.enrolled()
            federation.begin(held.person, "5.00")
            val asked = phone.pendingApprovals().single()
            relay.deafen()
            refused<SdkException.Unreachable>("NO_ANSWER", retryable = true) { phone.approve(asked, Federation.PASSWORD) }
            until { true.takeIf { held.left() == 499_500L } }
            relay.hear()
            val outcome = phone.approve(asked, Federation.PASSWORD)
            assertEquals(ApprovalState.APPROVED, outcome.state)
            assertNull(outcome.refusal)
            assertEquals(499_500L, held.left())
            phone.shutDown()
        }
    }
}
