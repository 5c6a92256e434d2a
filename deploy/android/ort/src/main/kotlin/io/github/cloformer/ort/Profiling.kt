package io.github.cloformer.ort

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import io.github.cloformer.core.ComputePlan
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.PlannedOperator
import io.github.cloformer.core.Provider
import io.github.cloformer.core.opened
import io.github.cloformer.core.readProfile
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.FloatBuffer

private const val WARM_UP = 2
private const val RUNS = 5

/** NNAPI takes many operators as one, which the profiler then times as one; the others have a kernel for each. */
private val COMPILERS = setOf(Provider.NNAPI)

/**
 * Where ONNX Runtime runs the operators of the model of [manifest]: its profiler says it of sessions that are made as those of [Model],
 * and writes to [folder] meanwhile. What is measured is a black image.
 *
 * Of a provider that compiles, operators are told before ONNX Runtime's own fusions, since those come after it has shared them out.
 */
fun profiledPlan(manifest: Manifest, content: ByteBuffer, options: Options, folder: File): ComputePlan {
    val provider = options.providerOf(manifest)
    val isCompiled = provider in COMPILERS
    return try {
        val own = profile(manifest, content, options, folder, isCompiled)
        val whole = if (isCompiled) profile(manifest, content, options.copy(provider = Provider.CPU), folder, true) else null
        ComputePlan.of(provider, if (whole == null) own else opened(own, whole, provider))
    } catch (error: OrtException) {
        ComputePlan.unknown(provider, "ONNX Runtime's profiler does not run here: ${error.message}")
    } catch (error: PayloadException) {
        ComputePlan.unknown(provider, "${error.message}")
    } catch (error: IOException) {
        ComputePlan.unknown(provider, "ONNX Runtime's profile is not there: ${error.message}")
    }
}

private fun profile(
    manifest: Manifest,
    content: ByteBuffer,
    options: Options,
    folder: File,
    isBasic: Boolean,
): List<PlannedOperator> =
    sessionSettings(manifest, options).use { settings ->
        if (isBasic) settings.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.BASIC_OPT)
        settings.enableProfiling(File(folder, "cloformer-profile").path)
        OrtEnvironment.getEnvironment().createSession(content.duplicate().order(content.order()), settings).use { session ->
            val written = File(run(session, manifest))
            try {
                readProfile(written.readText(), WARM_UP)
            } finally {
                written.delete()
            }
        }
    }

/** The path of the profile. */
private fun run(session: OrtSession, manifest: Manifest): String {
    val shape = LongArray(manifest.input.shape.size) { manifest.input.shape[it].toLong() }
    val black = FloatBuffer.wrap(FloatArray(manifest.input.shape.reduce(Int::times)))
    OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), black, shape).use { tensor ->
        repeat(WARM_UP + RUNS) { session.run(mapOf(manifest.input.name to tensor)).close() }
    }
    return session.endProfiling()
}
