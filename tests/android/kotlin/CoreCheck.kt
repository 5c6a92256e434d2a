package io.github.cloformer.checks

import io.github.cloformer.core.Comparison
import io.github.cloformer.core.Device
import io.github.cloformer.core.DeviceReport
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Latency
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Pixels
import io.github.cloformer.core.Plane
import io.github.cloformer.core.Preprocessed
import io.github.cloformer.core.Preset
import io.github.cloformer.core.Runtime
import io.github.cloformer.core.Tolerance
import io.github.cloformer.core.VectorResult
import io.github.cloformer.core.channelsLast
import io.github.cloformer.core.compare
import io.github.cloformer.core.softmax
import io.github.cloformer.core.topClasses
import io.github.cloformer.core.yuvToPixels
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import java.nio.ByteBuffer

/** The small parts. */
class CoreCheck {
    @Test
    fun softmaxOfLargeLogitsIsFinite() {
        assertArrayEquals(floatArrayOf(0.5f, 0.5f, 0f), softmax(floatArrayOf(1e6f, 1e6f, -1e6f)), 0f)
        assertEquals(1.0, softmax(FloatArray(1000) { it / 100f }).sumOf { it.toDouble() }, 1e-6)
    }

    @Test
    fun channelsComeLastForEachPixel() {
        val red = floatArrayOf(1f, 2f)
        val green = floatArrayOf(3f, 4f)
        val blue = floatArrayOf(5f, 6f)
        assertArrayEquals(floatArrayOf(1f, 3f, 5f, 2f, 4f, 6f), channelsLast(red + green + blue, 3), 0f)
    }

    @Test
    fun equalClassesStayInOrder() {
        val top = topClasses(floatArrayOf(0.1f, 0.4f, 0.1f, 0.4f), listOf("a", "b", "c", "d"), 3)
        assertEquals(listOf("b", "d", "a"), top.map { it.label })
        assertEquals(2, topClasses(floatArrayOf(0.6f, 0.4f), null, 5).size)
    }

    @Test
    fun whatIsNoNumberFails() {
        val tolerance = Tolerance(1e-3, 0.999, "")
        val expected = floatArrayOf(1f, 2f)
        assertTrue(compare(expected, expected, tolerance).passed)
        assertTrue(compare(FloatArray(2), FloatArray(2), tolerance).passed)
        for (given in listOf(floatArrayOf(1f, Float.NaN), floatArrayOf(1f, Float.POSITIVE_INFINITY), floatArrayOf(1f), null)) {
            assertFalse("${given?.toList()}", compare(given, expected, tolerance).passed)
        }
        assertFalse(compare(floatArrayOf(1f, 2.1f), expected, tolerance).passed)
    }

    @Test
    fun latencyKeepsItsProtocol() {
        var time = 0L
        var queries = 0
        val latency = Latency.measure(
            Preset.QUICK, 2,
            load = { time += 7 },
            query = { time += if (++queries == 1) 500_000_000L else 50_000_000L },
            now = { time },
        )
        assertEquals(7, latency.load)
        assertEquals(500_000_000, latency.first)
        assertEquals(20, latency.warmUp.size) // a second of them
        assertEquals(200, latency.samples.size) // ten seconds of them
        assertEquals(50_000_000, latency.quantile(0.5))
        val slow = Latency.measure(Preset.QUICK, 1, load = {}, query = { time += 1_000_000_000L }, now = { time })
        assertEquals(10, slow.warmUp.size)
        assertEquals(128, slow.samples.size)
    }

    @Test
    fun reportHasTheAgreedForm() {
        val manifest = Manifest.read(Folder.of(given("payload")))
        val passed = Comparison(true, 1e-6, 2.9, 1.0)
        val missing = Comparison(false, Double.NaN, Double.NaN, Double.NaN)
        val results = listOf(
            VectorResult("crop", "", Preprocessed(true, 0.0), mapOf("logits" to passed)),
            VectorResult("alpha", "", Preprocessed(false, Double.NaN), mapOf("logits" to missing)),
            VectorResult("photograph", "", null, mapOf("logits" to passed)),
        )
        val latency = Latency(1, 2, listOf(3, 4), listOf(5, 6), 1, Preset.QUICK)
        val report = DeviceReport(manifest, Device("a", "b", "c", "d", "debug"), Runtime("e", "f", "cpu", 1), results, latency)
        val json = JSONObject(report.toJson())
        assertEquals(
            setOf("schema_version", "kind", "manifest_sha256", "model_sha256", "device", "runtime", "vectors", "latency", "placement"),
            json.keys().asSequence().toSet(),
        )
        assertEquals("quick", json.getJSONObject("latency").getString("preset"))
        val vectors = json.getJSONArray("vectors")
        assertEquals(1e-6, vectors.getJSONObject(0).getJSONObject("outputs").getJSONObject("logits").getDouble("max_abs"), 0.0)
        assertFalse(vectors.getJSONObject(1).getJSONObject("outputs").has("logits"))
        assertTrue(vectors.getJSONObject(1).getJSONObject("preprocessing").getDouble("max_abs") > 255)
        assertTrue(vectors.getJSONObject(2).isNull("preprocessing"))
        assertTrue(results[2].passed)
    }

    @Test
    fun cameraFramesAreTurned() {
        // Two rows of four pixels in NV21's layout, rows and pixels apart from one another by more than their size.
        val luma = ByteBuffer.wrap(byteArrayOf(0, 50, 100, -106, 9, 9, -56, -6, 10, 20, 9, 9))
        val chroma = ByteBuffer.wrap(byteArrayOf(-128, 9, -128, 9))
        val grey = Plane(chroma, 4, 2)
        val upright = yuvToPixels(4, 2, Plane(luma, 6, 1), grey, grey, 90)
        assertEquals(2 to 4, upright.width to upright.height)
        assertEquals(listOf(200, 0, 250, 50, 10, 100, 20, 150), upright.bytes.filterIndexed { at, _ -> at % 3 == 1 }.map { it.toInt() and 255 })
        val red = yuvToPixels(2, 2, plane(76, 76, 76, 76), plane(85), plane(255), 0)
        assertEquals(listOf(254, 0, 0), red.bytes.take(Pixels.CHANNELS).map { it.toInt() and 255 })
    }

    private fun plane(vararg values: Int) =
        Plane(ByteBuffer.wrap(ByteArray(values.size) { values[it].toByte() }), if (values.size == 4) 2 else 1, 1)
}
