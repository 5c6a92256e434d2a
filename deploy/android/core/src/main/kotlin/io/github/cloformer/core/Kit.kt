package io.github.cloformer.core

import org.json.JSONException
import org.json.JSONObject
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** An image with what must become of it; each image shows one mistake that an app's preprocessing can make. */
class Vector(
    val name: String,
    /** The mistake that the image shows. */
    val aimsAt: String,
    /** An image file as a camera or a gallery gives it. */
    val image: String,
    val compares: Stage,
    /** The file with the cropped pixels, in red, green, blue. */
    val pixels: String,
    /** The file with the normalized values. */
    val input: String,
    /** The original model's values, by output. */
    val outputs: Map<String, Expected>,
)

/** The [file] with an output's values, and how far others may be from them. */
class Expected(val file: String, val tolerance: Tolerance)

/** Where a vector judges the preprocessing: after the crop, after the normalization, or nowhere: the model alone. */
enum class Stage { PIXELS, INPUT, OUTPUTS }

/** [maxRelative] is of the largest expected value, and of a map of classes of its places. */
class Tolerance(val maxRelative: Double, val minCosine: Double, val because: String)

/** The conformance kit that was made with a model: it shows whether an app gives what the original model gives. */
class Kit(val folder: Folder, val manifestSha256: String, val modelSha256: String?, val vectors: List<Vector>) {
    /** Throws [PayloadException] unless the kit was made for this model. */
    fun checkBelongsTo(manifest: Manifest) {
        val isSame = manifestSha256 == manifest.sha256 && (modelSha256 == null || modelSha256 == manifest.model.sha256)
        if (!isSame) throw PayloadException("the conformance kit is of another model: bundle model and kit together again")
    }

    /** A file of little-endian floats. */
    fun floats(path: String): FloatArray {
        val content = folder.read(path)
        if (content.isEmpty() || content.size % Float.SIZE_BYTES != 0) throw PayloadException("$path holds no float32 values")
        val values = FloatArray(content.size / Float.SIZE_BYTES)
        ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values)
        return values
    }

    companion object {
        const val FILE = "conformance.json"
        const val SCHEMA_VERSION = 2

        /** Throws [PayloadException] for a kit that is not whole, or newer than this code. */
        fun read(folder: Folder): Kit =
            try {
                val json = JSONObject(String(folder.read(FILE), Charsets.UTF_8))
                val version = json.getInt("schema_version")
                if (version > SCHEMA_VERSION) {
                    throw PayloadException(
                        "the conformance kit was made by a newer cloformer (version $version, this app reads " +
                            "$SCHEMA_VERSION): update the app's cloformer code",
                    )
                }
                folder.verify(fileEntries(json))
                val vectors = json.getJSONArray("vectors")
                Kit(
                    folder,
                    json.getString("manifest_sha256"),
                    if (json.isNull("model_sha256")) null else json.getString("model_sha256"),
                    List(vectors.length()) { vector(vectors.getJSONObject(it)) },
                ).also { if (it.vectors.isEmpty()) throw PayloadException("the conformance kit has no vector") }
            } catch (error: JSONException) {
                throw PayloadException("$FILE cannot be read: ${error.message}. Bundle the model again", error)
            }

        private fun vector(json: JSONObject): Vector {
            val outputs = json.getJSONObject("outputs")
            return Vector(
                name = json.getString("name"),
                aimsAt = json.getString("aims_at"),
                image = checkedPath(json.getString("image")),
                compares = stage(json.getString("compares")),
                pixels = checkedPath(json.getString("pixels")),
                input = checkedPath(json.getString("input")),
                outputs = outputs.keys().asSequence().associateWith { expected(outputs.getJSONObject(it)) },
            )
        }

        private fun expected(json: JSONObject) =
            Expected(
                checkedPath(json.getString("file")),
                Tolerance(json.getDouble("max_rel"), json.getDouble("min_cosine"), json.getString("because")),
            )

        private fun stage(name: String): Stage =
            when (name) {
                "pixels" -> Stage.PIXELS
                "input" -> Stage.INPUT
                "outputs" -> Stage.OUTPUTS
                else -> throw PayloadException("the conformance kit compares \"$name\": update the app's cloformer code")
            }
    }
}
