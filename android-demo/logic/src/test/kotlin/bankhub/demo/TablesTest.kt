package bankhub.demo

import java.lang.reflect.Modifier
import java.nio.file.Files
import java.nio.file.Path
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Row S3: money, time and words, and what an event does. */
class TablesTest {
    private val english = Formats(Language.ENGLISH, SHANGHAI)
    private val chinese = Formats(Language.CHINESE, SHANGHAI)

    @Test
    fun `s3 money is written by its currency and never guessed at`() {
        for ((money, en, zh) in listOf(
            Triple(Money("CNY", 123_456_789), "CNY 1,234,567.89", "¥1,234,567.89"),
            Triple(Money("CNY", -5), "CNY -0.05", "-¥0.05"),
            Triple(Money("CNY", 0), "CNY 0.00", "¥0.00"),
            Triple(Money("JPY", 1250), "JPY 1,250", "JPY 1,250"),
            Triple(Money("BHD", 1250), "BHD 1.250", "BHD 1.250"),
            Triple(Money("CNY", Long.MIN_VALUE), "CNY -92,233,720,368,547,758.08", "-¥92,233,720,368,547,758.08"),
            Triple(Money("???", 1250), "??? 1250 (minor units)", "??? 1250 (最小货币单位)"),
            Triple(Money("XAU", 7), "XAU 7 (minor units)", "XAU 7 (最小货币单位)"),
        )) {
            assertEquals(en, english.money(money))
            assertEquals(zh, chinese.money(money))
        }
    }

    @Test
    fun `s3 due days say how far they are, in the phone's time zone`() {
        for ((on, en, zh) in listOf(
            Triple("2026-11-25", "due 25 Nov, in 3 days", "11月25日到期，还有3天"),
            Triple("2026-11-23", "due 23 Nov, in 1 day", "11月23日到期，还有1天"),
            Triple("2026-11-22", "22 Nov, due today", "11月22日，今天到期"),
            Triple("2026-11-20", "20 Nov, 2 days late", "11月20日到期，逾期2天"),
            Triple("soon", "soon", "soon"),
            Triple("2026-02-30", "2026-02-30", "2026-02-30"),
        )) {
            assertEquals(en, english.due(on, NOON))
            assertEquals(zh, chinese.due(on, NOON))
        }
        assertEquals("23 Nov, 00:30", english.time(java.time.Instant.parse("2026-11-22T16:30:00Z")))
    }

    @Test
    fun `s3 every word is there in both languages and none is the same by mistake`() {
        val words = Words::class.java.methods.filter { it.parameterCount == 0 && !Modifier.isStatic(it.modifiers) }
        assertTrue(words.size > 30)
        for (word in words) {
            val (en, zh) = word.invoke(English) as String to word.invoke(Chinese) as String
            assertTrue(en.isNotBlank() && zh.isNotBlank(), word.name)
            assertNotEquals(en, zh, word.name)
        }
        for ((name, en, zh) in Message.entries.map { Triple(it.name, English.message(it), Chinese.message(it)) } +
            FreezeState.entries.map { Triple(it.name, English.state(it, null), Chinese.state(it, null)) } +
            BillState.entries.map { Triple(it.name, English.state(it), Chinese.state(it)) } +
            Tab.entries.map { Triple(it.name, English.tab(it), Chinese.tab(it)) }) {
            assertTrue(en.isNotBlank() && zh.isNotBlank() && en != zh, name)
            assertTrue(zh.any { it in '\u4e00'..'\u9fff' }, name)
        }
    }

    @Test
    fun `s3 an event that comes again changes nothing, and a change of a purchase takes its place`() {
        val bought = Purchase("p1", Money("CNY", 100), NOON, "bank-a", "****1", "Shop", "")
        val heard = AppState(isEnrolled = true).heard(HubEvent.Charge(7, NOON, bought))
        assertSame(heard, heard.heard(HubEvent.Charge(7, NOON, bought)))
        assertSame(heard, heard.heard(HubEvent.Charge(3, NOON, bought.copy(paymentId = "p0"))))
        val changed = heard.heard(HubEvent.Update(8, NOON, bought.copy(isReversed = true)))
        assertEquals(listOf(true), changed.purchases.list.map { it.isReversed })
        assertEquals(1, changed.alerts.size)
        val many = (9L..300L).fold(changed) { state, n -> state.heard(HubEvent.Charge(n, NOON, bought.copy(paymentId = "p$n"))) }
        assertEquals(AppState.MOST_PURCHASES to AppState.MOST_ALERTS, many.purchases.list.size to many.alerts.size)
    }

    @Test
    fun `s3 a payment ends on the phone when its charge comes or its code is gone`() {
        fun asked(sequence: Long, code: Secret?) = HubEvent.PaymentCode(sequence, NOON, "p1", Money("CNY", 100), "Shop", NOON.plusSeconds(180), code)
        val approval = Approval("p1", Money("CNY", 100), "Shop", "", "Bank", "****1", NOON.plusSeconds(180))
        val waiting = AppState(isEnrolled = true).heard(asked(1, Secret("123456"))).copy(approvals = listOf(approval), asking = Asking.Approve(approval))
        assertEquals(1, waiting.waiting(NOON).size)
        assertEquals(0, waiting.waiting(NOON.plusSeconds(180)).size)
        val charge = HubEvent.Charge(2, NOON, Purchase("p1", approval.amount, NOON, "bank-a", "****1", "Shop", ""))
        for (ended in listOf(waiting.heard(asked(2, null)), waiting.heard(charge))) {
            assertEquals(0, ended.waiting(NOON).size)
            assertEquals(null, ended.asking)
        }
    }

    /** The pictures of the README are what the app shows. */
    @Test
    fun `s3 the pictures in the readme are made of the screens`() = played {
        signIn()
        pass(15_000)
        val pictures = mutableListOf(picture(screen))
        for (tab in listOf(Tab.APPROVALS, Tab.BILL)) pictures += open(tab).let { picture(screen) }
        presenter.act(Action.FreezeAll)
        pass(5_000)
        pictures += open(Tab.CARDS).let { picture(screen) }
        val text = pictures.joinToString("\n")
        val readme = Files.readString(Path.of("../README.md"))
        if (text !in readme) throw AssertionError("README.md shows other screens than these:\n$text")
    }

    private fun picture(screen: Screen): String = buildString {
        fun line(text: String) {
            val indent = text.takeWhile { it == ' ' }
            val lines = text.trim().split(' ').fold(listOf(indent)) { lines, word ->
                val longer = if (lines.last().isBlank()) lines.last() + word else "${lines.last()} $word"
                if (longer.length <= WIDTH) lines.dropLast(1) + longer else lines + (indent + word)
            }
            lines.forEach { appendLine("│ " + it.padEnd(WIDTH) + " │") }
        }
        appendLine("┌─" + "─".repeat(WIDTH) + "─┐")
        line(screen.title.uppercase())
        screen.notice?.let { line("! ${it.text}") }
        for (piece in screen.pieces) when (piece) {
            is Piece.Note -> line(piece.text)
            is Piece.Row -> {
                appendLine("│ " + piece.title.padEnd(WIDTH - piece.amount.length) + piece.amount + " │")
                if (piece.detail.isNotEmpty()) line("  ${piece.detail}")
            }
            is Piece.Field -> line("${piece.label}: [      ]")
            is Piece.Press -> line("( ${piece.label} )")
            is Piece.Code -> line("${piece.label}: ${piece.code.reveal()}")
        }
        if (screen.tabs.isNotEmpty()) line(screen.tabs.joinToString("  ") { (if (it.isOpen) "[${it.label}]" else it.label) + if (it.badge > 0) " (${it.badge})" else "" })
        appendLine("└─" + "─".repeat(WIDTH) + "─┘")
    }

    private companion object {
        const val WIDTH = 66
    }
}
