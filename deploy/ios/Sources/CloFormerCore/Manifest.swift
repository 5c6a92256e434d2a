import Foundation

/// What an exported model is and how to feed it: the part of `manifest.json` that an app reads.
public struct Manifest: Codable, Equatable, Sendable {
    /// The newest schema that this code reads.
    public static let newestSchema = 2

    public let schemaVersion: Int
    public let name: String
    public let format: String
    public let precision: Precision
    public let model: Model
    public let files: [FileEntry]
    public let functions: [Function]
    public let versions: [String: String]

    public struct Precision: Codable, Equatable, Sendable {
        public let name: String
    }

    public struct Model: Codable, Equatable, Sendable {
        public let path: String
    }

    public struct Function: Codable, Equatable, Sendable {
        public let inputs: [Input]
        public let outputs: [Output]
    }

    public struct Input: Codable, Equatable, Sendable {
        public let name: String
        public let dtype: String
        public let shape: [Int]
        public let preprocessing: Preprocessing?
        public let preprocessingInside: Bool

        enum CodingKeys: String, CodingKey {
            case name, dtype, shape, preprocessing
            case preprocessingInside = "preprocessing_inside"
        }
    }

    public struct Output: Codable, Equatable, Sendable {
        public let name: String
        public let role: String
        public let shape: [Int]
        public let labels: String?
        public let postprocessing: String?
    }

    enum CodingKeys: String, CodingKey {
        case schemaVersion = "schema_version"
        case name, format, precision, model, files, functions, versions
    }

    /// The manifest in `data`. Throws ``CloFormerError`` for one that this app cannot serve, and says why.
    public static func read(_ data: Data) throws -> Manifest {
        let manifest = try decode(
            Manifest.self, from: data, file: "manifest.json", newest: newestSchema,
            tooNew: { version in
                "this model was exported by a newer cloformer "
                    + "(manifest version \(version), this app reads \(newestSchema))"
            }
        )
        try manifest.check()
        return manifest
    }

    public var input: Input { functions[0].inputs[0] }
    public var output: Output { functions[0].outputs[0] }

    private func check() throws {
        let paths =
            files.map(\.path) + [model.path]
            + functions.flatMap(\.outputs).compactMap(\.labels)
        if let path = paths.first(where: { !staysInside($0) }) {
            throw CloFormerError(
                "the manifest names a file outside its folder (\(path))", advice: "do not use this model"
            )
        }
        guard format == "coreml" else {
            throw CloFormerError("the model is \(format), and this app runs Core ML", advice: bundleAgain)
        }
        guard let function = functions.first, function.inputs.count == 1, !function.outputs.isEmpty,
            let rule = input.preprocessing, input.preprocessingInside,
            input.shape == [1, 3, rule.height, rule.width],
            ["logits", "probabilities"].contains(output.role)
        else {
            throw CloFormerError("the model is not a classifier of one colour image", advice: bundleAgain)
        }
        try rule.check()
    }
}

/// A file of a folder that was exported, with its SHA-256 in hexadecimal.
public struct FileEntry: Codable, Equatable, Sendable {
    public let path: String
    public let role: String?
    public let sha256: String
    public let bytes: Int

    /// Throws ``CloFormerError`` unless the file below `folder` has these bytes. `sha256` is given, since
    /// CryptoKit is on Apple's systems alone.
    public func verify(in folder: URL, sha256 hash: (Data) -> String) throws {
        let place = folder.appendingPathComponent(path)
        guard let data = try? Data(contentsOf: place, options: .mappedIfSafe) else {
            throw CloFormerError("\(path) is missing", advice: bundleAgain)
        }
        guard data.count == bytes, hash(data) == sha256 else {
            throw CloFormerError("\(path) is not the file that was exported", advice: bundleAgain)
        }
    }
}

extension Manifest {
    /// The files that travel with the app: the artifact's other ones serve the tools.
    public var filesInApp: [FileEntry] {
        files.filter { $0.role == "model" || $0.role == "labels" }
    }
}

/// The class names in `text`, one a line. Throws ``CloFormerError`` unless there is one for each class.
public func readLabels(_ text: String, classes: Int) throws -> [String] {
    var lines = text.components(separatedBy: "\n")
    if lines.last == "" {
        lines.removeLast()  // after the line break that ends the file
    }
    guard lines.count == classes else {
        throw CloFormerError("there are \(lines.count) labels for \(classes) classes", advice: bundleAgain)
    }
    return lines
}
