// In the place of LiteRT's library: the signatures of its Kotlin interface that the app's module uses, written from what is
// published of it. A model gives back what it was given, and says how it was asked.
@file:Suppress("UNUSED_PARAMETER")

package com.google.ai.edge.litert

import android.content.res.AssetManager

class LiteRtException(message: String) : Exception(message)

enum class Accelerator { NONE, CPU, GPU, NPU }

class Environment private constructor() : AutoCloseable {
    override fun close() = Unit
}

class TensorBuffer internal constructor() : AutoCloseable {
    internal var values = FloatArray(0)

    init {
        CompiledModel.open += 1
    }

    fun writeFloat(data: FloatArray) {
        values = data
    }

    fun readFloat(): FloatArray = values

    fun readInt(): IntArray = IntArray(values.size) { values[it].toInt() }

    fun readLong(): LongArray = LongArray(values.size) { values[it].toLong() }

    override fun close() {
        CompiledModel.open -= 1
    }
}

class CompiledModel private constructor(options: Options) : AutoCloseable {
    init {
        threads = options.cpuOptions?.numThreads
        open += 1
    }

    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    class Options(vararg accelerators: Accelerator) {
        var cpuOptions: CpuOptions? = null

        companion object {
            @JvmStatic val CPU = Options(Accelerator.CPU)
        }
    }

    fun createInputBuffer(inputName: String, signature: String = "") = named(inputName)

    fun createOutputBuffer(outputName: String, signature: String = "") = named(outputName)

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String = "") {
        for (output in outputs.values) output.values = inputs.values.single().values
    }

    override fun close() {
        open -= 1
    }

    private fun named(name: String) = if (name in names) TensorBuffer() else throw LiteRtException("no $name")

    companion object {
        /** For tests: what the signature has, what was asked for last, and what was not closed. */
        var names = emptySet<String>()
        var threads: Int? = null
        var open = 0

        @JvmStatic
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options.CPU,
            optionalEnv: Environment? = null,
        ) = CompiledModel(options)

        @JvmStatic
        fun create(filePath: String, options: Options = Options.CPU, optionalEnv: Environment? = null) =
            if (java.io.File(filePath).exists()) CompiledModel(options) else throw LiteRtException("no $filePath")
    }
}
