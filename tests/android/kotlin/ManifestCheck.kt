package io.github.cloformer.checks

import io.github.cloformer.classifier.Classifier
import io.github.cloformer.classifier.ModelFiles
import io.github.cloformer.classifier.ModelRuntime
import io.github.cloformer.classifier.chosen
import io.github.cloformer.core.ComputePlan
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Kit
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.Pixels
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Session
import io.github.cloformer.core.read
import io.github.cloformer.core.verify
import io.github.cloformer.ort.Model
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.ByteArrayInputStream
import java.io.File
import java.io.FileNotFoundException

/** What is refused, and that the message says why. */
class ManifestCheck {
    private val payload = Folder.of(given("payload"))
    private val conformance = Folder.of(given("conformance"))

    @Test
    fun wholePayloadIsAccepted() = payload.verify(Manifest.read(payload).payload)

    @Test
    fun newerSchema() = assertRefused("exported by a newer cloformer (manifest version 3, this app reads 2)") {
        it.put("schema_version", 3)
    }

    @Test
    fun pathsThatLeaveTheFolder() {
        for (path in listOf("../model.onnx", "/model.onnx", "a/../../model.onnx", "a\\model.onnx", "", "a//b", "./model.onnx")) {
            assertRefused("leaves the folder") { it.getJSONObject("model").put("path", path) }
            assertRefused("leaves the folder") { it.getJSONArray("files").getJSONObject(0).put("path", path) }
            assertRefused("leaves the folder") { it.output().put("labels", path) }
        }
    }

    @Test
    fun otherFormat() = assertRefused("the model is onnx, and this app runs litert", Options(), OtherRuntime)

    @Test
    fun otherProvider() {
        val options = Options(Provider.NNAPI)
        assertRefused("has no provider nnapi, but cpu", options, object : ModelRuntime by OtherRuntime {
            override val format = "onnx"
        })
    }

    /** Unless somebody asks for another. */
    @Test
    fun anAppRunsWhereItWasBundledFor() {
        val bundled = object : ModelRuntime by OtherRuntime {
            override val format = "onnx"
            override val preferred = Provider.XNNPACK
        }
        assertRefused("has no provider xnnpack, but cpu", Options(), bundled)
        assertRefused("has no provider nnapi, but cpu", Options(Provider.NNAPI), bundled)
        assertEquals(Options(Provider.XNNPACK, 3), bundled.chosen(Options(threads = 3)))
        assertEquals(Options(Provider.CPU), bundled.chosen(Options(Provider.CPU)))
        assertEquals(Options(), OtherRuntime.chosen(Options()))
    }

    @Test
    fun aModelRunsWhereItWasMadeFor() {
        for ((madeFor, provider) in mapOf("arm64-xnnpack" to Provider.XNNPACK, "arm64" to Provider.CPU, null to Provider.CPU)) {
            val json = JSONObject(String(payload.read(Manifest.FILE)))
            json.getJSONObject("request").getJSONObject("options").put("processor", madeFor)
            val manifest = Manifest.parse(json.toString().toByteArray())
            assertEquals(provider, Options().providerOf(manifest))
            assertEquals(Provider.NNAPI, Options(Provider.NNAPI).providerOf(manifest))
        }
    }

    @Test
    fun channelsLastOfAnotherShape() = assertRefused("its preprocessing does not make") { it.input().put("layout", "NHWC") }

    @Test
    fun channelsLastAndEveryOutput() {
        val json = JSONObject(String(payload.read(Manifest.FILE)))
        val (_, channels, height, width) = Manifest.read(payload).input.shape
        json.input().put("layout", "NHWC").put("shape", JSONArray(listOf(1, height, width, channels)))
        val numbers = JSONObject(json.output().toString()).put("name", "numbers").put("dtype", "int32")
        json.function().getJSONArray("outputs").put(numbers)
        val manifest = Manifest.parse(json.toString().toByteArray())
        assertTrue(manifest.input.isChannelsLast)
        assertEquals(listOf(manifest.output.name to "float32", "numbers" to "int32"), manifest.outputs.map { it.name to it.type })
    }

    @Test
    fun normalizedInside() {
        val json = JSONObject(String(payload.read(Manifest.FILE)))
        json.input().put("preprocessing_inside", true)
        val rule = Manifest.parse(json.toString().toByteArray()).input.preprocessing
        val pixels = Pixels(rule.width, rule.height, ByteArray(Pixels.CHANNELS * rule.width * rule.height) { it.toByte() })
        val area = rule.width * rule.height
        val expected = FloatArray(pixels.bytes.size) { (pixels.bytes[it % area * Pixels.CHANNELS + it / area].toInt() and 255).toFloat() }
        assertArrayEquals(expected, rule.normalize(pixels), 0f)
    }

    @Test
    fun otherNumbers() = assertRefused("takes no float32 values") { it.input().put("dtype", "float16") }

    @Test
    fun otherRole() = assertRefused("the model gives \"features\", which this app does not show") { it.output().put("role", "features") }

    @Test
    fun boxesOfWhichNobodySaysWhereTheyAre() = assertRefused("does not say where boxes are") { it.output().put("role", "boxes") }

    @Test
    fun otherShape() = assertRefused("its preprocessing does not make") { it.input().getJSONArray("shape").put(2, 32) }

    @Test
    fun unknownFilter() = assertRefused("\"hamming\" is not known") {
        it.input().getJSONObject("preprocessing").put("interpolation", "hamming")
    }

    @Test
    fun unknownCrop() = assertRefused("is not known here") { it.input().getJSONObject("preprocessing").put("crop", "five") }

    @Test
    fun missingField() = assertRefused("cannot be read") { it.remove("functions") }

    @Test
    fun noJson() {
        val error = assertThrows(PayloadException::class.java) { Manifest.parse("{\"schema_version\":".toByteArray()) }
        assertTrue(error.message, "cannot be read" in error.message!!)
    }

    @Test
    fun changedFile() {
        val name = Manifest.read(payload).modelPath
        val error = assertThrows(PayloadException::class.java) {
            with(payload, name) { it[it.size / 2] = (it[it.size / 2] + 1).toByte() }.verify(Manifest.read(payload).payload)
        }
        assertEquals("$name is not the file that was exported: bundle the model again", error.message)
    }

    @Test
    fun missingFile() {
        val name = Manifest.read(payload).modelPath
        val without = Folder { if (it == name) throw FileNotFoundException(it) else payload.open(it) }
        val error = assertThrows(PayloadException::class.java) { without.verify(Manifest.read(payload).payload) }
        assertEquals("$name is missing: bundle the model again", error.message)
    }

    @Test
    fun changedKit() {
        val kit = Kit.read(conformance)
        val error = assertThrows(PayloadException::class.java) { Kit.read(with(conformance, kit.vectors[0].input) { it[0]++ }) }
        assertTrue(error.message, "is not the file that was exported" in error.message!!)
    }

    @Test
    fun kitOfAnotherModel() {
        val other = Manifest.parse(payload.read(Manifest.FILE) + "\n".toByteArray())
        val error = assertThrows(PayloadException::class.java) { Kit.read(conformance).checkBelongsTo(other) }
        assertTrue(error.message, "of another model" in error.message!!)
    }

    @Test
    fun noModel() {
        val error = assertThrows(PayloadException::class.java) {
            Model(Manifest.read(payload), Model.direct(ByteArray(100))).close()
        }
        assertTrue(error.message, "model.onnx cannot be loaded" in error.message!!)
    }

    private fun assertRefused(reason: String, change: (JSONObject) -> Unit) {
        val json = JSONObject(String(payload.read(Manifest.FILE)))
        change(json)
        val error = assertThrows(PayloadException::class.java) { Manifest.parse(json.toString().toByteArray()) }
        assertTrue("$reason: ${error.message}", reason in error.message!!)
    }

    /** By the app's own class, which is told what runs models. */
    private fun assertRefused(reason: String, options: Options, runtime: ModelRuntime) {
        val error = assertThrows(PayloadException::class.java) { Classifier.fromFolder(given("payload"), runtime, options).close() }
        assertTrue("$reason: ${error.message}", reason in error.message!!)
    }

    private object OtherRuntime : ModelRuntime {
        override val name = "other"
        override val version = "1"
        override val format = "litert"
        override val providers = setOf(Provider.CPU)
        override val preferred: Provider? = null

        override fun load(manifest: Manifest, files: ModelFiles, options: Options): Session = throw AssertionError("loads it")

        override fun computePlan(manifest: Manifest, files: ModelFiles, options: Options, folder: File): ComputePlan =
            throw AssertionError("runs it")
    }

    private fun with(folder: Folder, name: String, change: (ByteArray) -> Unit) =
        Folder { if (it == name) ByteArrayInputStream(folder.read(it).also(change)) else folder.open(it) }

    private fun JSONObject.function() = getJSONArray("functions").getJSONObject(0)

    private fun JSONObject.input() = function().getJSONArray("inputs").getJSONObject(0)

    private fun JSONObject.output() = function().getJSONArray("outputs").getJSONObject(0)
}
