package io.github.cloformer.classifier

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.media.ExifInterface
import android.media.Image
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.Pixels
import io.github.cloformer.core.Plane
import io.github.cloformer.core.yuvToPixels
import java.io.ByteArrayInputStream
import java.nio.ByteBuffer

/**
 * An image file as the model's training code reads it: every pixel with the colour that is stored, whatever its
 * transparency, and upright.
 *
 * Photographs above [largest] pixels are read at half, a quarter... of their size, so that they fit into memory; their
 * pixels then differ a little from those of the training code.
 */
fun decodeImage(content: ByteArray, largest: Int = 16_000_000): Pixels {
    val options = BitmapFactory.Options()
    options.inJustDecodeBounds = true
    BitmapFactory.decodeByteArray(content, 0, content.size, options)
    if (options.outWidth <= 0) throw PayloadException("this file is not an image that Android can read: choose another one")
    options.inJustDecodeBounds = false
    options.inPreferredConfig = Bitmap.Config.ARGB_8888
    options.inPremultiplied = false // multiplied by their transparency, colours could not be had back
    options.inScaled = false
    options.inSampleSize = 1
    while (options.outWidth.toLong() / options.inSampleSize * (options.outHeight / options.inSampleSize) > largest) {
        options.inSampleSize *= 2
    }
    val bitmap =
        BitmapFactory.decodeByteArray(content, 0, content.size, options)
            ?: throw PayloadException("this image is damaged: choose another one")
    val orientation =
        ExifInterface(ByteArrayInputStream(content))
            .getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_UNDEFINED)
    return try {
        bitmap.toPixels().upright(orientation)
    } finally {
        bitmap.recycle()
    }
}

/** The bitmap's colours without their transparency. */
fun Bitmap.toPixels(): Pixels {
    if (config != Bitmap.Config.ARGB_8888) {
        val copy = copy(Bitmap.Config.ARGB_8888, false) ?: throw PayloadException("a bitmap of $config has no pixels")
        return copy.toPixels().also { copy.recycle() }
    }
    // Android divides premultiplied colours by their transparency only when it gives them out one by one.
    return if (hasAlpha() && isPremultiplied) divided() else stored()
}

private fun Bitmap.stored(): Pixels {
    val rows = ByteBuffer.allocate(rowBytes * height)
    copyPixelsToBuffer(rows)
    val result = ByteArray(Pixels.CHANNELS * width * height)
    var to = 0
    for (y in 0 until height) {
        var from = y * rowBytes
        for (x in 0 until width) { // red, green, blue, alpha
            result[to++] = rows.get(from)
            result[to++] = rows.get(from + 1)
            result[to++] = rows.get(from + 2)
            from += 4
        }
    }
    return Pixels(width, height, result)
}

private fun Bitmap.divided(): Pixels {
    val row = IntArray(width)
    val result = ByteArray(Pixels.CHANNELS * width * height)
    var to = 0
    for (y in 0 until height) {
        getPixels(row, 0, width, 0, y, width, 1)
        for (color in row) {
            result[to++] = (color shr 16).toByte()
            result[to++] = (color shr 8).toByte()
            result[to++] = color.toByte()
        }
    }
    return Pixels(width, height, result)
}

/** For the screen: red, green and blue as a bitmap. */
fun Pixels.toBitmap(): Bitmap {
    val colors =
        IntArray(width * height) {
            val at = Pixels.CHANNELS * it
            -0x1000000 or (value(at) shl 16) or (value(at + 1) shl 8) or value(at + 2)
        }
    return Bitmap.createBitmap(colors, width, height, Bitmap.Config.ARGB_8888)
}

private fun Pixels.value(at: Int) = bytes[at].toInt() and 255

/** A camera's frame of YUV_420_888, turned clockwise by [degrees] so that it is upright. */
fun Image.toPixels(degrees: Int): Pixels {
    val (y, u, v) = planes.map { Plane(it.buffer, it.rowStride, it.pixelStride) }
    return yuvToPixels(width, height, y, u, v, degrees)
}
