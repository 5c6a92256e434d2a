// Signatures of ExecuTorch's Kotlin interface, as far as the app's module uses it. Written from what is published of it,
// to compile against: nothing here runs a model.
@file:Suppress("UNUSED_PARAMETER")

package org.pytorch.executorch

import java.io.Closeable

abstract class Tensor internal constructor() {
    open val dataAsFloatArray: FloatArray get() = throw IllegalStateException()

    companion object {
        @JvmStatic fun fromBlob(data: FloatArray, shape: LongArray): Tensor = throw IllegalStateException()
    }
}

class EValue private constructor() {
    fun toTensor(): Tensor = throw IllegalStateException()

    companion object {
        @JvmStatic fun from(tensor: Tensor): EValue = throw IllegalStateException()
    }
}

open class Module private constructor() : Closeable {
    open fun execute(methodName: String, vararg inputs: EValue): Array<EValue> = throw IllegalStateException()

    open fun loadMethod(methodName: String): Unit = throw IllegalStateException()

    open fun destroy() = Unit

    override fun close() = destroy()

    companion object {
        const val LOAD_MODE_FILE = 0
        const val LOAD_MODE_MMAP = 1

        @JvmStatic
        @JvmOverloads
        fun load(modelPath: String?, loadMode: Int = LOAD_MODE_FILE, numThreads: Int = 0): Module =
            throw IllegalStateException()
    }
}
