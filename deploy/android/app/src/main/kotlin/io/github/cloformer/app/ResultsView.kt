package io.github.cloformer.app

import android.app.Activity
import android.graphics.Bitmap
import android.view.View
import android.view.ViewGroup
import android.widget.ImageView
import android.widget.ProgressBar
import android.widget.TextView
import io.github.cloformer.core.Prediction
import kotlin.math.roundToInt

/** The part of the screen that shows what the model sees and what it finds there. */
class ResultsView(private val activity: Activity) {
    private val image = activity.findViewById<ImageView>(R.id.image)
    private val message = activity.findViewById<TextView>(R.id.message)
    private val rows = activity.findViewById<ViewGroup>(R.id.predictions)
    private val latency = activity.findViewById<TextView>(R.id.latency)

    /** Instead of results. */
    fun say(text: String) {
        message.text = text
        message.visibility = View.VISIBLE
        rows.removeAllViews()
        latency.text = ""
    }

    fun show(seen: Bitmap, predictions: List<Prediction>, imageMilliseconds: Double, modelMilliseconds: Double) {
        message.visibility = View.GONE
        image.setImageBitmap(seen)
        while (rows.childCount < predictions.size) activity.layoutInflater.inflate(R.layout.prediction, rows)
        while (rows.childCount > predictions.size) rows.removeViewAt(rows.childCount - 1)
        predictions.forEachIndexed { place, prediction -> rows.getChildAt(place)?.let { fill(it, prediction) } }
        latency.text = activity.getString(R.string.latency, imageMilliseconds, modelMilliseconds)
    }

    private fun fill(row: View, prediction: Prediction) {
        val label = prediction.label ?: activity.getString(R.string.class_number, prediction.index)
        val percent = activity.getString(R.string.percent, PERCENT * prediction.probability)
        row.findViewById<TextView>(R.id.label).text = label
        row.findViewById<TextView>(R.id.probability).text = percent
        row.findViewById<ProgressBar>(R.id.bar).progress = (BAR * prediction.probability).roundToInt()
        row.contentDescription = activity.getString(R.string.prediction_description, label, percent)
    }

    private companion object {
        const val PERCENT = 100f
        const val BAR = 1000f
    }
}
