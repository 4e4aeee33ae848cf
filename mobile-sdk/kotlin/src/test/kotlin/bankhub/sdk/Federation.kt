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

    private fun asOperator(vararg arguments: String) = run(*arguments, "--as", "$folder/dev/operator/operator.toml")

    /** A person with 5,000 yuan at bank-a, who pays by number. */
    fun newPerson(): Person {
        val number = "+86137%08d".format(10_000_000 + people.incrementAndGet())
        val account = asOperator("account", "open", "bank-a", "Kot Lin")["account_id"].asText()
        asOperator("account", "deposit", "bank-a", account, "5000")
        val id = asOperator("person", "add", number, "Kot Lin")["person_id"].asText()
        asOperator("person", "bind", id, "bank-a", account, "--default")
        return Person(id, number, account)
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

data class Person(val id: String, val number: String, val account: String)
