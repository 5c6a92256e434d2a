package io.github.cloformer.app

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.RectF
import io.github.cloformer.classifier.toBitmap
import io.github.cloformer.core.Box
import io.github.cloformer.core.ClassMap
import io.github.cloformer.core.Pixels
import io.github.cloformer.core.Prediction
import io.github.cloformer.core.Seen

private const val LARGEST = 1280 // pixels of a side that is drawn on
private const val LISTED = 5
private const val OPACITY = 128 // of 255
private const val GOLDEN = 0.618034f // of a circle of hues: colours of neighbouring numbers lie far apart

/** The upright image with maps, boxes and points over it, or the picture that the model gives; large ones are made smaller. */
fun Pixels.drawn(seen: Seen): Bitmap {
    seen.pictures.firstOrNull()?.let { return it.toBitmap() }
    val scale = minOf(1f, LARGEST.toFloat() / maxOf(width, height))
    val wide = maxOf(1, (width * scale).toInt())
    val high = maxOf(1, (height * scale).toInt())
    val picture = Bitmap.createBitmap(wide, high, Bitmap.Config.ARGB_8888)
    val canvas = Canvas(picture)
    canvas.scale(wide.toFloat() / width, high.toFloat() / height)
    canvas.drawBitmap(toBitmap(), 0f, 0f, Paint(Paint.FILTER_BITMAP_FLAG))
    val line = maxOf(width, height) / 300f
    for (map in seen.maps) draw(canvas, map, seen)
    for (box in seen.boxes.asReversed()) draw(canvas, box, line) // the best last, on top
    val dot = Paint(Paint.ANTI_ALIAS_FLAG)
    seen.points.forEachIndexed { number, point ->
        dot.color = colorOf(number + 1)
        canvas.drawCircle(point.x.toFloat(), point.y.toFloat(), 2 * line, dot)
    }
    return picture
}

/** What stands below the picture: the best boxes with their scores, or how much of the image each class has. */
fun listed(seen: Seen, labels: List<String>?): List<Prediction> {
    val boxes = seen.boxes.map { Prediction(it.index, it.label, it.score) }
    val shares = seen.maps.flatMap(seen::shares)
    val maps = shares.map { (index, share) -> Prediction(index, labels?.getOrNull(index), share.toFloat()) }
    return (boxes + maps).take(LISTED)
}

/** All of the input lies at its place in the image; what is beyond the image's edge is border. */
private fun draw(canvas: Canvas, map: ClassMap, seen: Seen) {
    val colors = IntArray(map.classes.size) { if (map.classes[it] < 0) 0 else colorOf(map.classes[it]) and 0xFFFFFF or (OPACITY shl 24) }
    val over = Bitmap.createBitmap(colors, map.width, map.height, Bitmap.Config.ARGB_8888)
    val place = seen.place
    val at =
        RectF(
            place.backX(0.0).toFloat(), place.backY(0.0).toFloat(),
            place.backX(seen.inputWidth.toDouble()).toFloat(), place.backY(seen.inputHeight.toDouble()).toFloat(),
        )
    canvas.drawBitmap(over, null, at, Paint())
}

private fun draw(canvas: Canvas, box: Box, line: Float) {
    val paint = Paint(Paint.ANTI_ALIAS_FLAG)
    paint.color = colorOf(box.index + 1)
    paint.style = Paint.Style.STROKE
    paint.strokeWidth = line
    canvas.drawRect(box.left.toFloat(), box.top.toFloat(), box.right.toFloat(), box.bottom.toFloat(), paint)
    paint.style = Paint.Style.FILL
    paint.textSize = 8 * line
    val text = "%s %.2f".format(box.label ?: "${box.index}", box.score)
    canvas.drawText(text, box.left.toFloat() + line, maxOf(box.top.toFloat() - line, paint.textSize), paint)
}

/** The colour of a class, the same in every picture; of class 0 black, which is the background as a rule. */
private fun colorOf(index: Int): Int =
    if (index == 0) Color.BLACK else Color.HSVToColor(floatArrayOf((0.02f + index * GOLDEN) % 1f * 360f, 0.75f, 1f))
