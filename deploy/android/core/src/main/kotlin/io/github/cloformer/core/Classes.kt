package io.github.cloformer.core

import kotlin.math.exp

/** A class, its name if the model has names, and how sure the model is: from 0 to 1. */
data class Prediction(val index: Int, val label: String?, val probability: Float)

/** Probabilities in double precision. The largest logit is subtracted first, so that none overflows. */
fun softmax(logits: FloatArray): FloatArray {
    val largest = logits.max().toDouble()
    val powers = DoubleArray(logits.size) { exp(logits[it] - largest) }
    val sum = powers.sum()
    return FloatArray(logits.size) { (powers[it] / sum).toFloat() }
}

/** The [count] most probable classes, the first one first; of equal ones, the one with the smaller number. */
fun topClasses(probabilities: FloatArray, labels: List<String>?, count: Int): List<Prediction> =
    probabilities.indices
        .sortedByDescending { probabilities[it] }
        .take(count)
        .map { Prediction(it, labels?.get(it), probabilities[it]) }
