package io.github.cloformer.checks

import io.github.cloformer.core.Folder
import io.github.cloformer.core.Pixels
import io.github.cloformer.core.Preprocessing
import io.github.cloformer.core.read
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.math.abs

/** Turning, resizing, cropping and normalizing give what the Python package gives, on the images that it wrote. */
class PreprocessingCheck {
    @Test
    fun everyImageIsTheSameToTheBit() {
        val folder = Folder.of(given("images"))
        val cases = JSONArray(String(folder.read("images.json")))
        assertTrue(cases.length() >= 50)
        var largest = 0.0
        for (index in 0 until cases.length()) {
            val case = cases.getJSONObject(index)
            val name = case.getString("name")
            val rule = Preprocessing.parse(case.getJSONObject("preprocessing"))
            val image = Pixels(case.getInt("width"), case.getInt("height"), folder.read("$name.rgb"))
            val upright = image.upright(case.getInt("orientation"))
            val cropped = rule.crop(upright)
            val off = cropped.bytes.indices.count { cropped.bytes[it] != folder.expected(name)[it] }
            assertEquals("$name: bytes that differ", 0, off)
            val expected = floatsOf(folder.read("$name.f32"))
            val given = rule.normalize(cropped)
            assertEquals(expected.size, given.size)
            val place = rule.place(upright.width, upright.height)
            val points = case.getJSONArray("points")
            for (at in 0 until points.length()) {
                val point = points.getJSONArray(at)
                assertEquals(point.getDouble(2), place.backX(point.getDouble(0)), 0.0)
                assertEquals(point.getDouble(3), place.backY(point.getDouble(1)), 0.0)
            }
            largest = maxOf(largest, expected.indices.maxOf { abs(expected[it] - given[it]).toDouble() })
        }
        // 1e-6 would do for a model. But both sides compute in double precision and round once: nothing may differ.
        assertEquals("normalized values differ", 0.0, largest, 0.0)
        println("${cases.length()} images are the same to the bit, and so are their normalized values")
    }

    private val pixels = mutableMapOf<String, ByteArray>()

    private fun Folder.expected(name: String) = pixels.getOrPut(name) { read("$name.pixels") }
}
