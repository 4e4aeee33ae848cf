package bankhub.sdk

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith
import java.time.Duration

/** By what the person is known where this phone is not at hand (F1, F3), and who else may look. */
@ExtendWith(TheFederation::class)
class KnownElsewhereTest(private val federation: Federation) {
    @Test
    fun `f1 a safety code takes an identity check, the key and the transaction password`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        assertEquals(SafetyCodeStanding(null, null, null), phone.safetyCode())
        refused<SdkException.Refused>("SAFETY_CODE_NOT_ALLOWED") { phone.setSafetyCode("314159", Federation.PASSWORD) }
        federation.asOperator("identity", "account", "bank-a", held.person.account, "--how", "ID card and photo")
        assertNotNull(phone.safetyCode().openUntil)
        refused<SdkException.Refused>("SAFETY_CODE_MALFORMED") { phone.setSafetyCode("12", Federation.PASSWORD) }
        refused<SdkException.Refused>("PASSWORD_MALFORMED") { phone.setSafetyCode("314159", "27182") }
        refused<SdkException.Refused>("VERIFICATION_FAILED") { phone.setSafetyCode("314159", "000000") }
        assertNull(phone.safetyCode().setAt, "what was refused has set nothing")
        phone.setSafetyCode("314159", Federation.PASSWORD)
        val stands = phone.safetyCode()
        assertTrue(stands.setAt != null && stands.openUntil == null && stands.blockedUntil == null, "$stands")
        phone.shutDown()
    }

    @Test
    fun `f3 an account password is set with the key and the transaction password`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        refused<SdkException.Refused>("ACCOUNT_PASSWORD_MALFORMED") { phone.setAccountPassword("short", Federation.PASSWORD) }
        refused<SdkException.Refused>("VERIFICATION_FAILED") { phone.setAccountPassword("correct horse battery", "000000") }
        phone.setAccountPassword("correct horse battery", Federation.PASSWORD)
        phone.shutDown()
        refused<SdkException.Closed>("PHONE_CLOSED") { phone.setAccountPassword("correct horse battery", Federation.PASSWORD) }
    }

    @Test
    fun `s2 habits are told to a bank and purchases to an operator by what the person signs`() = scene {
        val phone = federation.held().enrolled()
        val week = Duration.ofDays(7)
        val habits = phone.proposeConsent("bank-a", ConsentPurpose.OFFERS, listOf(ConsentField.HABITS), week)
        assertTrue(habits.text().contains("HABITS"), habits.text())
        assertEquals(ConsentState.GIVEN, phone.giveConsent(habits).state)
        val view = phone.proposeView("anna", ConsentPurpose.DISPUTE, listOf(ConsentField.AMOUNTS, ConsentField.ITEMS), week)
        assertTrue(view.text().contains("anna"), view.text())
        assertEquals(ConsentState.GIVEN, phone.giveConsent(view).state)
        val mixed = runCatching { phone.proposeView("anna", ConsentPurpose.DISPUTE, listOf(ConsentField.HABITS), week) }
        assertTrue(mixed.exceptionOrNull() is SdkException.Refused, "habits are for banks")
        phone.shutDown()
    }
}
