package bankhub.demo.app

import android.app.NotificationManager
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.view.WindowManager
import android.widget.Button
import android.widget.EditText
import android.widget.TextView
import bankhub.demo.English
import bankhub.demo.PlayedHub
import bankhub.demo.Tab
import java.time.Duration
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

/** Row S3: the activity itself, in Android's framework on the JVM, over the played federation. */
@RunWith(RobolectricTestRunner::class)
@Config(application = DemoApp::class, sdk = [35], qualifiers = "en")
class PageTest {
    private val activity: MainActivity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
    private val page get() = activity.findViewById<ViewGroup>(android.R.id.content)!!.getChildAt(0)

    private fun pass(seconds: Long) = shadowOf(Looper.getMainLooper()).idleFor(Duration.ofSeconds(seconds))

    private fun all(view: View = page): List<View> =
        listOf(view) + ((view as? ViewGroup)?.let { group -> (0 until group.childCount).flatMap { all(group.getChildAt(it)) } }.orEmpty())

    private fun spoken() = all().mapNotNull { it.contentDescription?.toString() }

    private fun shown() = all().filterIsInstance<TextView>().filter { it.visibility == View.VISIBLE }.map { it.text.toString() }

    private fun press(spoken: String) = all().filterIsInstance<Button>().first { it.contentDescription.toString().startsWith(spoken) }.performClick().also { pass(1) }

    private fun type(vararg texts: String) = all().filterIsInstance<EditText>().zip(texts).forEach { (field, text) -> field.setText(text) }

    private fun isSecret() = activity.window.attributes.flags and WindowManager.LayoutParams.FLAG_SECURE != 0

    private fun signIn() {
        pass(1)
        type(PlayedHub.NUMBER, PlayedHub.CODE, "271828")
        press(English.signIn)
        pass(1)
    }

    @Test
    fun `s3 a payment is approved by pressing and typing, and the person is told`() {
        pass(1)
        assertTrue("${shown()}", isSecret())
        signIn()
        assertTrue("${shown()}", English.tab(Tab.CHARGES) in shown())
        assertTrue("the list of charges is hidden", !isSecret())
        pass(14)
        press("Approve, 1 payment waits")
        assertTrue("a code can be photographed", isSecret())
        assertTrue("${spoken()}", "Code for the till: 3 1 4 1 5 9" in spoken())
        press("Approve… Book Corner")
        type("271828")
        press(English.confirm)
        pass(1)
        assertTrue("${shown()}", "Approved and charged." in shown())
        press(English.tab(Tab.CHARGES))
        assertTrue("${spoken()}", spoken().any { it.startsWith("Book Corner, CNY 128.00, ") })
        val told = shadowOf(activity.getSystemService(NotificationManager::class.java)).allNotifications
        val texts = told.map { it.extras.getString(android.app.Notification.EXTRA_TEXT).orEmpty() }
        assertTrue("$texts", texts.containsAll(listOf("Book Corner asks for CNY 128.00", "Paid CNY 128.00 at Book Corner")))
        assertTrue("a code is in a notification", texts.none { "314159" in it })
    }

    @Test
    fun `s3 what is typed stays while other things change, and goes with its page`() {
        signIn()
        pass(14)
        press("Approve, 1 payment waits")
        press("Approve… Book Corner")
        type("2718")
        press(English.confirm)
        assertTrue("${shown()}", English.message(bankhub.demo.Message.PASSWORD_MALFORMED) in shown())
        assertEquals("2718", all().filterIsInstance<EditText>().single().text.toString())
        @Suppress("DEPRECATION")
        activity.onBackPressed()
        pass(1)
        press("Approve… Book Corner")
        assertEquals("", all().filterIsInstance<EditText>().single().text.toString())
    }

    @Test
    fun `s3 every button can be touched and is named, and every field has a label`() {
        signIn()
        press(English.tab(Tab.CARDS))
        val density = activity.resources.displayMetrics.density
        val buttons = all().filterIsInstance<Button>()
        assertTrue(buttons.size >= 9)
        for (button in buttons) {
            assertTrue("${button.text}", button.minHeight >= 48 * density && !button.contentDescription.isNullOrBlank() && button.filterTouchesWhenObscured)
        }
        assertEquals(buttons.size, buttons.map { it.contentDescription.toString() }.toSet().size)
        press("Freeze Harbour Bank")
        pass(2)
        press("Unfreeze… Harbour Bank")
        val labelled = all().map { it.labelFor }.toSet()
        assertTrue(all().filterIsInstance<EditText>().all { it.id in labelled && !it.isSaveEnabled })
    }

    @Test
    @Config(qualifiers = "zh-rCN-night")
    fun `s3 the page speaks Chinese on a Chinese phone`() {
        pass(1)
        assertTrue("${shown()}", "绑定本机" in shown())
    }
}
