package io.github.cloformer.checks

import com.google.ai.edge.litert.CompiledModel
import io.github.cloformer.classifier.ModelFiles
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.channelsLast
import io.github.cloformer.core.modelOnDisk
import io.github.cloformer.core.read
import org.json.JSONArray
import org.json.JSONObject
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.pytorch.executorch.Module
import java.io.File
import java.nio.file.Files
import io.github.cloformer.executorch.Model as ExecuTorchModel
import io.github.cloformer.litert.Model as LiteRTModel

/** The modules of LiteRT and ExecuTorch, on what stands in the place of their libraries here. */
class RuntimesCheck {
    private val payload = Folder.of(given("payload"))
    private val files = ModelFiles.Directory(given("payload"))
    private val manifest = Manifest.read(payload)
    private val file = File(given("payload"), manifest.modelPath)
    private val input = FloatArray(manifest.input.shape.reduce(Int::times)) { it.toFloat() }

    @After
    fun allIsClosed() {
        assertEquals(0, CompiledModel.open)
        assertEquals(0, Module.open)
    }

    @Test
    fun liteRTTakesAnImageAsTheManifestSays() {
        CompiledModel.names = setOf(manifest.input.name, manifest.output.name)
        for ((each, expected) in listOf(manifest to input, channelsLast() to channelsLast(input, 3))) {
            LiteRTModel(each, files, 3).use { model ->
                assertEquals(3, CompiledModel.threads)
                assertArrayEquals(expected, model.run(input)[manifest.output.name], 0f)
            }
        }
    }

    @Test
    fun numbersOfClassesAreFloats() {
        for (type in listOf("int32", "int64")) {
            val json = JSONObject(String(payload.read(Manifest.FILE)))
            json.getJSONArray("functions").getJSONObject(0).getJSONArray("outputs").getJSONObject(0).put("dtype", type)
            val whole = Manifest.parse(json.toString().toByteArray())
            CompiledModel.names = setOf(manifest.input.name, manifest.output.name)
            LiteRTModel(whole, files, 1).use { assertArrayEquals(input, it.run(input)[manifest.output.name], 0f) }
            ExecuTorchModel(whole, file, 1).use { assertArrayEquals(input, it.run(input)[manifest.output.name], 0f) }
        }
    }

    @Test
    fun liteRTFindsNoSuchName() {
        CompiledModel.names = setOf(manifest.input.name)
        assertRefused("inputs and outputs are not the manifest's") { LiteRTModel(manifest, files, 1) }
    }

    @Test
    fun liteRTFindsNoModel() = assertRefused("cannot be loaded") {
        LiteRTModel(manifest, ModelFiles.Directory(File("nowhere")), 1)
    }

    @Test
    fun execuTorchGivesOutputsInOrder() {
        ExecuTorchModel(manifest, file, 2).use { model ->
            assertEquals(2, Module.threads)
            assertArrayEquals(input, model.run(input)[manifest.output.name], 0f)
            Module.outputs = 2
            assertRefused("gives 2 values, and the manifest has 1") { model.run(input) }
            Module.outputs = 1
        }
    }

    @Test
    fun execuTorchKeepsToTheThreadsOfWhatIsLoaded() {
        assertRefused("cannot be loaded") { ExecuTorchModel(manifest, File("nowhere"), 4) }
        ExecuTorchModel(manifest, file, 2).use {
            ExecuTorchModel(manifest, file, 2).close()
            assertRefused("on 2 threads") { ExecuTorchModel(manifest, file, 1) }
        }
        ExecuTorchModel(manifest, file, 1).close()
    }

    @Test
    fun aModelIsCopiedOnceAndHeldToItsHash() {
        val folder = Files.createTempDirectory("model").toFile()
        File(folder, "earlier").writeText("of an earlier model")
        val copy = modelOnDisk(manifest, payload, folder)
        assertEquals(listOf(copy), folder.listFiles()!!.toList())
        assertArrayEquals(payload.read(manifest.modelPath), copy.readBytes())
        assertEquals(copy, modelOnDisk(manifest, { throw AssertionError("copies it again") }, folder))
        copy.writeText("damaged")
        assertArrayEquals(payload.read(manifest.modelPath), modelOnDisk(manifest, payload, folder).readBytes())
        copy.writeText("damaged")
        assertRefused("is not the file that was exported") {
            modelOnDisk(manifest, { "other".byteInputStream() }, folder)
        }
        folder.deleteRecursively()
    }

    /** The manifest of a model that takes one pixel after the other. */
    private fun channelsLast(): Manifest {
        val json = JSONObject(String(payload.read(Manifest.FILE)))
        val (_, channels, height, width) = manifest.input.shape
        val image = json.getJSONArray("functions").getJSONObject(0).getJSONArray("inputs").getJSONObject(0)
        image.put("layout", "NHWC").put("shape", JSONArray(listOf(1, height, width, channels)))
        return Manifest.parse(json.toString().toByteArray())
    }

    private fun assertRefused(reason: String, task: () -> Unit) {
        val error = assertThrows(PayloadException::class.java) { task() }
        assertTrue("$reason: ${error.message}", reason in error.message!!)
    }
}
