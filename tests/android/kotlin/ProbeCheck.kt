package io.github.cloformer.checks

import io.github.cloformer.core.Device
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Kit
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.Probe
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Runtime
import io.github.cloformer.core.SafetensorsWriter
import io.github.cloformer.core.Tensor
import io.github.cloformer.core.read
import io.github.cloformer.ort.Model
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * What a phone's tests do with a probe, on this machine: below the folder `probes`, each case has `payload` and `conformance`, as the
 * bundle has them, with a model that may be damaged, and gets the files of values.
 */
class ProbeCheck {
    @Test
    fun valuesAreWritten() {
        val cases = checkNotNull(given("probes").listFiles { file -> File(file, Probe.FILE.let { "conformance/$it" }).isFile })
        assertTrue("no case", cases.isNotEmpty())
        for (case in cases.sorted()) write(case)
        println("${cases.size} probes ran through ONNX Runtime's own library, on its processor code and XNNPACK")
    }

    private fun write(case: File) {
        val payload = Folder.of(File(case, "payload"))
        val conformance = Folder.of(File(case, "conformance"))
        val manifest = Manifest.read(payload) // the model is not held to its hash: it may be damaged on purpose
        val probe = Probe.read(conformance)
        for (provider in listOf(Provider.CPU, Provider.XNNPACK)) {
            val options = Options(provider)
            probe.write(
                Kit.read(conformance), File(case, Probe.fileFor(provider.name.lowercase())), DEVICE,
                Runtime(Model.RUNTIME, Model.version, provider.name.lowercase(), 1),
                app = { Model(manifest, Model.direct(payload.read(manifest.modelPath)), options) },
                open = { Model(manifest, Model.direct(conformance.read(it.path)), options, probe.optimization) },
            )
        }
    }

    /** The file that Python's own reader takes: the header and the numbers of the fixture that Swift's test reads, too. */
    @Test
    fun safetensorsHaveTheirForm() {
        val wanted = JSONObject(given("fixtures").readText()).getJSONArray("numbers").getJSONObject(0)
        val rows = wanted.getJSONArray("tensors")
        val file = File.createTempFile("numbers", ".safetensors")
        SafetensorsWriter(file).use { writer ->
            for (number in 0 until rows.length()) {
                val row = rows.getJSONObject(number)
                val shape = row.getJSONArray("shape").let { sizes -> List(sizes.length()) { sizes.getLong(it) } }
                writer.add(row.getString("name"), Tensor(row.getString("type"), shape, ByteBuffer.wrap(row.getJSONArray("bytes").bytes())))
            }
            assertThrows(IllegalArgumentException::class.java) { writer.add("none", Tensor("U8", listOf(0L), ByteBuffer.allocate(0))) }
            writer.finish(mapOf("kind" to "test"))
        }
        val bytes = file.readBytes()
        val length = ByteBuffer.wrap(bytes, 0, 8).order(ByteOrder.LITTLE_ENDIAN).long.toInt()
        assertEquals(0, length % 8)
        assertEquals(entries(JSONObject(wanted.getString("header"))), entries(JSONObject(String(bytes, 8, length))))
        assertEquals(wanted.getJSONArray("bytes").bytes().toList(), bytes.copyOfRange(8 + length, bytes.size).toList())
        assertFalse(File("${file.path}.numbers").exists())
        file.delete()
    }

    /** Every field of every entry, in words. */
    private fun entries(header: JSONObject): Map<String, Map<String, String>> =
        header.keys().asSequence().associateWith { name ->
            header.getJSONObject(name).let { entry -> entry.keys().asSequence().associateWith { entry.get(it).toString() } }
        }

    private fun JSONArray.bytes() = ByteArray(length()) { getInt(it).toByte() }

    /** Without [SafetensorsWriter.finish], nothing is left. */
    @Test
    fun whatIsNotFinishedIsNotThere() {
        val file = File(given("probes"), "unfinished.safetensors")
        SafetensorsWriter(file).use { it.add("a", Tensor("F32", listOf(1L), floats(1f))) }
        assertFalse(file.exists() || File("${file.path}.numbers").exists())
    }

    @Test
    fun damagedAndNewerProbesAreRefused() {
        val case = checkNotNull(given("probes").listFiles { file -> file.isDirectory }).first()
        val folder = Folder.of(File(case, "conformance"))
        val json = String(folder.read(Probe.FILE))
        val path = Probe.read(folder).models.first().path
        val changes = mapOf("\"schema_version\":1" to "\"schema_version\":2", "\"vectors\"" to "\"others\"", path to "../$path")
        for ((from, to) in changes) {
            val changed = json.replace(" ", "").replace("\n", "").replace(from, to)
            assertThrows(PayloadException::class.java) { Probe.read { if (it == Probe.FILE) changed.byteInputStream() else folder.open(it) } }
        }
        val short = Folder { name -> if (name == path) ByteArray(3).inputStream() else folder.open(name) }
        assertThrows(PayloadException::class.java) { Probe.read(short) }
    }

    private fun floats(vararg values: Float): ByteBuffer =
        ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN).also { buffer -> values.forEach(buffer::putFloat) }.also { it.flip() }

    private companion object {
        val DEVICE = Device("none", "a Java machine", "Linux", "x86_64", "debug")
    }
}
