package io.github.cloformer.app

import android.annotation.SuppressLint
import android.app.Activity
import android.content.Context
import android.graphics.ImageFormat
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.view.Surface

/** What the camera saw, to be turned clockwise by [degrees]. Of use only while the function that got it runs. */
class Frame(val image: Image, val degrees: Int)

/**
 * The camera at the back, from [open] until [close]. Frames come on a thread of its own; those that come while one is
 * looked at are dropped.
 */
class Camera private constructor(
    private val activity: Activity,
    private val degrees: Int,
    private val onFrame: (Frame) -> Unit,
    private val onFailure: () -> Unit,
) : AutoCloseable {
    private val thread = HandlerThread("camera").apply { start() }
    private val handler = Handler(thread.looper)
    private val reader = ImageReader.newInstance(WIDTH, HEIGHT, ImageFormat.YUV_420_888, 2)
    private var device: CameraDevice? = null
    private var isClosed = false // this and `device` belong to the camera's thread

    init {
        reader.setOnImageAvailableListener({ it.acquireLatestImage()?.use { image -> onFrame(Frame(image, degrees)) } }, handler)
    }

    override fun close() {
        handler.post {
            isClosed = true
            device?.close()
            reader.close()
            thread.quitSafely()
        }
    }

    /** Later, even on the main thread: [open] has to return first. */
    private fun fail() {
        Handler(activity.mainLooper).post(onFailure)
    }

    private val opened =
        object : CameraDevice.StateCallback() {
            override fun onOpened(camera: CameraDevice) {
                device = camera
                if (isClosed) camera.close() else start(camera)
            }

            override fun onDisconnected(camera: CameraDevice) = fail()

            override fun onError(camera: CameraDevice, error: Int) = fail()
        }

    private fun start(camera: CameraDevice) {
        val configured =
            object : CameraCaptureSession.StateCallback() {
                override fun onConfigured(session: CameraCaptureSession) {
                    if (isClosed) return
                    orFail {
                        val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
                        request.addTarget(reader.surface)
                        session.setRepeatingRequest(request.build(), null, handler)
                    }
                }

                override fun onConfigureFailed(session: CameraCaptureSession) = fail()
            }
        @Suppress("DEPRECATION") // what came for it needs Android 9
        orFail { camera.createCaptureSession(listOf(reader.surface), configured, handler) }
    }

    private fun orFail(task: () -> Unit) =
        try {
            task()
        } catch (_: CameraAccessException) {
            fail()
        } catch (_: IllegalStateException) { // closed or taken by another app in this moment
            fail()
        }

    companion object {
        private const val WIDTH = 640 // every camera has this size
        private const val HEIGHT = 480

        /** [rotation] is the display's. Null, and [onFailure] is called, if there is no camera at the back. */
        @SuppressLint("MissingPermission") // whoever calls has asked for it
        fun open(activity: Activity, rotation: Int, onFrame: (Frame) -> Unit, onFailure: () -> Unit): Camera? {
            val manager = activity.getSystemService(Context.CAMERA_SERVICE) as CameraManager
            val (id, sensor) = backCamera(manager) ?: return null.also { Handler(activity.mainLooper).post(onFailure) }
            val camera = Camera(activity, (sensor - degreesOf(rotation) + 360) % 360, onFrame, onFailure)
            camera.orFail { manager.openCamera(id, camera.opened, camera.handler) }
            return camera
        }

        /** Its name, and by how many degrees its frames are turned when the phone is held upright. */
        private fun backCamera(manager: CameraManager): Pair<String, Int>? =
            try {
                manager.cameraIdList.firstNotNullOfOrNull { id ->
                    val facts = manager.getCameraCharacteristics(id)
                    val isBack =
                        facts.get(CameraCharacteristics.LENS_FACING) == CameraCharacteristics.LENS_FACING_BACK
                    if (isBack) id to (facts.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0) else null
                }
            } catch (_: CameraAccessException) {
                null
            }

        private fun degreesOf(rotation: Int): Int =
            when (rotation) {
                Surface.ROTATION_90 -> 90
                Surface.ROTATION_180 -> 180
                Surface.ROTATION_270 -> 270
                else -> 0
            }
    }
}
