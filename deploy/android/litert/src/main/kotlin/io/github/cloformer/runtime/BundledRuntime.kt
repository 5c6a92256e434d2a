package io.github.cloformer.runtime

import io.github.cloformer.classifier.ModelFiles
import io.github.cloformer.classifier.ModelRuntime
import io.github.cloformer.core.ComputePlan
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Session
import io.github.cloformer.litert.BuildConfig
import io.github.cloformer.litert.Model
import java.io.File

/** LiteRT on the processor, with its own XNNPACK. */
object BundledRuntime : ModelRuntime {
    override val name: String = "litert"
    override val version: String get() = BuildConfig.RUNTIME_VERSION
    override val format: String = "litert"
    override val providers: Set<Provider> = setOf(Provider.CPU)
    override val preferred: Provider? = null

    override fun load(manifest: Manifest, files: ModelFiles, options: Options): Session =
        Model(manifest, files, options.threads)

    override fun computePlan(manifest: Manifest, files: ModelFiles, options: Options, folder: File): ComputePlan =
        ComputePlan.unknown(options.providerOf(manifest), "LiteRT's library for Android does not say where its operators ran")
}
