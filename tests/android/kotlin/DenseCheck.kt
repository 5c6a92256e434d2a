package io.github.cloformer.checks

import io.github.cloformer.core.Folder
import io.github.cloformer.core.Kit
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Pixels
import io.github.cloformer.core.Subject
import io.github.cloformer.core.VectorResult
import io.github.cloformer.core.inMatchingOrder
import io.github.cloformer.core.judge
import io.github.cloformer.core.read
import io.github.cloformer.core.resize
import io.github.cloformer.core.seen
import io.github.cloformer.core.verify
import io.github.cloformer.ort.Model
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

/** Boxes, maps and points: told in an image's own pixels as Python tells them, and held to the kit as an app holds them. */
class DenseCheck {
    /** A network's bundle, and a mistake that an app, or a runtime, makes of its outputs. */
    private class Bundle(name: String) : AutoCloseable {
        val folder = File(given("dense"), name)
        private val payload = Folder.of(File(folder, "bundle/app/src/main/assets/cloformer"))
        val manifest = Manifest.read(payload).also { payload.verify(it.payload) }
        val labels = manifest.labels(payload)
        val rule = manifest.input.preprocessing
        val model = Model(manifest, Model.direct(payload.read(manifest.modelPath)))
        private val kit =
            Kit.read(Folder.of(File(folder, "bundle/app/src/androidTest/assets/conformance"))).also { it.checkBelongsTo(manifest) }

        fun results(subject: Subject = Honest(rule, model)): List<VectorResult> = kit.vectors.map { judge(kit, it, manifest, subject) }

        override fun close() = model.close()
    }

    /** The model, but for what is done to its outputs. */
    private class Spoiled(bundle: Bundle, private val change: (Map<String, FloatArray>) -> Map<String, FloatArray>) :
        Honest(bundle.rule, bundle.model) {
        override fun run(input: FloatArray) = change(super.run(input))
    }

    @Test
    fun whatIsSeenIsPythons() {
        var boxes = 0
        for (name in NAMES) {
            Bundle(name).use { bundle ->
                val folder = Folder.of(File(bundle.folder, "cases"))
                val cases = JSONArray(String(folder.read("cases.json")))
                for (number in 0 until cases.length()) boxes += same(bundle, folder, cases.getJSONObject(number), "$name $number")
            }
        }
        assertTrue("$boxes boxes", boxes > 500)
        println("$boxes boxes, and maps, points and pictures of ${NAMES.size} networks, are the same to the bit")
    }

    private fun same(bundle: Bundle, folder: Folder, case: JSONObject, name: String): Int {
        val files = case.getJSONObject("outputs")
        val values = files.keys().asSequence().associateWith { floatsOf(folder.read(files.getString(it))) }
        val place = bundle.rule.place(case.getInt("width"), case.getInt("height"))
        val found = seen(bundle.manifest, values, place, bundle.labels, 0.3)
        val boxes = case.getJSONArray("boxes")
        assertEquals(name, boxes.length(), found.boxes.size)
        found.boxes.forEachIndexed { at, box ->
            val want = boxes.getJSONArray(at)
            assertEquals(name, want.getInt(0), box.index)
            assertEquals(name, if (want.isNull(1)) null else want.getString(1), box.label)
            assertEquals(name, want.getDouble(2), box.score.toDouble(), 0.0)
            listOf(box.left, box.top, box.right, box.bottom).forEachIndexed { side, corner ->
                assertEquals(name, want.getDouble(3 + side), corner, 0.0)
            }
        }
        val points = case.getJSONArray("points")
        assertEquals(name, points.length(), found.points.size)
        found.points.forEachIndexed { at, point ->
            val want = points.getJSONArray(at)
            assertEquals(name, want.getDouble(0), point.x, 0.0)
            assertEquals(name, want.getDouble(1), point.y, 0.0)
            assertEquals(name, want.getDouble(2), point.score!!.toDouble(), 0.0)
        }
        assertEquals(name, case.getJSONArray("maps").ints(), found.maps.map { it.classes.toList() })
        val shares = case.getJSONArray("shares")
        assertEquals(name, shares.length(), found.maps.size)
        found.maps.forEachIndexed { at, map -> same(name, shares.getJSONArray(at), found.shares(map)) }
        assertEquals(name, case.getJSONArray("pictures").ints(), found.pictures.map { each -> each.bytes.map { it.toInt() and 255 } })
        return boxes.length()
    }

    private fun same(name: String, want: JSONArray, found: List<Pair<Int, Double>>) {
        assertEquals(name, want.length(), found.size)
        found.forEachIndexed { at, (index, share) ->
            assertEquals(name, want.getJSONArray(at).getInt(0), index)
            assertEquals(name, want.getJSONArray(at).getDouble(1), share, 0.0)
        }
    }

    @Test
    fun boxesAreHeldToThoseThatTheyMatch() {
        val rows = JSONObject(given("fixtures").readText()).getJSONArray("matched")
        for (number in 0 until rows.length()) {
            val row = rows.getJSONObject(number)
            val json = JSONObject(row.getString("manifest")).put("format", "onnx")
            val manifest = Manifest.parse(json.toString().toByteArray())
            val found = inMatchingOrder(manifest, row.floats("given"), row.floats("expected"))
            for ((name, values) in row.floats("ordered")) assertArrayEquals("$number: $name", values, found.getValue(name), 0f)
        }
    }

    private fun JSONObject.floats(name: String): Map<String, FloatArray> {
        val values = getJSONObject(name)
        return values.keys().asSequence().associateWith { key ->
            values.getJSONArray(key).let { list -> FloatArray(list.length()) { list.getDouble(it).toFloat() } }
        }
    }

    @Test
    fun everyVectorHolds() {
        for (name in NAMES) {
            Bundle(name).use { bundle ->
                val results = bundle.results()
                assertEquals(name, emptyList<VectorResult>(), results.filterNot { it.passed })
                assertEquals(name, 7, results.size)
            }
        }
    }

    @Test
    fun plantedMistakesOfBoxes() {
        val mistakes = mapOf<String, (Map<String, FloatArray>) -> Map<String, FloatArray>>(
            "half a stride" to { it + ("where" to FloatArray(48) { at -> it.getValue("where")[at] + 4 }) },
            "centre and size for corners" to { given ->
                val boxes = given.getValue("where")
                given + ("where" to FloatArray(48) { at -> if (at % 4 > 1) boxes[at] - boxes[at - 2] else boxes[at] })
            },
            "classes by one" to { it + ("classes" to FloatArray(12) { at -> it.getValue("classes")[at] + 1 }) },
            "two classes exchanged" to { it + ("classes" to FloatArray(12) { at -> 2 - it.getValue("classes")[at] }) },
            "a threshold twice" to { given ->
                val scores = given.getValue("what")
                val most = scores.max()
                given + ("what" to FloatArray(12) { at -> if (scores[at] < most) 0f else scores[at] })
            },
            "nothing" to { it.mapValues { (_, values) -> FloatArray(values.size) } },
            "an output that is not there" to { it - "classes" },
        )
        Bundle("detector").use { bundle ->
            for ((name, mistake) in mistakes) {
                val failing = bundle.results(Spoiled(bundle, mistake)).filterNot { it.passed }
                assertTrue("$name: ${failing.size} fail", failing.size >= 6)
                assertTrue(name, failing.all { it.preprocessingPassed })
            }
        }
        println("${mistakes.size} mistakes of boxes are seen")
    }

    @Test
    fun plantedMistakesOfMaps() = Bundle("map").use { bundle ->
        val byOne = Spoiled(bundle) { given -> given.mapValues { (_, values) -> FloatArray(values.size) { values[it] + 1 } } }
        val moved = Spoiled(bundle) { given -> given.mapValues { (_, values) -> FloatArray(values.size) { values[(it + 8) % values.size] } } }
        assertTrue(bundle.results(byOne).none { it.passed })
        assertTrue(bundle.results(moved).any { !it.passed })
    }

    /** The image at the top left of its border, or resized without one. */
    @Test
    fun plantedMistakesOfLetterboxes() = Bundle("detector").use { bundle ->
        val corner = object : Honest(bundle.rule, bundle.model) {
            override fun crop(image: Pixels): Pixels {
                val place = rule.place(image.width, image.height)
                val resized = image.resize(place.resizedWidth, place.resizedHeight, rule.filter)
                return resized.bordered(0, 0, rule.width, rule.height, rule.fill!!)
            }
        }
        val stretched = object : Honest(bundle.rule, bundle.model) {
            override fun crop(image: Pixels) = image.resize(rule.width, rule.height, rule.filter)
        }
        val black = Honest(bundle.rule.copy(fill = 0), bundle.model)
        for (mistake in listOf(corner, stretched, black)) {
            assertTrue(bundle.results(mistake).any { !it.preprocessingPassed })
        }
    }

    private fun JSONArray.ints(): List<List<Int>> =
        List(length()) { row -> getJSONArray(row).let { values -> List(values.length()) { values.getInt(it) } } }

    private companion object {
        val NAMES = listOf("yolo", "detector", "maps", "map", "points", "sharper")
    }
}
