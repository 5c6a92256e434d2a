package io.github.cloformer.ort

import android.content.res.AssetManager
import android.graphics.Bitmap
import android.system.Os
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Pixels
import io.github.cloformer.core.Prediction
import io.github.cloformer.core.Subject
import io.github.cloformer.core.read
import io.github.cloformer.core.softmax
import io.github.cloformer.core.topClasses
import io.github.cloformer.core.verify
import java.io.File

/**
 * The exported model, from an image to the names of what is on it.
 *
 * ```
 * Classifier.fromAssets(context.assets).use { classifier ->
 *     val best = classifier.classify(bitmap).first()
 * }
 * ```
 *
 * Loading and classifying take tens of milliseconds and more: not on the main thread, and on one thread at a time.
 */
class Classifier private constructor(folder: Folder, options: Options) : Subject, AutoCloseable {
    val manifest: Manifest = Manifest.read(folder)
    val labels: List<String>?
    private val model: Model

    init {
        folder.verify(manifest.payload)
        labels = manifest.labels(folder)
        disableTelemetry()
        model = Model(manifest, Model.direct(folder.read(manifest.modelPath)), options)
    }

    /** The [count] most probable classes of an upright image. */
    fun classify(image: Bitmap, count: Int = 5): List<Prediction> = classify(image.toPixels(), count)

    fun classify(image: Pixels, count: Int = 5): List<Prediction> = classifyCropped(crop(image), count)

    /** As [classify], for what [crop] gave. */
    fun classifyCropped(cropped: Pixels, count: Int = 5): List<Prediction> {
        val values = run(normalize(cropped)).getValue(manifest.output.name)
        return topClasses(if (manifest.output.isLogits) softmax(values) else values, labels, count)
    }

    override fun decode(image: ByteArray): Pixels = decodeImage(image)

    override fun crop(image: Pixels): Pixels = manifest.input.preprocessing.crop(image)

    override fun normalize(pixels: Pixels): FloatArray = manifest.input.preprocessing.normalize(pixels)

    override fun run(input: FloatArray): Map<String, FloatArray> = model.run(input)

    override fun close() = model.close()

    companion object {
        /** Where `cloformer bundle` puts the model. */
        const val ASSETS = "cloformer"

        /** Throws [io.github.cloformer.core.PayloadException] for a model that is damaged, or newer than this code. */
        fun fromAssets(assets: AssetManager, path: String = ASSETS, options: Options = Options()): Classifier =
            Classifier({ assets.open("$path/$it") }, options)

        /** As [fromAssets], for a model that was downloaded. */
        fun fromFolder(folder: File, options: Options = Options()): Classifier = Classifier(Folder.of(folder), options)

        /** ONNX Runtime reads this when it is loaded, so it must be there before the first class of its is touched. */
        private fun disableTelemetry() = Os.setenv("ORT_DISABLE_TELEMETRY", "1", true)
    }
}
