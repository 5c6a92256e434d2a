package io.github.cloformer.core

import org.json.JSONObject
import kotlin.math.round

/** How a photograph becomes the model's input. Sizes in pixels; [mean] and [std] in units after [scale]. */
data class Preprocessing(
    val height: Int,
    val width: Int,
    val resizeSize: Int,
    val filter: Filter,
    val isBgr: Boolean,
    val scale: Double,
    val mean: List<Double>,
    val std: List<Double>,
) {
    /** The short side at [resizeSize], then the middle of it; in the model's order of colours. */
    fun crop(image: Pixels): Pixels {
        val short = minOf(image.width, image.height)
        val long = maxOf(image.width, image.height)
        val other = resizeSize.toLong() * long / short
        if (resizeSize * other > MAX_PIXELS) {
            throw PayloadException("an image of ${image.width} x ${image.height} pixels is too thin: cut out a part of it")
        }
        val isUpright = image.width <= image.height
        val resized =
            image.resize(if (isUpright) resizeSize else other.toInt(), if (isUpright) other.toInt() else resizeSize, filter)
        val cropped = resized.crop(middle(resized.width, width), middle(resized.height, height), width, height)
        return if (isBgr) cropped.reversed() else cropped
    }

    /** `(scale * pixel - mean) / std` in double precision, rounded to float once: all of a channel, then the next. */
    fun normalize(pixels: Pixels): FloatArray {
        require(pixels.width == width && pixels.height == height) { "${pixels.width} x ${pixels.height} pixels" }
        val area = width * height
        val result = FloatArray(Pixels.CHANNELS * area)
        for (channel in 0 until Pixels.CHANNELS) {
            val values = FloatArray(256) { ((it * scale - mean[channel]) / std[channel]).toFloat() }
            var from = channel
            for (to in channel * area until (channel + 1) * area) {
                result[to] = values[pixels.bytes[from].toInt() and 255]
                from += Pixels.CHANNELS
            }
        }
        return result
    }

    /** The same up to the pixels: [normalize] gives them as they are. */
    fun withoutNormalization(): Preprocessing = copy(scale = 1.0, mean = mean.map { 0.0 }, std = std.map { 1.0 })

    companion object {
        private const val MAX_PIXELS = 178_956_970L

        /** Half of a pixel goes to the even side, as in the model's training code. */
        private fun middle(side: Int, crop: Int): Int = round((side - crop) / 2.0).toInt()

        /** Throws [PayloadException] for a preprocessing that this code does not know, [org.json.JSONException] for none. */
        fun parse(json: JSONObject): Preprocessing {
            val order = json.getString("color_order")
            val rule =
                Preprocessing(
                    json.getInt("height"),
                    json.getInt("width"),
                    json.getInt("resize_size"),
                    Filter.named(json.getString("interpolation")),
                    order == "BGR",
                    json.getDouble("scale"),
                    json.getJSONArray("mean").toDoubles(),
                    json.getJSONArray("std").toDoubles(),
                )
            val isKnown = json.getString("crop") == "center" && (order == "RGB" || order == "BGR")
            val isColour = rule.mean.size == Pixels.CHANNELS && rule.std.size == Pixels.CHANNELS
            if (!isKnown || !isColour || rule.resizeSize < maxOf(rule.height, rule.width)) {
                throw PayloadException("the model's preprocessing is not known here: update the app's cloformer code")
            }
            return rule
        }
    }
}
