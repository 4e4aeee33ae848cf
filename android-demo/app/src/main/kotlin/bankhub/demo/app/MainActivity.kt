package bankhub.demo.app

import android.Manifest
import android.app.Activity
import android.content.pm.PackageManager
import android.os.Build
import android.os.Bundle
import android.view.WindowManager
import android.window.OnBackInvokedCallback
import android.window.OnBackInvokedDispatcher
import bankhub.demo.Action
import bankhub.demo.Presenter
import bankhub.demo.Screen
import bankhub.sdk.SdkException
import java.io.IOException
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch

/** Shows the presenter's screen and hands on what is pressed. */
class MainActivity : Activity() {
    private val scope = MainScope()
    private val app get() = application as DemoApp
    private var presenter: Presenter? = null
    private var goBack: OnBackInvokedCallback? = null
    private var canGoBack = false

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        val page = PageView(this) { action, typed -> presenter?.act(action, typed) }
        setContentView(page)
        scope.launch {
            val presenter = try {
                app.presenter.await()
            } catch (failed: SdkException) {
                return@launch page.fail(failed.message.orEmpty())
            } catch (failed: IOException) {
                return@launch page.fail(failed.message.orEmpty())
            }
            this@MainActivity.presenter = presenter
            presenter.screens = app.screens()
            presenter.start()
            presenter.screen.collect { screen ->
                page.show(screen)
                follow(screen)
            }
        }
    }

    override fun onResume() {
        super.onResume()
        app.askPerson = { askPerson(app.words().confirmYou) }
    }

    override fun onPause() {
        app.askPerson = null
        super.onPause()
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    private fun follow(screen: Screen) {
        if (screen.isSecret) window.addFlags(WindowManager.LayoutParams.FLAG_SECURE) else window.clearFlags(WindowManager.LayoutParams.FLAG_SECURE)
        canGoBack = screen.canGoBack
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) takeBack(screen.canGoBack)
        if (screen.tabs.isNotEmpty()) askForNotifications()
    }

    private fun takeBack(isWanted: Boolean) {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.TIRAMISU || isWanted == (goBack != null)) return
        goBack?.let { onBackInvokedDispatcher.unregisterOnBackInvokedCallback(it) }
        goBack = if (!isWanted) null else {
            OnBackInvokedCallback { presenter?.act(Action.Back) }
                .also { onBackInvokedDispatcher.registerOnBackInvokedCallback(OnBackInvokedDispatcher.PRIORITY_DEFAULT, it) }
        }
    }

    /** Android 12 and older know no callbacks. */
    @Deprecated("Android 13 and newer call back instead")
    @Suppress("DEPRECATION")
    override fun onBackPressed() {
        if (canGoBack) presenter?.act(Action.Back) else super.onBackPressed()
    }

    private fun askForNotifications() {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.TIRAMISU || app.hasAskedForNotifications) return
        app.hasAskedForNotifications = true
        val permission = Manifest.permission.POST_NOTIFICATIONS
        if (checkSelfPermission(permission) != PackageManager.PERMISSION_GRANTED) requestPermissions(arrayOf(permission), 1)
    }
}
