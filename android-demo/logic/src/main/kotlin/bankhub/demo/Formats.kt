package bankhub.demo

import java.math.BigDecimal
import java.time.Instant
import java.time.LocalDate
import java.time.ZoneId
import java.time.format.DateTimeFormatter
import java.time.format.DateTimeParseException
import java.time.temporal.ChronoUnit
import java.util.Currency
import java.util.Locale

/** Money and time as a language writes them, in the phone's time zone. The same on every phone: no locale data are asked. */
class Formats(val language: Language, private val zone: ZoneId) {
    private val words = Words.of(language)
    private val time = pattern("d MMM, HH:mm", "M月d日 HH:mm")
    private val clock = DateTimeFormatter.ofPattern("HH:mm:ss", Locale.ENGLISH)
    private val day = pattern("d MMM", "M月d日")

    private fun pattern(english: String, chinese: String) =
        DateTimeFormatter.ofPattern(if (language == Language.CHINESE) chinese else english, Locale.ENGLISH)

    /** An amount of a currency that this phone does not know is said in minor units, not guessed at. */
    fun money(money: Money): String {
        val digits = runCatching { Currency.getInstance(money.currencyCode).defaultFractionDigits }.getOrDefault(-1)
        if (digits < 0) return "${money.currencyCode} ${money.minorUnits} (${words.minorUnits})"
        val amount = "%,.${digits}f".format(Locale.ENGLISH, BigDecimal.valueOf(money.minorUnits, digits))
        val isYuan = language == Language.CHINESE && money.currencyCode == "CNY"
        return if (isYuan) "¥$amount".replace("¥-", "-¥") else "${money.currencyCode} $amount"
    }

    fun time(at: Instant): String = time.format(at.atZone(zone))

    /** The time of day to the second, for what ends within minutes. */
    fun clock(at: Instant): String = clock.format(at.atZone(zone))

    /** A due day such as "2026-11-22", with how far it is; what is no day is shown as it came. */
    fun due(on: String, now: Instant): String = try {
        val date = LocalDate.parse(on)
        words.due(day.format(date), ChronoUnit.DAYS.between(LocalDate.ofInstant(now, zone), date))
    } catch (_: DateTimeParseException) {
        on
    }
}
