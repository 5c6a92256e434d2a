package io.github.cloformer.ort

import io.github.cloformer.core.Manifest

/** Where the model runs. What a provider does not take over, the processor's own code runs. */
enum class Provider { CPU, XNNPACK, NNAPI }

/** [threads] of the processor; 1 disturbs the rest of the phone least. */
data class Options(val provider: Provider = Provider.CPU, val threads: Int = 1) {
    init {
        require(threads >= 1) { "$threads threads" }
    }
}

/**
 * In float16, ONNX Runtime's own fusions end in an operator that its Android library for arm64 does not have; basic
 * ones do not.
 */
internal fun needsBasicOptimization(manifest: Manifest) = manifest.precision == "fp16"
