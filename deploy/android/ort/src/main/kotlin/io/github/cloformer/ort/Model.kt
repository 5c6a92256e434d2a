package io.github.cloformer.ort

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import ai.onnxruntime.providers.NNAPIFlags
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Session
import io.github.cloformer.core.Tensor
import io.github.cloformer.core.TensorSource
import java.nio.ByteBuffer
import java.nio.FloatBuffer
import java.util.EnumSet

/**
 * A session of ONNX Runtime on the model of [manifest]. It needs nothing of Android, so that tests run it on any JVM.
 * [optimization] is as `probe.json` says it: "off", or null for what the model has in the app.
 *
 * ONNX Runtime sends telemetry unless `ORT_DISABLE_TELEMETRY=1` stands in the environment before it is loaded:
 * [io.github.cloformer.runtime.BundledRuntime] puts it there, and whoever makes a [Model] without it has to.
 */
class Model(
    private val manifest: Manifest,
    content: ByteBuffer,
    options: Options = Options(),
    private val optimization: String? = null,
) : Session, TensorSource {
    private val environment = OrtEnvironment.getEnvironment()
    private val session = open(content, options)
    private val shape = LongArray(manifest.input.shape.size) { manifest.input.shape[it].toLong() }

    init {
        val isListed = manifest.input.name in session.inputNames && session.outputNames.containsAll(manifest.outputs.map { it.name })
        if (!isListed) {
            session.close()
            throw PayloadException("the model's inputs and outputs are not the manifest's: bundle the model again")
        }
    }

    override fun run(input: FloatArray): Map<String, FloatArray> = results(input) { it.toFloats() }

    private fun <T : Any> results(input: FloatArray, read: (OnnxTensor) -> T?): Map<String, T> =
        try {
            OnnxTensor.createTensor(environment, FloatBuffer.wrap(input), shape).use { tensor ->
                session.run(mapOf(manifest.input.name to tensor)).use { results ->
                    results
                        .mapNotNull { (name, value) -> (value as? OnnxTensor)?.let(read)?.let { name to it } }
                        .toMap()
                }
            }
        } catch (error: OrtException) {
            throw PayloadException("the model does not run here: ${error.message}. Try another provider", error)
        }

    /** Every output as it is: of a probe, the values inside the model too. */
    override fun tensors(input: FloatArray): Map<String, Tensor> = results(input) { it.toTensor() }

    override fun close() = session.close()

    private fun open(content: ByteBuffer, options: Options): OrtSession =
        try {
            sessionSettings(manifest, options).use { settings ->
                if (optimization == "off") settings.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.NO_OPT)
                environment.createSession(content, settings)
            }
        } catch (error: OrtException) {
            throw PayloadException("${manifest.modelPath} cannot be loaded: ${error.message}", error)
        }

    companion object {
        const val RUNTIME = "onnxruntime"

        val version: String get() = OrtEnvironment.getEnvironment().version

        /** [content] where ONNX Runtime can read it: outside of the heap. */
        fun direct(content: ByteArray): ByteBuffer = ByteBuffer.allocateDirect(content.size).put(content).apply { flip() }
    }
}

/** Null for numbers of a type that no output has which is shown. */
private fun OnnxTensor.toFloats(): FloatArray? =
    when (info.type) {
        OnnxJavaType.FLOAT -> floatBuffer.let { FloatArray(it.remaining()).also(it::get) }
        OnnxJavaType.INT32 -> intBuffer.let { numbers -> FloatArray(numbers.remaining()) { numbers.get(it).toFloat() } }
        OnnxJavaType.INT64 -> longBuffer.let { numbers -> FloatArray(numbers.remaining()) { numbers.get(it).toFloat() } }
        else -> null
    }

/** Null for a type that safetensors files have no name for. */
private fun OnnxTensor.toTensor(): Tensor? = TYPES[info.type]?.let { Tensor(it, info.shape.toList(), byteBuffer) }

private val TYPES =
    mapOf(
        OnnxJavaType.FLOAT to "F32", OnnxJavaType.DOUBLE to "F64", OnnxJavaType.FLOAT16 to "F16", OnnxJavaType.BFLOAT16 to "BF16",
        OnnxJavaType.INT8 to "I8", OnnxJavaType.UINT8 to "U8", OnnxJavaType.INT16 to "I16", OnnxJavaType.INT32 to "I32",
        OnnxJavaType.INT64 to "I64", OnnxJavaType.BOOL to "BOOL",
    )

/** How a session on the model of [manifest] is made. To be closed. */
internal fun sessionSettings(manifest: Manifest, options: Options): OrtSession.SessionOptions {
    val settings = OrtSession.SessionOptions()
    val provider = options.providerOf(manifest)
    settings.setInterOpNumThreads(1)
    // XNNPACK has threads of its own; ONNX Runtime's would only compete with them.
    settings.setIntraOpNumThreads(if (provider == Provider.XNNPACK) 1 else options.threads)
    if (needsBasicOptimization(manifest)) {
        settings.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.BASIC_OPT)
    }
    when (provider) {
        Provider.CPU -> Unit
        Provider.XNNPACK -> settings.addXnnpack(mapOf("intra_op_num_threads" to "${options.threads}"))
        Provider.NNAPI -> settings.addNnapi(EnumSet.noneOf(NNAPIFlags::class.java))
        Provider.WEBGPU -> settings.addWebGPU(emptyMap())
    }
    return settings
}

/**
 * In float16, ONNX Runtime's own fusions end in an operator that its Android library for arm64 does not have; basic
 * ones do not.
 */
private fun needsBasicOptimization(manifest: Manifest) = manifest.precision == "fp16"
