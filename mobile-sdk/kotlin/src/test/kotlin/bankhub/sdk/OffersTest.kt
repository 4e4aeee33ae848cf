package bankhub.sdk

import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith

/** Rows S2 and R5: whose offers the person wants, which come, and what is said to them. */
@ExtendWith(TheFederation::class)
class OffersTest(private val federation: Federation) {
    @Test
    fun `r5 s2 an agreement is signed, takes the place of the one before, and is taken back`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        assertEquals(OfferPreferences(listOf(), phone.offerPreferences().mostAWeek, null), phone.offerPreferences())
        val agreement = phone.proposeOfferAgreement(listOf("bank-b", "bank-a"), 3u)
        assertTrue(agreement.text().startsWith("bankhub offers v1\nperson: ${held.person.id}\nbanks: bank-a,bank-b\nmost a week: 3\nat: "))
        val agreed = phone.agreeToOffers(agreement)
        assertEquals(listOf("bank-a", "bank-b") to 3u, agreed.bankIds to agreed.mostAWeek)
        assertNotNull(agreed.signedAt)
        assertEquals(agreed, phone.agreeToOffers(agreement), "the same again is the same")
        assertEquals(agreed, phone.offerPreferences())
        assertEquals(listOf("bank-b"), phone.stopOffers(listOf("bank-a")).bankIds)
        assertEquals(listOf<String>(), phone.stopOffers(listOf()).bankIds)
        refused<SdkException.Refused>("OFFER_AGREEMENT_OUTDATED") { phone.agreeToOffers(agreement) }

        for ((banks, most) in listOf(listOf<String>() to 3u, listOf("bank-a") to 0u, listOf("bank-a") to 21u)) {
            refused<SdkException.Refused>("OFFER_AGREEMENT_MALFORMED") { phone.proposeOfferAgreement(banks, most) }
        }
        refused<SdkException.Refused>("NAME_MALFORMED") { phone.proposeOfferAgreement(listOf("Bank A"), 3u) }
        refused<SdkException.Invalid>("NUMBER_MALFORMED") { phone.proposeOfferAgreement(listOf("bank-a"), 256u) }
        refused<SdkException.Refused>("NAME_MALFORMED") { phone.stopOffers(listOf("Bank A")) }
        phone.shutDown()
    }

    @Test
    fun `r5 s2 offers come with why, one is accepted over what the person saw, another declined for good`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        phone.agreeToOffers(phone.proposeOfferAgreement(listOf("bank-a"), 5u))
        val (first, second) = federation.newOffer("5 % back on tea") to federation.newOffer("Free cups")
        repeat(3) { federation.buyElsewhere("bank-a", "30.00", "--account", held.person.account) }
        val offers = until { phone.offers().offers.takeIf { it.size == 2 } }
        assertEquals(setOf(first, second), offers.map { it.offerId }.toSet())
        assertEquals(offers, phone.offerFlow(pageSize = 1u).toList())
        val tea = offers.single { it.offerId == first }
        assertEquals(listOf("bank-a", "5 % back on tea", "Pay with our card."), listOf(tea.bankId, tea.title, tea.text))
        assertTrue(tea.isOpen && tea.answer == OfferAnswer.UNKNOWN && tea.because.contains("28 days"), tea.because)
        assertTrue(tea.validUntil > tea.deliveredAt)

        val cups = offers.single { it.offerId == second }
        val foreign = tea.copy(acceptAsContact = cups.acceptAsContact)
        refused<SdkException.Invalid>("TEXT_FOREIGN") { phone.acceptOffer(foreign, OfferShownAs.CONTACT) }
        refused<SdkException.Invalid>("TEXT_FOREIGN") { phone.acceptOffer(tea.copy(title = "Free gold"), OfferShownAs.CONTACT) }
        refused<SdkException.Invalid>("TEXT_FOREIGN") { phone.acceptOffer(tea.copy(acceptAsContact = tea.acceptAsCustomer), OfferShownAs.CONTACT) }
        refused<SdkException.Refused>("ACCEPTANCE_MALFORMED") { phone.acceptOffer(tea.copy(acceptAsContact = "sign here"), OfferShownAs.CONTACT) }
        refused<SdkException.Invalid>("OFFER_NOT_TO_BE_ACCEPTED") { phone.acceptOffer(tea.copy(acceptAsContact = null), OfferShownAs.CONTACT) }
        val accepted = phone.acceptOffer(tea, OfferShownAs.CUSTOMER)
        assertEquals(OfferAnswer.ACCEPTED to tea.offerId, accepted.answer to accepted.offerId)
        assertEquals(accepted, phone.acceptOffer(tea, OfferShownAs.CUSTOMER), "again it changes nothing")

        phone.declineOffer(second)
        phone.declineOffer(second)
        assertEquals(listOf(first), phone.offers().offers.map { it.offerId })
        refused<SdkException.Refused>("OFFER_DECLINED") { phone.acceptOffer(cups, OfferShownAs.CONTACT) }
        refused<SdkException.Refused>("OFFER_ACCEPTED") { phone.declineOffer(first) }
        refused<SdkException.Refused>("OFFER_UNKNOWN") { phone.declineOffer("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f") }
        refused<SdkException.Refused>("ID_MALFORMED") { phone.declineOffer("tea") }
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.declineOffer("7".repeat(10_000_000)) }
        assertNull(phone.offers().nextPageToken)
        phone.shutDown()
    }

    @Test
    fun `r5 s2 who is no customer of the bank accepts by name and number alone`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        phone.agreeToOffers(phone.proposeOfferAgreement(listOf("bank-b"), 1u))
        federation.newOffer("Come to us", bank = "bank-b")
        repeat(2) { federation.buyElsewhere("bank-a", "30.00", "--account", held.person.account) }
        val offer = until { phone.offers().offers.singleOrNull() }
        assertNull(offer.acceptAsCustomer)
        assertTrue(offer.acceptAsContact!!.endsWith("\nshown as: CONTACT\n"))
        refused<SdkException.Invalid>("OFFER_NOT_TO_BE_ACCEPTED") { phone.acceptOffer(offer, OfferShownAs.CUSTOMER) }
        assertEquals(OfferAnswer.ACCEPTED, phone.acceptOffer(offer, OfferShownAs.CONTACT).answer)
        phone.shutDown()
    }
}
