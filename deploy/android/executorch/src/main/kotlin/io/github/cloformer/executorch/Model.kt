package io.github.cloformer.executorch

import io.github.cloformer.core.Manifest
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.Session
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor
import java.io.File

/** The program in [file]. Its values have no names: it takes its inputs, and gives its outputs, in the order of [manifest]. */
class Model(private val manifest: Manifest, file: File, threads: Int) : Session {
    private val shape = LongArray(manifest.input.shape.size) { manifest.input.shape[it].toLong() }
    private val module: Module

    init {
        Threads.take(threads)
        module =
            try {
                load(file, threads)
            } catch (error: RuntimeException) { // ExecuTorch's own, and what it raises of Java's
                Threads.giveBack()
                throw PayloadException("${manifest.modelPath} cannot be loaded: ${error.message}", error)
            }
    }

    override fun run(input: FloatArray): Map<String, FloatArray> {
        val given =
            try {
                module.execute(METHOD, EValue.from(Tensor.fromBlob(input, shape)))
            } catch (error: RuntimeException) {
                throw PayloadException("the model does not run here: ${error.message}", error)
            }
        if (given.size != manifest.outputs.size) {
            throw PayloadException("the model gives ${given.size} values, and the manifest has ${manifest.outputs.size}: bundle it again")
        }
        return manifest.outputs.zip(given).mapNotNull { (output, value) -> floats(output, value.toTensor())?.let { output.name to it } }.toMap()
    }

    /** Null for numbers of a type that no output has which is shown. */
    private fun floats(output: Manifest.Output, tensor: Tensor): FloatArray? =
        when (output.type) {
            "float32" -> tensor.dataAsFloatArray
            "int32" -> tensor.dataAsIntArray.let { numbers -> FloatArray(numbers.size) { numbers[it].toFloat() } }
            "int64" -> tensor.dataAsLongArray.let { numbers -> FloatArray(numbers.size) { numbers[it].toFloat() } }
            else -> null
        }

    override fun close() {
        module.destroy()
        Threads.giveBack()
    }

    /** Mapped into memory, with its method ready, so that the first inference does not load it. */
    private fun load(file: File, threads: Int): Module {
        val loaded = Module.load(file.path, Module.LOAD_MODE_MMAP, threads)
        try {
            loaded.loadMethod(METHOD)
        } catch (error: RuntimeException) {
            loaded.destroy()
            throw error
        }
        return loaded
    }

    private companion object {
        const val METHOD = "forward"
    }
}
