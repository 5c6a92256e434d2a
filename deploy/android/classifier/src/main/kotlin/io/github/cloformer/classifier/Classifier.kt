package io.github.cloformer.classifier

import android.content.Context
import android.graphics.Bitmap
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.Pixels
import io.github.cloformer.core.Placement
import io.github.cloformer.core.Prediction
import io.github.cloformer.core.Seen
import io.github.cloformer.core.Session
import io.github.cloformer.core.Subject
import io.github.cloformer.core.seen
import io.github.cloformer.core.softmax
import io.github.cloformer.core.topClasses
import io.github.cloformer.core.verify
import java.io.File

/**
 * The exported model, from an image to the names of what is on it: classes of all of it, or boxes, maps, points and pictures.
 *
 * ```
 * Classifier.fromAssets(context, BundledRuntime).use { classifier ->
 *     val best = classifier.classify(bitmap).first() // a classifier's
 *     val boxes = classifier.see(bitmap).boxes // a detector's, in the bitmap's own pixels
 * }
 * ```
 *
 * Loading and classifying take tens of milliseconds and more: not on the main thread, and on one thread at a time.
 */
class Classifier private constructor(runtime: ModelRuntime, files: ModelFiles, options: Options) : Subject, AutoCloseable {
    val manifest: Manifest = Manifest.read(files)
    val labels: List<String>?
    private val session: Session

    init {
        val chosen = runtime.chosen(options)
        checkFits(runtime, chosen)
        files.verify(manifest.payload)
        labels = manifest.labels(files)
        session = runtime.load(manifest, files, chosen)
    }

    /** The [count] most probable classes of an upright image. */
    fun classify(image: Bitmap, count: Int = 5): List<Prediction> = classify(image.toPixels(), count)

    fun classify(image: Pixels, count: Int = 5): List<Prediction> = classifyCropped(crop(image), count)

    /** As [classify], for what [crop] gave. */
    fun classifyCropped(cropped: Pixels, count: Int = 5): List<Prediction> {
        val values = run(normalize(cropped)).getValue(manifest.output.name)
        return topClasses(if (manifest.output.isLogits) softmax(values) else values, labels, count)
    }

    /** What the model says of an upright image, in its own pixels; boxes of a score of [minScore] at least. */
    fun see(image: Bitmap, minScore: Double = MIN_SCORE): Seen = see(image.toPixels(), minScore)

    fun see(image: Pixels, minScore: Double = MIN_SCORE): Seen = seeCropped(crop(image), place(image), minScore)

    /** As [see], for what [crop] gave, whose place [place] says. */
    fun seeCropped(cropped: Pixels, place: Placement, minScore: Double = MIN_SCORE): Seen =
        seen(manifest, run(normalize(cropped)), place, labels, minScore)

    fun place(image: Pixels): Placement = manifest.input.preprocessing.place(image.width, image.height)

    override fun decode(image: ByteArray): Pixels = decodeImage(image)

    override fun crop(image: Pixels): Pixels = manifest.input.preprocessing.crop(image)

    override fun normalize(pixels: Pixels): FloatArray = manifest.input.preprocessing.normalize(pixels)

    override fun run(input: FloatArray): Map<String, FloatArray> = session.run(input)

    override fun close() = session.close()

    private fun checkFits(runtime: ModelRuntime, options: Options) {
        if (manifest.format != runtime.format) {
            throw PayloadException("the model is ${manifest.format}, and this app runs ${runtime.format}: bundle the model again")
        }
        val provider = options.providerOf(manifest)
        if (provider !in runtime.providers) {
            val known = runtime.providers.joinToString { it.name.lowercase() }
            throw PayloadException("${runtime.name} has no provider ${provider.name.lowercase()}, but $known: choose one of them")
        }
    }

    companion object {
        /** Where `cloformer bundle` puts the model. */
        const val ASSETS = "cloformer"

        private const val MIN_SCORE = 0.3

        /** Throws [PayloadException] for a model that is damaged, of another runtime, or newer than this code. */
        fun fromAssets(context: Context, runtime: ModelRuntime, path: String = ASSETS, options: Options = Options()) =
            Classifier(runtime, ModelFiles.Assets(context, path), options)

        /** As [fromAssets], for a model that was downloaded. */
        fun fromFolder(folder: File, runtime: ModelRuntime, options: Options = Options()) =
            Classifier(runtime, ModelFiles.Directory(folder), options)
    }
}
