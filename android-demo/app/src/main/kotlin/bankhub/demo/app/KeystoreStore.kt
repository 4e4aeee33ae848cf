package bankhub.demo.app

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import android.util.AtomicFile
import bankhub.sdk.SecureStore
import bankhub.sdk.StoreException
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.ProviderException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/**
 * Small values as files, each sealed with AES-256-GCM under a key of the Android Keystore, which leaves the phone with no backup. A file
 * is replaced as a whole and is on the disk when [put] returns; its name is sealed with it, so that files cannot be exchanged.
 */
class KeystoreStore(private val folder: File) : SecureStore {
    private val one = Mutex()

    override suspend fun get(name: String): ByteArray? = guarded {
        val sealed = try {
            file(name).readFully()
        } catch (_: FileNotFoundException) {
            return@guarded null
        }
        if (sealed.size < NONCE_BYTES) throw StoreException.Failed()
        val cipher = Cipher.getInstance(CIPHER)
        cipher.init(Cipher.DECRYPT_MODE, key(), GCMParameterSpec(TAG_BITS, sealed, 0, NONCE_BYTES))
        cipher.updateAAD(name.toByteArray())
        cipher.doFinal(sealed, NONCE_BYTES, sealed.size - NONCE_BYTES)
    }

    override suspend fun put(name: String, value: ByteArray) = guarded {
        // The Keystore makes the nonce.
        val cipher = Cipher.getInstance(CIPHER).apply { init(Cipher.ENCRYPT_MODE, key()) }
        cipher.updateAAD(name.toByteArray())
        val sealed = cipher.iv + cipher.doFinal(value)
        if (!folder.isDirectory && !folder.mkdirs()) throw StoreException.Failed()
        val file = file(name)
        val out = file.startWrite()
        try {
            out.write(sealed)
            file.finishWrite(out)
        } catch (failed: IOException) {
            file.failWrite(out)
            throw failed
        }
    }

    override suspend fun remove(name: String) = guarded { file(name).delete() }

    /** A name may have any characters; its file has hexadecimal digits. */
    private fun file(name: String) = AtomicFile(File(folder, name.toByteArray().joinToString("") { "%02x".format(it) }))

    private fun key(): SecretKey {
        val store = KeyStore.getInstance(PROVIDER).apply { load(null) }
        (store.getKey(ALIAS, null) as? SecretKey)?.let { return it }
        val wanted = KeyGenParameterSpec.Builder(ALIAS, KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .setKeySize(256)
            .build()
        return KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, PROVIDER).apply { init(wanted) }.generateKey()
    }

    private suspend fun <T> guarded(work: () -> T): T = one.withLock {
        withContext(Dispatchers.IO) {
            try {
                work()
            } catch (_: IOException) {
                throw StoreException.Failed()
            } catch (_: GeneralSecurityException) {
                throw StoreException.Failed()
            } catch (_: ProviderException) {
                throw StoreException.Failed()
            }
        }
    }

    private companion object {
        const val PROVIDER = "AndroidKeyStore"
        const val ALIAS = "bankhub-values"
        const val CIPHER = "AES/GCM/NoPadding"
        const val NONCE_BYTES = 12
        const val TAG_BITS = 128
    }
}
