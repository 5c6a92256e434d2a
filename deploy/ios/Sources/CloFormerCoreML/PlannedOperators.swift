import CloFormerCore
import CoreML
import Foundation

extension Classifier {
    /// Where Core ML plans to run the operators of the model, with the compute units that it was loaded for. The plan
    /// is Core ML's own, made without running the model; its costs are estimates.
    public nonisolated func computePlan() async -> ComputePlan {
        let asked = ThisDevice.name(of: options.computeUnits)
        guard #available(iOS 17.4, macOS 14.4, *) else {
            return ComputePlan(asked: asked, whyNot: "MLComputePlan needs iOS 17.4, and this device has an older one")
        }
        do {
            let configuration = MLModelConfiguration()
            configuration.computeUnits = options.computeUnits
            let compiled = try await CompiledModelCache().model(of: payload)
            let plan = try await MLComputePlan.load(contentsOf: compiled, configuration: configuration)
            return ComputePlan(asked: asked, operators: planned(plan))
        } catch {
            return ComputePlan(asked: asked, whyNot: "MLComputePlan cannot be made: \(error)")
        }
    }
}

/// The operators of the program that are computed when it runs, in its order; none of a model that is no program.
@available(iOS 17.4, macOS 14.4, *)
private func planned(_ plan: MLComputePlan) -> [ComputePlan.Operator] {
    guard case .program(let program) = plan.modelStructure else { return [] }
    let function = program.functions["main"] ?? program.functions.values.first
    return (function?.block.operations ?? []).flatMap { planned($0, in: plan) }
}

/// An operator, and those of the blocks inside it.
@available(iOS 17.4, macOS 14.4, *)
private func planned(
    _ operation: MLModelStructure.Program.Operation, in plan: MLComputePlan
) -> [ComputePlan.Operator] {
    guard !isConstant(kind: operation.operatorName) else { return [] }
    let usage = plan.deviceUsage(for: operation)
    let own = ComputePlan.Operator(
        name: operation.outputs.first?.name ?? "no output", kind: operation.operatorName,
        device: usage.map { name(of: $0.preferred) }, supported: usage.map { $0.supported.map { name(of: $0) } },
        cost: plan.estimatedCost(of: operation)?.weight
    )
    return [own] + operation.blocks.flatMap { $0.operations.flatMap { planned($0, in: plan) } }
}

@available(iOS 17.4, macOS 14.4, *)
private func name(of device: MLComputeDevice) -> String {
    switch device {
    case .cpu: return "cpu"
    case .gpu: return "gpu"
    case .neuralEngine: return "neural_engine"
    @unknown default: return "a device of a newer system"
    }
}
