import Foundation

/// Images that each show one mistake of an app's preprocessing, with what the model gives for them:
/// `conformance.json` of a bundle's test folder.
public struct ConformanceKit: Codable, Equatable, Sendable {
    public static let newestSchema = 2

    public let schemaVersion: Int
    public let manifestSHA256: String
    /// Nil for a package, which is a folder.
    public let modelSHA256: String?
    public let files: [FileEntry]
    public let vectors: [Vector]

    public struct Vector: Codable, Equatable, Sendable {
        public let name: String
        /// Which mistake the vector finds, in words.
        public let aimsAt: String
        /// What a camera or a gallery gives.
        public let image: String
        /// Where the preprocessing is judged: "pixels" after the crop, or the normalized "input"; "outputs" is the
        /// model alone.
        public let compares: String
        /// What resize and crop must give.
        public let pixels: String
        public let input: String
        public let outputs: [String: Expected]

        enum CodingKeys: String, CodingKey {
            case name, image, compares, pixels, input, outputs
            case aimsAt = "aims_at"
        }
    }

    /// The file with an output's values, and how far others may be from them: `maxRel` is of the largest value, and of
    /// a map of classes of its places.
    public struct Expected: Codable, Equatable, Sendable {
        public let file: String
        public let maxRel: Double
        public let minCosine: Double
        public let because: String

        enum CodingKeys: String, CodingKey {
            case file, because
            case maxRel = "max_rel"
            case minCosine = "min_cosine"
        }

        public init(file: String, maxRel: Double, minCosine: Double, because: String) {
            self.file = file
            self.maxRel = maxRel
            self.minCosine = minCosine
            self.because = because
        }
    }

    enum CodingKeys: String, CodingKey {
        case files, vectors
        case schemaVersion = "schema_version"
        case manifestSHA256 = "manifest_sha256"
        case modelSHA256 = "model_sha256"
    }

    /// The kit in `data`. Throws ``CloFormerError`` if it has no vectors or names files outside its folder.
    public static func read(_ data: Data) throws -> ConformanceKit {
        let kit = try decode(
            ConformanceKit.self, from: data, file: "conformance.json", newest: newestSchema,
            tooNew: { version in
                "this conformance kit was written by a newer cloformer "
                    + "(version \(version), this app reads \(newestSchema))"
            }
        )
        let used = kit.vectors.flatMap { [$0.image, $0.pixels, $0.input] + $0.outputs.values.map(\.file) }
        let listed = Set(kit.files.map(\.path))
        guard !kit.vectors.isEmpty, kit.vectors.allSatisfy({ !$0.outputs.isEmpty }) else {
            throw CloFormerError("the conformance kit has nothing to compare", advice: bundleAgain)
        }
        if let path = used.first(where: { !staysInside($0) || !listed.contains($0) }) {
            throw CloFormerError("the conformance kit does not list its file \(path)", advice: bundleAgain)
        }
        return kit
    }
}

/// The numbers of an `.f32` file: float32, the lowest byte first.
public func readFloats(_ data: Data) throws -> [Float] {
    guard data.count % 4 == 0 else {
        throw CloFormerError("a file of float32 numbers has \(data.count) bytes", advice: bundleAgain)
    }
    return data.withUnsafeBytes { raw in
        (0..<(raw.count / 4)).map { index in
            let number = raw.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
            return Float(bitPattern: UInt32(littleEndian: number))
        }
    }
}
