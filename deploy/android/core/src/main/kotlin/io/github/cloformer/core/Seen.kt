package io.github.cloformer.core

import kotlin.math.floor

/** A class, its name if the model has names, how sure the model is, and where: in the image's own pixels. */
data class Box(
    val index: Int,
    val label: String?,
    val score: Float,
    val left: Double,
    val top: Double,
    val right: Double,
    val bottom: Double,
)

/** A place in the image, in its own pixels, and how sure the model is; null where it does not say. */
data class Point(val x: Double, val y: Double, val score: Float?)

/** Numbers of classes over all of the model's input, [height] rows of [width]; of masks, -1 where none is. */
class ClassMap(val width: Int, val height: Int, val classes: IntArray)

/** What the model says of an image, in which its input of [inputWidth] x [inputHeight] pixels lies at [place]. */
class Seen(
    val place: Placement,
    val inputWidth: Int,
    val inputHeight: Int,
    val boxes: List<Box>,
    val maps: List<ClassMap>,
    val points: List<Point>,
    val pictures: List<Pixels>,
) {
    /**
     * How much of the image each class of a [map] has, the most first: a pixel is of the class that lies under its middle, or of the
     * nearest one where the input does not show it.
     */
    fun shares(map: ClassMap): List<Pair<Int, Double>> {
        val columns = under(place.width, place.resizedWidth, place.left, inputWidth, map.width)
        val rows = under(place.height, place.resizedHeight, place.top, inputHeight, map.height)
        val counts = sortedMapOf<Int, Long>()
        map.classes.forEachIndexed { at, index ->
            val pixels = rows[at / map.width] * columns[at % map.width]
            if (index >= 0 && pixels > 0) counts[index] = (counts[index] ?: 0L) + pixels
        }
        val area = place.width.toDouble() * place.height
        return counts.entries.sortedByDescending { it.value }.map { (index, pixels) -> index to pixels / area }
    }
}

/** Over each of a map's [cells], which cover [input] pixels, how many of an image's [length] rows or columns have their middle. */
private fun under(length: Int, resized: Int, offset: Int, input: Int, cells: Int): LongArray {
    val counts = LongArray(cells)
    for (at in 0 until length) {
        val there = (at + 0.5) * resized / length - offset
        counts[floor(there * cells / input).toInt().coerceIn(0, cells - 1)]++
    }
    return counts
}

/** Of the best boxes, where the model itself suppresses none. */
private const val CANDIDATES = 400
private const val OVERLAP = 0.5
private const val SURE = 0.5f

/** What [given], the outputs by name, say; boxes have a score of [minScore] at least. */
fun seen(
    manifest: Manifest,
    given: Map<String, FloatArray>,
    place: Placement,
    labels: List<String>?,
    minScore: Double,
): Seen {
    fun each(role: String) = manifest.outputs.filter { it.role == role && it.name in given }.map { it to given.getValue(it.name) }
    val rule = manifest.input.preprocessing
    return Seen(
        place,
        rule.width,
        rule.height,
        boxes(manifest, given, place, labels, minScore),
        each("class_map").map { (output, values) -> numbers(output, values) } +
            each("class_scores").map { (output, values) -> best(output, values) } +
            each("masks").map { (output, values) -> masks(output, values) },
        each("keypoints").flatMap { (output, values) -> points(manifest, output, values, place) },
        each("image").map { (output, values) -> picture(output, values) },
    )
}

private fun boxes(
    manifest: Manifest,
    given: Map<String, FloatArray>,
    place: Placement,
    labels: List<String>?,
    minScore: Double,
): List<Box> {
    val where = manifest.ofRole("boxes") ?: return emptyList()
    val values = given[where.name] ?: return emptyList()
    val scores = manifest.ofRole("box_scores")?.let { given[it.name] } ?: return emptyList()
    val numbers = manifest.ofRole("box_classes")?.let { given[it.name] }
    val count = values.size / 4
    val classes = scores.size / count
    val index = IntArray(count) { if (numbers == null) largest(scores, it * classes, classes) else numbers[it].toInt() }
    val score = FloatArray(count) { if (numbers == null) scores[it * classes + index[it]] else scores[it] }
    val all = List(count) { corners(manifest, where, values, 4 * it, place) }
    val kept = mutableListOf<Int>()
    val candidates = (0 until count).filter { score[it].toDouble() >= minScore && score[it] > 0 }.sortedByDescending { score[it] }.take(CANDIDATES)
    for (at in candidates) {
        val isFree = manifest.isSuppressed || kept.none { index[it] == index[at] && overlap(all[it], all[at]) > OVERLAP }
        if (isFree) kept += at
    }
    return kept.map { at ->
        val (left, top, right, bottom) = all[at]
        Box(
            index[at], labels?.getOrNull(index[at]), score[at],
            left.coerceIn(0.0, place.width.toDouble()), top.coerceIn(0.0, place.height.toDouble()),
            right.coerceIn(0.0, place.width.toDouble()), bottom.coerceIn(0.0, place.height.toDouble()),
        )
    }
}

/** Left, top, right and bottom in the image, of the box at [at] of [values]. */
private fun corners(manifest: Manifest, output: Manifest.Output, values: FloatArray, at: Int, place: Placement): DoubleArray {
    val box = DoubleArray(4) { values[at + it].toDouble() }
    if (checkNotNull(output.coordinates).isCenterSize) {
        val (x, y, width, height) = box.clone()
        box[0] = x - width / 2
        box[1] = y - height / 2
        box[2] = x + width / 2
        box[3] = y + height / 2
    }
    val (across, down) = unit(manifest, output)
    return doubleArrayOf(
        place.backX(box[0] * across), place.backY(box[1] * down), place.backX(box[2] * across), place.backY(box[3] * down),
    )
}

private fun points(manifest: Manifest, output: Manifest.Output, values: FloatArray, place: Placement): List<Point> {
    val (across, down) = unit(manifest, output)
    val each = output.shape.last()
    return List(values.size / each) {
        val at = it * each
        Point(
            place.backX(values[at].toDouble() * across), place.backY(values[at + 1].toDouble() * down),
            if (each > 2) values[at + 2] else null,
        )
    }
}

/** By what coordinates are multiplied, so that they are pixels of the input. */
private fun unit(manifest: Manifest, output: Manifest.Output): Pair<Double, Double> {
    val rule = manifest.input.preprocessing
    return if (checkNotNull(output.coordinates).isShares) rule.width.toDouble() to rule.height.toDouble() else 1.0 to 1.0
}

private fun numbers(output: Manifest.Output, values: FloatArray): ClassMap {
    val (height, width) = output.shape.takeLast(2)
    return ClassMap(width, height, IntArray(values.size) { values[it].toInt() })
}

/** The class of the largest score at each place; of equal ones the first. */
private fun best(output: Manifest.Output, values: FloatArray): ClassMap {
    val (classes, height, width) = output.shape.takeLast(3)
    val area = height * width
    return ClassMap(width, height, IntArray(area) { place -> largest(values, place, classes, area) })
}

/** The number of the last mask that a place is in, from 1 on. */
private fun masks(output: Manifest.Output, values: FloatArray): ClassMap {
    val (count, height, width) = output.shape.takeLast(3)
    val area = height * width
    return ClassMap(
        width, height, IntArray(area) { place -> (count downTo 1).firstOrNull { values[(it - 1) * area + place] > SURE } ?: -1 },
    )
}

/** Shares from 0 to 1, or pixels where one is larger than 2, as red, green and blue. */
private fun picture(output: Manifest.Output, values: FloatArray): Pixels {
    val (channels, height, width) = output.shape.takeLast(3)
    val area = height * width
    val scale = if (values.any { it > 2 }) 1.0 else 255.0
    return Pixels(
        width, height,
        ByteArray(Pixels.CHANNELS * area) { at ->
            val channel = if (channels == 1) 0 else at % Pixels.CHANNELS
            val value = values[channel * area + at / Pixels.CHANNELS].toDouble() * scale
            Math.rint(if (value.isNaN()) 0.0 else value).coerceIn(0.0, 255.0).toInt().toByte()
        },
    )
}

/** Which of [count] values is the largest, the first of equal ones: they begin at [start] and lie [step] apart. */
private fun largest(values: FloatArray, start: Int, count: Int, step: Int = 1): Int {
    var found = 0
    for (index in 1 until count) if (values[start + index * step] > values[start + found * step]) found = index
    return found
}
