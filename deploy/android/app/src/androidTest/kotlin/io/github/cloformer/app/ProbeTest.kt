package io.github.cloformer.app

import android.content.pm.ApplicationInfo
import android.os.Bundle
import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import io.github.cloformer.classifier.Classifier
import io.github.cloformer.classifier.chosen
import io.github.cloformer.classifier.runtimeOf
import io.github.cloformer.classifier.thisDevice
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Kit
import io.github.cloformer.core.Options
import io.github.cloformer.core.Probe
import io.github.cloformer.core.Provider
import io.github.cloformer.core.read
import io.github.cloformer.ort.Model
import io.github.cloformer.runtime.BundledRuntime
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import java.io.File

/**
 * What the model computes inside on this phone, by ONNX Runtime's own processor code and by the app's provider, for
 * `cloformer parity --device-values`, which judges it. The files lie beside the report of [ConformanceTest].
 */
@RunWith(AndroidJUnit4::class)
class ProbeTest {
    private val instrumentation = InstrumentationRegistry.getInstrumentation()
    private val arguments: Bundle = InstrumentationRegistry.getArguments()
    private val app = instrumentation.targetContext

    @Test
    fun valuesAreWritten() {
        val conformance = Folder { instrumentation.context.assets.open("conformance/$it") }
        val kit = Kit.read(conformance)
        val probe = Probe.read(conformance)
        val asked = arguments.getString("provider")?.let { Provider.valueOf(it.uppercase()) }
        val threads = (arguments.getString("threads") ?: "1").toInt()
        // Opened first, so that the manifest and the model have been checked, and ONNX Runtime is set up as in the app.
        val manifest = Classifier.fromAssets(app, BundledRuntime, options = Options(asked, threads)).use { it.manifest }
        kit.checkBelongsTo(manifest)
        val files = Folder { app.assets.open("${Classifier.ASSETS}/$it") }
        val isDebug = app.applicationInfo.flags and ApplicationInfo.FLAG_DEBUGGABLE != 0
        for (provider in setOf(Provider.CPU, BundledRuntime.chosen(Options(asked, threads)).providerOf(manifest))) {
            val options = Options(provider, threads)
            val runtime = runtimeOf(BundledRuntime, manifest, options)
            val file = File(folder(), Probe.fileFor(runtime.provider))
            probe.write(
                kit, file, thisDevice(isDebug), runtime,
                app = { Model(manifest, Model.direct(files.read(manifest.modelPath)), options) },
                open = { Model(manifest, Model.direct(conformance.read(it.path)), options, probe.optimization) },
            )
            assertTrue("${file.name} is empty", file.length() > 0)
        }
    }

    /** Where Gradle fetches files from before it removes the app; without Gradle, the app's own. */
    private fun folder(): File {
        val place = arguments.getString("additionalTestOutputDir") ?: return checkNotNull(app.getExternalFilesDir(null))
        return File(place).apply { mkdirs() }
    }
}
