package bankhub.sdk

import java.time.Duration
import java.time.Instant
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.fold
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith

/** Rows S1 and S2: every call that the hub serves, against a live federation. */
@ExtendWith(TheFederation::class)
class CallsTest(private val federation: Federation) {
    /** Pays at a till with the code that the phone hears. */
    private suspend fun Phone.pay(person: Person, amount: String): Purchase {
        val payment = federation.begin(person, amount, "till-1")
        val asked = eventFlow().first { (it.kind as? EventKind.PaymentCode)?.paymentId == payment }
        val code = (asked.kind as EventKind.PaymentCode).code!!
        assertEquals("APPROVED", federation.finish(payment, code.reveal())["state"].asText())
        assertFalse(asked.toString().contains(code.reveal()), "a code shows in toString")
        val charge = eventFlow().first { (it.kind as? EventKind.Charge)?.purchase?.paymentId == payment }
        return (charge.kind as EventKind.Charge).purchase
    }

    @Test
    fun `r7 a charge comes live and stands in pages, sums, files and habits`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        assertEquals(held.person.id, phone.enrolled()?.personId)
        val bought = phone.pay(held.person, "36.80")
        assertEquals(Money("CNY", 3680), bought.amount)
        assertEquals("noodle-house", bought.merchant.merchantId)
        assertEquals(listOf("Noodles"), bought.items.map { it.name })
        assertEquals(PurchaseState.POSTED to Carrier.HUB, bought.state to bought.carrier)
        phone.pay(held.person, "12.00")

        val page = phone.payments(pageSize = 1u)
        assertEquals(1, page.purchases.size)
        assertFalse(page.freshness.isCached)
        assertNotNull(page.nextPageToken)
        assertEquals(listOf(1200L, 3680L), phone.paymentFlow(pageSize = 1u).toList().map { it.amount.minorUnits })
        val large = PurchaseFilter(leastMinor = 2000, natures = listOf(Nature.PURCHASE), until = Instant.now().plusSeconds(60))
        assertEquals(listOf(bought), phone.payments(large).purchases)
        assertEquals(listOf<Purchase>(), phone.payments(PurchaseFilter(text = "caviar")).purchases)

        val sums = phone.sums(groupBy = GroupBy.MERCHANT).sums
        assertEquals(PurchaseSum("noodle-house", Money("CNY", 4880), 0, 2), sums.single())
        assertEquals(2L, phone.sums(large.copy(leastMinor = null), null, "Asia/Shanghai").sums.single().count)
        for ((format, sign) in listOf(ExportFormat.CSV to "Noodle House", ExportFormat.OFX to "<OFX>", ExportFormat.CAMT053 to "camt.053")) {
            val file = phone.exportFlow(format).fold(byteArrayOf()) { all, piece -> all + piece }
            assertTrue(String(file).contains(sign), format.name)
        }
        val habit = phone.habits(Facet.MERCHANT).habits.single { it.key == "noodle-house" }
        assertEquals(2L to Money("CNY", 4880), habit.count to habit.sum)
        assertTrue(phone.habits().habits.map { it.facet }.toSet().size > 1)
        phone.shutDown()
    }

    @Test
    fun `r8 bills, one and all, are asked for`() = scene {
        val phone = federation.held().enrolled()
        assertEquals(listOf<AccountBills>(), phone.bills().accounts)
        assertEquals(listOf<AccountBills>(), phone.bills(bankId = "bank-a", most = 3u).accounts)
        assertEquals(listOf<TotalBill>(), phone.totalBill().totals)
        refused<SdkException.Refused>("BILL_UNKNOWN") { phone.bill("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f") }
        refused<SdkException.Refused>("ID_MALFORMED") { phone.bill("bill") }
        phone.shutDown()
    }

    @Test
    fun `r10 reminders are set, changed, listed and taken away`() = scene {
        val phone = federation.held().enrolled()
        val id = phone.setReminder(Reminder(day = ReminderDay.BeforeDue(3u), hour = 9u))
        phone.setReminder(Reminder(reminderId = id, day = ReminderDay.OfMonth(31u), hour = 20u, minute = 30u, timeZone = "Asia/Shanghai"))
        val set = phone.reminders().single()
        assertEquals(listOf(id, ReminderDay.OfMonth(31u), 20u, 30u), listOf(set.reminderId, set.day, set.hour, set.minute))
        phone.deleteReminder(id)
        phone.deleteReminder(id)
        assertEquals(listOf<Reminder>(), phone.reminders())
        refused<SdkException.Refused>("REMINDER_MALFORMED") { phone.setReminder(Reminder(day = ReminderDay.BeforeDue(31u), hour = 9u)) }
        refused<SdkException.Invalid>("NUMBER_MALFORMED") { phone.setReminder(Reminder(day = ReminderDay.BeforeDue(UInt.MAX_VALUE), hour = 9u)) }
        phone.shutDown()
    }

    @Test
    fun `r6 how the person is told is read and set`() = scene {
        val phone = federation.held().enrolled()
        val before = phone.preferences().preferences
        val wanted = before.copy(
            language = Language.ENGLISH,
            timeZone = "Europe/Berlin",
            quietHours = QuietHours(1320u, 420u),
            choices = listOf(NoticeChoice(NoticeKind.CHARGE, NoticeChannel.PUSH, false)),
            prices = PriceNews.OFF,
        )
        val after = phone.setPreferences(wanted).preferences
        assertEquals(wanted.quietHours to wanted.timeZone, after.quietHours to after.timeZone)
        assertTrue(NoticeChoice(NoticeKind.CHARGE, NoticeChannel.PUSH, false) in after.choices)
        assertEquals(after, phone.preferences().preferences)
        refused<SdkException.Refused>("CHANNEL_ABSENT") { phone.setPreferences(after.copy(mailAddress = "ann@example.com")) }
        refused<SdkException.Refused>("NO_MAIL_ADDRESS_AWAITED") { phone.confirmMailAddress("123456") }
        refused<SdkException.Refused>("FIELD_UNKNOWN") { phone.setPreferences(after.copy(language = Language.UNKNOWN)) }
        phone.shutDown()
    }

    @Test
    fun `r6 the person's own words are seen, stored and forgotten`() = scene {
        val phone = federation.held().enrolled()
        val (charge, english) = NoticeKind.CHARGE to Language.ENGLISH
        assertTrue(phone.previewTemplate(charge, english, "Paid {{ amount }}").startsWith("Paid "))
        phone.saveTemplate(charge, english, NoticeChannel.SMS, "Gone: {{ amount }}")
        val own = phone.templates(charge, english).single { it.isOwn }
        assertEquals("Gone: {{ amount }}" to NoticeChannel.SMS, own.text to own.channel)
        assertTrue("amount" in own.fields)
        assertTrue(phone.forgetTemplate(charge, english, NoticeChannel.SMS).isNotBlank())
        assertTrue(phone.templates().none { it.isOwn })
        refused<SdkException.Refused>("TEMPLATE_FIELD_UNKNOWN") { phone.previewTemplate(charge, english, "{{ pin }}") }
        refused<SdkException.Refused>("NOTICE_FIXED") { phone.saveTemplate(NoticeKind.CODE, english, NoticeChannel.SMS, "x") }
        phone.shutDown()
    }

    @Test
    fun `r9 a consent is signed over what the person saw, listed and revoked`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        val fields = listOf(ConsentField.ARREARS, ConsentField.SUMMARY)
        val proposal = phone.proposeConsent("bank-b", ConsentPurpose.LOAN_APPLICATION, fields, Duration.ofDays(30))
        assertTrue(proposal.text().contains("person: ${held.person.id}\nbank: bank-b\npurpose: LOAN_APPLICATION\nfields: SUMMARY,ARREARS\n"))
        val given = phone.giveConsent(proposal)
        assertEquals(proposal.text() to ConsentState.GIVEN, given.text to given.state)
        assertEquals(given, phone.giveConsent(proposal), "the same again is the same")
        assertEquals(listOf(given), phone.consents().consents)
        assertEquals(ConsentState.REVOKED, phone.revokeConsent(given.consentId).state)
        refused<SdkException.Refused>("CONSENT_UNKNOWN") { phone.revokeConsent("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f") }
        for (span in listOf(Duration.ZERO, Duration.ofDays(91))) {
            refused<SdkException.Refused>("CONSENT_MALFORMED") { phone.proposeConsent("bank-b", ConsentPurpose.REVIEW, fields, span) }
        }
        refused<SdkException.Refused>("FIELD_MISSING") { phone.proposeConsent("bank-b", ConsentPurpose.REVIEW, listOf(), Duration.ofDays(1)) }
        refused<SdkException.Refused>("NAME_MALFORMED") { phone.proposeConsent("Bank B", ConsentPurpose.REVIEW, fields, Duration.ofDays(1)) }
        assertEquals(listOf<Inquiry>(), phone.inquiries())
        assertEquals(listOf<HistoryEntry>(), phone.creditHistory().entries)
        phone.shutDown()
    }

    @Test
    fun `s1 push is registered, handled once and forgotten`() = scene {
        val phone = federation.held().enrolled()
        phone.registerPush(PushVendor.FCM, "token-1")
        refused<SdkException.Refused>("TEXT_MALFORMED") { phone.registerPush(PushVendor.APNS, "two words") }
        phone.forgetPush()
        val push = mapOf("id" to "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f")
        assertEquals(PushOutcome.NEW, phone.handlePush(push))
        assertEquals(PushOutcome.DUPLICATE, phone.handlePush(push))
        for (foreign in listOf(mapOf(), mapOf("id" to "1"), mapOf("title" to "You have won"))) {
            refused<SdkException.Invalid>("PUSH_FOREIGN") { phone.handlePush(foreign) }
        }
        phone.shutDown()
    }

    @Test
    fun `s1 everything that is read offline is fetched at once`() = scene {
        val held = federation.held()
        val phone = held.build()
        assertNull(phone.enrolled())
        refused<SdkException.NotEnrolled>("NOT_ENROLLED") { phone.sync() }
        phone.enrol(held.person.number, federation.newCode(held.person), null)
        val report = phone.sync()
        assertEquals(8u to null, report.fetched to report.error)
        val status = phone.status()
        assertEquals(held.person.id to FeedState.Off, status.enrolled?.personId to status.feed)
        assertEquals(8u, status.cachedAnswers)
        phone.shutDown()
        assertEquals(FeedState.Closed, phone.status().feed)
    }
}
