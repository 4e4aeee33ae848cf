package bankhub.demo.app

import android.app.Application
import bankhub.demo.Formats
import bankhub.demo.Hub
import bankhub.demo.Language
import bankhub.demo.PlayedHub
import bankhub.demo.Presenter
import bankhub.demo.Screens
import bankhub.demo.SdkHub
import bankhub.demo.Words
import bankhub.sdk.PhoneBuilder
import java.io.IOException
import java.time.Instant
import java.time.ZoneId
import java.util.Properties
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.async

/**
 * Holds what outlives an activity. The hub is that of the asset `hub.properties` (`endpoint`, and `key_needs_person` for a key that the
 * person has to release), with the federation's authority in `authority.pem`; without these assets the banks are played.
 */
class DemoApp : Application() {
    private val scope: CoroutineScope = MainScope()

    /** Asks the person to release the key; there is nobody to ask while no page is open. */
    var askPerson: (suspend () -> Boolean)? = null

    /** The person is asked once in a run of the app. */
    var hasAskedForNotifications = false

    val presenter: Deferred<Presenter> by lazy { scope.async { Presenter(hub(), scope, Instant::now, screens(), Alerts(this@DemoApp)::tell) } }

    fun language() = if (resources.configuration.locales[0].language == "zh") Language.CHINESE else Language.ENGLISH

    fun words() = Words.of(language())

    fun screens() = Screens(language(), Formats(language(), ZoneId.systemDefault()), isPlayed = settings() == null)

    private suspend fun hub(): Hub {
        val settings = settings() ?: return PlayedHub(scope, language(), ZoneId.systemDefault(), Instant::now)
        val key = KeystoreKey(settings.getProperty("key_needs_person").toBoolean()) { askPerson?.invoke() ?: false }
        val phone = PhoneBuilder()
            .hub(settings.getProperty("endpoint").orEmpty())
            .authority(assets.open("authority.pem").use { it.readBytes().decodeToString() })
            .dataFolder(noBackupFilesDir.resolve("bankhub").path)
            .language(if (language() == Language.CHINESE) bankhub.sdk.Language.CHINESE else bankhub.sdk.Language.ENGLISH)
            .deviceKey(key)
            .secureStore(KeystoreStore(noBackupFilesDir.resolve("values")))
            .build()
        return SdkHub(phone)
    }

    private fun settings(): Properties? = try {
        assets.open("hub.properties").use { Properties().apply { load(it) } }
    } catch (_: IOException) {
        null
    }
}
