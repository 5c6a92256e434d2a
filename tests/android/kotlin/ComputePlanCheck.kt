package io.github.cloformer.checks

import io.github.cloformer.core.ComputePlan
import io.github.cloformer.core.Device
import io.github.cloformer.core.DeviceReport
import io.github.cloformer.core.Folder
import io.github.cloformer.core.Kit
import io.github.cloformer.core.Manifest
import io.github.cloformer.core.Options
import io.github.cloformer.core.PayloadException
import io.github.cloformer.core.PlannedOperator
import io.github.cloformer.core.Provider
import io.github.cloformer.core.Runtime
import io.github.cloformer.core.judge
import io.github.cloformer.core.opened
import io.github.cloformer.core.read
import io.github.cloformer.core.readProfile
import io.github.cloformer.ort.Model
import io.github.cloformer.ort.profiledPlan
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.nio.file.Files

/** Where operators run, as profiles of the real ONNX Runtime say it, and as made-up ones must not. */
class ComputePlanCheck {
    private val payload = Folder.of(given("payload"))
    private val manifest = Manifest.read(payload)

    @Test
    fun everyOperatorHasItsProviderAndItsTime() {
        for (provider in listOf(Provider.CPU, Provider.XNNPACK)) {
            val plan = planOf(provider)
            assertNull(plan.whyNot)
            assertEquals(if (provider == Provider.CPU) setOf("cpu") else setOf("cpu", "xnnpack"), plan.operators.map { it.device }.toSet())
            assertTrue("each has a time", plan.operators.all { it.cost != null && it.cost!! >= 0 })
            assertTrue("a convolution is among them", plan.operators.any { it.kind == "Conv" && it.device == provider.name.lowercase() })
            assertEquals(plan.operators.size, plan.partitions.sumOf { it.second })
            assertTrue("neighbours differ", plan.partitions.zipWithNext().all { (one, next) -> one.first != next.first })
        }
    }

    /** Without Android there is no NNAPI, and ONNX Runtime says no word of it: all runs on the processor. */
    @Test
    fun whatNnapiDoesNotTakeIsSeen() {
        val plan = planOf(Provider.NNAPI)
        assertEquals(listOf("cpu"), plan.partitions.map { it.first })
        assertEquals(Provider.NNAPI, plan.asked)
    }

    /** Without a graphics processor there is no WebGPU: the reason takes the place of the operators. */
    @Test
    fun whatCannotBeMadeSaysWhy() {
        val plan = planOf(Provider.WEBGPU)
        assertTrue(plan.operators.isEmpty())
        assertTrue("${plan.whyNot}", plan.whyNot!!.contains("WebGPU"))
    }

    /** Of the arm64 library, the same numbers are estimated by Python, and held to these. */
    @Test
    fun aReportOnXnnpackIsWritten() {
        val plan = planOf(Provider.XNNPACK)
        val kit = Kit.read(Folder.of(given("conformance")))
        val results =
            Model(manifest, content(), Options(Provider.XNNPACK)).use { model ->
                kit.vectors.map { judge(kit, it, manifest, Honest(manifest.input.preprocessing, model)) }
            }
        val device = Device("none", "a Java machine", "Linux", "x86_64", "debug")
        val report = DeviceReport(manifest, device, Runtime(Model.RUNTIME, Model.version, "xnnpack", 1), results, null, plan)
        given("report").resolveSibling("xnnpack-report.json").writeText(report.toJson())
        val taken = plan.operators.count { it.device == "xnnpack" }
        println("XNNPACK ran $taken of ${plan.operators.size} operators, in ${plan.partitions.size} partitions")
    }

    @Test
    fun theMedianAfterTheWarmUpCounts() {
        val text = profile(listOf(90, 1, 3, 2, 80), "Conv")
        assertEquals(listOf(PlannedOperator("Conv", "Conv", "xnnpack", 3.0)), readProfile(text, 1))
        assertEquals(listOf(PlannedOperator("Conv", "Conv", "xnnpack", 80.0)), readProfile(text, 4))
    }

    @Test
    fun whatIsInsideAnotherIsPartOfIt() {
        val text = """[${run()}, ${kernel("Add", 5, 10)}, ${kernel("Mul", 4, 16)}, ${kernel("If", 12, 9)}, ${kernel("Sub", 2, 30)}]"""
        assertEquals(listOf("If", "Sub"), readProfile(text, 0).map { it.name })
    }

    @Test
    fun otherTextsAreRefused() {
        val uneven = profile(listOf(1, 2), "Conv", more = listOf(kernel("Add", 1)))
        val changing = """[${run()}, ${kernel("Conv", 1)}, ${run()}, ${kernel("Add", 1)}]"""
        for (text in listOf("", "{}", "[]", "[1]", "[${run()}]", profile(listOf(1), "Conv"), uneven, changing)) {
            assertThrows(text, PayloadException::class.java) { readProfile(text, 1) }
        }
        assertThrows(PayloadException::class.java) { readProfile(changing, 0) }
    }

    @Test
    fun whatACompilerTookIsNamedByTheGraphWithoutIt() {
        val names = listOf("a", "b", "c", "d")
        val whole = names.map { PlannedOperator(it, "Conv", "cpu", 1.0) }
        val own = listOf(
            PlannedOperator("Nnapi_1", "Nnapi_1", "nnapi", 5.0),
            PlannedOperator("c", "Conv", "cpu", 7.0),
            PlannedOperator("Nnapi_2", "Nnapi_2", "nnapi", 5.0),
        )
        val plan = ComputePlan.of(Provider.NNAPI, opened(own, whole, Provider.NNAPI))
        assertEquals(names, plan.operators.map { it.name })
        assertEquals(listOf("nnapi" to 2, "cpu" to 1, "nnapi" to 1), plan.partitions)
        assertEquals(listOf(null, null, 7.0, null), plan.operators.map { it.cost })
    }

    /** What the profiler writes does not stay. */
    private fun planOf(provider: Provider): ComputePlan {
        val folder = Files.createTempDirectory("plan").toFile()
        try {
            return profiledPlan(manifest, content(), Options(provider), folder).also { assertNothingLeft(folder, it) }
        } finally {
            folder.deleteRecursively()
        }
    }

    private fun assertNothingLeft(folder: File, plan: ComputePlan) {
        if (plan.whyNot == null) assertEquals(emptyList<String>(), folder.list()!!.toList())
    }

    private fun content() = Model.direct(payload.read(manifest.modelPath))

    private fun profile(times: List<Int>, name: String, more: List<String> = emptyList()) =
        times.flatMap { listOf(run(), kernel(name, it)) }.plus(more).joinToString(",", "[", "]")

    private fun run() = """{"cat": "Session", "name": "model_run", "dur": 1}"""

    private fun kernel(name: String, time: Int, begun: Int = 0) =
        """{"cat": "Node", "name": "${name}_kernel_time", "dur": $time, "ts": $begun,
            "args": {"op_name": "$name", "provider": "XnnpackExecutionProvider"}}"""
}
