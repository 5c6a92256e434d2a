package io.github.cloformer.classifier

import android.content.Context
import android.os.Build
import io.github.cloformer.core.ComputePlan
import io.github.cloformer.core.Device
import io.github.cloformer.core.Latency
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.Preset
import io.github.cloformer.core.Runtime

/** This phone, for the report. */
fun thisDevice(isDebug: Boolean) =
    Device(
        manufacturer = Build.MANUFACTURER,
        model = Build.MODEL,
        os = "Android ${Build.VERSION.RELEASE} (API ${Build.VERSION.SDK_INT})",
        cpu = if (Build.VERSION.SDK_INT >= 31) "${Build.SOC_MANUFACTURER} ${Build.SOC_MODEL}" else Build.HARDWARE,
        appBuild = if (isDebug) "debug" else "release",
    )

/** What runs the model of [manifest]; ask once there is a [Classifier]. */
fun runtimeOf(runtime: ModelRuntime, manifest: Manifest, options: Options) =
    Runtime(runtime.name, runtime.version, runtime.chosen(options).providerOf(manifest).name.lowercase(), options.threads)

/** Where the operators of the model among the app's assets run on this phone; ask once there was a [Classifier] of it. */
fun computePlanOf(context: Context, runtime: ModelRuntime, options: Options): ComputePlan {
    val files = ModelFiles.Assets(context, Classifier.ASSETS)
    return runtime.computePlan(Manifest.read(files), files, runtime.chosen(options), context.cacheDir)
}

/** The latency of the model among the app's assets, on a black image: what is on it does not change the time. */
fun measureLatency(
    context: Context,
    runtime: ModelRuntime,
    options: Options,
    progress: (Double) -> Unit = {},
): Pair<Manifest, Latency> {
    var loaded: Classifier? = null
    try {
        val latency =
            Latency.measure(
                Preset.QUICK,
                options.threads,
                load = { Classifier.fromAssets(context, runtime, options = options).also { loaded = it } },
                query = { it.run(FloatArray(it.manifest.input.shape.reduce(Int::times))) },
                progress = progress,
            )
        return checkNotNull(loaded).manifest to latency
    } finally {
        loaded?.close()
    }
}
