package io.github.cloformer.core

import org.json.JSONException
import org.json.JSONObject

/** What the app needs to know of the model, from the `manifest.json` that was exported with it. */
class Manifest(
    val name: String,
    val format: String,
    val precision: String,
    /** The one that its list of passes is for. */
    val provider: Provider,
    val modelPath: String,
    val files: List<FileEntry>,
    val input: Input,
    val output: Output,
    /** All that the model gives, in its order; [output] is the first. */
    val results: List<Result>,
    val cloformer: String,
    /** Of the manifest's own bytes: reports from devices name the model by it. */
    val sha256: String,
) {
    /**
     * [isChannelsLast]: the model takes one pixel after the other, and not one channel after the other. The [preprocessing] is what
     * is left to the app: a model that normalizes inside takes the cropped pixels, 0 to 255.
     */
    class Input(val name: String, val shape: List<Int>, val isChannelsLast: Boolean, val preprocessing: Preprocessing)

    class Result(val name: String, val isFloat: Boolean)

    /** [labels] is the file with a class name a line. The values are [isLogits], or probabilities already. */
    class Output(val name: String, val isLogits: Boolean, val shape: List<Int>, val labels: String?)

    /** What the app carries of [files]: the rest is for the tools that made the model. */
    val payload: List<FileEntry> get() = files.filter { it.role == "model" || it.role == "labels" }

    val model: FileEntry get() = files.first { it.path == modelPath }

    /** The class names; null if the model has none. */
    fun labels(folder: Folder): List<String>? {
        val path = output.labels ?: return null
        val labels = String(folder.read(path), Charsets.UTF_8).removeSuffix("\n").split("\n")
        if (labels.size != output.shape.last()) {
            throw PayloadException("$path has ${labels.size} labels for ${output.shape.last()} classes: export again")
        }
        return labels
    }

    companion object {
        const val FILE = "manifest.json"
        const val SCHEMA_VERSION = 2

        /** Throws [PayloadException] for what is missing, damaged, newer than this code, or of another kind of model. */
        fun read(folder: Folder): Manifest = parse(folder.read(FILE))

        fun parse(content: ByteArray): Manifest =
            try {
                val json = JSONObject(String(content, Charsets.UTF_8))
                refuseNewer(json)
                build(json, sha256(content)).also { it.check() }
            } catch (error: JSONException) {
                throw PayloadException("$FILE cannot be read: ${error.message}. Bundle the model again", error)
            }

        private fun refuseNewer(json: JSONObject) {
            val version = json.getInt("schema_version")
            if (version > SCHEMA_VERSION) {
                throw PayloadException(
                    "this model was exported by a newer cloformer (manifest version $version, this app reads " +
                        "$SCHEMA_VERSION): update the app's cloformer code",
                )
            }
        }

        private fun build(json: JSONObject, sha256: String): Manifest {
            val function = json.getJSONArray("functions").getJSONObject(0)
            val outputs = function.getJSONArray("outputs")
            return Manifest(
                name = json.getString("name"),
                format = json.getString("format"),
                precision = json.getJSONObject("precision").getString("name"),
                provider = provider(json.getJSONObject("request").getJSONObject("options")),
                modelPath = checkedPath(json.getJSONObject("model").getString("path")),
                files = fileEntries(json),
                input = input(function.getJSONArray("inputs").getJSONObject(0)),
                output = output(outputs.getJSONObject(0)),
                results = List(outputs.length()) { result(outputs.getJSONObject(it)) },
                cloformer = json.getJSONObject("versions").getString("cloformer"),
                sha256 = sha256,
            )
        }

        /** [options] are the export's: `--for arm64-xnnpack` is for XNNPACK, and everything else for the processor's own code. */
        private fun provider(options: JSONObject) =
            if (options.optString("processor") == "arm64-xnnpack") Provider.XNNPACK else Provider.CPU

        private fun input(json: JSONObject): Input {
            if (json.getString("dtype") != "float32") {
                throw PayloadException("the model takes no float32 values: export it without --io-type")
            }
            val rule = Preprocessing.parse(json.getJSONObject("preprocessing"))
            return Input(
                json.getString("name"),
                json.getJSONArray("shape").toInts(),
                json.has("layout") && json.getString("layout") == "NHWC",
                if (json.getBoolean("preprocessing_inside")) rule.withoutNormalization() else rule,
            )
        }

        private fun result(json: JSONObject) = Result(json.getString("name"), json.getString("dtype") == "float32")

        private fun output(json: JSONObject): Output {
            val role = json.getString("role")
            if (role != "logits" && role != "probabilities") {
                throw PayloadException("the model's output is \"$role\", and this app shows classes: bundle a classifier")
            }
            return Output(
                json.getString("name"),
                role == "logits",
                json.getJSONArray("shape").toInts(),
                if (json.isNull("labels")) null else checkedPath(json.getString("labels")),
            )
        }
    }

    private fun check() {
        val rule = input.preprocessing
        val channels = rule.mean.size
        val made =
            if (input.isChannelsLast) listOf(1, rule.height, rule.width, channels) else listOf(1, channels, rule.height, rule.width)
        if (input.shape != made) {
            throw PayloadException("the model takes ${input.shape}, which its preprocessing does not make: export it again")
        }
        if (files.none { it.path == modelPath }) throw PayloadException("$FILE does not list $modelPath: export it again")
    }
}

/** `files` of a manifest or a kit. */
internal fun fileEntries(json: JSONObject): List<FileEntry> {
    val array = json.getJSONArray("files")
    return List(array.length()) { index ->
        val entry = array.getJSONObject(index)
        val role = if (entry.has("role")) entry.getString("role") else null
        FileEntry(checkedPath(entry.getString("path")), role, entry.getString("sha256"), entry.getLong("bytes"))
    }
}

internal fun org.json.JSONArray.toInts() = List(length()) { getInt(it) }

internal fun org.json.JSONArray.toDoubles() = List(length()) { getDouble(it) }
