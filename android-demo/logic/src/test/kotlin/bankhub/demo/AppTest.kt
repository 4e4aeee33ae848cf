package bankhub.demo

import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.receiveAsFlow
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Row S3: the app as a person uses it, over the played federation. */
class AppTest {
    @Test
    fun `s3 a phone is bound with number, code and password, and what cannot be right is not sent`() = played {
        for ((number, code, password, words) in listOf(
            listOf("13800138000", PlayedHub.CODE, Played.PASSWORD, English.message(Message.NUMBER_MALFORMED)),
            listOf("+86 138", PlayedHub.CODE, Played.PASSWORD, English.message(Message.NUMBER_MALFORMED)),
            listOf(PlayedHub.NUMBER, "1234567", Played.PASSWORD, English.message(Message.CODE_MALFORMED)),
            listOf(PlayedHub.NUMBER, "١٢٣٤٥٦٧٨", Played.PASSWORD, English.message(Message.CODE_MALFORMED)),
            listOf(PlayedHub.NUMBER, PlayedHub.CODE, "1".repeat(10_000_000), English.message(Message.PASSWORD_MALFORMED)),
            listOf(PlayedHub.NUMBER, "00000000", Played.PASSWORD, "That did not work. The number or the code is not right."),
        )) {
            signIn(number, code, password)
            assertEquals(words, screen.notice?.text, number)
            assertTrue(screen.tabs.isEmpty())
        }
        signIn("+86 138-0013-8000")
        assertEquals("Charges", screen.title)
        assertEquals(Tab.entries, screen.tabs.map { it.tab })
        assertNull(screen.notice)
    }

    @Test
    fun `s3 charges arrive live and each is told once`() = played {
        signIn()
        val before = rows().size
        pass(10_000)
        assertEquals(before + 1, rows().size)
        assertEquals("Noodle House, CNY 36.80, 22 Nov, 12:00 · Nanjing Road · Harbour Bank ****4821", rows().first().spoken)
        assertEquals(listOf(1L to "Paid CNY 36.80 at Noodle House"), alerts)
        open(Tab.ALERTS)
        assertEquals("Paid CNY 36.80 at Noodle House", rows().single().title)
    }

    @Test
    fun `s3 a payment is approved with the password and the charge follows`() = played {
        signIn()
        pass(15_000)
        assertEquals(1, badge())
        assertEquals(listOf(1L, 2L), alerts.map { it.first })
        open(Tab.APPROVALS)
        val approve = presses().first { it.action is Action.AskApprove }
        assertEquals("Approve… Book Corner asks for CNY 128.00", approve.spoken)
        press(approve.action)
        assertTrue(screen.isSecret && screen.canGoBack)
        assertEquals("CNY 128.00", rows().single().amount)
        confirm("12345")
        assertEquals(English.message(Message.PASSWORD_MALFORMED), screen.notice?.text)
        confirm("000000")
        assertEquals("That did not work. The password is not right.", screen.notice?.text)
        confirm(Played.PASSWORD)
        assertEquals(English.message(Message.APPROVED), screen.notice?.text)
        assertEquals(0, badge())
        open(Tab.CHARGES)
        assertEquals("Book Corner", rows().first().title)
        assertEquals(1, rows().count { it.title == "Book Corner" && it.amount == "CNY 128.00" && "People's Square" in it.detail && "12:00" in it.detail })
    }

    @Test
    fun `s3 a payment that is declined charges nothing`() = played {
        signIn()
        pass(15_000)
        open(Tab.APPROVALS)
        press(presses().first { it.action is Action.Decline }.action)
        assertEquals(English.message(Message.DECLINED), screen.notice?.text)
        assertEquals(0, badge())
        assertEquals(emptyList<Piece.Row>(), rows())
        assertTrue(alerts.none { "Paid" in it.second && "Book" in it.second })
    }

    @Test
    fun `s3 a payment that nobody answers leaves the screen at its end, without a touch`() = played {
        signIn()
        pass(13_000)
        open(Tab.APPROVALS)
        val waiting = presses().first { it.action is Action.AskApprove }.action
        press(waiting)
        pass(181_000)
        assertFalse(presses().first { it.action == Action.Confirm }.isEnabled, "an ended payment can be confirmed")
        press(Action.Back)
        assertTrue(presses().none { it.action == waiting })
    }

    @Test
    fun `s3 a freeze shows what the hub has stopped and what each bank has confirmed, the late one late`() = played {
        signIn()
        open(Tab.CARDS)
        assertEquals(listOf(Tone.GOOD, Tone.GOOD, Tone.GOOD), rows().map { it.tone })
        press(Action.FreezeAll)
        pass(2_000)
        assertEquals(English.message(Message.FREEZE_ORDERED), screen.notice?.text)
        val (first, second, late) = rows().map { it.detail }
        assertTrue(first.startsWith("Frozen, confirmed by the bank since 22 Nov, 12:00."), first)
        assertTrue(second.startsWith("Frozen"), second)
        assertTrue(late.startsWith("Stopped at the hub. The bank has not confirmed yet"), late)
        pass(PlayedHub.LATE_BANK_MS)
        assertTrue(rows().last().detail.startsWith("Frozen"), rows().last().detail)
        assertEquals(3, alerts.count { "is frozen" in it.second })
    }

    @Test
    fun `s3 nothing is charged to what is frozen, and unfreezing takes the password`() = played {
        signIn()
        open(Tab.CARDS)
        press(Action.FreezeAll)
        pass(300_000)
        assertTrue(alerts.none { "Paid" in it.second || "asks for" in it.second }, "$alerts")
        press(presses().first { it.action is Action.AskUnfreeze }.action)
        assertEquals(English.askUnfreeze, screen.title)
        confirm("000000")
        assertEquals(English.askUnfreeze, screen.title, "a wrong password ends the page")
        confirm(Played.PASSWORD)
        pass(2_000)
        assertEquals(listOf(Tone.GOOD, Tone.WARNING, Tone.WARNING), rows().map { it.tone })
        pass(60_000)
        assertTrue(alerts.any { "Paid" in it.second }, "$alerts")
    }

    @Test
    fun `s3 what is frozen in between is not charged, and the answer says why`() = played {
        signIn()
        pass(15_000)
        open(Tab.APPROVALS)
        press(presses().first { it.action is Action.AskApprove }.action)
        presenter.act(Action.FreezeAll)
        pass(3_000)
        confirm(Played.PASSWORD)
        assertEquals("Nothing is charged. The account is frozen.", screen.notice?.text)
        assertEquals(0, badge())
    }

    @Test
    fun `s3 three wrong passwords block the payer`() = played {
        signIn()
        pass(15_000)
        open(Tab.APPROVALS)
        press(presses().first { it.action is Action.AskApprove }.action)
        repeat(3) { confirm("000000") }
        confirm(Played.PASSWORD)
        assertEquals("That did not work. Too many wrong tries; wait 30 minutes.", screen.notice?.text)
    }

    @Test
    fun `s3 the bill says what is due when, over all banks`() = played(Language.CHINESE) {
        signIn()
        open(Tab.BILL)
        assertEquals("应还合计, ¥2,387.20, 11月25日到期，还有3天", rows().first().spoken)
        assertEquals("山岳银行 622202******7719, ¥1,864.20, 尚未还款 · 11月25日到期，还有3天", rows()[2].spoken)
    }

    @Test
    fun `s3 the language changes under the open page`() = played {
        signIn()
        open(Tab.CARDS)
        presenter.screens = Screens(Language.CHINESE, Formats(Language.CHINESE, SHANGHAI), isPlayed = true)
        assertEquals("卡片", screen.title)
        assertEquals("可正常支出。", rows().first().detail)
    }

    @Test
    fun `s3 a button that is pressed twice does it once`() {
        var calls = 0
        val counted = { hub: Hub ->
            object : Hub by hub {
                override suspend fun freezeAll() = hub.freezeAll().also { calls += 1 }
            }
        }
        played(wrap = counted) {
            signIn()
            presenter.act(Action.FreezeAll)
            presenter.act(Action.FreezeAll)
            assertTrue(presses().none { it.isEnabled })
            pass(2_000)
            assertEquals(1, calls)
            assertTrue(presses().all { it.isEnabled })
        }
    }

    @Test
    fun `s3 an answer that did not come is said to be unknown, and what waits is read again`() {
        val cut = { hub: Hub ->
            object : Hub by hub {
                override suspend fun approve(approval: Approval, transactionPassword: Secret): Outcome {
                    hub.approve(approval, transactionPassword)
                    throw HubException(Trouble.UNREACHABLE, "NO_ANSWER", "The bank hub did not answer in time.")
                }
            }
        }
        played(wrap = cut) {
            signIn()
            pass(15_000)
            open(Tab.APPROVALS)
            press(presses().first { it.action is Action.AskApprove }.action)
            confirm(Played.PASSWORD)
            assertEquals("No answer came. It may have been done; look before you try again. The bank hub did not answer in time.", screen.notice?.text)
            assertEquals(0, badge(), "what was done is still offered")
        }
    }

    @Test
    fun `s3 what the hub does not offer is said, and the code can still be typed at the till`() {
        val missing = { hub: Hub ->
            object : Hub by hub {
                override suspend fun instruments() = throw HubException(Trouble.NOT_OFFERED, "NOT_OFFERED", "")

                override suspend fun pendingApprovals() = throw HubException(Trouble.NOT_OFFERED, "NOT_OFFERED", "")
            }
        }
        played(wrap = missing) {
            signIn()
            pass(15_000)
            open(Tab.CARDS)
            assertEquals(listOf(Piece.Note(English.notOffered, Tone.WARNING)), screen.pieces)
            open(Tab.APPROVALS)
            assertEquals(1, badge())
            assertEquals("314159", screen.pieces.filterIsInstance<Piece.Code>().single().code.reveal())
            assertTrue(presses().isEmpty())
        }
    }

    @Test
    fun `s3 a stream that stops says so and goes on when it is asked to`() {
        var isStopped = true
        val stopping = { hub: Hub ->
            object : Hub by hub {
                override fun events(): Flow<HubEvent> =
                    if (isStopped) flow { throw HubException(Trouble.KEY, "KEY_REFUSED", "The phone's key was not released.") } else hub.events()
            }
        }
        played(wrap = stopping) {
            signIn()
            assertEquals("The live stream has stopped. The phone's key was not released.", screen.notice?.text)
            isStopped = false
            press(presses().first { it.action == Action.ListenAgain }.action)
            assertNull(screen.notice)
            pass(10_000)
            assertEquals(1, alerts.size)
        }
    }

    @Test
    fun `f3 s3 whoever signs in by web is told of live on every page, with the code, until it ends`() {
        val heard = Channel<HubEvent>(Channel.UNLIMITED)
        val signing = { hub: Hub ->
            object : Hub by hub {
                override fun events(): Flow<HubEvent> = heard.receiveAsFlow()
            }
        }
        played(wrap = signing) {
            signIn()
            val (first, second) = now().plusSeconds(120) to now().plusSeconds(180)
            heard.trySend(HubEvent.SignInCode(1, now(), "s1", first, Secret("602214")))
            heard.trySend(HubEvent.SignInCode(2, now(), "s2", second, Secret("667430")))
            pass(100)
            for (tab in Tab.entries) {
                open(tab)
                val codes = screen.pieces.filterIsInstance<Piece.Code>()
                assertEquals(listOf("602214", "667430"), codes.map { it.code.reveal() }, "$tab")
                assertEquals("Somebody signs in to your pages with this code, until 12:02:01", rows().first().spoken)
                assertTrue(screen.isSecret, "a picture of the code may be taken")
            }
            assertEquals(listOf(1L to English.signingIn, 2L to English.signingIn), alerts)
            presenter.screens = Screens(Language.CHINESE, Formats(Language.CHINESE, SHANGHAI), isPlayed = true)
            assertEquals("有人正用此验证码登录您的网页, 12:02:01前有效", rows().first().spoken)
            // The first ends by the hub's word, the second by itself.
            heard.trySend(HubEvent.SignInCode(3, now(), "s1", first, null))
            pass(100)
            assertEquals(listOf("667430"), screen.pieces.filterIsInstance<Piece.Code>().map { it.code.reveal() })
            pass(181_000)
            assertEquals(0, screen.pieces.count { it is Piece.Code })
            assertFalse(screen.isSecret)
        }
    }

    @Test
    fun `s3 nothing that is secret is in the text of a state or a screen`() = played {
        signIn()
        pass(15_000)
        open(Tab.APPROVALS)
        assertFalse("314159" in screen.toString())
        assertFalse("$PASSWORD_TYPED".contains(Played.PASSWORD))
        assertTrue(alerts.none { "314159" in it.second })
    }

    private companion object {
        val PASSWORD_TYPED = Typed(mapOf(Input.PASSWORD to Secret(Played.PASSWORD)))
    }
}
