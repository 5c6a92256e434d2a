package io.github.cloformer.core

import kotlin.math.PI
import kotlin.math.abs

/**
 * The filters of the model's training code, Pillow, whose results are reproduced to the bit. A weight of [weight] is
 * given to a pixel whose centre is so many (source or target, whichever are larger) pixels away, up to [support].
 */
enum class Filter(internal val support: Double, internal val weight: (Double) -> Double) {
    /** Takes the source pixel under the centre of the target pixel. */
    NEAREST(0.0, { 0.0 }),
    BILINEAR(1.0, { x -> if (abs(x) < 1) 1 - abs(x) else 0.0 }),
    BICUBIC(2.0, ::cubic),
    LANCZOS(3.0, { x -> if (-3.0 <= x && x < 3.0) sinc(x) * sinc(x / 3) else 0.0 }),
    ;

    companion object {
        /** [PayloadException] for a name that this code does not know. */
        fun named(name: String): Filter =
            entries.firstOrNull { it.name.lowercase() == name }
                ?: throw PayloadException("the interpolation \"$name\" is not known here: update the app's cloformer code")
    }
}

/**
 * The image in another size: first along the rows, then along the columns, each rounded to 8 bits. That is so for images
 * more than twice as high as wide too, where Pillow from version 13 on would begin with the columns.
 */
fun Pixels.resize(width: Int, height: Int, filter: Filter): Pixels {
    require(width > 0 && height > 0) { "an image of $width x $height pixels" }
    if (width == this.width && height == this.height) return this
    if (filter == Filter.NEAREST) return nearest(width, height)
    // As Pillow does, the first pass leaves out rows that the second one does not look at: they cannot change a bit.
    val columns = Weights(this.height, height, filter)
    val first = columns.starts.first()
    val rowsUsed = columns.starts.last() + columns.counts.last() - first
    val narrow = if (width == this.width) this else horizontal(Weights(this.width, width, filter), width, first, rowsUsed)
    val shift = if (width == this.width) 0 else first
    return if (height == this.height) narrow else narrow.vertical(columns, height, shift)
}

/** A cubic convolution with a = -0.5. */
private fun cubic(distance: Double): Double {
    val a = -0.5
    val x = abs(distance)
    return when {
        x < 1 -> ((a + 2) * x - (a + 3)) * x * x + 1
        x < 2 -> (((x - 5) * x + 8) * x - 4) * a
        else -> 0.0
    }
}

private fun sinc(x: Double): Double = if (x == 0.0) 1.0 else StrictMath.sin(x * PI) / (x * PI)

/** Which source pixels make up each target pixel, and their weights as integers: 1 is 2^22. */
private class Weights(from: Int, to: Int, filter: Filter) {
    val starts = IntArray(to)
    val counts = IntArray(to)
    val weights: Array<IntArray>

    init {
        val scale = from.toDouble() / to
        val stretch = maxOf(scale, 1.0) // a smaller image averages over more pixels; a larger one interpolates
        val support = filter.support * stretch
        val inverse = 1.0 / stretch
        weights =
            Array(to) { target ->
                val center = (target + 0.5) * scale
                val start = maxOf((center - support + 0.5).toInt(), 0)
                val count = minOf((center + support + 0.5).toInt(), from) - start
                starts[target] = start
                counts[target] = count
                val exact = DoubleArray(count) { filter.weight((it + start - center + 0.5) * inverse) }
                var sum = 0.0
                for (weight in exact) sum += weight
                IntArray(exact.size) { toFixedPoint(if (sum == 0.0) exact[it] else exact[it] / sum) }
            }
    }

    private fun toFixedPoint(weight: Double): Int {
        val scaled = weight * (1 shl PRECISION)
        return (if (weight < 0) scaled - 0.5 else scaled + 0.5).toInt()
    }
}

private const val PRECISION = 22
private const val HALF = 1 shl (PRECISION - 1)

private fun toByte(sum: Int): Byte = (sum shr PRECISION).coerceIn(0, 255).toByte()

/** The rows from [first] on, [rows] of them, with [width] pixels each. */
private fun Pixels.horizontal(weights: Weights, width: Int, first: Int, rows: Int): Pixels {
    val result = ByteArray(Pixels.CHANNELS * width * rows)
    var to = 0
    for (y in first until first + rows) {
        for (x in 0 until width) {
            val row = weights.weights[x]
            var from = Pixels.CHANNELS * (y * this.width + weights.starts[x])
            var red = HALF
            var green = HALF
            var blue = HALF
            for (weight in row) {
                red += (bytes[from].toInt() and 255) * weight
                green += (bytes[from + 1].toInt() and 255) * weight
                blue += (bytes[from + 2].toInt() and 255) * weight
                from += Pixels.CHANNELS
            }
            result[to++] = toByte(red)
            result[to++] = toByte(green)
            result[to++] = toByte(blue)
        }
    }
    return Pixels(width, rows, result)
}

/** [height] rows; the image's own begin with the one that [weights] counts as [shift]. */
private fun Pixels.vertical(weights: Weights, height: Int, shift: Int): Pixels {
    val stride = Pixels.CHANNELS * width
    val result = ByteArray(stride * height)
    for (y in 0 until height) {
        val column = weights.weights[y]
        val start = stride * (weights.starts[y] - shift)
        for (at in 0 until stride) {
            var sum = HALF
            var from = start + at
            for (weight in column) {
                sum += (bytes[from].toInt() and 255) * weight
                from += stride
            }
            result[y * stride + at] = toByte(sum)
        }
    }
    return Pixels(width, height, result)
}

/** Positions are added up, not multiplied, since that is where Pillow's rounding comes from. */
private fun Pixels.nearest(width: Int, height: Int): Pixels {
    val result = ByteArray(Pixels.CHANNELS * width * height)
    val columns = positions(this.width, width)
    val rows = positions(this.height, height)
    for (y in 0 until height) {
        for (x in 0 until width) {
            if (rows[y] >= this.height || columns[x] >= this.width) continue // stays black, as it does there
            val from = Pixels.CHANNELS * (rows[y] * this.width + columns[x])
            bytes.copyInto(result, Pixels.CHANNELS * (y * width + x), from, from + Pixels.CHANNELS)
        }
    }
    return Pixels(width, height, result)
}

private fun positions(from: Int, to: Int): IntArray {
    val step = from.toDouble() / to
    var position = step * 0.5
    return IntArray(to) { position.toInt().also { position += step } }
}
