package io.github.cloformer.core

import org.json.JSONException
import org.json.JSONObject
import java.io.File

/** A model with the operators and weights of the app's, and values inside it as further outputs. */
class ProbeModel(
    val path: String,
    val files: List<FileEntry>,
    /** Of each value that it gives: the output that has it. */
    val outputs: Map<String, String>,
)

/** What `cloformer bundle --probe` puts beside the conformance kit: `probe.json`, and the models that it lists. */
class Probe(
    val folder: Folder,
    val manifestSha256: String,
    val mode: String,
    val planSha256: String,
    /** The level of the runtime's optimizer at which values come as they are; null is the app's own. */
    val optimization: String?,
    /** Names of those vectors of the kit that run through it. */
    val vectors: List<String>,
    val models: List<ProbeModel>,
) {
    /**
     * Runs the vectors through the app's model, which [app] opens, and through each model of the probe, which [open] opens, and writes
     * to [file] what all of them give, with what ran where. One model at a time is open.
     */
    fun write(
        kit: Kit,
        file: File,
        device: Device,
        runtime: Runtime,
        app: () -> TensorSource,
        open: (ProbeModel) -> TensorSource,
    ) {
        if (kit.manifestSha256 != manifestSha256) {
            throw PayloadException("the probe is of another model than the conformance kit: bundle the model again")
        }
        val inputs = vectors.associateWith { name -> kit.floats(kit.vectors.first { it.name == name }.input) }
        SafetensorsWriter(file).use { writer ->
            app().use { model ->
                for ((name, input) in inputs) {
                    for ((output, tensor) in model.tensors(input)) writer.add("$name/model/$output", tensor)
                }
            }
            models.forEachIndexed { number, entry ->
                open(entry).use { model ->
                    for ((name, input) in inputs) {
                        for ((value, tensor) in named(model.tensors(input), entry)) writer.add("$name/$number/$value", tensor)
                    }
                }
            }
            writer.finish(told(device, runtime))
        }
    }

    /** By the values' names in place of their outputs': the model's own outputs keep theirs. */
    private fun named(given: Map<String, Tensor>, model: ProbeModel): Map<String, Tensor> {
        val inside = model.outputs.values.toSet()
        val values = model.outputs.mapNotNull { (value, output) -> given[output]?.let { value to it } }
        return given.filterKeys { it !in inside } + values
    }

    private fun told(device: Device, runtime: Runtime) =
        mapOf(
            "kind" to KIND,
            "schema_version" to "$SCHEMA_VERSION",
            "manifest_sha256" to manifestSha256,
            "mode" to mode,
            "plan_sha256" to planSha256,
            "device_manufacturer" to device.manufacturer,
            "device_model" to device.model,
            "device_os" to device.os,
            "device_cpu" to device.cpu,
            "device_app_build" to device.appBuild,
            "runtime_name" to runtime.name,
            "runtime_version" to runtime.version,
            "runtime_provider" to runtime.provider,
            "runtime_threads" to "${runtime.threads}",
        )

    companion object {
        const val FILE = "probe.json"
        const val SCHEMA_VERSION = 1
        private const val KIND = "cloformer-device-values"

        /** The file of values for a provider, beside the report. */
        fun fileFor(provider: String) = "device-values-$provider.safetensors"

        /** Throws [PayloadException] for a probe that is not whole, or newer than this code. */
        fun read(folder: Folder): Probe =
            try {
                val json = JSONObject(String(folder.read(FILE), Charsets.UTF_8))
                if (json.getInt("schema_version") > SCHEMA_VERSION) {
                    throw PayloadException("the probe was made by a newer cloformer: update the app's cloformer code")
                }
                val models = json.getJSONArray("models")
                Probe(
                    folder,
                    json.getString("manifest_sha256"),
                    json.getString("mode"),
                    json.getString("plan_sha256"),
                    if (json.isNull("optimization")) null else json.getString("optimization"),
                    json.getJSONArray("vectors").let { names -> List(names.length()) { names.getString(it) } },
                    List(models.length()) { model(models.getJSONObject(it)) },
                ).also { probe -> probe.models.forEach { folder.verify(it.files) } }
            } catch (error: JSONException) {
                throw PayloadException("$FILE cannot be read: ${error.message}. Bundle the model again", error)
            }

        private fun model(json: JSONObject): ProbeModel {
            val values = json.getJSONArray("values")
            val outputs = List(values.length()) { values.getJSONObject(it).let { row -> row.getString("value") to row.getString("output") } }
            return ProbeModel(checkedPath(json.getString("path")), fileEntries(json), outputs.toMap())
        }
    }
}
