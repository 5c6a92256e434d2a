package io.github.cloformer.app

import android.Manifest.permission.CAMERA
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.provider.MediaStore
import android.widget.Button
import android.widget.TextView
import io.github.cloformer.classifier.Classifier
import io.github.cloformer.classifier.decodeImage
import io.github.cloformer.classifier.toBitmap
import io.github.cloformer.classifier.toPixels
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.Pixels
import io.github.cloformer.runtime.BundledRuntime
import java.io.IOException
import java.util.concurrent.Executors
import java.util.concurrent.RejectedExecutionException

/** A photograph, or what the camera sees, and what the model finds there: its most probable classes, or boxes, maps and points. */
class MainActivity : Activity() {
    /** Everything that touches the model runs here, one after the other. */
    private val worker = Executors.newSingleThreadExecutor()
    private var classifier: Classifier? = null // of the worker alone
    private var camera: Camera? = null
    private var photo: Uri? = null
    private lateinit var results: ResultsView

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.main)
        results = ResultsView(this)
        findViewById<TextView>(R.id.title).text = applicationInfo.loadLabel(packageManager)
        findViewById<Button>(R.id.choose_photo).setOnClickListener { choosePhoto() }
        findViewById<Button>(R.id.camera).setOnClickListener { if (camera == null) startCamera() else stopCamera() }
        findViewById<Button>(R.id.benchmark).setOnClickListener {
            startActivity(Intent(this, BenchmarkActivity::class.java))
        }
        work {
            classifier = Classifier.fromAssets(this, BundledRuntime)
            show { setReady() }
        }
        state?.getString(PHOTO)?.let { classifyPhoto(Uri.parse(it)) } // turned, say
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        photo?.let { state.putString(PHOTO, it.toString()) }
    }

    override fun onPause() {
        stopCamera()
        super.onPause()
    }

    override fun onDestroy() {
        worker.execute { classifier?.close() }
        worker.shutdown()
        super.onDestroy()
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        val chosen = data?.data
        if (request == CHOOSE_PHOTO && result == RESULT_OK && chosen != null) classifyPhoto(chosen)
    }

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        super.onRequestPermissionsResult(request, permissions, results)
        if (results.firstOrNull() == PackageManager.PERMISSION_GRANTED) {
            startCamera()
        } else {
            this.results.say(getString(R.string.no_permission))
        }
    }

    private fun setReady() {
        findViewById<Button>(R.id.choose_photo).isEnabled = true
        findViewById<Button>(R.id.camera).isEnabled = true
        if (photo == null) results.say(getString(R.string.start))
    }

    /** The system's own choosers give out the one photograph that was chosen, so that no permission is needed. */
    private fun choosePhoto() {
        stopCamera()
        val intent =
            if (Build.VERSION.SDK_INT >= 33) {
                Intent(MediaStore.ACTION_PICK_IMAGES).setType("image/*")
            } else {
                Intent(Intent.ACTION_GET_CONTENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*")
            }
        try {
            startActivityForResult(intent, CHOOSE_PHOTO)
        } catch (_: ActivityNotFoundException) {
            results.say(getString(R.string.no_photos))
        }
    }

    private fun classifyPhoto(uri: Uri) {
        photo = uri
        work {
            val content = contentResolver.openInputStream(uri)?.use { it.readBytes() } ?: throw IOException("$uri is empty")
            classify(decodeImage(content))
        }
    }

    private fun startCamera() {
        if (checkSelfPermission(CAMERA) != PackageManager.PERMISSION_GRANTED) {
            requestPermissions(arrayOf(CAMERA), ALLOW_CAMERA)
            return
        }
        @Suppress("DEPRECATION") // what came for it needs Android 11
        val rotation = windowManager.defaultDisplay.rotation
        photo = null
        camera = Camera.open(this, rotation, ::classifyFrame, ::cameraFailed)
        findViewById<Button>(R.id.camera).setText(if (camera == null) R.string.camera else R.string.stop_camera)
    }

    private fun stopCamera() {
        camera?.close()
        camera = null
        findViewById<Button>(R.id.camera).setText(R.string.camera)
    }

    private fun cameraFailed() {
        stopCamera()
        results.say(getString(R.string.no_camera))
    }

    /** On the camera's thread. It waits, so that frames that come meanwhile are dropped and none queues up. */
    private fun classifyFrame(frame: Frame) {
        try {
            worker.submit { guarded { classify(frame.image.toPixels(frame.degrees)) } }.get()
        } catch (_: RejectedExecutionException) {
            // the screen was left in this moment
        }
    }

    private fun classify(image: Pixels) {
        val classifier = classifier ?: return
        val start = System.nanoTime()
        val cropped = classifier.crop(image)
        val prepared = System.nanoTime()
        if (!classifier.manifest.isClassifier) {
            val seen = classifier.seeCropped(cropped, classifier.place(image))
            val done = System.nanoTime()
            val picture = image.drawn(seen)
            val found = listed(seen, classifier.labels)
            show { results.show(picture, found, (prepared - start) / MILLISECOND, (done - prepared) / MILLISECOND) }
            return
        }
        val predictions = classifier.classifyCropped(cropped)
        val done = System.nanoTime()
        val isBgr = classifier.manifest.input.preprocessing.isBgr
        val seen = if (isBgr) cropped.reversed() else cropped
        show { results.show(seen.toBitmap(), predictions, (prepared - start) / MILLISECOND, (done - prepared) / MILLISECOND) }
    }

    private fun work(task: () -> Unit) = worker.execute { guarded(task) }

    /** What can go wrong with a photograph or a model, said on the screen. */
    private fun guarded(task: () -> Unit) =
        try {
            task()
        } catch (error: PayloadException) {
            show { results.say(getString(R.string.failed, error.message)) }
        } catch (error: IOException) {
            show { results.say(getString(R.string.failed, error.message)) }
        } catch (error: SecurityException) { // the photograph is no longer ours to read
            show { results.say(getString(R.string.failed, error.message)) }
        }

    private fun show(change: () -> Unit) = runOnUiThread { if (!isDestroyed) change() }

    private companion object {
        const val CHOOSE_PHOTO = 1
        const val ALLOW_CAMERA = 2
        const val PHOTO = "photo"
        const val MILLISECOND = 1e6
    }
}
