package io.github.cloformer.core

/** An image of 8-bit pixels, three bytes each, row by row from the top; red, green, blue unless said otherwise. */
class Pixels(val width: Int, val height: Int, val bytes: ByteArray) {
    init {
        require(width > 0 && height > 0) { "an image of $width x $height pixels" }
        require(bytes.size.toLong() == CHANNELS.toLong() * width * height) {
            "${bytes.size} bytes for $width x $height pixels"
        }
    }

    /** The part of [width] x [height] pixels whose top left corner is at ([left], [top]). */
    fun crop(left: Int, top: Int, width: Int, height: Int): Pixels {
        require(left >= 0 && top >= 0 && left + width <= this.width && top + height <= this.height)
        val result = ByteArray(CHANNELS * width * height)
        for (y in 0 until height) {
            val from = CHANNELS * ((top + y) * this.width + left)
            bytes.copyInto(result, CHANNELS * y * width, from, from + CHANNELS * width)
        }
        return Pixels(width, height, result)
    }

    /** An image of [width] x [height] pixels of [fill], 0 to 255, with this one at ([left], [top]). */
    fun bordered(left: Int, top: Int, width: Int, height: Int, fill: Int): Pixels {
        require(left >= 0 && top >= 0 && left + this.width <= width && top + this.height <= height)
        val result = ByteArray(CHANNELS * width * height) { fill.toByte() }
        for (y in 0 until this.height) {
            val from = CHANNELS * y * this.width
            bytes.copyInto(result, CHANNELS * ((top + y) * width + left), from, from + CHANNELS * this.width)
        }
        return Pixels(width, height, result)
    }

    /** The first and the third channel exchanged: RGB as BGR, and back. */
    fun reversed(): Pixels {
        val result = ByteArray(bytes.size)
        for (at in bytes.indices step CHANNELS) {
            result[at] = bytes[at + 2]
            result[at + 1] = bytes[at + 1]
            result[at + 2] = bytes[at]
        }
        return Pixels(width, height, result)
    }

    /**
     * Turned and mirrored as a viewer shows it. [orientation] is EXIF's, 1 to 8; any other number, such as the 0 of
     * files that have none, leaves the image as it is.
     */
    fun upright(orientation: Int): Pixels {
        val isTurned = orientation in 5..8
        val newWidth = if (isTurned) height else width
        val newHeight = if (isTurned) width else height
        // Where the pixel (x, y) of the result lies in the original: at start + x * stepX + y * stepY.
        val right = CHANNELS
        val down = CHANNELS * width
        val lastX = right * (width - 1)
        val lastY = down * (height - 1)
        val (start, stepX, stepY) =
            when (orientation) {
                2 -> Triple(lastX, -right, down)
                3 -> Triple(lastX + lastY, -right, -down)
                4 -> Triple(lastY, right, -down)
                5 -> Triple(0, down, right)
                6 -> Triple(lastY, -down, right)
                7 -> Triple(lastX + lastY, -down, -right)
                8 -> Triple(lastX, down, -right)
                else -> return this
            }
        val result = ByteArray(bytes.size)
        var to = 0
        for (y in 0 until newHeight) {
            var from = start + y * stepY
            for (x in 0 until newWidth) {
                result[to++] = bytes[from]
                result[to++] = bytes[from + 1]
                result[to++] = bytes[from + 2]
                from += stepX
            }
        }
        return Pixels(newWidth, newHeight, result)
    }

    companion object {
        const val CHANNELS = 3
    }
}
