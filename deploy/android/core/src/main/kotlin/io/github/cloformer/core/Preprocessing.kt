package io.github.cloformer.core

import org.json.JSONObject

/**
 * How a photograph becomes the model's input. Sizes in pixels; [mean] and [std] in units after [scale]; [fill] is what a letterbox's
 * border is, and null where the middle is cut out.
 */
data class Preprocessing(
    val height: Int,
    val width: Int,
    val resizeSize: Int,
    val filter: Filter,
    val isBgr: Boolean,
    val scale: Double,
    val mean: List<Double>,
    val std: List<Double>,
    val fill: Int? = null,
) {
    /** Where an upright image of [imageWidth] x [imageHeight] pixels lies in the input. Throws [PayloadException] for one too thin. */
    fun place(imageWidth: Int, imageHeight: Int): Placement {
        if (fill != null) return Placement.letterbox(imageWidth, imageHeight, width, height)
        val other = resizeSize.toLong() * maxOf(imageWidth, imageHeight) / minOf(imageWidth, imageHeight)
        if (resizeSize * other > MAX_PIXELS) {
            throw PayloadException("an image of $imageWidth x $imageHeight pixels is too thin: cut out a part of it")
        }
        return Placement.middle(imageWidth, imageHeight, resizeSize, width, height)
    }

    /** Resized, and then the middle of it or all of it with a border; in the model's order of colours. */
    fun crop(image: Pixels): Pixels {
        val place = place(image.width, image.height)
        val resized = image.resize(place.resizedWidth, place.resizedHeight, filter)
        val cropped =
            if (fill == null) resized.crop(place.left, place.top, width, height)
            else resized.bordered(-place.left, -place.top, width, height, fill)
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

        /** Throws [PayloadException] for a preprocessing that this code does not know, [org.json.JSONException] for none. */
        fun parse(json: JSONObject): Preprocessing {
            val order = json.getString("color_order")
            val isLetterbox = json.getString("crop") == "letterbox"
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
                    if (isLetterbox) json.getInt("fill") else null,
                )
            val isPlaced = if (rule.fill == null) json.getString("crop") == "center" else rule.fill in 0..255
            val isKnown = isPlaced && (order == "RGB" || order == "BGR")
            val isColour = rule.mean.size == Pixels.CHANNELS && rule.std.size == Pixels.CHANNELS
            if (!isKnown || !isColour || rule.resizeSize < maxOf(rule.height, rule.width)) {
                throw PayloadException("the model's preprocessing is not known here: update the app's cloformer code")
            }
            return rule
        }
    }
}
