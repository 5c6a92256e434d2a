package io.github.cloformer.app

import android.content.pm.ApplicationInfo
import android.os.Bundle
import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import io.github.cloformer.classifier.Classifier
import io.github.cloformer.classifier.computePlanOf
import io.github.cloformer.classifier.measureLatency
import io.github.cloformer.classifier.runtimeOf
import io.github.cloformer.classifier.thisDevice
import io.github.cloformer.core.DeviceReport
import io.github.cloformer.core.Kit
import io.github.cloformer.core.Options
import io.github.cloformer.core.Provider
import io.github.cloformer.core.VectorResult
import io.github.cloformer.core.judge
import io.github.cloformer.runtime.BundledRuntime
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import java.io.File

/**
 * This phone gives what the original model gives: for every image of the conformance kit, from the file to the outputs.
 * The report is written whether it does or not, with the provider that ran each operator. More threads: `-e threads 4`; another provider of
 * ONNX Runtime: `-e provider xnnpack`.
 */
@RunWith(AndroidJUnit4::class)
class ConformanceTest {
    private val instrumentation = InstrumentationRegistry.getInstrumentation()
    private val arguments: Bundle = InstrumentationRegistry.getArguments()
    private val app = instrumentation.targetContext

    @Test
    fun everyVectorHolds() {
        val options =
            Options(
                arguments.getString("provider")?.let { Provider.valueOf(it.uppercase()) },
                (arguments.getString("threads") ?: "1").toInt(),
            )
        val kit = Kit.read { instrumentation.context.assets.open("conformance/$it") }
        val results =
            Classifier.fromAssets(app, BundledRuntime, options = options).use { classifier ->
                kit.checkBelongsTo(classifier.manifest)
                kit.vectors.map { judge(kit, it, classifier.manifest, classifier) }
            }
        val (manifest, latency) = measureLatency(app, BundledRuntime, options)
        val isDebug = app.applicationInfo.flags and ApplicationInfo.FLAG_DEBUGGABLE != 0
        val runtime = runtimeOf(BundledRuntime, manifest, options)
        val plan = computePlanOf(app, BundledRuntime, options)
        val report = DeviceReport(manifest, thisDevice(isDebug), runtime, results, latency, plan)
        File(folder(), DeviceReport.FILE).writeText(report.toJson())
        assertEquals("", results.filterNot { it.passed }.joinToString("\n", transform = ::explain))
    }

    /** Where Gradle fetches files from before it removes the app; without Gradle, the app's own. */
    private fun folder(): File {
        val place = arguments.getString("additionalTestOutputDir") ?: return checkNotNull(app.getExternalFilesDir(null))
        return File(place).apply { mkdirs() }
    }

    private fun explain(result: VectorResult): String {
        val preprocessing =
            if (result.preprocessingPassed) "" else ", ${result.preprocessing}: look at ${result.aimsAt}"
        val outputs = result.outputs.filterValues { !it.passed }.entries.joinToString("") { ", ${it.key}: ${it.value}" }
        return result.name + preprocessing + outputs
    }
}
