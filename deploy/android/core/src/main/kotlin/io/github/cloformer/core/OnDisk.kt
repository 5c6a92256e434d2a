package io.github.cloformer.core

import java.io.File
import java.io.IOException

/**
 * The model of [manifest] among [files] as a file in [folder], for runtimes that load nothing else. It is copied once; a copy
 * that is not the model is made again, and whatever else lies in [folder], such as an earlier model, is removed then.
 */
@Synchronized
fun modelOnDisk(manifest: Manifest, files: Folder, folder: File): File {
    val copy = File(folder, manifest.model.sha256)
    if (isWhole(copy, manifest.model)) return copy
    try {
        folder.deleteRecursively()
        folder.mkdirs()
        val unfinished = File(folder, "unfinished")
        files.open(manifest.modelPath).use { from -> unfinished.outputStream().use { from.copyTo(it) } }
        if (!unfinished.renameTo(copy)) throw IOException("it cannot be renamed")
    } catch (error: IOException) {
        throw PayloadException("${manifest.modelPath} cannot be copied: ${error.message}. Free some space", error)
    }
    if (!isWhole(copy, manifest.model)) throw PayloadException("${manifest.modelPath} is not the file that was exported: bundle the model again")
    return copy
}

private fun isWhole(copy: File, model: FileEntry): Boolean =
    try {
        Folder { copy.inputStream() }.verify(listOf(model))
        true
    } catch (_: PayloadException) {
        false
    }
