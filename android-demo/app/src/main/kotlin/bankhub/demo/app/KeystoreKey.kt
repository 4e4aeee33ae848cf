package bankhub.demo.app

import android.app.Activity
import android.hardware.biometrics.BiometricManager.Authenticators.BIOMETRIC_STRONG
import android.hardware.biometrics.BiometricManager.Authenticators.DEVICE_CREDENTIAL
import android.hardware.biometrics.BiometricPrompt
import android.os.CancellationSignal
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import android.security.keystore.StrongBoxUnavailableException
import android.security.keystore.UserNotAuthenticatedException
import bankhub.sdk.DeviceKey
import bankhub.sdk.KeyException
import java.security.GeneralSecurityException
import java.security.KeyPairGenerator
import java.security.KeyStore
import java.security.PrivateKey
import java.security.ProviderException
import java.security.Signature
import java.security.spec.ECGenParameterSpec
import kotlin.coroutines.resume
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/**
 * The phone's key in the Android Keystore, in StrongBox where there is one. With [needsPerson] it signs for half a minute after the
 * person has unlocked it, and [askPerson] is asked when that is over.
 */
class KeystoreKey(private val needsPerson: Boolean, private val askPerson: suspend () -> Boolean) : DeviceKey {
    private val one = Mutex()

    override suspend fun publicKey(): ByteArray = guarded { store -> store.getCertificate(ALIAS).publicKey.encoded }

    override suspend fun sign(message: ByteArray): ByteArray = try {
        guarded { store -> signNow(store, message) }
    } catch (_: Locked) {
        if (!withContext(Dispatchers.Main) { askPerson() }) throw KeyException.Refused()
        try {
            guarded { store -> signNow(store, message) }
        } catch (_: Locked) {
            throw KeyException.Refused()
        }
    }

    private fun signNow(store: KeyStore, message: ByteArray): ByteArray {
        val key = store.getKey(ALIAS, null) as? PrivateKey ?: throw KeyException.Failed()
        return Signature.getInstance("SHA256withECDSA").apply { initSign(key); update(message) }.sign()
    }

    private suspend fun guarded(work: (KeyStore) -> ByteArray): ByteArray = one.withLock {
        withContext(Dispatchers.IO) {
            try {
                val store = KeyStore.getInstance(PROVIDER).apply { load(null) }
                if (!store.containsAlias(ALIAS)) make()
                work(store)
            } catch (_: UserNotAuthenticatedException) {
                throw Locked()
            } catch (_: KeyPermanentlyInvalidatedException) {
                throw KeyException.Refused()
            } catch (_: GeneralSecurityException) {
                throw KeyException.Failed()
            } catch (_: ProviderException) {
                throw KeyException.Failed()
            }
        }
    }

    private fun make() = try {
        make(inStrongBox = true)
    } catch (_: StrongBoxUnavailableException) {
        make(inStrongBox = false)
    }

    private fun make(inStrongBox: Boolean) {
        val wanted = KeyGenParameterSpec.Builder(ALIAS, KeyProperties.PURPOSE_SIGN)
            .setAlgorithmParameterSpec(ECGenParameterSpec("secp256r1"))
            .setDigests(KeyProperties.DIGEST_SHA256)
            .setIsStrongBoxBacked(inStrongBox)
            .setUserAuthenticationRequired(needsPerson)
        if (needsPerson) {
            wanted.setUserAuthenticationParameters(UNLOCKED_SECONDS, KeyProperties.AUTH_BIOMETRIC_STRONG or KeyProperties.AUTH_DEVICE_CREDENTIAL)
        }
        KeyPairGenerator.getInstance(KeyProperties.KEY_ALGORITHM_EC, PROVIDER).apply { initialize(wanted.build()) }.generateKeyPair()
    }

    private class Locked : Exception()

    private companion object {
        const val PROVIDER = "AndroidKeyStore"
        const val ALIAS = "bankhub-device"
        const val UNLOCKED_SECONDS = 30
    }
}

/** Asks for a finger, a face or the phone's own code; false when the person says no. */
suspend fun Activity.askPerson(title: String): Boolean = suspendCancellableCoroutine { waiting ->
    val signal = CancellationSignal()
    waiting.invokeOnCancellation { signal.cancel() }
    val answer = object : BiometricPrompt.AuthenticationCallback() {
        override fun onAuthenticationSucceeded(result: BiometricPrompt.AuthenticationResult) {
            if (waiting.isActive) waiting.resume(true)
        }

        override fun onAuthenticationError(code: Int, text: CharSequence) {
            if (waiting.isActive) waiting.resume(false)
        }
    }
    BiometricPrompt.Builder(this)
        .setTitle(title)
        .setAllowedAuthenticators(BIOMETRIC_STRONG or DEVICE_CREDENTIAL)
        .build()
        .authenticate(signal, mainExecutor, answer)
}
