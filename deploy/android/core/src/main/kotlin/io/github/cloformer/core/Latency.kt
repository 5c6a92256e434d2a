package io.github.cloformer.core

import kotlin.math.ceil

/** How long is measured: at least so many queries, and at least so many seconds. */
enum class Preset(val queries: Int, val seconds: Double) {
    QUICK(128, 10.0),
}

/** Times in nanoseconds of a clock that never goes back. The warm-up is kept, and belongs to no statistic. */
class Latency(
    val load: Long,
    val first: Long,
    val warmUp: List<Long>,
    val samples: List<Long>,
    val threads: Int,
    val preset: Preset,
) {
    /** The smallest sample that at least [share] of all do not exceed. */
    fun quantile(share: Double): Long = samples.sorted()[ceil(share * samples.size).toInt().coerceIn(1, samples.size) - 1]

    companion object {
        private const val WARM_UP_QUERIES = 10
        private const val WARM_UP_SECONDS = 1.0
        private const val NANOSECONDS = 1e9

        /**
         * Loads the model with [load] and runs [query] on it again and again, one after another. [now] is the clock, in
         * nanoseconds. [progress] gets the share that is done, between queries.
         */
        fun <Model> measure(
            preset: Preset,
            threads: Int,
            load: () -> Model,
            query: (Model) -> Unit,
            now: () -> Long = System::nanoTime,
            progress: (Double) -> Unit = {},
        ): Latency {
            val start = now()
            val model = load()
            val loaded = now() - start
            val first = time(now) { query(model) }
            val warmUp = repeat(WARM_UP_QUERIES, WARM_UP_SECONDS, now, {}) { query(model) }
            val samples = repeat(preset.queries, preset.seconds, now, progress) { query(model) }
            return Latency(loaded, first, warmUp, samples, threads, preset)
        }

        private fun repeat(
            queries: Int,
            seconds: Double,
            now: () -> Long,
            progress: (Double) -> Unit,
            query: () -> Unit,
        ): List<Long> {
            val samples = mutableListOf<Long>()
            val start = now()
            while (true) {
                val share = minOf(samples.size / queries.toDouble(), (now() - start) / (seconds * NANOSECONDS))
                if (share >= 1) return samples
                progress(share)
                samples += time(now, query)
            }
        }

        private inline fun time(now: () -> Long, query: () -> Unit): Long {
            val start = now()
            query()
            return now() - start
        }
    }
}
