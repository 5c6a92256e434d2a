package io.github.cloformer.litert

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import io.github.cloformer.classifier.ModelFiles
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.Session
import io.github.cloformer.core.channelsLast
import java.io.File

/** The model of [manifest], compiled by LiteRT for the processor. Inputs and outputs are found by the names of its signature. */
class Model(private val manifest: Manifest, files: ModelFiles, threads: Int) : Session {
    private val compiled = compile(files, threads)
    private val buffers = mutableListOf<TensorBuffer>()
    private val input: Map<String, TensorBuffer>
    private val outputs: Map<String, TensorBuffer>

    init {
        try {
            input = mapOf(manifest.input.name to kept(compiled.createInputBuffer(manifest.input.name)))
            outputs = manifest.outputs.associate { it.name to kept(compiled.createOutputBuffer(it.name)) }
        } catch (error: LiteRtException) {
            close()
            throw PayloadException("the model's inputs and outputs are not the manifest's: bundle the model again", error)
        }
    }

    override fun run(input: FloatArray): Map<String, FloatArray> =
        try {
            val taken = manifest.input
            val given = if (taken.isChannelsLast) channelsLast(input, taken.preprocessing.mean.size) else input
            this.input.getValue(taken.name).writeFloat(given)
            compiled.run(this.input, outputs)
            manifest.outputs.mapNotNull { output -> floats(output)?.let { output.name to it } }.toMap()
        } catch (error: LiteRtException) {
            throw PayloadException("the model does not run here: ${error.message}", error)
        }

    override fun close() {
        buffers.forEach { it.close() }
        compiled.close()
    }

    /** Null for numbers of a type that no output has which is shown. */
    private fun floats(output: Manifest.Output): FloatArray? {
        val buffer = outputs.getValue(output.name)
        return when (output.type) {
            "float32" -> buffer.readFloat()
            "int32" -> buffer.readInt().let { numbers -> FloatArray(numbers.size) { numbers[it].toFloat() } }
            "int64" -> buffer.readLong().let { numbers -> FloatArray(numbers.size) { numbers[it].toFloat() } }
            else -> null
        }
    }

    private fun kept(buffer: TensorBuffer) = buffer.also { buffers += it }

    private fun compile(files: ModelFiles, threads: Int): CompiledModel =
        try {
            val options = CompiledModel.Options(Accelerator.CPU)
            options.cpuOptions = CompiledModel.CpuOptions(numThreads = threads)
            when (files) {
                is ModelFiles.Assets ->
                    CompiledModel.create(files.context.assets, "${files.path}/${manifest.modelPath}", options)
                is ModelFiles.Directory -> CompiledModel.create(File(files.folder, manifest.modelPath).path, options)
            }
        } catch (error: LiteRtException) {
            throw PayloadException("${manifest.modelPath} cannot be loaded: ${error.message}", error)
        }
}
