package io.github.cloformer.runtime

import io.github.cloformer.classifier.ModelFiles
import io.github.cloformer.classifier.ModelRuntime
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Session
import io.github.cloformer.litert.BuildConfig
import io.github.cloformer.litert.Model

/** LiteRT on the processor, with its own XNNPACK. */
object BundledRuntime : ModelRuntime {
    override val name: String = "litert"
    override val version: String get() = BuildConfig.RUNTIME_VERSION
    override val format: String = "litert"
    override val providers: Set<Provider> = setOf(Provider.CPU)

    override fun load(manifest: Manifest, files: ModelFiles, options: Options): Session =
        Model(manifest, files, options.threads)
}
