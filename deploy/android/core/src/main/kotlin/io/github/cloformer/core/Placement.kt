package io.github.cloformer.core

import kotlin.math.round

/**
 * Where an upright image of [width] x [height] pixels lies in the model's input: resized to [resizedWidth] x [resizedHeight], of
 * which the input's first pixel is the one at ([left], [top]); these are negative where a border lies before it.
 */
data class Placement(
    val width: Int,
    val height: Int,
    val resizedWidth: Int,
    val resizedHeight: Int,
    val left: Int,
    val top: Int,
) {
    /** A place in the input, in pixels, as a place in the image. */
    fun backX(x: Double): Double = (x + left) * width / resizedWidth

    fun backY(y: Double): Double = (y + top) * height / resizedHeight

    companion object {
        /** The short side at [short] pixels, the long one rounded down, and the middle; half of a pixel goes to the even side. */
        fun middle(width: Int, height: Int, short: Int, across: Int, down: Int): Placement {
            val other = (short.toLong() * maxOf(width, height) / minOf(width, height)).toInt()
            val resizedWidth = if (width <= height) short else other
            val resizedHeight = if (width <= height) other else short
            return Placement(width, height, resizedWidth, resizedHeight, half(resizedWidth - across), half(resizedHeight - down))
        }

        /** The whole image as large as it fits; the side that does not fill is rounded, a half up, and the odd pixel lies after it. */
        fun letterbox(width: Int, height: Int, across: Int, down: Int): Placement {
            val isFlat = width.toLong() * down >= height.toLong() * across
            val resizedWidth = if (isFlat) across else fitted(width, down, height)
            val resizedHeight = if (isFlat) fitted(height, across, width) else down
            return Placement(
                width, height, resizedWidth, resizedHeight, -((across - resizedWidth) / 2), -((down - resizedHeight) / 2),
            )
        }

        private fun half(pixels: Int): Int = round(pixels / 2.0).toInt()

        private fun fitted(side: Int, target: Int, other: Int): Int =
            maxOf(1, ((2L * side * target + other) / (2L * other)).toInt())
    }
}
