package io.github.cloformer.core

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject

private const val KERNEL = "_kernel_time"

private val WITH_GRAPHS_INSIDE = setOf("If", "Loop", "Scan")

/** ONNX Runtime's names of its providers, and ours. */
private val PROVIDERS =
    mapOf(
        "CPUExecutionProvider" to Provider.CPU,
        "XnnpackExecutionProvider" to Provider.XNNPACK,
        "NnapiExecutionProvider" to Provider.NNAPI,
        "WebGpuExecutionProvider" to Provider.WEBGPU,
    )

/**
 * The operators of a profile that ONNX Runtime wrote, in the order in which they ran, each with its median time after [warmUp] runs.
 *
 * Throws [PayloadException] for what is no profile of so many runs and at least one more, all of the same operators.
 */
fun readProfile(text: String, warmUp: Int): List<PlannedOperator> {
    val events =
        try {
            JSONArray(text).let { array -> List(array.length()) { array.getJSONObject(it) } }
        } catch (error: JSONException) {
            throw PayloadException("ONNX Runtime's profile cannot be read: ${error.message}", error)
        }
    val runs = events.count { it.optString("cat") == "Session" && it.optString("name") == "model_run" }
    val kernels = events.filter { it.optString("cat") == "Node" && it.optString("name").endsWith(KERNEL) }
    if (runs <= warmUp || kernels.isEmpty() || kernels.size % runs != 0) {
        throw PayloadException("ONNX Runtime's profile has ${kernels.size} operators in $runs runs, which is not as many in each")
    }
    val byRun = kernels.chunked(kernels.size / runs)
    if (byRun.any { run -> run.map { it.getString("name") } != byRun[0].map { it.getString("name") } }) {
        throw PayloadException("ONNX Runtime's profile has other operators in one run than in another")
    }
    val outer = byRun[0].indices.filterNot { isInside(byRun[0][it], byRun[0]) }
    return outer.map { place -> operator(byRun.drop(warmUp).map { it[place] }) }
}

/** Whether an event is of an operator inside another of the same run, whose time is part of that one's. */
private fun isInside(event: JSONObject, run: List<JSONObject>): Boolean =
    run.any { around ->
        around !== event && around.optJSONObject("args")?.optString("op_name") in WITH_GRAPHS_INSIDE &&
            around.optLong("ts") <= event.optLong("ts") && end(event) <= end(around)
    }

private fun end(event: JSONObject) = event.optLong("ts") + event.optLong("dur")

/** Of one operator's events, one from each run. */
private fun operator(events: List<JSONObject>): PlannedOperator {
    val about = events[0].optJSONObject("args") ?: JSONObject()
    val provider = about.optString("provider")
    val times = events.map { it.optDouble("dur") }.filter { it.isFinite() }.sorted()
    return PlannedOperator(
        name = events[0].getString("name").removeSuffix(KERNEL),
        kind = about.optString("op_name").ifEmpty { "unknown" },
        device = (PROVIDERS[provider]?.name?.lowercase() ?: provider).ifEmpty { null },
        cost = if (times.size == events.size) times[times.size / 2] else null,
    )
}

/**
 * As [own] ran, where [compiler] compiles operators together and its profile names only what comes of it: [whole] is the same graph
 * on the processor alone, and what [own] does not have of it by name is inside. Such an operator has no time of its own.
 */
fun opened(own: List<PlannedOperator>, whole: List<PlannedOperator>, compiler: Provider): List<PlannedOperator> {
    val device = compiler.name.lowercase()
    val others = own.filter { it.device != device }.associateBy { it.name }
    return whole.map { others[it.name] ?: it.copy(device = device, cost = null) }
}
