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
    /** All that the model gives, in its order. */
    val outputs: List<Output>,
    /** Whether the model itself leaves out boxes that overlap better ones. */
    val isSuppressed: Boolean,
    val cloformer: String,
    /** Of the manifest's own bytes: reports from devices name the model by it. */
    val sha256: String,
) {
    /**
     * [isChannelsLast]: the model takes one pixel after the other, and not one channel after the other. The [preprocessing] is what
     * is left to the app: a model that normalizes inside takes the cropped pixels, 0 to 255.
     */
    class Input(val name: String, val shape: List<Int>, val isChannelsLast: Boolean, val preprocessing: Preprocessing)

    /**
     * [role] says what the values mean, and [type] what they are: float32, or int32 and int64 for the numbers of classes. [labels] is
     * the file with a class name a line; [coordinates] are of boxes and points.
     */
    class Output(
        val name: String,
        val role: String,
        val type: String,
        val shape: List<Int>,
        val labels: String?,
        val coordinates: Coordinates?,
    ) {
        val isLogits: Boolean get() = role == "logits"

        val isOfClasses: Boolean get() = role == "logits" || role == "probabilities"
    }

    /** Boxes are their centre and size, or left, top, right and bottom; in shares of the input's sides, or in its pixels. */
    class Coordinates(val isCenterSize: Boolean, val isShares: Boolean)

    /** The first. */
    val output: Output get() = outputs[0]

    /** Whether the model gives scores of classes, and nothing of places. */
    val isClassifier: Boolean get() = output.isOfClasses

    fun ofRole(vararg roles: String): Output? = outputs.firstOrNull { it.role in roles }

    /** What the app carries of [files]: the rest is for the tools that made the model. */
    val payload: List<FileEntry> get() = files.filter { it.role == "model" || it.role == "labels" }

    val model: FileEntry get() = files.first { it.path == modelPath }

    /** The class names; null if the model has none. */
    fun labels(folder: Folder): List<String>? {
        val output = outputs.firstOrNull { it.labels != null } ?: return null
        val path = checkNotNull(output.labels)
        val labels = String(folder.read(path), Charsets.UTF_8).removeSuffix("\n").split("\n")
        val classes = output.classes()
        if (classes != null && labels.size != classes) {
            throw PayloadException("$path has ${labels.size} labels for $classes classes: export again")
        }
        return labels
    }

    /** How many classes it tells; null where its shape does not say: numbers of classes do not tell how many there are. */
    private fun Output.classes(): Int? =
        when {
            isOfClasses -> shape.last()
            role == "class_scores" -> shape[1]
            role == "box_scores" && shape.size == 3 -> shape[2]
            else -> null
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
                outputs = List(outputs.length()) { output(outputs.getJSONObject(it)) },
                isSuppressed = json.getJSONObject("request").optJSONObject("decoding")?.optJSONObject("suppression") != null,
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

        private fun output(json: JSONObject) =
            Output(
                json.getString("name"),
                json.getString("role"),
                json.getString("dtype"),
                json.getJSONArray("shape").toInts(),
                if (json.isNull("labels")) null else checkedPath(json.getString("labels")),
                json.optJSONObject("coordinates")?.let(::coordinates),
            )

        private fun coordinates(json: JSONObject) =
            Coordinates(json.getString("form") == "center_size", json.getString("unit") == "shares")

        /** What is shown; scores of boxes are beside them. */
        private val SHOWN =
            setOf("logits", "probabilities", "class_scores", "class_map", "boxes", "masks", "keypoints", "image")
        private val WITH_PLACES = setOf("boxes", "keypoints")
    }

    private fun check() {
        val rule = input.preprocessing
        val channels = rule.mean.size
        val made =
            if (input.isChannelsLast) listOf(1, rule.height, rule.width, channels) else listOf(1, channels, rule.height, rule.width)
        if (input.shape != made) {
            throw PayloadException("the model takes ${input.shape}, which its preprocessing does not make: export it again")
        }
        if (outputs.none { it.role in SHOWN }) {
            val roles = outputs.joinToString { "\"${it.role}\"" }
            throw PayloadException("the model gives $roles, which this app does not show: say what its outputs are, and export again")
        }
        if (outputs.any { it.role in WITH_PLACES && it.coordinates == null } || ofRole("boxes") != null && ofRole("box_scores") == null) {
            throw PayloadException("$FILE does not say where boxes are, or how sure they are: export it again")
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
