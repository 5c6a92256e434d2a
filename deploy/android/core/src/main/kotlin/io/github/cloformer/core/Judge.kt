package io.github.cloformer.core

import kotlin.math.abs
import kotlin.math.sqrt

/** What is judged: an app's own code from an image file to the model's outputs. */
interface Subject {
    /** An ordinary image file, turned upright. */
    fun decode(image: ByteArray): Pixels

    /** Resized and cropped, in the model's order of colours. */
    fun crop(image: Pixels): Pixels

    fun normalize(pixels: Pixels): FloatArray

    /** The model's outputs by name. */
    fun run(input: FloatArray): Map<String, FloatArray>
}

/** How far [passed] values are from the expected ones; what is missing or no number is [Double.NaN]. */
data class Comparison(val passed: Boolean, val maxAbs: Double, val largest: Double, val cosine: Double) {
    val isComplete: Boolean get() = maxAbs.isFinite() && largest.isFinite() && cosine.isFinite()
}

/** How far pixels, or normalized values, are from the expected ones; [Double.NaN] for another size. */
data class Preprocessed(val passed: Boolean, val maxAbs: Double)

data class VectorResult(
    val name: String,
    val aimsAt: String,
    /** Null for a vector that judges the model alone. */
    val preprocessing: Preprocessed?,
    val outputs: Map<String, Comparison>,
) {
    val preprocessingPassed: Boolean get() = preprocessing?.passed ?: true

    val passed: Boolean get() = preprocessingPassed && outputs.isNotEmpty() && outputs.values.all { it.passed }
}

/**
 * One vector of [kit]. The preprocessing runs on its image. The model runs on the expected input, not on what the
 * preprocessing gave, so that a mistake there does not hide behind it, or the other way round.
 */
fun judge(kit: Kit, vector: Vector, manifest: Manifest, subject: Subject): VectorResult {
    val rule = manifest.input.preprocessing
    val expectedInput = kit.floats(vector.input)
    val cropped = { subject.crop(subject.decode(kit.folder.read(vector.image))) }
    val preprocessed =
        when (vector.compares) {
            Stage.PIXELS -> {
                val expected = subject.decode(kit.folder.read(vector.pixels))
                within(0.0, largestDifference(cropped(), if (rule.isBgr) expected.reversed() else expected))
            }
            Stage.INPUT -> within(INPUT_TOLERANCE, largestDifference(subject.normalize(cropped()), expectedInput))
            Stage.OUTPUTS -> null
        }
    val expected = vector.outputs.mapValues { (_, wanted) -> kit.floats(wanted.file) }
    val given = inMatchingOrder(manifest, subject.run(expectedInput), expected)
    val maps = manifest.outputs.filter { it.role == "class_map" }.map { it.name }
    val outputs =
        vector.outputs.mapValues { (name, wanted) ->
            val values = expected.getValue(name)
            if (name in maps) compareClasses(given[name], values, wanted.tolerance) else compare(given[name], values, wanted.tolerance)
        }
    return VectorResult(vector.name, vector.aimsAt, preprocessed, outputs)
}

private fun within(allowed: Double, maxAbs: Double) = Preprocessed(maxAbs <= allowed, maxAbs)

/** Of float32 values around 1: rounding is below a tenth of it, and every mistake far above. */
private const val INPUT_TOLERANCE = 1e-6

/** [given] is null for an output that the model does not have; that is a failure, as is a value that is no number. */
fun compare(given: FloatArray?, expected: FloatArray, tolerance: Tolerance): Comparison {
    if (given == null || given.size != expected.size) return Comparison(false, Double.NaN, Double.NaN, Double.NaN)
    var largest = 0.0
    var product = 0.0
    var givenSquares = 0.0
    var expectedSquares = 0.0
    for (index in expected.indices) {
        val a = given[index].toDouble()
        val b = expected[index].toDouble()
        largest = maxOf(largest, abs(b))
        product += a * b
        givenSquares += a * a
        expectedSquares += b * b
    }
    val maxAbs = largestDifference(given, expected)
    val cosine = if (maxAbs == 0.0) 1.0 else product / (sqrt(givenSquares) * sqrt(expectedSquares))
    val passed = maxAbs <= tolerance.maxRelative * largest && cosine >= tolerance.minCosine
    return Comparison(passed, maxAbs, largest, cosine)
}

/** A map of classes: [Comparison.maxAbs] is the share of places that are of another class. */
fun compareClasses(given: FloatArray?, expected: FloatArray, tolerance: Tolerance): Comparison {
    if (given == null || given.size != expected.size) return Comparison(false, Double.NaN, Double.NaN, Double.NaN)
    val share = expected.indices.count { given[it] != expected[it] }.toDouble() / expected.size
    return Comparison(share <= tolerance.maxRelative, share, 1.0, 1.0 - share)
}

private fun largestDifference(given: FloatArray, expected: FloatArray): Double {
    if (given.size != expected.size) return Double.NaN
    return given.indices.fold(0.0) { largest, at -> maxOf(largest, abs(given[at].toDouble() - expected[at])) }
}

private fun largestDifference(given: Pixels, expected: Pixels): Double {
    if (given.width != expected.width || given.height != expected.height) return Double.NaN
    return given.bytes.indices.maxOf { abs((given.bytes[it].toInt() and 255) - (expected.bytes[it].toInt() and 255)) }.toDouble()
}
