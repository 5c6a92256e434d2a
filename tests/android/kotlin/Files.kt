package io.github.cloformer.checks

import io.github.cloformer.core.Pixels
import java.awt.image.BufferedImage
import java.io.ByteArrayInputStream
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import javax.imageio.ImageIO

/** A folder or file that the check was started with. */
fun given(name: String) = File(checkNotNull(System.getProperty(name)) { "start the checks with `make android-checks`" })

/** A file of little-endian floats. */
fun floatsOf(content: ByteArray) =
    FloatArray(content.size / 4).also { ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(it) }

/** In the place of Android's decoder: the stored values of PNG and JPEG, red, green, blue and, if there is one, alpha. */
class Stored(val width: Int, val height: Int, val channels: Int, val values: IntArray) {
    /** The colours; [color] makes one of what is stored and its alpha, 255 if there is none. */
    fun pixels(color: (Int, Int) -> Int = { stored, _ -> stored }): Pixels {
        val hasAlpha = channels == 2 || channels == 4
        val bytes = ByteArray(3 * width * height)
        for (pixel in 0 until width * height) {
            val at = pixel * channels
            val alpha = if (hasAlpha) values[at + channels - 1] else 255
            for (channel in 0 until 3) {
                val stored = values[at + if (channels < 3) 0 else channel]
                bytes[3 * pixel + channel] = color(stored, alpha).toByte()
            }
        }
        return Pixels(width, height, bytes)
    }
}

fun stored(content: ByteArray): Stored {
    val image: BufferedImage = ImageIO.read(ByteArrayInputStream(content))
    val raster = image.raster // as stored: BufferedImage.getRGB would convert grey between colour spaces
    val values = raster.getPixels(0, 0, raster.width, raster.height, null as IntArray?)
    check(raster.sampleModel.sampleSize.all { it == 8 }) { "more or fewer than 8 bits" }
    return Stored(raster.width, raster.height, raster.numBands, values)
}

/** In the place of Android's ExifInterface: the orientation of a JPEG; 1 if it has none. */
fun orientationOf(content: ByteArray): Int {
    if (content.size < 4 || content[0] != 0xFF.toByte() || content[1] != 0xD8.toByte()) return 1
    var at = 2
    while (at + 4 <= content.size && content[at] == 0xFF.toByte()) {
        val marker = content[at + 1].toInt() and 255
        val size = ByteBuffer.wrap(content, at + 2, 2).short.toInt() and 0xFFFF
        if (marker == 0xE1) return orientationIn(content.copyOfRange(at + 10, at + 2 + size)) // after "Exif", 0, 0
        at += 2 + size
    }
    return 1
}

private fun orientationIn(tiff: ByteArray): Int {
    val data = ByteBuffer.wrap(tiff).order(if (tiff[0] == 'I'.code.toByte()) ByteOrder.LITTLE_ENDIAN else ByteOrder.BIG_ENDIAN)
    val table = data.getInt(4)
    repeat(data.getShort(table).toInt()) {
        val entry = table + 2 + 12 * it
        if (data.getShort(entry).toInt() == 0x0112) return data.getShort(entry + 8).toInt()
    }
    return 1
}
