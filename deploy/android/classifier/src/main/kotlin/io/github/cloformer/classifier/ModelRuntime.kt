package io.github.cloformer.classifier

import android.content.Context
import io.github.cloformer.core.ComputePlan
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Session
import java.io.File
import java.io.InputStream

/**
 * What loads an exported model and runs it. Each runtime's module has one, under the same name:
 * `io.github.cloformer.runtime.BundledRuntime`, so that an app does not know which runtime it carries.
 */
interface ModelRuntime {
    /** As reports name it. */
    val name: String

    val version: String

    /** Of the models that it loads, as manifests name it. */
    val format: String

    /** Where it can run them; [Provider.CPU] is among them. */
    val providers: Set<Provider>

    /** The one that the app was bundled for; null is the one that its model was made for. */
    val preferred: Provider?

    /** [files] have been held to the hashes of [manifest]. Throws [io.github.cloformer.core.PayloadException]. */
    fun load(manifest: Manifest, files: ModelFiles, options: Options): Session

    /** Where the operators run, found by running the model; [folder] is for what the runtime writes meanwhile. */
    fun computePlan(manifest: Manifest, files: ModelFiles, options: Options, folder: File): ComputePlan
}

/** [options], with the provider that the app was bundled for where they name none. */
fun ModelRuntime.chosen(options: Options): Options =
    if (options.provider == null) options.copy(provider = preferred) else options

/** Where the model and its manifest lie. */
sealed class ModelFiles : Folder {
    /** Among the app's assets, below [path]. */
    class Assets(val context: Context, val path: String) : ModelFiles() {
        override fun open(path: String): InputStream = context.assets.open("${this.path}/$path")
    }

    class Directory(val folder: File) : ModelFiles() {
        override fun open(path: String): InputStream = File(folder, path).inputStream()
    }
}
