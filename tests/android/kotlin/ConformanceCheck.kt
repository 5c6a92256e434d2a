package io.github.cloformer.checks

import io.github.cloformer.core.Device
import io.github.cloformer.core.DeviceReport
import io.github.cloformer.core.Filter
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Kit
import io.github.cloformer.core.Latency
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.Pixels
import io.github.cloformer.core.Preprocessing
import io.github.cloformer.core.Preset
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Runtime
import io.github.cloformer.core.Subject
import io.github.cloformer.core.VectorResult
import io.github.cloformer.core.judge
import io.github.cloformer.core.read
import io.github.cloformer.core.resize
import io.github.cloformer.core.verify
import io.github.cloformer.ort.Model
import org.json.JSONObject
import org.junit.AfterClass
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** The project's own preprocessing and model, with this machine's decoders in the place of Android's. */
open class Honest(protected val rule: Preprocessing, private val model: Model) : Subject {
    override fun decode(image: ByteArray): Pixels = stored(image).pixels().upright(orientationOf(image))

    override fun crop(image: Pixels): Pixels = rule.crop(image)

    override fun normalize(pixels: Pixels): FloatArray = rule.normalize(pixels)

    override fun run(input: FloatArray): Map<String, FloatArray> = model.run(input)
}

/** Every vector of a kit holds, and each mistake that a port can make fails the vector that aims at it. */
class ConformanceCheck {
    @Test
    fun everyVectorHolds() = assertAllHold(model)

    @Test
    fun runtimeIsTheOneOfTheVersionsFile() = assertEquals(given("onnxruntime").path, Model.version)

    @Test
    fun everyVectorHoldsOnXnnpackAndFourThreads() =
        Model(manifest, content(), Options(Provider.XNNPACK, 4)).use(::assertAllHold)

    /** The default, of a model that was made for it. */
    @Test
    fun everyVectorHoldsWhereTheManifestSaysXnnpack() {
        val json = JSONObject(String(payload.read(Manifest.FILE)))
        json.getJSONObject("request").getJSONObject("options").put("processor", "arm64-xnnpack")
        val madeForXnnpack = Manifest.parse(json.toString().toByteArray())
        assertEquals(Provider.XNNPACK, madeForXnnpack.provider)
        Model(madeForXnnpack, content()).use(::assertAllHold)
    }

    @Test
    fun redAndBlueExchanged() = assertFailing("channel-order", object : Honest(rule, model) {
        override fun crop(image: Pixels) = super.crop(image).reversed()
    })

    @Test
    fun meanAndDeviationLeftOut() =
        assertFailing("normalization", Honest(rule.copy(mean = listOf(0.0, 0.0, 0.0), std = listOf(1.0, 1.0, 1.0)), model))

    @Test
    fun meanAndDeviationInAnotherOrder() =
        assertFailing("normalization", Honest(rule.copy(mean = rule.mean.reversed(), std = rule.std.reversed()), model))

    @Test
    fun notScaled() = assertFailing("normalization", Honest(rule.copy(scale = 1.0), model))

    @Test
    fun everyOtherFilter() {
        for (filter in Filter.entries - rule.filter) assertFailing("resize-filter", Honest(rule.copy(filter = filter), model))
    }

    @Test
    fun cutFromTheTopLeftCorner() = assertFailing("crop", object : Honest(rule, model) {
        override fun crop(image: Pixels): Pixels {
            val short = minOf(image.width, image.height)
            val size = { side: Int -> (rule.resizeSize.toLong() * side / short).toInt() }
            val cut = image.resize(size(image.width), size(image.height), rule.filter).crop(0, 0, rule.width, rule.height)
            return if (rule.isBgr) cut.reversed() else cut
        }
    })

    @Test
    fun orientationNotLookedAt() = assertFailing("orientation", object : Honest(rule, model) {
        override fun decode(image: ByteArray) = stored(image).pixels()
    })

    @Test
    fun turnedTheOtherWay() = assertFailing("orientation", object : Honest(rule, model) {
        override fun decode(image: ByteArray) = stored(image).pixels().upright(if (orientationOf(image) == 6) 8 else 1)
    })

    @Test
    fun blendedWithBlackOrPremultiplied() = assertFailing("alpha", object : Honest(rule, model) {
        override fun decode(image: ByteArray) =
            stored(image).pixels { stored, alpha -> (stored * alpha + 127) / 255 }.upright(orientationOf(image))
    })

    @Test
    fun blendedWithWhite() = assertFailing("alpha", object : Honest(rule, model) {
        override fun decode(image: ByteArray) =
            stored(image).pixels { stored, alpha -> (stored * alpha + 255 * (255 - alpha) + 127) / 255 }
                .upright(orientationOf(image))
    })

    @Test
    fun wrongModel() {
        val noisy = object : Honest(rule, model) {
            override fun run(input: FloatArray) = super.run(FloatArray(input.size) { 1.01f * input[it] })
        }
        val results = results(noisy)
        assertTrue("no preprocessing fails", results.all { it.preprocessingPassed })
        assertTrue("every output fails", results.all { result -> result.outputs.values.none { it.passed } })
    }

    @Test
    fun missingOutput() {
        val silent = object : Honest(rule, model) {
            override fun run(input: FloatArray) = emptyMap<String, FloatArray>()
        }
        assertTrue(results(silent).none { it.passed })
    }

    /** As the test on phones writes it, but for the figures of the device. */
    @Test
    fun reportIsWritten() {
        val input = FloatArray(manifest.input.shape.reduce(Int::times))
        var loaded: Model? = null
        val latency = Latency.measure(
            Preset.QUICK, 1, load = { Model(manifest, content()).also { loaded = it } }, query = { it.run(input) },
        )
        loaded?.close()
        val device = Device("none", "a Java machine", "Linux", "x86_64", "debug")
        val runtime = Runtime(Model.RUNTIME, Model.version, "cpu", 1)
        given("report").writeText(DeviceReport(manifest, device, runtime, results(Honest(rule, model)), latency).toJson())
        println("median %.1f ms of %d queries".format(latency.quantile(0.5) / 1e6, latency.samples.size))
    }

    private fun assertAllHold(model: Model) {
        val results = results(Honest(rule, model))
        assertEquals(emptyList<VectorResult>(), results.filterNot { it.passed })
        val worst = results.maxOf { result -> result.outputs.values.maxOf { it.maxAbs / it.largest } }
        println("${results.size} vectors hold; the outputs are within %.1e of the largest".format(worst))
    }

    /** Exactly [aimed] notices. */
    private fun assertFailing(aimed: String, subject: Subject) {
        assertEquals(listOf(aimed), results(subject).filterNot { it.passed }.map { it.name })
    }

    private fun results(subject: Subject) = kit.vectors.map { judge(kit, it, manifest, subject) }

    companion object {
        private val payload = Folder.of(given("payload"))
        private val manifest = Manifest.read(payload).also { payload.verify(it.payload) }
        private val rule = manifest.input.preprocessing
        private val kit = Kit.read(Folder.of(given("conformance"))).also { it.checkBelongsTo(manifest) }
        private val model = Model(manifest, content())

        private fun content() = Model.direct(payload.read(manifest.modelPath))

        @AfterClass
        @JvmStatic
        fun close() = model.close()
    }
}
