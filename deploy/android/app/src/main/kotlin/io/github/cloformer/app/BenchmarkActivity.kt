package io.github.cloformer.app

import android.app.Activity
import android.content.Intent
import android.content.pm.ApplicationInfo
import android.os.Bundle
import android.view.WindowManager
import android.widget.Button
import android.widget.ProgressBar
import android.widget.TextView
import io.github.cloformer.classifier.measureLatency
import io.github.cloformer.classifier.runtimeOf
import io.github.cloformer.classifier.thisDevice
import io.github.cloformer.core.DeviceReport
import io.github.cloformer.core.Latency
import io.github.cloformer.core.Options
import io.github.cloformer.core.PayloadException
import io.github.cloformer.runtime.BundledRuntime
import java.io.File
import java.io.IOException
import kotlin.concurrent.thread
import kotlin.math.roundToInt

/** Measures how long the model takes on this phone, and writes every single time into `latency.json`. */
class BenchmarkActivity : Activity() {
    @Volatile private var isStopped = false

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.benchmark)
        window?.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        thread(name = "benchmark") {
            try {
                run()
            } catch (_: Stopped) {
                // nobody is left to show it to
            } catch (error: PayloadException) {
                fail(error)
            } catch (error: IOException) {
                fail(error)
            }
        }
    }

    override fun onDestroy() {
        isStopped = true
        super.onDestroy()
    }

    private fun run() {
        val options = Options()
        val (manifest, latency) = measureLatency(this, BundledRuntime, options, ::progress)
        val isDebug = applicationInfo.flags and ApplicationInfo.FLAG_DEBUGGABLE != 0
        val runtime = runtimeOf(BundledRuntime, manifest, options)
        val report = DeviceReport(manifest, thisDevice(isDebug), runtime, emptyList(), latency).toJson()
        val file = File(getExternalFilesDir(null), FILE)
        file.writeText(report)
        runOnUiThread { show(latency, report, file) }
    }

    private fun progress(share: Double) {
        if (isStopped) throw Stopped()
        runOnUiThread { findViewById<ProgressBar>(R.id.progress).progress = (1000 * share).roundToInt() }
    }

    private fun show(latency: Latency, report: String, file: File) {
        val text =
            getString(
                R.string.measured,
                latency.quantile(0.5) / MILLISECOND,
                latency.quantile(0.9) / MILLISECOND,
                latency.samples.size,
                latency.threads,
                latency.warmUp.size,
                latency.load / MILLISECOND,
            )
        findViewById<TextView>(R.id.figures).text = text
        findViewById<TextView>(R.id.place).text = getString(R.string.written, file.path)
        findViewById<ProgressBar>(R.id.progress).progress = 1000
        val share = findViewById<Button>(R.id.share)
        share.isEnabled = true
        share.setOnClickListener {
            val intent = Intent(Intent.ACTION_SEND).setType("application/json").putExtra(Intent.EXTRA_TEXT, report)
            startActivity(Intent.createChooser(intent, null))
        }
    }

    private fun fail(error: Exception) =
        runOnUiThread { findViewById<TextView>(R.id.figures).text = getString(R.string.failed, error.message) }

    /** The screen was left. */
    private class Stopped : RuntimeException()

    private companion object {
        const val FILE = "latency.json"
        const val MILLISECOND = 1e6
    }
}
