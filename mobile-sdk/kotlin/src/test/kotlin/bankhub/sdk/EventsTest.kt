package bankhub.sdk

import java.util.concurrent.CopyOnWriteArrayList
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith

/** Notes what it hears, and throws when it is told to. */
private class Ear(private val isThrowing: Boolean = false) : EventListener {
    val heard = Channel<Long>(Channel.UNLIMITED)
    val stopped = CompletableDeferred<SdkException>()

    override suspend fun onEvent(event: Event) {
        heard.send(event.sequence)
        if (isThrowing) throw IllegalStateException("the listener has a fault")
    }

    override suspend fun onStopped(error: SdkException) {
        stopped.complete(error)
    }

    suspend fun hears(count: Int): List<Long> = withTimeout(20_000) { List(count) { heard.receive() } }
}

/** Row S1: each who listens hears each event once and in order. */
@ExtendWith(TheFederation::class)
class EventsTest(private val federation: Federation) {
    private fun Held.charge(times: Int) = repeat(times) { federation.begin(person, "1.00") }

    @Test
    fun `s1 two listeners, one of which throws, hear everything, and a cancelled one nothing more`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        val (good, throwing) = Ear() to Ear(isThrowing = true)
        val first = phone.addListener(good, null)
        val second = phone.addListener(throwing, null)
        held.charge(3)
        val all = good.hears(3)
        assertEquals(all, throwing.hears(3))
        assertEquals(all.sorted().distinct(), all)
        assertEquals(2u, phone.status().listening)

        second.cancel()
        second.cancel()
        assertTrue(second.isCancelled() && !first.isCancelled())
        held.charge(1)
        assertEquals(all.last() + 1, good.hears(1).single())
        assertTrue(throwing.heard.tryReceive().isFailure)
        assertEquals(0uL to 3uL, first.failures() to second.failures())
        phone.shutDown()
    }

    @Test
    fun `s1 a phone that is made again goes on where it was, and what was not handled comes again`() = scene {
        val held = federation.held()
        val phone = held.enrolled()
        held.charge(3)
        val feed = phone.events(null)
        val first = feed.nextEvent()
        feed.eventHandled(first.sequence)
        val second = feed.nextEvent()
        refused<SdkException.Invalid>("EVENT_NOT_TAKEN") { feed.eventHandled(second.sequence + 1) }
        phone.shutDown()
        refused<SdkException.Closed>("PHONE_CLOSED") { feed.nextEvent() }

        val again = held.build()
        assertEquals(first.sequence, again.status().handledSequence)
        val rest = again.eventFlow().take(2).toList().map { it.sequence }
        assertEquals(listOf(second.sequence, second.sequence + 1), rest)
        val whole = again.eventFlow(afterSequence = 0).take(3).toList().map { it.sequence }
        assertEquals(listOf(first.sequence) + rest, whole, "from where a listener says")
        again.shutDown()
    }

    @Test
    fun `s1 a line that is cut again and again loses nothing and doubles nothing`() = scene {
        Relay(federation.hub).use { relay ->
            val held = federation.held(relay.endpoint)
            val phone = held.enrolled()
            val ear = Ear()
            phone.addListener(ear, null)
            repeat(10) {
                held.charge(1)
                relay.cut()
            }
            val heard = ear.hears(10)
            assertEquals((heard.first()..heard.first() + 9).toList(), heard)
            relay.down()
            held.charge(1)
            relay.up()
            phone.resume()
            assertEquals(heard.last() + 1, ear.hears(1).single())
            phone.shutDown()
            assertTrue(ear.heard.tryReceive().isFailure)
        }
    }

    @Test
    fun `s2 what was read is read offline, and says so`() = scene {
        Relay(federation.hub).use { relay ->
            val held = federation.held(relay.endpoint)
            val phone = held.enrolled()
            assertNull(phone.sync().error)
            relay.down()
            assertTrue(phone.payments().freshness.isCached)
            assertTrue(phone.totalBill().freshness.isCached)
            refused<SdkException.Unreachable>("HUB_UNREACHABLE", retryable = true) { phone.payments(pageSize = 7u) }
            val report = phone.sync()
            assertEquals(0u, report.fetched)
            assertEquals("HUB_UNREACHABLE", fields(report.error!!).first)
            relay.up()
            assertEquals(false, phone.payments().freshness.isCached)
            phone.shutDown()

            relay.down()
            val again = held.build()
            assertTrue(again.habits().freshness.isCached, "also after the app was started again")
            again.shutDown()
        }
    }

    @Test
    fun `s1 a listener is told that the stream has stopped, and it goes on when the key is back`() = scene {
        val key = MoodyKey()
        val held = federation.held(key = key)
        val phone = held.enrolled()
        key.mood = { throw KeyException.Refused() }
        val ear = Ear()
        phone.addListener(ear, null)
        val told = withTimeout(20_000) { ear.stopped.await() }
        assertEquals("KEY_REFUSED", fields(told).first)
        assertTrue(phone.status().feed is FeedState.Stopped)
        held.charge(1)
        key.mood = key.honest
        phone.resume()
        ear.hears(1)
        phone.shutDown()
    }

    @Test
    fun `s1 a log sink gets lines without secrets, and one that throws harms nobody`() = scene {
        val held = federation.held()
        val lines = CopyOnWriteArrayList<String>()
        val sink = object : LogSink {
            override fun log(level: LogLevel, message: String) {
                lines += message
                throw IllegalStateException("the sink is full")
            }
        }
        val phone = federation.builder(held.folder, PlatformKey(), held.store).logSink(sink).build()
        val code = federation.newCode(held.person)
        phone.enrol(held.person.number, code, Federation.PASSWORD)
        val (first, second) = Ear(isThrowing = true) to Ear()
        phone.addListener(first, null)
        phone.addListener(second, null)
        held.charge(2)
        first.hears(2)
        second.hears(2)
        phone.shutDown()
        withTimeout(20_000) { while (lines.none { "listener" in it }) delay(10) }
        assertTrue(lines.none { code in it || Federation.PASSWORD in it || held.person.number in it })
    }
}
