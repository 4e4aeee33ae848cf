package bankhub.sdk

import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import java.nio.file.Path
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.extension.ExtensionContext
import org.junit.jupiter.api.extension.ParameterContext
import org.junit.jupiter.api.extension.ParameterResolver

/** Gives all test classes of a run the same federation, which ends with them. */
class TheFederation : ParameterResolver {
    override fun supportsParameter(parameter: ParameterContext, context: ExtensionContext) =
        parameter.parameter.type == Federation::class.java

    override fun resolveParameter(parameter: ParameterContext, context: ExtensionContext): Any {
        val store = context.root.getStore(ExtensionContext.Namespace.create("bankhub"))
        val kept = store.getOrComputeIfAbsent("federation", { Kept(Federation()) }, Kept::class.java)
        return kept.federation
    }

    private class Kept(val federation: Federation) : AutoCloseable {
        override fun close() = federation.close()
    }
}

/** A phone with what it was made of. */
class Held(
    val federation: Federation,
    val person: Person,
    val endpoint: String = federation.hub,
    val key: DeviceKey = PlatformKey(),
    val store: TestStore = TestStore(),
    val folder: Path = federation.newFolder(),
) {
    suspend fun build(): Phone = federation.builder(folder, key, store, endpoint).build()

    suspend fun enrolled(): Phone =
        build().also { it.enrol(person.number, federation.newCode(person), Federation.PASSWORD) }
}

fun Federation.held(endpoint: String = hub, key: DeviceKey = PlatformKey()) = Held(this, newPerson(), endpoint, key)

/** A test that may take so long, and no longer. */
fun scene(block: suspend () -> Unit) = runBlocking { withTimeout(60_000) { block() } }

/** Looks until it is so, which it has to be before the scene is over. */
suspend fun <T : Any> until(look: suspend () -> T?): T {
    while (true) {
        look()?.let { return it }
        delay(20)
    }
}

/** What the call fails with: its sort, its reason, whether it may pass later; its words are never empty. */
suspend inline fun <reified E : SdkException> refused(reason: String, retryable: Boolean = false, crossinline call: suspend () -> Any?) {
    val failed = runCatching { call() }.exceptionOrNull() ?: throw AssertionError("$reason was not refused")
    if (failed !is E) throw AssertionError("$reason: ${E::class.simpleName} was wanted", failed)
    val (told, mayPass, text) = fields(failed)
    assertEquals(reason, told)
    assertEquals(retryable, mayPass, reason)
    assertEquals(false, text.isBlank(), reason)
}

fun fields(error: SdkException): Triple<String, Boolean, String> = when (error) {
    is SdkException.Refused -> Triple(error.reason, error.retryable, error.text)
    is SdkException.Unreachable -> Triple(error.reason, error.retryable, error.text)
    is SdkException.Untrusted -> Triple(error.reason, error.retryable, error.text)
    is SdkException.Key -> Triple(error.reason, error.retryable, error.text)
    is SdkException.Store -> Triple(error.reason, error.retryable, error.text)
    is SdkException.Invalid -> Triple(error.reason, error.retryable, error.text)
    is SdkException.NotEnrolled -> Triple(error.reason, error.retryable, error.text)
    is SdkException.Closed -> Triple(error.reason, error.retryable, error.text)
    is SdkException.Internal -> Triple(error.reason, error.retryable, error.text)
}
