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
    let request: Request?

    /// Of what was asked for at the export, what an app must know.
    struct Request: Codable, Equatable, Sendable {
        let decoding: Decoding?
    }

    struct Decoding: Codable, Equatable, Sendable {
        let suppression: Suppression?
    }

    struct Suppression: Codable, Equatable, Sendable {
        let maxDetections: Int

        enum CodingKeys: String, CodingKey {
            case maxDetections = "max_detections"
        }
    }

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
        /// Of boxes and points.
        public let coordinates: Coordinates?

        public var isOfClasses: Bool { role == "logits" || role == "probabilities" }

        /// How many classes it tells; nil where its shape does not say.
        public var classes: Int? {
            switch (role, shape.count) {
            case ("logits", _), ("probabilities", _): return shape.last
            case ("class_scores", 4): return shape[1]
            case ("box_scores", 3): return shape[2]
            default: return nil
            }
        }
    }

    /// `form` is "xyxy" (left, top, right, bottom), "center_size" or, of points, "xy"; `unit` is "pixels" of the input
    /// or "shares" of its sides.
    public struct Coordinates: Codable, Equatable, Sendable {
        public let form: String
        public let unit: String
    }

    enum CodingKeys: String, CodingKey {
        case schemaVersion = "schema_version"
        case name, format, precision, model, files, functions, versions, request
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
    public var outputs: [Output] { functions[0].outputs }
    /// The first.
    public var output: Output { outputs[0] }
    /// Whether the model gives scores of classes, and nothing of places.
    public var isClassifier: Bool { output.isOfClasses }
    /// Whether the model itself leaves out boxes that overlap better ones.
    public var isSuppressed: Bool { request?.decoding?.suppression != nil }

    public func output(of role: String) -> Output? {
        outputs.first { $0.role == role }
    }

    // What is shown; scores of boxes are beside them.
    private static let shown = [
        "logits", "probabilities", "class_scores", "class_map", "boxes", "masks", "keypoints", "image",
    ]

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
            outputs.contains(where: { Self.shown.contains($0.role) })
        else {
            throw CloFormerError(
                "the model does not give classes, boxes, maps or points of one colour image", advice: bundleAgain
            )
        }
        let placed = outputs.filter { $0.role == "boxes" || $0.role == "keypoints" }
        let isPlaced = placed.allSatisfy { $0.coordinates != nil }
        guard isPlaced, output(of: "boxes") == nil || output(of: "box_scores") != nil else {
            throw CloFormerError("the manifest does not say where boxes are, or how sure they are", advice: bundleAgain)
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

/// The class names in `text`, one a line. Throws ``CloFormerError`` unless there is one for each class; nil classes are
/// as many as there are names.
public func readLabels(_ text: String, classes: Int?) throws -> [String] {
    var lines = text.components(separatedBy: "\n")
    if lines.last == "" {
        lines.removeLast()  // after the line break that ends the file
    }
    if let classes, lines.count != classes {
        throw CloFormerError("there are \(lines.count) labels for \(classes) classes", advice: bundleAgain)
    }
    return lines
}
