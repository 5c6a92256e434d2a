package io.github.cloformer.core

import java.nio.ByteBuffer

/** One plane of a camera's frame: a value for the pixel (x, y) lies at `y * rowStride + x * pixelStride`. */
class Plane(private val bytes: ByteBuffer, private val rowStride: Int, private val pixelStride: Int) {
    internal fun at(x: Int, y: Int): Int = bytes.get(y * rowStride + x * pixelStride).toInt() and 255
}

/**
 * A frame of brightness and colour difference (4:2:0, JFIF's full range, as Android's cameras give it) as red, green and
 * blue, turned clockwise by [degrees]: 0, 90, 180 or 270. Each colour value belongs to two by two pixels.
 */
fun yuvToPixels(width: Int, height: Int, y: Plane, u: Plane, v: Plane, degrees: Int): Pixels {
    val bytes = ByteArray(Pixels.CHANNELS * width * height)
    var to = 0
    for (row in 0 until height) {
        for (column in 0 until width) {
            val luma = y.at(column, row) shl SHIFT
            val blue = u.at(column / 2, row / 2) - 128
            val red = v.at(column / 2, row / 2) - 128
            bytes[to++] = toByte(luma + RED_OF_V * red)
            bytes[to++] = toByte(luma - GREEN_OF_U * blue - GREEN_OF_V * red)
            bytes[to++] = toByte(luma + BLUE_OF_U * blue)
        }
    }
    return Pixels(width, height, bytes).upright(orientationOf(degrees))
}

private fun orientationOf(degrees: Int): Int =
    when (degrees) {
        0 -> 1
        90 -> 6
        180 -> 3
        270 -> 8
        else -> throw IllegalArgumentException("a frame is turned by a quarter, not by $degrees degrees")
    }

// ITU-R BT.601 as in JFIF: 1.402, 0.344136, 0.714136 and 1.772, times 2^16.
private const val SHIFT = 16
private const val RED_OF_V = 91881
private const val GREEN_OF_U = 22554
private const val GREEN_OF_V = 46802
private const val BLUE_OF_U = 116130

private fun toByte(value: Int): Byte = ((value + (1 shl SHIFT - 1)) shr SHIFT).coerceIn(0, 255).toByte()
