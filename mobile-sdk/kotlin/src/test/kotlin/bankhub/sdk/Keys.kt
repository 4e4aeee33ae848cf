package bankhub.sdk

import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.Signature
import java.security.spec.ECGenParameterSpec
import java.util.concurrent.ConcurrentHashMap

/** A key as Android's key store has it: signatures in DER, the public key as SubjectPublicKeyInfo. */
open class PlatformKey : DeviceKey {
    private val pair: KeyPair =
        KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()

    override suspend fun publicKey(): ByteArray = pair.public.encoded

    override suspend fun sign(message: ByteArray): ByteArray =
        Signature.getInstance("SHA256withECDSA").apply { initSign(pair.private); update(message) }.sign()
}

/** A key store that does what a test tells it to. */
class MoodyKey(private val good: DeviceKey = PlatformKey()) : DeviceKey {
    val honest: suspend (ByteArray) -> ByteArray = { good.sign(it) }

    @Volatile
    var mood = honest

    @Volatile
    var shown: suspend () -> ByteArray = { good.publicKey() }

    override suspend fun publicKey(): ByteArray = shown()

    override suspend fun sign(message: ByteArray): ByteArray = mood(message)
}

/** A store in memory that outlives the phone's object, and fails when it is told to. */
class TestStore : SecureStore {
    private val values = ConcurrentHashMap<String, ByteArray>()

    @Volatile
    var isBroken = false

    private fun check() {
        if (isBroken) throw IllegalStateException("the Keychain is locked")
    }

    override suspend fun get(name: String): ByteArray? = check().let { values[name] }

    override suspend fun put(name: String, value: ByteArray) = check().let { values[name] = value }

    override suspend fun remove(name: String) = check().let { values.remove(name); Unit }
}
