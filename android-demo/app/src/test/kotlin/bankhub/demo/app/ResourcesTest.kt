package bankhub.demo.app

import android.app.Activity
import android.app.Application
import java.nio.file.Files
import java.nio.file.Path
import javax.xml.parsers.DocumentBuilderFactory
import kotlin.io.path.extension
import kotlin.io.path.name
import kotlin.io.path.nameWithoutExtension
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.w3c.dom.Document
import org.w3c.dom.Element
import org.w3c.dom.Node

/** Row S3: what Android's resource compiler would refuse, as far as it can be seen without it. */
class ResourcesTest {
    private val main = Path.of("src/main")
    private val documents = Files.walk(main).use { all -> all.filter { it.extension == "xml" }.toList() }.associateWith { path ->
        DocumentBuilderFactory.newInstance().apply { isNamespaceAware = true }.newDocumentBuilder().parse(path.toFile())
    }
    private val manifest = documents.getValue(main.resolve("AndroidManifest.xml"))

    private fun elements(document: Document): List<Element> =
        document.getElementsByTagName("*").let { all -> (0 until all.length).map { all.item(it) as Element } }

    private fun texts(document: Document): List<String> = elements(document).flatMap { element ->
        (0 until element.attributes.length).map { element.attributes.item(it).nodeValue } +
            (0 until element.childNodes.length).map { element.childNodes.item(it) }.filter { it.nodeType == Node.TEXT_NODE }.map { it.nodeValue.trim() }
    }

    private fun named(folder: String): Map<String, Set<String>> = documents.filterKeys { it.parent.name == folder }.values
        .flatMap { elements(it) }.filter { it.hasAttribute("name") && it.tagName != "item" }
        .groupBy({ it.tagName }, { it.getAttribute("name") }).mapValues { it.value.toSet() }

    @Test
    fun `s3 every resource that is named is there`() {
        assertTrue(documents.size >= 8, "${documents.keys}")
        val values = named("values")
        val files = documents.keys.filter { it.parent.name != "values" }.map { it.parent.name.substringBefore('-') to it.nameWithoutExtension }.toSet()
        val references = documents.values.flatMap(::texts).mapNotNull { Regex("@([a-z]+)/([A-Za-z0-9_.]+)").matchEntire(it) }
        assertTrue(references.size >= 7)
        for (reference in references) {
            val (kind, name) = reference.destructured
            assertTrue(name in values[kind].orEmpty() || kind to name in files, reference.value)
        }
    }

    @Test
    fun `s3 every string of the system's is there in both languages`() {
        val english = named("values").getValue("string")
        assertEquals(english, named("values-zh-rCN").getValue("string"))
        val sources = Files.walk(main.resolve("kotlin")).use { all -> all.filter { it.extension == "kt" }.map { Files.readString(it) }.toList() }
        assertTrue(sources.size >= 6)
        // All words are in the tables of the logic; a resource that Kotlin names would need the resource compiler.
        assertFalse(sources.any { Regex("(?<!android\\.)\\bR\\.[a-z]+\\.").containsMatchIn(it) })
        assertFalse(sources.any { Regex("(setText|text|contentDescription) ?[=(] ?\"[A-Za-z]").containsMatchIn(it) }, "a word stands in the UI")
    }

    @Test
    fun `s3 the manifest names classes that are there and backs nothing up`() {
        val android = "http://schemas.android.com/apk/res/android"
        val application = elements(manifest).single { it.tagName == "application" }
        val activity = elements(manifest).single { it.tagName == "activity" }
        for ((element, base) in listOf(application to Application::class.java, activity to Activity::class.java)) {
            val found = Class.forName("bankhub.demo.app" + element.getAttributeNS(android, "name"), false, javaClass.classLoader)
            assertTrue(base.isAssignableFrom(found), "$found")
        }
        assertEquals("false" to "false", application.getAttributeNS(android, "allowBackup") to application.getAttributeNS(android, "usesCleartextTraffic"))
        assertEquals("true", application.getAttributeNS(android, "supportsRtl"))
    }

    @Test
    fun `s3 what Gradle builds with is named in its catalogue, in the versions that were tested`() {
        val catalogue = Files.readString(Path.of("../gradle/libs.versions.toml"))
        val aliases = Regex("(?m)^([a-z-]+) = \\{").findAll(catalogue).map { it.groupValues[1] }.toSet()
        for (module in listOf("..", "../sdk", "../logic", "../app")) {
            val script = Files.readString(Path.of("$module/build.gradle.kts"))
            for (used in Regex("libs\\.(?:plugins\\.)?([a-z.]+[a-z])\\)").findAll(script).map { it.groupValues[1].replace('.', '-') }) {
                assertTrue(used in aliases, "$module names $used")
            }
        }
        val poms = listOf("../pom.xml", "../../mobile-sdk/kotlin/pom.xml").joinToString { Files.readString(Path.of(it)) }
        for (name in listOf("kotlin", "coroutines", "jna", "junit")) {
            val version = Regex("(?m)^$name = \"(.+)\"$").find(catalogue)!!.groupValues[1]
            assertTrue(">$version<" in poms, "$name $version")
        }
    }
}
