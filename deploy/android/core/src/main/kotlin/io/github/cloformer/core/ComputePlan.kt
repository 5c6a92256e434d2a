package io.github.cloformer.core

import org.json.JSONArray
import org.json.JSONObject

/**
 * An operator of a model, by the [name] and [kind] that its runtime has for it. [device] is the provider that ran it, null where the
 * runtime does not say; [cost] is its time in microseconds, null where it has none of its own.
 */
data class PlannedOperator(val name: String, val kind: String, val device: String?, val cost: Double?)

/** Where the [operators] of a model ran, in the order in which they ran, when [asked] was asked for; [whyNot] says why that is not known. */
class ComputePlan private constructor(
    val asked: Provider,
    val operators: List<PlannedOperator>,
    val whyNot: String?,
) {
    /** How many operators ran one after another on the same device, and on which, in order. */
    val partitions: List<Pair<String?, Int>>
        get() {
            val found = mutableListOf<Pair<String?, Int>>()
            for (operator in operators) {
                val last = found.lastOrNull()
                if (last != null && last.first == operator.device) {
                    found[found.size - 1] = last.copy(second = last.second + 1)
                } else {
                    found += operator.device to 1
                }
            }
            return found
        }

    internal fun toJson() =
        JSONObject()
            .put("asked", asked.name.lowercase())
            .put("source", if (whyNot == null) "onnxruntime-profile" else JSONObject.NULL)
            .put("cost", if (whyNot == null) "microseconds" else JSONObject.NULL)
            .put("operators", JSONArray(operators.map(::json)))
            .put("why_not", whyNot ?: JSONObject.NULL)

    private fun json(operator: PlannedOperator) =
        JSONObject()
            .put("name", operator.name.take(LONGEST))
            .put("kind", operator.kind.take(LONGEST))
            .put("device", operator.device ?: JSONObject.NULL)
            .put("supported", JSONObject.NULL) // a profile says what an operator ran on, and not what it could have
            .put("cost", operator.cost ?: JSONObject.NULL)

    companion object {
        private const val LONGEST = 500 // characters, of a report

        fun of(asked: Provider, operators: List<PlannedOperator>) =
            if (operators.isEmpty()) unknown(asked, "the profile names no operator") else ComputePlan(asked, operators, null)

        fun unknown(asked: Provider, why: String) = ComputePlan(asked, emptyList(), why.take(LONGEST))
    }
}
