package io.github.cloformer.checks

import io.github.cloformer.core.Folder
import io.github.cloformer.core.Kit
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.compare
import io.github.cloformer.core.read
import io.github.cloformer.core.softmax
import io.github.cloformer.core.topClasses
import io.github.cloformer.ort.Model

/** A program that classifies, to be shrunk: the payload's folder and the kit's are its arguments. */
fun main(arguments: Array<String>) {
    val payload = Folder.of(java.io.File(arguments[0]))
    val kit = Kit.read(Folder.of(java.io.File(arguments[1])))
    val manifest = Manifest.read(payload)
    kit.checkBelongsTo(manifest)
    Model(manifest, Model.direct(payload.read(manifest.modelPath))).use { model ->
        for (vector in kit.vectors) {
            val outputs = model.run(kit.floats(vector.input))
            val results = vector.outputs.map { (name, wanted) -> compare(outputs[name], kit.floats(wanted.file), wanted.tolerance) }
            check(results.all { it.passed }) { "${vector.name}: $results" }
        }
        val values = model.run(kit.floats(kit.vectors.last().input)).getValue(manifest.output.name)
        println("classified as ${topClasses(softmax(values), manifest.labels(payload), 1)}")
    }
    // What a model without a file looks like: a message of ONNX Runtime's native code has to become its exception.
    try {
        Model(manifest, Model.direct(ByteArray(10))).close()
    } catch (error: io.github.cloformer.core.PayloadException) {
        println("refused: ${error.message?.substringBefore('\n')}")
    }
}
