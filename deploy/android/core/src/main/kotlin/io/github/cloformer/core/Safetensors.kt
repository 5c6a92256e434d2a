package io.github.cloformer.core

import org.json.JSONArray
import org.json.JSONObject
import java.io.File
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.security.MessageDigest

/** Numbers as a runtime has them in memory, the lowest byte first. [type] is their type as safetensors files name it. */
class Tensor(val type: String, val shape: List<Long>, val bytes: ByteBuffer)

/** What gives tensors by name for an input: a model's outputs, and those of a probe. To be closed. */
interface TensorSource : AutoCloseable {
    /** [input] as [Session.run] takes it. */
    fun tensors(input: FloatArray): Map<String, Tensor>
}

/**
 * Writes a `.safetensors` file without holding it in memory: the length of the header in eight bytes, the header in JSON, the numbers.
 * Until [finish] has written it, there is no [file].
 */
class SafetensorsWriter(private val file: File) : AutoCloseable {
    private val numbers = File("${file.path}.numbers")
    private val body = RandomAccessFile(numbers, "rw").apply { setLength(0) }
    private val digest = MessageDigest.getInstance("SHA-256")
    private val header = JSONObject()

    fun add(name: String, tensor: Tensor) {
        require(!header.has(name)) { "$name is there already" }
        val begin = body.filePointer
        val bytes = tensor.bytes.duplicate()
        digest.update(bytes.duplicate())
        while (bytes.hasRemaining()) body.channel.write(bytes)
        val entry = JSONObject().put("dtype", tensor.type).put("shape", JSONArray(tensor.shape))
        header.put(name, entry.put("data_offsets", JSONArray(listOf(begin, body.filePointer))))
    }

    /** Puts the file together; [told] goes into its metadata, beside the SHA-256 of all numbers. */
    fun finish(told: Map<String, String>) {
        val metadata = JSONObject(told + (SEAL to digest.digest().toHex()))
        val text = header.put("__metadata__", metadata).toString().toByteArray()
        val padded = text.copyOf((text.size + 7) / 8 * 8).also { it.fill(' '.code.toByte(), text.size) }
        file.outputStream().use { out ->
            for (place in 0 until 8) out.write((padded.size.toLong() shr (8 * place)).toInt() and 255)
            out.write(padded)
            numbers.inputStream().use { it.copyTo(out) }
        }
    }

    override fun close() {
        body.close()
        numbers.delete()
    }

    companion object {
        const val SEAL = "numbers_sha256"
    }
}
