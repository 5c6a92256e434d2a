package io.github.cloformer.executorch

import io.github.cloformer.classifier.ModelFiles
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.verify
import java.io.File
import java.io.IOException

/**
 * The model as a file, which is all that ExecuTorch loads. One among the app's assets is copied once, to where no backup
 * looks; a copy that is not the model is made again, and one of an earlier model is removed.
 */
internal fun onDisk(manifest: Manifest, files: ModelFiles): File =
    when (files) {
        is ModelFiles.Directory -> File(files.folder, manifest.modelPath)
        is ModelFiles.Assets -> copied(manifest, files, File(files.context.noBackupFilesDir, "cloformer"))
    }

@Synchronized
private fun copied(manifest: Manifest, files: Folder, folder: File): File {
    val copy = File(folder, "${manifest.model.sha256}.pte")
    if (isWhole(copy, manifest)) return copy
    try {
        folder.deleteRecursively()
        folder.mkdirs()
        val unfinished = File(folder, "unfinished")
        files.open(manifest.modelPath).use { from -> unfinished.outputStream().use { from.copyTo(it) } }
        if (!unfinished.renameTo(copy)) throw IOException("it cannot be renamed")
    } catch (error: IOException) {
        throw PayloadException("${manifest.modelPath} cannot be copied: ${error.message}. Free some space", error)
    }
    if (!isWhole(copy, manifest)) throw PayloadException("${manifest.modelPath} was changed while it was copied: try again")
    return copy
}

private fun isWhole(copy: File, manifest: Manifest): Boolean =
    try {
        Folder.of(copy.parentFile!!).verify(listOf(manifest.model.copy(path = copy.name)))
        true
    } catch (_: PayloadException) {
        false
    }
