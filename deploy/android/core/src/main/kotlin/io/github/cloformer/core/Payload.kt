package io.github.cloformer.core

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.security.MessageDigest

/** A model, its manifest or a conformance kit that cannot be used; the message says why, and what to do next. */
class PayloadException(message: String, cause: Throwable? = null) : Exception(message, cause)

/** A folder that came with the app: assets, or files. Paths are relative, with `/` between their parts. */
fun interface Folder {
    /** Throws [IOException] if there is no such file. */
    fun open(path: String): InputStream

    companion object {
        fun of(folder: File) = Folder { path -> File(folder, path).inputStream() }
    }
}

/** The whole file; [PayloadException] if it is not there. */
fun Folder.read(path: String): ByteArray =
    try {
        open(path).use { it.readBytes() }
    } catch (error: IOException) {
        throw PayloadException("$path is missing: bundle the model again", error)
    }

/** A file as the manifest or the kit lists it. */
data class FileEntry(val path: String, val role: String?, val sha256: String, val bytes: Long)

/** Throws [PayloadException] that names the first file that is missing or is not the one that was listed. */
fun Folder.verify(files: List<FileEntry>) {
    for (entry in files) {
        val digest = MessageDigest.getInstance("SHA-256")
        val bytes =
            try {
                open(entry.path).use { digest.updateFrom(it) }
            } catch (error: IOException) {
                throw PayloadException("${entry.path} is missing: bundle the model again", error)
            }
        if (bytes != entry.bytes || digest.digest().toHex() != entry.sha256) {
            throw PayloadException("${entry.path} is not the file that was exported: bundle the model again")
        }
    }
}

fun sha256(content: ByteArray): String = MessageDigest.getInstance("SHA-256").digest(content).toHex()

/** [path] itself; [PayloadException] if it could name a file outside of its folder. */
internal fun checkedPath(path: String): String {
    val parts = path.split('/')
    val isInside = parts.none { it.isEmpty() || it == "." || it == ".." } && path.none { it == '\\' || it == '\u0000' }
    if (!isInside) throw PayloadException("the path \"${path.take(80)}\" leaves the folder: do not use this model")
    return path
}

/** Feeds the rest of [stream]; returns how many bytes that was. */
private fun MessageDigest.updateFrom(stream: InputStream): Long {
    val block = ByteArray(1 shl 16)
    var total = 0L
    while (true) {
        val count = stream.read(block)
        if (count < 0) return total
        update(block, 0, count)
        total += count
    }
}

internal fun ByteArray.toHex() = joinToString("") { byte -> HEX[byte.toInt() shr 4 and 15].toString() + HEX[byte.toInt() and 15] }

private const val HEX = "0123456789abcdef"
