package io.github.cloformer.checks

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtLoggingLevel
import ai.onnxruntime.OrtSession
import ai.onnxruntime.TensorInfo
import io.github.cloformer.core.PlannedOperator
import io.github.cloformer.core.readProfile
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.nio.ByteBuffer

/** Which kinds of operators of small models XNNPACK's provider runs: what Python's table of them is held to. */
class ProviderOperatorsCheck {
    private val environment = OrtEnvironment.getEnvironment()

    @Test
    fun whatXnnpackRunsIsWritten() {
        val models = given("operators").listFiles { file -> file.extension == "onnx" }!!.sortedBy { it.name }
        val found = JSONObject()
        for (model in models) {
            val kinds = profile(model).groupBy { it.device ?: "unknown" }
            val written = JSONObject()
            for ((device, operators) in kinds) written.put(device, JSONArray(operators.map { it.kind }))
            found.put(model.nameWithoutExtension, written)
        }
        assertTrue("there is something to run", models.size > 20)
        given("operators").resolveSibling("ran-on-xnnpack.json").writeText(found.toString())
    }

    private fun profile(model: File): List<PlannedOperator> =
        OrtSession.SessionOptions().use { settings ->
            settings.setIntraOpNumThreads(1)
            // As the operators are shared out, before ONNX Runtime's own fusions.
            settings.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.NO_OPT)
            settings.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR)
            settings.addXnnpack(mapOf("intra_op_num_threads" to "1"))
            settings.enableProfiling(File(model.parentFile, model.name).path)
            environment.createSession(model.path, settings).use { session ->
                val inputs = session.inputInfo.mapValues { (_, about) -> zeros(about.info as TensorInfo) }
                session.run(inputs).close()
                inputs.values.forEach { it.close() }
                val written = File(session.endProfiling())
                readProfile(written.readText(), 0).also { written.delete() }
            }
        }

    private fun zeros(about: TensorInfo): OnnxTensor {
        val bytes = about.shape.reduce(Long::times) * if (about.type == OnnxJavaType.FLOAT16) 2 else 4
        return OnnxTensor.createTensor(environment, ByteBuffer.allocateDirect(bytes.toInt()), about.shape, about.type)
    }
}
