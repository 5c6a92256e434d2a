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
        if (given.size != manifest.results.size) {
            throw PayloadException("the model gives ${given.size} values, and the manifest has ${manifest.results.size}: bundle it again")
        }
        return manifest.results
            .zip(given)
            .filter { (result, _) -> result.isFloat }
            .associate { (result, value) -> result.name to value.toTensor().dataAsFloatArray }
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
