package bankhub.sdk

import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import java.net.URI
import java.util.Collections
import kotlin.concurrent.thread

/** Stands between phone and hub, and cuts the line, or loses what the hub answers. */
class Relay(endpoint: String) : AutoCloseable {
    private val target = URI(endpoint)
    private val listener = ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"))
    private val open: MutableSet<Socket> = Collections.synchronizedSet(mutableSetOf())

    @Volatile
    private var isUp = true

    @Volatile
    private var isDeaf = false

    val endpoint = "https://127.0.0.1:${listener.localPort}"

    init {
        thread(isDaemon = true) {
            while (!listener.isClosed) {
                val phone = runCatching { listener.accept() }.getOrNull() ?: break
                if (isUp) pass(phone) else phone.close()
            }
        }
    }

    private fun pass(phone: Socket) {
        val hub = runCatching { Socket(target.host, target.port) }.getOrNull() ?: return phone.close()
        open += listOf(phone, hub)
        for ((from, to) in listOf(phone to hub, hub to phone)) {
            thread(isDaemon = true) {
                runCatching { carry(from, to, isAnswer = from === hub) }
                from.close()
                to.close()
            }
        }
    }

    private fun carry(from: Socket, to: Socket, isAnswer: Boolean) {
        val piece = ByteArray(16_384)
        while (true) {
            val length = from.getInputStream().read(piece)
            if (length < 0) return
            if (!(isAnswer && isDeaf)) to.getOutputStream().write(piece, 0, length)
        }
    }

    /** From now on what the phone says reaches the hub, and no answer comes back. */
    fun deafen() {
        isDeaf = true
    }

    fun hear() {
        cut()
        isDeaf = false
    }

    fun cut() {
        synchronized(open) { open.forEach { it.close() }.also { open.clear() } }
    }

    fun down() {
        isUp = false
        cut()
    }

    fun up() {
        isUp = true
    }

    override fun close() {
        listener.close()
        cut()
    }
}
