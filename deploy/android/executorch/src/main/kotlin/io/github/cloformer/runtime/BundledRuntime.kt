package io.github.cloformer.runtime

import io.github.cloformer.classifier.ModelFiles
import io.github.cloformer.classifier.ModelRuntime
import io.github.cloformer.core.ComputePlan
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Session
import io.github.cloformer.core.modelOnDisk
import io.github.cloformer.executorch.BuildConfig
import io.github.cloformer.executorch.Model
import java.io.File

/** ExecuTorch on the processor; the file itself says what its delegate XNNPACK runs. */
object BundledRuntime : ModelRuntime {
    override val name: String = "executorch"
    override val version: String get() = BuildConfig.RUNTIME_VERSION
    override val format: String = "executorch"
    override val providers: Set<Provider> = setOf(Provider.CPU)
    override val preferred: Provider? = null

    override fun load(manifest: Manifest, files: ModelFiles, options: Options): Session =
        Model(manifest, onDisk(manifest, files), options.threads)

    override fun computePlan(manifest: Manifest, files: ModelFiles, options: Options, folder: File): ComputePlan =
        ComputePlan.unknown(options.providerOf(manifest), "ExecuTorch's library for Android does not say where its operators ran")

    /** ExecuTorch loads files alone: a model among the assets is copied to where no backup looks. */
    private fun onDisk(manifest: Manifest, files: ModelFiles): File =
        when (files) {
            is ModelFiles.Directory -> File(files.folder, manifest.modelPath)
            is ModelFiles.Assets -> modelOnDisk(manifest, files, File(files.context.noBackupFilesDir, "cloformer"))
        }
}
