package io.github.cloformer.core

import org.json.JSONArray
import org.json.JSONObject

/** What a device says of itself, for the report. */
data class Device(
    val manufacturer: String,
    val model: String,
    val os: String,
    val cpu: String,
    /** `debug` or `release`. */
    val appBuild: String,
)

/** What ran the model. */
data class Runtime(val name: String, val version: String, val provider: String, val threads: Int)

/** `device-report.json`, which `cloformer import-device-report` reads. */
class DeviceReport(
    private val manifest: Manifest,
    private val device: Device,
    private val runtime: Runtime,
    private val vectors: List<VectorResult>,
    private val latency: Latency?,
    private val plan: ComputePlan? = null,
) {
    fun toJson(): String = content().toString(2) + "\n"

    private fun content() =
        JSONObject()
            .put("schema_version", SCHEMA_VERSION)
            .put("kind", "device-report")
            .put("manifest_sha256", manifest.sha256)
            .put("model_sha256", manifest.model.sha256)
            .put("device", json(device))
            .put("runtime", json(runtime))
            .put("vectors", JSONArray(vectors.map(::json)))
            .put("latency", latency?.let(::json) ?: JSONObject.NULL)
            .put("placement", plan?.toJson() ?: JSONObject.NULL)

    private fun json(device: Device) =
        JSONObject()
            .put("manufacturer", device.manufacturer)
            .put("model", device.model)
            .put("os", device.os)
            .put("cpu", device.cpu)
            .put("app_build", device.appBuild)

    private fun json(runtime: Runtime) =
        JSONObject()
            .put("name", runtime.name)
            .put("version", runtime.version)
            .put("provider", runtime.provider)
            .put("threads", runtime.threads)

    private fun json(result: VectorResult): JSONObject {
        val outputs = JSONObject()
        // An output that could not be compared is left out, and what is not there has failed.
        for ((name, comparison) in result.outputs) if (comparison.isComplete) outputs.put(name, json(comparison))
        return JSONObject().put("name", result.name).put("preprocessing", json(result.preprocessing)).put("outputs", outputs)
    }

    private fun json(preprocessed: Preprocessed?): Any {
        if (preprocessed == null) return JSONObject.NULL
        // JSON has no NaN: for an image of another size stands the largest number there is.
        val maxAbs = preprocessed.maxAbs.takeIf { it.isFinite() } ?: Double.MAX_VALUE
        return JSONObject().put("passed", preprocessed.passed).put("max_abs", maxAbs)
    }

    private fun json(comparison: Comparison) =
        JSONObject()
            .put("passed", comparison.passed)
            .put("max_abs", comparison.maxAbs)
            .put("largest", comparison.largest)
            .put("cosine", comparison.cosine)

    private fun json(latency: Latency) =
        JSONObject()
            .put("load_ns", latency.load)
            .put("first_ns", latency.first)
            .put("warmup_ns", JSONArray(latency.warmUp))
            .put("samples_ns", JSONArray(latency.samples))
            .put("threads", latency.threads)
            .put("preset", latency.preset.name.lowercase())

    companion object {
        const val FILE = "device-report.json"
        const val SCHEMA_VERSION = 2
    }
}
