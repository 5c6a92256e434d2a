package io.github.cloformer.core

/** Boxes of one class that share so much of what they cover together are one. */
private const val SAME = 0.5

/** The share of boxes that may match none: those that a suppression keeps by a hair, and others do not. */
private const val ALONE = 0.1

/** Boxes of an image, as a suppression gives them: (left, top, right, bottom) of each, its score, 0 where there is none, its class. */
internal class Detections(val boxes: FloatArray, val scores: FloatArray, val classes: FloatArray) {
    /** The places that hold one, the best first. */
    val are: List<Int> = scores.indices.filter { scores[it] > 0 }.sortedByDescending { scores[it] }

    fun corners(place: Int) = DoubleArray(4) { boxes[4 * place + it].toDouble() }
}

/**
 * [given] with each box of a suppression at the place of the one of [expected] that it matches, for two scores that are nearly
 * equal may change places. A few that match none are as expected; where they are more, they stay as they are, and are wrong.
 */
fun inMatchingOrder(
    manifest: Manifest,
    given: Map<String, FloatArray>,
    expected: Map<String, FloatArray>,
): Map<String, FloatArray> {
    val names = listOf("boxes", "box_scores", "box_classes").map { manifest.ofRole(it)?.name ?: return given }
    if (!manifest.isSuppressed || names.any { given[it]?.size != expected[it]?.size }) return given
    val want = names.map(expected::getValue).let { (boxes, scores, classes) -> Detections(boxes, scores, classes) }
    val got = names.map(given::getValue).let { (boxes, scores, classes) -> Detections(boxes, scores, classes) }
    if ((1 until got.scores.size).any { got.scores[it] > got.scores[it - 1] }) return given // in no order that rounding explains
    val pairs = matches(want, got)
    val alone = maxOf(want.are.size, got.are.size) - pairs.size
    val areFew = alone <= ALONE * maxOf(want.are.size, got.are.size)
    val left = got.scores.indices.minus(pairs.values.toSet()).iterator()
    val from = IntArray(want.scores.size) { pairs[it] ?: left.next() }
    return given + names.associateWith { name ->
        val values = given.getValue(name)
        val each = values.size / from.size
        FloatArray(values.size) { at ->
            val place = at / each
            if (areFew && place !in pairs) expected.getValue(name)[at] else values[from[place] * each + at % each]
        }
    }
}

/** For each of [want], the best first, the one of [got] of its class that overlaps it most, and that no better one has. */
private fun matches(want: Detections, got: Detections): Map<Int, Int> {
    val left = got.are.toMutableList()
    val found = mutableMapOf<Int, Int>()
    for (place in want.are) {
        val shares =
            left.map { if (got.classes[it] == want.classes[place]) overlap(want.corners(place), got.corners(it)) else 0.0 }
        val best = shares.indices.maxByOrNull { shares[it] } ?: break
        if (shares[best] >= SAME) found[place] = left.removeAt(best)
    }
    return found
}

/** What two boxes share, over what they cover together; 1 of two that are equal and of no size. */
internal fun overlap(one: DoubleArray, other: DoubleArray): Double {
    val across = minOf(one[2], other[2]) - maxOf(one[0], other[0])
    val down = minOf(one[3], other[3]) - maxOf(one[1], other[1])
    val shared = maxOf(across, 0.0) * maxOf(down, 0.0)
    val union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared
    return if (union > 0) shared / union else if (one.contentEquals(other)) 1.0 else 0.0
}
