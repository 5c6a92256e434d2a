import CloFormerCore
import CoreML
import Foundation

/// A model of a probe: the app's operators and weights, with values inside as outputs.
public struct ProbeModel {
    private let model: MLModel
    private let payload: Payload
    /// The values by the outputs that have them.
    private let values: [String: String]

    /// Compiles and loads the model below `folder`, whose files have been held to their hashes.
    public init(
        _ entry: ProbeIndex.Model, in folder: URL, payload: Payload, units: MLComputeUnits
    ) async throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units
        let compiled = try await MLModel.compileModel(at: folder.appendingPathComponent(entry.path))
        defer { try? FileManager.default.removeItem(at: compiled) }
        model = try MLModel(contentsOf: compiled, configuration: configuration)
        self.payload = payload
        values = Dictionary(entry.values.map { ($0.output, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    /// What the model gives for an image that is prepared already: its outputs, and the values by their names in the
    /// artifact.
    public func tensors(for pixels: Pixels) throws -> [String: Tensor] {
        let image = MLFeatureValue(pixelBuffer: try pixels.pixelBuffer())
        let given = try model.prediction(
            from: MLDictionaryFeatureProvider(dictionary: [payload.manifest.input.name: image])
        )
        var found: [String: Tensor] = [:]
        for (output, value) in values {
            found[value] = try given.featureValue(for: output)?.multiArrayValue.flatMap(tensor)
        }
        for output in payload.manifest.outputs where found[output.name] == nil {
            found[output.name] = given.featureValue(for: output.name).flatMap { numbers($0, payload.labels) }
                .map { Tensor($0) }
        }
        return found
    }

    /// Nil for numbers of a type that programs have no outputs of.
    private func tensor(_ array: MLMultiArray) throws -> Tensor? {
        let types: [MLMultiArrayDataType: (name: String, width: Int)] = [
            .float16: ("F16", 2), .float32: ("F32", 4), .double: ("F64", 8), .int32: ("I32", 4),
        ]
        guard let type = types[array.dataType] else { return nil }
        let shape = array.shape.map(\.intValue)
        let strides = array.strides.map(\.intValue)
        let data = try array.withUnsafeBytes { memory in
            try contiguous(memory, shape: shape, strides: strides, width: type.width)
        }
        return Tensor(type: type.name, shape: shape, data: data)
    }
}
