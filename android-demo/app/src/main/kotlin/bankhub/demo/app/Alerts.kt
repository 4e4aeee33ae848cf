package bankhub.demo.app

import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.app.PendingIntent
import android.content.Intent

/** Shows alerts as notifications. One that is told again takes the place of the first. On a locked screen the words are hidden. */
class Alerts(private val app: DemoApp) {
    private val manager = requireNotNull(app.getSystemService(NotificationManager::class.java))

    fun tell(sequence: Long, text: String) {
        val name = app.words().tab(bankhub.demo.Tab.ALERTS)
        manager.createNotificationChannel(NotificationChannel(CHANNEL, name, NotificationManager.IMPORTANCE_HIGH))
        val open = Intent(app, MainActivity::class.java).addFlags(Intent.FLAG_ACTIVITY_SINGLE_TOP)
        val notification = Notification.Builder(app, CHANNEL)
            .setSmallIcon(android.R.drawable.ic_dialog_info)
            .setContentTitle(app.words().appName)
            .setContentText(text)
            .setStyle(Notification.BigTextStyle().bigText(text))
            .setVisibility(Notification.VISIBILITY_PRIVATE)
            .setContentIntent(PendingIntent.getActivity(app, 0, open, PendingIntent.FLAG_IMMUTABLE))
            .setAutoCancel(true)
            .build()
        manager.notify("event", (sequence and Int.MAX_VALUE.toLong()).toInt(), notification)
    }

    private companion object {
        const val CHANNEL = "events"
    }
}
