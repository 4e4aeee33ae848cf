package bankhub.demo.app

import android.content.Context
import android.content.res.Configuration
import android.graphics.Typeface
import android.graphics.drawable.GradientDrawable
import android.text.InputFilter
import android.text.InputType
import android.view.Gravity
import android.view.View
import android.view.ViewGroup
import android.view.WindowInsets
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import bankhub.demo.Action
import bankhub.demo.Input
import bankhub.demo.Piece
import bankhub.demo.Screen
import bankhub.demo.Secret
import bankhub.demo.TabLabel
import bankhub.demo.Tone
import bankhub.demo.Typed

/** Draws a screen with the framework's own widgets, in the colours of the system's light or dark theme. */
class PageView(context: Context, private val act: (Action, Typed) -> Unit) : LinearLayout(context) {
    private val isDark = resources.configuration.uiMode and Configuration.UI_MODE_NIGHT_MASK == Configuration.UI_MODE_NIGHT_YES
    private val isLargeText = resources.configuration.fontScale >= 1.3f
    private val title = text("", 26f).apply { isAccessibilityHeading = true }
    private val notice = text("", 16f).apply { accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE }
    private val list = LinearLayout(context).apply { orientation = VERTICAL }
    private val scroll = ScrollView(context).apply { addView(list) }
    private val tabs = LinearLayout(context)
    private var shownTabs = emptyList<TabLabel>()

    init {
        orientation = VERTICAL
        for (part in listOf(title, notice)) addView(part, margins(20, 12))
        addView(scroll, LayoutParams(LayoutParams.MATCH_PARENT, 0, 1f))
        addView(tabs, LayoutParams(LayoutParams.MATCH_PARENT, LayoutParams.WRAP_CONTENT))
        // The page reaches under the system's bars and makes room for them and for the keyboard.
        setOnApplyWindowInsetsListener { _, insets ->
            val room = insets.getInsets(WindowInsets.Type.systemBars() or WindowInsets.Type.displayCutout() or WindowInsets.Type.ime())
            setPadding(room.left, room.top, room.right, room.bottom)
            WindowInsets.CONSUMED
        }
    }

    fun fail(text: String) {
        notice.text = text
    }

    fun show(screen: Screen) {
        val isOther = title.text.toString() != screen.title
        title.text = screen.title
        notice.text = screen.notice?.text.orEmpty()
        notice.visibility = if (screen.notice == null) GONE else VISIBLE
        notice.setTextColor(color(screen.notice?.tone ?: Tone.QUIET))
        showPieces(screen.pieces)
        showTabs(screen.tabs)
        if (isOther) scroll.scrollTo(0, 0)
    }

    /** Views whose pieces stay are kept, so that typed text and a screen reader's place stay as well. */
    private fun showPieces(pieces: List<Piece>) {
        for ((index, piece) in pieces.withIndex()) {
            val known = (index until list.childCount).firstOrNull { list.getChildAt(it).tag == key(piece) }
            if (known == null) {
                list.addView(view(piece).apply { tag = key(piece) }, index, margins(16, 6))
            } else {
                list.removeViews(index, known - index)
            }
            list.getChildAt(index).isEnabled = piece !is Piece.Press || piece.isEnabled
        }
        list.removeViews(pieces.size, list.childCount - pieces.size)
    }

    private fun key(piece: Piece): Any = when (piece) {
        is Piece.Press -> piece.copy(isEnabled = true)
        is Piece.Field -> piece.input
        else -> piece
    }

    private fun view(piece: Piece): View = when (piece) {
        is Piece.Note -> text(piece.text, 15f).apply { setTextColor(color(piece.tone)) }
        is Piece.Row -> row(piece)
        is Piece.Field -> field(piece)
        is Piece.Press -> button(piece.label, piece.spoken, piece.tone) { act(piece.action, typed()) }
        is Piece.Code -> text("${piece.label}\n${piece.code.reveal()}", 24f).apply {
            contentDescription = "${piece.label}: ${piece.code.reveal().toList().joinToString(" ")}"
        }
    }

    private fun row(piece: Piece.Row): View {
        val head = LinearLayout(context).apply { orientation = if (isLargeText) VERTICAL else HORIZONTAL }
        head.addView(text(piece.title, 17f), LayoutParams(if (isLargeText) LayoutParams.MATCH_PARENT else 0, LayoutParams.WRAP_CONTENT, 1f))
        head.addView(text(piece.amount, 17f).apply { setTypeface(typeface, Typeface.BOLD) })
        val card = LinearLayout(context).apply {
            orientation = VERTICAL
            background = GradientDrawable().apply { cornerRadius = dp(12).toFloat(); setColor(if (isDark) 0xFF24262B.toInt() else 0xFFF1F3F7.toInt()) }
            setPaddingRelative(dp(16), dp(12), dp(16), dp(12))
            contentDescription = piece.spoken
            isScreenReaderFocusable = true
        }
        card.addView(head)
        if (piece.detail.isNotEmpty()) card.addView(text(piece.detail, 14f).apply { setTextColor(color(if (piece.tone == Tone.PLAIN) Tone.QUIET else piece.tone)) })
        for (part in 0 until card.childCount) card.getChildAt(part).importantForAccessibility = IMPORTANT_FOR_ACCESSIBILITY_NO_HIDE_DESCENDANTS
        return card
    }

    private fun field(piece: Piece.Field): View {
        val input = EditText(context).apply {
            id = View.generateViewId()
            tag = piece.input
            minHeight = dp(TOUCH_DP)
            filters = arrayOf(InputFilter.LengthFilter(piece.input.length))
            inputType = when {
                piece.input == Input.PASSWORD -> InputType.TYPE_CLASS_NUMBER or InputType.TYPE_NUMBER_VARIATION_PASSWORD
                piece.input.isSecret -> InputType.TYPE_CLASS_NUMBER
                else -> InputType.TYPE_CLASS_PHONE
            }
            // What is secret goes into no saved state and no autofill service.
            isSaveEnabled = !piece.input.isSecret
            importantForAutofill = if (piece.input.isSecret) IMPORTANT_FOR_AUTOFILL_NO else IMPORTANT_FOR_AUTOFILL_AUTO
        }
        return LinearLayout(context).apply {
            orientation = VERTICAL
            addView(text(piece.label, 14f).apply { labelFor = input.id })
            addView(input)
        }
    }

    private fun typed(): Typed {
        val fields = Input.entries.mapNotNull { input -> list.findViewWithTag<View>(input)?.let { input to it.findViewWithTag<View>(input) } }
        val edits = fields.mapNotNull { (input, view) -> edit(view)?.let { input to Secret(it.text.toString()) } }
        return Typed(edits.toMap())
    }

    private fun edit(view: View?): EditText? = view as? EditText ?: (view as? ViewGroup)?.let { it.getChildAt(it.childCount - 1) as? EditText }

    private fun button(label: String, spoken: String, tone: Tone, press: () -> Unit) = Button(context).apply {
        text = label
        contentDescription = spoken
        isAllCaps = false
        minHeight = dp(TOUCH_DP)
        setTextColor(color(tone))
        // Another app's window over this one must not get a person to press it.
        filterTouchesWhenObscured = true
        setOnClickListener { press() }
    }

    private fun showTabs(labels: List<TabLabel>) {
        if (labels == shownTabs) return
        shownTabs = labels
        tabs.removeAllViews()
        for (label in labels) {
            val words = if (label.badge > 0) "${label.label} ${label.badge}" else label.label
            val view = button(words, label.spoken, if (label.isOpen) Tone.GOOD else Tone.PLAIN) { act(Action.Open(label.tab), Typed()) }
            view.isSelected = label.isOpen
            view.setPaddingRelative(0, dp(8), 0, dp(8))
            tabs.addView(view, LayoutParams(0, LayoutParams.WRAP_CONTENT, 1f))
        }
    }

    private fun text(words: String, size: Float) = TextView(context).apply {
        text = words
        textSize = size
        gravity = Gravity.START
        textAlignment = TEXT_ALIGNMENT_VIEW_START
        setTextColor(color(Tone.PLAIN))
    }

    private fun margins(side: Int, above: Int) =
        LayoutParams(LayoutParams.MATCH_PARENT, LayoutParams.WRAP_CONTENT).apply { marginStart = dp(side); marginEnd = dp(side); topMargin = dp(above) }

    /** Each has a contrast of 4.5 or more against its background. */
    private fun color(tone: Tone): Int = when (tone) {
        Tone.PLAIN -> if (isDark) 0xFFECEDEF else 0xFF15171A
        Tone.QUIET -> if (isDark) 0xFFB4B8BF else 0xFF51565E
        Tone.GOOD -> if (isDark) 0xFF7FD79A else 0xFF14602F
        Tone.WARNING -> if (isDark) 0xFFFFB68A else 0xFF9A3412
    }.toInt()

    private fun dp(count: Int) = (count * resources.displayMetrics.density).toInt()

    private companion object {
        const val TOUCH_DP = 48
    }
}
