// In the place of ExecuTorch's library: the signatures of its Kotlin interface that the app's module uses, written from what
// is published of it. A program gives back what it was given, and says how it was asked.
@file:Suppress("UNUSED_PARAMETER")

package org.pytorch.executorch

import java.io.Closeable
import java.io.File

class Tensor internal constructor(val dataAsFloatArray: FloatArray, private val shape: LongArray) {
    val dataAsIntArray: IntArray get() = IntArray(dataAsFloatArray.size) { dataAsFloatArray[it].toInt() }

    val dataAsLongArray: LongArray get() = LongArray(dataAsFloatArray.size) { dataAsFloatArray[it].toLong() }

    fun shape(): LongArray = shape

    companion object {
        @JvmStatic fun fromBlob(data: FloatArray, shape: LongArray) = Tensor(data, shape)
    }
}

class EValue private constructor(private val tensor: Tensor) {
    fun toTensor(): Tensor = tensor

    companion object {
        @JvmStatic fun from(tensor: Tensor) = EValue(tensor)
    }
}

open class Module private constructor() : Closeable {
    open fun execute(methodName: String, vararg inputs: EValue): Array<EValue> = Array(outputs) { inputs.single() }

    open fun loadMethod(methodName: String): Unit = require(methodName == "forward") { "no $methodName" }

    open fun destroy() {
        open -= 1
    }

    override fun close() = destroy()

    companion object {
        const val LOAD_MODE_FILE = 0
        const val LOAD_MODE_MMAP = 1

        /** For tests: how many values a program gives, what was asked for last, and what was not closed. */
        var outputs = 1
        var threads = 0
        var open = 0

        @JvmStatic
        @JvmOverloads
        fun load(modelPath: String?, loadMode: Int = LOAD_MODE_FILE, numThreads: Int = 0): Module {
            require(modelPath != null && File(modelPath).exists()) { "no $modelPath" }
            threads = numThreads
            open += 1
            return Module()
        }
    }
}
