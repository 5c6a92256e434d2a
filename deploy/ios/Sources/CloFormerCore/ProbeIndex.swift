import Foundation

/// What `cloformer bundle ios --probe` puts beside the conformance kit: `probe.json`, which lists models with the
/// operators and weights of the app's, and values inside it as further outputs.
public struct ProbeIndex: Codable, Equatable, Sendable {
    public static let fileName = "probe.json"
    public static let newestSchema = 1

    public let schemaVersion: Int
    public let manifestSHA256: String
    public let mode: String
    public let planSHA256: String
    /// Names of those vectors of the kit that run through it.
    public let vectors: [String]
    public let models: [Model]

    public struct Model: Codable, Equatable, Sendable {
        public let path: String
        public let files: [FileEntry]
        public let values: [Value]
    }

    /// A value inside the model, and the output that has it.
    public struct Value: Codable, Equatable, Sendable {
        public let value: String
        public let output: String
    }

    enum CodingKeys: String, CodingKey {
        case mode, vectors, models
        case schemaVersion = "schema_version"
        case manifestSHA256 = "manifest_sha256"
        case planSHA256 = "plan_sha256"
    }

    /// The index in `data`. Throws ``CloFormerError`` if it is of a newer cloformer, or names files outside its folder.
    public static func read(_ data: Data) throws -> ProbeIndex {
        let index = try decode(
            ProbeIndex.self, from: data, file: fileName, newest: newestSchema,
            tooNew: { "this probe was made by a newer cloformer (version \($0), this app reads \(newestSchema))" }
        )
        let paths = index.models.flatMap { [$0.path] + $0.files.map(\.path) }
        guard !index.models.isEmpty, paths.allSatisfy(staysInside) else {
            throw CloFormerError("the probe has no models, or names files outside its folder", advice: bundleAgain)
        }
        return index
    }

    /// The file of values for compute units, beside the report.
    public static func file(for units: String) -> String { "device-values-\(units).safetensors" }

    /// What the file of values says of itself.
    public func told(_ device: DeviceReport.Device, _ runtime: DeviceReport.Runtime) -> [String: String] {
        [
            "kind": "cloformer-device-values", "schema_version": "1", "manifest_sha256": manifestSHA256,
            "mode": mode, "plan_sha256": planSHA256, "device_manufacturer": device.manufacturer,
            "device_model": device.model, "device_os": device.os, "device_cpu": device.cpu,
            "device_app_build": device.appBuild, "runtime_name": runtime.name, "runtime_version": runtime.version,
            "runtime_provider": runtime.provider, "runtime_threads": String(runtime.threads),
        ]
    }
}
