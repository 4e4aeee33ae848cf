package bankhub.sdk

import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith

private const val SOME_ID = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f"

/** What a phone gets for what it should not do, or what is done to it: a typed error with its fields, and nothing changed. */
@ExtendWith(TheFederation::class)
class TroublesTest(private val federation: Federation) {
    @Test
    fun `s1 a builder that lacks something or points nowhere says what`() = scene {
        val (folder, key, store) = Triple(federation.newFolder(), PlatformKey(), TestStore())
        refused<SdkException.Invalid>("BUILDER_INCOMPLETE") { PhoneBuilder().build() }
        for (nowhere in listOf("", "hub", "http://127.0.0.1:1", "x".repeat(10_000_000))) {
            refused<SdkException.Invalid>("ENDPOINT_MALFORMED") { federation.builder(folder, key, store, nowhere).build() }
        }
        refused<SdkException.Invalid>("AUTHORITY_MALFORMED") { federation.builder(folder, key, store).authority("none").build() }
        store.isBroken = true
        refused<SdkException.Store>("STORE_FAILED", retryable = true) { federation.builder(folder, key, store).build() }
        store.isBroken = false
        refused<SdkException.Store>("DISK_FAILED", retryable = true) { federation.builder(folder, key, store).dataFolder("/dev/null/x").build() }
    }

    @Test
    fun `s1 nobody is enrolled by a wrong code, and what cannot be right is not sent`() = scene {
        val held = federation.held()
        val phone = held.build()
        val code = federation.newCode(held.person)
        refused<SdkException.NotEnrolled>("NOT_ENROLLED") { phone.payments() }
        refused<SdkException.NotEnrolled>("NOT_ENROLLED") { phone.events(null) }
        refused<SdkException.Refused>("PHONE_NUMBER_MALFORMED") { phone.enrol("13800138000", code, null) }
        refused<SdkException.Refused>("ENROLMENT_REFUSED") { phone.enrol(held.person.number, "1234567", null) }
        val wrong = if (code == "12345678") "87654321" else "12345678"
        refused<SdkException.Refused>("ENROLMENT_REFUSED") { phone.enrol(held.person.number, wrong, null) }
        refused<SdkException.Refused>("ENROLMENT_REFUSED") { phone.enrol("+8613712345678", code, null) }
        phone.enrol(held.person.number, code, null)
        refused<SdkException.Invalid>("ALREADY_ENROLLED") { phone.enrol(held.person.number, code, null) }
        phone.shutDown()
    }

    @Test
    fun `s1 after the end every call is Closed`() = scene {
        val phone = federation.held().enrolled()
        val feed = phone.events(null)
        val mine = phone.instruments().instruments.single().name
        val repayment = phone.proposeRepayment(mine, InstrumentName("bank-b", InstrumentId.Card(SOME_ID)), Money("CNY", 1))
        val agreement = phone.proposeOfferAgreement(listOf("bank-a"), 3u)
        phone.shutDown()
        phone.shutDown()
        val calls = listOf<suspend () -> Any?>(
            { phone.instruments() }, { phone.freeze(listOf(mine)) }, { phone.freezeAll() },
            { phone.unfreeze(listOf(mine), Federation.PASSWORD) },
            { phone.proposeRepayment(mine, mine, Money("CNY", 1)) }, { phone.repay(repayment) }, { phone.openRepayment() },
            { phone.resumeRepayment() }, { phone.repayment(SOME_ID) }, { phone.repayments() },
            { phone.offerPreferences() }, { phone.proposeOfferAgreement(listOf("bank-a"), 3u) }, { phone.agreeToOffers(agreement) },
            { phone.stopOffers(listOf()) }, { phone.offers() }, { phone.declineOffer(SOME_ID) },
            { phone.pendingApprovals() }, { phone.decline(SOME_ID) },
        )
        for (call in calls) refused<SdkException.Closed>("PHONE_CLOSED") { call() }
        refused<SdkException.Closed>("PHONE_CLOSED") { phone.payments() }
        refused<SdkException.Closed>("PHONE_CLOSED") { phone.sync() }
        refused<SdkException.Closed>("PHONE_CLOSED") { phone.events(null) }
        refused<SdkException.Closed>("PHONE_CLOSED") { phone.handlePush(mapOf()) }
        refused<SdkException.Closed>("PHONE_CLOSED") { feed.nextEvent() }
        refused<SdkException.Closed>("PHONE_CLOSED") { feed.eventHandled(1) }
        refused<SdkException.Closed>("PHONE_CLOSED") {
            phone.proposeConsent("bank-a", ConsentPurpose.REVIEW, listOf(ConsentField.SUMMARY), java.time.Duration.ofDays(1))
        }
        phone.resume()
        phone.close()
        phone.close()
        // The object's memory is given back: this is Kotlin's own guard, and no call goes into it any more.
        for (call in calls) assertTrue(runCatching { call() }.exceptionOrNull() is IllegalStateException)
    }

    @Test
    fun `s1 a phone whose object is given back while calls are under way ends them and nothing else`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        coroutineScope {
            val under = List(50) { async { runCatching { phone.payments() }.exceptionOrNull() } }
            phone.close()
            for (failed in under.awaitAll()) {
                assertTrue(failed == null || failed is IllegalStateException || failed is SdkException, "$failed")
            }
        }
        val again = held.build()
        assertEquals(listOf<Purchase>(), again.payments().purchases)
        again.shutDown()
    }

    @Test
    fun `s2 nobody who is not enrolled freezes, repays, agrees or approves anything`() = scene {
        val phone = federation.held().build()
        val mine = InstrumentName("bank-a", InstrumentId.Account(SOME_ID))
        val calls = listOf<suspend () -> Any?>(
            { phone.instruments() }, { phone.freeze(listOf(mine)) }, { phone.freezeAll() },
            { phone.unfreeze(listOf(mine), Federation.PASSWORD) },
            { phone.proposeRepayment(mine, mine, Money("CNY", 1)) }, { phone.openRepayment() }, { phone.resumeRepayment() },
            { phone.repayments() }, { phone.offerPreferences() }, { phone.proposeOfferAgreement(listOf("bank-a"), 3u) },
            { phone.offers() }, { phone.pendingApprovals() }, { phone.decline(SOME_ID) },
        )
        for (call in calls) refused<SdkException.NotEnrolled>("NOT_ENROLLED") { call() }
        phone.shutDown()
    }

    @Test
    fun `s1 a cancelled feed says so`() = scene {
        val phone = federation.held().enrolled()
        val feed = phone.events(null)
        feed.cancel()
        refused<SdkException.Closed>("SUBSCRIPTION_CANCELLED") { feed.nextEvent() }
        refused<SdkException.Closed>("SUBSCRIPTION_CANCELLED") { feed.eventHandled(1) }
        phone.shutDown()
    }

    @Test
    fun `s1 a key store that fails, refuses, throws, lies or changes its key`() = scene {
        val key = MoodyKey()
        val held = federation.held(key = key)
        val phone = held.enrolled()
        val other = PlatformKey()
        val moods = listOf<Triple<String, Boolean, suspend (ByteArray) -> ByteArray>>(
            Triple("KEY_FAILED", true) { throw KeyException.Failed() },
            Triple("KEY_REFUSED", false) { throw KeyException.Refused() },
            Triple("KEY_FAILED", true) { throw IllegalStateException("a fault of the app") },
            Triple("KEY_MALFORMED", false) { byteArrayOf() },
            Triple("KEY_MALFORMED", false) { ByteArray(10_000_000) },
            Triple("KEY_CHANGED", false) { ByteArray(64) { 1 } },
            Triple("KEY_CHANGED", false) { other.sign(it) },
        )
        for ((reason, retryable, mood) in moods) {
            key.mood = mood
            refused<SdkException.Key>(reason, retryable) { phone.totalBill() }
        }
        key.mood = key.honest
        key.shown = { other.publicKey() }
        refused<SdkException.Key>("KEY_CHANGED") { phone.totalBill() }
        key.shown = { ByteArray(65) }
        refused<SdkException.Key>("KEY_MALFORMED") { phone.totalBill() }
        phone.shutDown()
    }

    @Test
    fun `s1 copied data are worth nothing with another key or without the secure store`() = scene {
        val held = federation.held()
        held.enrolled().shutDown()
        val copied = federation.newFolder()
        held.folder.toFile().copyRecursively(copied.toFile(), overwrite = true)

        val withOtherKey = Held(federation, held.person, key = PlatformKey(), store = held.store, folder = copied).build()
        refused<SdkException.Key>("KEY_CHANGED") { withOtherKey.payments() }
        withOtherKey.shutDown()

        val withoutStore = Held(federation, held.person, folder = copied).build()
        refused<SdkException.Store>("DATA_UNREADABLE") { withoutStore.payments() }
        assertEquals(null, withoutStore.enrolled())
        withoutStore.wipe()
        refused<SdkException.Closed>("PHONE_CLOSED") { withoutStore.payments() }
        val anew = Held(federation, held.person, folder = copied).enrolled()
        assertTrue(anew.sync().error == null, "after it was wiped the phone can be bound anew")
        anew.shutDown()
    }

    @Test
    fun `s1 ten megabytes where a few letters belong`() = scene {
        val phone = federation.held().enrolled()
        val long = "七".repeat(3_500_000)
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.payments(PurchaseFilter(text = long)) }
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.payments(pageToken = long) }
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.bill(long) }
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.previewTemplate(NoticeKind.CHARGE, Language.ENGLISH, long) }
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.registerPush(PushVendor.FCM, long) }
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.deleteReminder(long) }
        refused<SdkException.Invalid>("MESSAGE_TOO_LARGE") { phone.confirmMailAddress(long) }
        refused<SdkException.Invalid>("PUSH_FOREIGN") { phone.handlePush(mapOf("id" to long)) }
        assertEquals(listOf<Purchase>(), phone.payments().purchases, "and it goes on")
        phone.shutDown()
    }

    @Test
    fun `s1 errors are told in the language that was asked for`() = scene {
        val held = federation.held()
        val chinese = federation.builder(held.folder, held.key, held.store).language(Language.CHINESE).build()
        val local = runCatching { chinese.payments() }.exceptionOrNull() as SdkException.NotEnrolled
        assertEquals("本机尚未绑定。", local.text)
        chinese.enrol(held.person.number, federation.newCode(held.person), null)
        val ofHub = runCatching { chinese.bill("x") }.exceptionOrNull() as SdkException.Refused
        assertEquals("编号不是小写带连字符的第7版UUID。", ofHub.text)
        chinese.shutDown()
    }

    @Test
    fun `s1 a hub of another authority is not talked to`() = scene {
        Federation().use { other ->
            val held = federation.held(other.hub)
            val phone = held.build()
            refused<SdkException.Untrusted>("HUB_UNTRUSTED") { phone.enrol(held.person.number, "12345678", null) }
            phone.shutDown()
        }
    }
}
