package io.github.cloformer.runtime

import android.system.Os
import io.github.cloformer.classifier.ModelFiles
import io.github.cloformer.classifier.ModelRuntime
import io.github.cloformer.core.ComputePlan
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Session
import io.github.cloformer.core.read
import io.github.cloformer.ort.BuildConfig
import io.github.cloformer.ort.Model
import io.github.cloformer.ort.profiledPlan
import java.io.File

/** ONNX Runtime. */
object BundledRuntime : ModelRuntime {
    override val name: String = Model.RUNTIME
    override val version: String get() = Model.version
    override val format: String = "onnx"
    override val providers: Set<Provider> = Provider.entries.toSet()
    override val preferred: Provider? = Provider.entries.find { it.name.lowercase() == BuildConfig.PROVIDER }

    override fun load(manifest: Manifest, files: ModelFiles, options: Options): Session {
        disableTelemetry()
        return Model(manifest, Model.direct(files.read(manifest.modelPath)), options)
    }

    override fun computePlan(manifest: Manifest, files: ModelFiles, options: Options, folder: File): ComputePlan {
        disableTelemetry()
        return profiledPlan(manifest, Model.direct(files.read(manifest.modelPath)), options, folder)
    }

    /** ONNX Runtime reads this when it is loaded, so it must be there before the first class of its is touched. */
    private fun disableTelemetry() = Os.setenv("ORT_DISABLE_TELEMETRY", "1", true)
}
