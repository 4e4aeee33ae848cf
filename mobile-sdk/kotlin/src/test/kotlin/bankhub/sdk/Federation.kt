package bankhub.sdk

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.ObjectMapper
import java.io.File
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger

/** A hub, two banks and two tills as `bankhub dev` runs them: real processes, which are ended by their ids. */
class Federation : AutoCloseable {
    private val program = System.getProperty("bankhub.program")
    private val folder: Path = Files.createTempDirectory("bankhub-kotlin-")
    private val server: Process
    private val described: JsonNode
    private val people = AtomicInteger()

    init {
        server = ProcessBuilder(program, "--output", "json", "dev", "--dir", "$folder/dev")
            .redirectError(File("$folder/dev.log"))
            .start()
        // The document comes when everything is up; the process goes on.
        described = json.readTree(json.createParser(server.inputStream))
    }

    val hub: String = described["servers"].first { it["name"].asText() == "hub-1" }["endpoint"].asText()
    val authority: String = Files.readString(Path.of("$folder/dev/operator/ca.pem"))

    fun newFolder(): Path = Files.createTempDirectory(folder, "phone-")

    override fun close() {
        server.destroy()
        check(server.waitFor(30, TimeUnit.SECONDS)) { "bankhub dev does not end" }
        folder.toFile().deleteRecursively()
    }

    /** Runs the program and gives what it printed. */
    fun run(vararg arguments: String, input: String = ""): JsonNode {
        val process = ProcessBuilder(program, "--output", "json", *arguments)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start()
        process.outputStream.use { it.write(input.toByteArray()) }
        val printed = process.inputStream.readBytes()
        check(process.waitFor() == 0) { "bankhub ${arguments.take(2)} failed: ${String(printed)}" }
        return json.readTree(printed)
    }

    fun asOperator(vararg arguments: String) = run(*arguments, "--as", "$folder/dev/operator/operator.toml")

    /** A person with 5,000 yuan at bank-a, who pays by number. */
    fun newPerson(): Person {
        val number = "+86137%08d".format(10_000_000 + people.incrementAndGet())
        val account = asOperator("account", "open", "bank-a", "Kot Lin")["account_id"].asText()
        asOperator("account", "deposit", "bank-a", account, "5000")
        val id = asOperator("person", "add", number, "Kot Lin")["person_id"].asText()
        asOperator("person", "bind", id, "bank-a", account, "--default")
        return Person(id, number, account)
    }

    /** A card of bank-b over a debit and a credit account, which the person has bound and owes so much on. */
    fun newCard(person: Person, owed: String): NewCard {
        val debit = asOperator("account", "open", "bank-b", "Kot Lin")["account_id"].asText()
        val credit = asOperator("account", "open-credit", "bank-b", "Kot Lin", "1000")["account_id"].asText()
        val issued = asOperator("card", "issue", "bank-b", "62284801", "--debit", debit, "--credit", credit)
        val card = issued["card_id"].asText()
        asOperator("card", "activate", "bank-b", card)
        asOperator("person", "bind-card", person.id, "bank-b", card)
        buyElsewhere("bank-b", owed, "--card", card)
        return NewCard(card, credit)
    }

    /** Tea, which another network carried: `payer` is an option and its value. */
    fun buyElsewhere(bank: String, amount: String, vararg payer: String) {
        val shop = arrayOf("--merchant", "tea-7", "--name", "Tea House", "--category", "5814", "--terminal", "pos-1")
        asOperator("network", "offline", bank, amount, *payer, *shop)
    }

    /** What can be spent of an account, in minor units. */
    fun available(bank: String, account: String): Long =
        asOperator("account", "show", bank, account)["available_minor"].asLong()

    /** An offer of a bank to whoever has bought tea twice, which runs; gives its id. */
    fun newOffer(title: String, bank: String = "bank-a"): String {
        val words = arrayOf("--title", title, "--title-zh", "茶饮返现", "--text", "Pay with our card.", "--text-zh", "请用本行卡。")
        val filed = asOperator("offers", "file", bank, *words, "--target", "code:5814", "--count", "2", "--budget", "10")
        return filed.single()["offer_id"].asText().also { asOperator("offers", "start", it) }
    }

    fun newCode(person: Person): String = asOperator("person", "code", person.id)["enrolment_code"].asText()

    fun builder(folder: Path, key: DeviceKey, store: SecureStore, endpoint: String = hub): PhoneBuilder =
        PhoneBuilder().hub(endpoint).authority(authority).dataFolder(folder.toString()).language(Language.ENGLISH)
            .deviceKey(key).secureStore(store)

    /** Begins a payment at a till, whose code the phone hears; gives its id. */
    fun begin(person: Person, amount: String, till: String = nextTill()): String {
        val begun = terminal(till, "pay", person.number, amount, "--begin-only", "--item", "Noodles=$amount")
        return begun["payment_id"].asText().also { tills[it] = till }
    }

    /** The reason for which a till cannot even begin a payment of this person. */
    fun refusalAtTill(person: Person): String {
        val told = runCatching { begin(person, "1.00") }.exceptionOrNull() ?: throw AssertionError("nothing was refused")
        return Regex("[A-Z]+(_[A-Z]+)+").find(told.message.orEmpty())?.value ?: throw AssertionError("no reason", told)
    }

    fun finish(payment: String, code: String): JsonNode =
        terminal(tills.getValue(payment), "resume", payment, "--code", code, "--password-stdin", input = "$PASSWORD\n")

    private fun nextTill() = if (tills.size % 2 == 0) "till-1" else "till-2"

    /** The payments by till, in turn: a till may ask for so many codes a minute only. */
    private val tills = mutableMapOf<String, String>()

    private fun terminal(till: String, vararg arguments: String, input: String = "") =
        run("terminal", "--config", "$folder/dev/terminal-$till/terminal.toml", *arguments, input = input)

    companion object {
        const val PASSWORD = "271828"
        private val json = ObjectMapper()
    }
}

data class NewCard(val id: String, val credit: String)

data class Person(val id: String, val number: String, val account: String)
