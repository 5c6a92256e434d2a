package io.github.cloformer.executorch

import io.github.cloformer.core.PayloadException

/**
 * ExecuTorch's pool of threads, of which a process has one. Loading a model makes it anew, of as many threads as that model
 * asks for, and so for every other model that is loaded: two that ask for different numbers are refused.
 */
internal object Threads {
    private var count = 0
    private var users = 0

    @Synchronized
    fun take(threads: Int) {
        if (users > 0 && threads != count) {
            throw PayloadException("a model is loaded that ExecuTorch runs on $count threads: close it, or load this one on as many")
        }
        count = threads
        users += 1
    }

    @Synchronized
    fun giveBack() {
        users -= 1
    }
}
