package io.github.cloformer.core

/** Where the model runs. What a provider does not take over, the processor's own code runs. */
enum class Provider { CPU, XNNPACK, NNAPI, WEBGPU }

/** [provider]: null is the one that the model was made for. [threads] of the processor; 1 disturbs the rest of the phone least. */
data class Options(val provider: Provider? = null, val threads: Int = 1) {
    init {
        require(threads >= 1) { "$threads threads" }
    }

    /** Where the model of [manifest] runs. */
    fun providerOf(manifest: Manifest): Provider = provider ?: manifest.provider
}

/** The exported model in its runtime. To be used by one thread at a time, and closed. */
interface Session : AutoCloseable {
    /** Every output by name; numbers of classes as floats, which have them all. [input] is what the preprocessing gives, one channel after the other, however the model itself takes it. */
    fun run(input: FloatArray): Map<String, FloatArray>
}

/** Values of one channel after the other, as [channels] values of one pixel after the other. */
fun channelsLast(values: FloatArray, channels: Int): FloatArray {
    val pixels = values.size / channels
    val result = FloatArray(values.size)
    for (channel in 0 until channels) {
        for (pixel in 0 until pixels) result[pixel * channels + channel] = values[channel * pixels + pixel]
    }
    return result
}
