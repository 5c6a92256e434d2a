package io.github.cloformer.ort

import android.content.res.AssetManager
import android.os.Build
import io.github.cloformer.core.Device
import io.github.cloformer.core.Latency
import io.github.cloformer.core.Manifest
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

/** What runs the model; ask once there is a [Classifier]. */
fun runtimeOf(options: Options) =
    Runtime(Model.RUNTIME, Model.version, options.provider.name.lowercase(), options.threads)

/** The latency of the model among [assets], on a black image: what is on it does not change the time. */
fun measureLatency(assets: AssetManager, options: Options, progress: (Double) -> Unit = {}): Pair<Manifest, Latency> {
    var loaded: Classifier? = null
    try {
        val latency =
            Latency.measure(
                Preset.QUICK,
                options.threads,
                load = { Classifier.fromAssets(assets, options = options).also { loaded = it } },
                query = { it.run(FloatArray(it.manifest.input.shape.reduce(Int::times))) },
                progress = progress,
            )
        return checkNotNull(loaded).manifest to latency
    } finally {
        loaded?.close()
    }
}
