import Foundation

/// What a device found: `device-report.json`, which `cloformer import-device-report` reads.
public struct DeviceReport: Codable, Equatable, Sendable {
    public static let fileName = "device-report.json"

    public let schemaVersion: Int
    public let kind: String
    public let manifestSHA256: String
    public let modelSHA256: String?
    public let device: Device
    public let runtime: Runtime
    public var vectors: [Vector]
    public var latency: Latency?
    /// Nil in a report of version 1, and where nobody asked.
    public var placement: ComputePlan?

    public struct Device: Codable, Equatable, Sendable {
        public let manufacturer: String
        public let model: String
        public let os: String
        public let cpu: String
        public let appBuild: String

        enum CodingKeys: String, CodingKey {
            case manufacturer, model, os, cpu
            case appBuild = "app_build"
        }

        public init(manufacturer: String, model: String, os: String, cpu: String, appBuild: String) {
            self.manufacturer = manufacturer
            self.model = model
            self.os = os
            self.cpu = cpu
            self.appBuild = appBuild
        }
    }

    /// `provider` is the compute units that Core ML was allowed; `threads` is 0 where the runtime chooses.
    public struct Runtime: Codable, Equatable, Sendable {
        public let name: String
        public let version: String
        public let provider: String
        public let threads: Int

        public init(name: String, version: String, provider: String, threads: Int) {
            self.name = name
            self.version = version
            self.provider = provider
            self.threads = threads
        }
    }

    public struct Vector: Codable, Equatable, Sendable {
        public let name: String
        /// Nil for a vector that judges the model alone.
        public let preprocessing: Preprocessed?
        public let outputs: [String: Output]

        public init(name: String, preprocessing: Preprocessed?, outputs: [String: Output]) {
            self.name = name
            self.preprocessing = preprocessing
            self.outputs = outputs
        }

        public var passed: Bool { (preprocessing?.passed ?? true) && outputs.values.allSatisfy(\.passed) }

        /// What is not judged is written as null, not left out.
        public func encode(to encoder: Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(preprocessing, forKey: .preprocessing)
            try container.encode(outputs, forKey: .outputs)
        }
    }

    public struct Preprocessed: Codable, Equatable, Sendable {
        public let passed: Bool
        public let maxAbs: Double

        enum CodingKeys: String, CodingKey {
            case passed
            case maxAbs = "max_abs"
        }

        public init(passed: Bool, maxAbs: Double) {
            self.passed = passed
            self.maxAbs = maxAbs
        }
    }

    public struct Output: Codable, Equatable, Sendable {
        public let passed: Bool
        public let maxAbs: Double
        /// The largest magnitude that was expected.
        public let largest: Double
        public let cosine: Double

        enum CodingKeys: String, CodingKey {
            case passed, largest, cosine
            case maxAbs = "max_abs"
        }

        public init(passed: Bool, maxAbs: Double, largest: Double, cosine: Double) {
            self.passed = passed
            self.maxAbs = maxAbs
            self.largest = largest
            self.cosine = cosine
        }
    }

    enum CodingKeys: String, CodingKey {
        case kind, device, runtime, vectors, latency, placement
        case schemaVersion = "schema_version"
        case manifestSHA256 = "manifest_sha256"
        case modelSHA256 = "model_sha256"
    }

    public init(
        manifestSHA256: String, modelSHA256: String?, device: Device, runtime: Runtime, vectors: [Vector],
        latency: Latency?, placement: ComputePlan? = nil
    ) {
        schemaVersion = 2
        kind = "device-report"
        self.manifestSHA256 = manifestSHA256
        self.modelSHA256 = modelSHA256
        self.device = device
        self.runtime = runtime
        self.vectors = vectors
        self.latency = latency
        self.placement = placement
    }

    /// What is not known is written as null, not left out.
    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(schemaVersion, forKey: .schemaVersion)
        try container.encode(kind, forKey: .kind)
        try container.encode(manifestSHA256, forKey: .manifestSHA256)
        try container.encode(modelSHA256, forKey: .modelSHA256)
        try container.encode(device, forKey: .device)
        try container.encode(runtime, forKey: .runtime)
        try container.encode(vectors, forKey: .vectors)
        try container.encode(latency, forKey: .latency)
        try container.encode(placement, forKey: .placement)
    }

    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }

    /// Whether `other` is of the same model on the same device, run the same way.
    public func isOfTheSame(as other: DeviceReport) -> Bool {
        manifestSHA256 == other.manifestSHA256 && device == other.device && runtime == other.runtime
    }
}
