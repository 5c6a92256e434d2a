import CloFormerCore
import CoreML
import Foundation
import Vision

/// The model of a payload, loaded and ready: photographs in, classes out, or boxes, maps, points and pictures.
///
/// An actor, since a model runs one image at a time and must not hold up the screen.
public actor Classifier {
    public struct Options: Sendable {
        /// Where Core ML may run the model. It decides for each operator by itself.
        public var computeUnits: MLComputeUnits = .all
        /// The first runs are slow; they are done when the model is loaded, and not when a person waits.
        public var warmUpRuns = 2

        public init() {}
    }

    public struct Answer: Sendable {
        /// The most probable classes, most probable first.
        public let guesses: [Guess]
        public let preparationNanoseconds: Int
        public let modelNanoseconds: Int
    }

    /// What a model says that gives more than classes.
    public struct Sight: Sendable {
        public let seen: Seen
        public let preparationNanoseconds: Int
        public let modelNanoseconds: Int
    }

    public nonisolated let payload: Payload
    public nonisolated let options: Options
    /// How long Core ML took to load the compiled model.
    public nonisolated let loadNanoseconds: Int
    let model: MLModel

    /// Compiles the model unless this device has done so before, loads it, and warms it up.
    public init(payload: Payload, options: Options = Options()) async throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = options.computeUnits
        let cache = try CompiledModelCache()
        let compiled = try await cache.model(of: payload)
        var start = clockNanoseconds()
        let loaded: MLModel
        do {
            loaded = try MLModel(contentsOf: compiled, configuration: configuration)
        } catch {
            cache.remove(payload)
            let again = try await cache.model(of: payload)
            start = clockNanoseconds()
            loaded = try MLModel(contentsOf: again, configuration: configuration)
        }
        loadNanoseconds = clockNanoseconds() - start
        try check(loaded, against: payload.manifest)
        self.payload = payload
        self.options = options
        model = loaded
        try warmUp(options.warmUpRuns)
    }

    /// The `top` most probable classes of a photograph, which is prepared as the model's training code does it.
    public func classify(_ photo: Photo, top: Int = 5) throws -> Answer {
        let start = clockNanoseconds()
        let pixels = try rule.apply(to: photo.pixels())
        let provider = try features(of: pixels)
        let prepared = clockNanoseconds()
        let result = try model.prediction(from: provider)
        let done = clockNanoseconds()
        let output = payload.manifest.output
        guard let scores = scores(result, of: output) else {
            throw missing(output.name)
        }
        return Answer(
            guesses: guesses(scores, top: top), preparationNanoseconds: prepared - start,
            modelNanoseconds: done - prepared
        )
    }

    /// Boxes (of a score of `minScore` at least), maps, points and pictures, in the photograph's own pixels.
    public func see(_ photo: Photo, minScore: Double = 0.3) throws -> Sight {
        let start = clockNanoseconds()
        let whole = try photo.pixels()
        let place = try rule.placement(width: whole.width, height: whole.height)
        let pixels = try rule.apply(to: whole)
        let prepared = clockNanoseconds()
        let given = try outputs(for: pixels)
        let done = clockNanoseconds()
        let seeing = Seeing(manifest: payload.manifest, labels: payload.labels)
        return Sight(
            seen: seeing.see(given, at: place, minScore: minScore), preparationNanoseconds: prepared - start,
            modelNanoseconds: done - prepared
        )
    }

    /// Every output that the manifest names, for an image that is prepared already.
    public func outputs(for pixels: Pixels) throws -> [String: [Float]] {
        let result = try model.prediction(from: features(of: pixels))
        var found: [String: [Float]] = [:]
        for output in payload.manifest.outputs {
            found[output.name] = scores(result, of: output)
        }
        return found
    }

    /// Times the model alone, on `inputs` in turn.
    public func measureLatency(_ plan: LatencyProtocol, inputs: [Pixels]) throws -> Latency {
        guard !inputs.isEmpty else {
            throw CloFormerError("there is nothing to measure with", advice: "give at least one image")
        }
        let providers = try inputs.map { try features(of: $0) }
        return try plan.measure(loadNanoseconds: loadNanoseconds, threads: 0) { number in
            // Core ML's own objects are freed in every run, as they are in an app.
            try autoreleasepool {
                _ = try model.prediction(from: providers[number % providers.count])
            }
        }
    }

    var rule: Preprocessing {
        get throws {
            guard let rule = payload.manifest.input.preprocessing else {
                throw missing("preprocessing")  // which reading the manifest has ruled out
            }
            return rule
        }
    }

    func guesses(_ scores: [Float], top: Int) -> [Guess] {
        let isLogits = payload.manifest.output.postprocessing == "softmax"
        let probabilities = isLogits ? softmax(scores) : scores.map { Double($0) }
        return topGuesses(probabilities, labels: payload.labels, count: top)
    }

    func missing(_ name: String) -> CloFormerError {
        CloFormerError(
            "the model gave no \(name)", advice: "bundle the artifact again with `cloformer bundle ios`"
        )
    }

    private func scores(_ result: MLFeatureProvider, of output: Manifest.Output) -> [Float]? {
        result.featureValue(for: output.name).flatMap { numbers($0, payload.labels) }
    }

    private func features(of pixels: Pixels) throws -> MLDictionaryFeatureProvider {
        let value = MLFeatureValue(pixelBuffer: try pixels.pixelBuffer())
        return try MLDictionaryFeatureProvider(dictionary: [payload.manifest.input.name: value])
    }

    private func warmUp(_ runs: Int) throws {
        let rule = try rule
        let grey = [UInt8](repeating: 128, count: rule.width * rule.height * 3)
        let provider = try features(of: Pixels(width: rule.width, height: rule.height, bytes: grey))
        for _ in 0..<runs {
            _ = try model.prediction(from: provider)
        }
    }
}

/// The numbers of an output; of a classifier those of its classes, in the order of `labels`.
func numbers(_ value: MLFeatureValue, _ labels: [String]?) -> [Float]? {
    if let array = value.multiArrayValue {
        return (0..<array.count).map { array[$0].floatValue }
    }
    // A classifier gives its classes by their names; two with one name cannot be told apart.
    guard value.type == .dictionary, let labels else { return nil }
    let byName = value.dictionaryValue
    let inOrder = labels.compactMap { byName[$0]?.floatValue }
    return inOrder.count == labels.count ? inOrder : nil
}

/// Throws ``CloFormerError`` unless the model takes the image and gives the output that the manifest says.
private func check(_ model: MLModel, against manifest: Manifest) throws {
    let about = model.modelDescription
    let size = about.inputDescriptionsByName[manifest.input.name]?.imageConstraint
    guard size?.pixelsWide == manifest.input.shape[3], size?.pixelsHigh == manifest.input.shape[2],
        about.outputDescriptionsByName[manifest.output.name] != nil
    else {
        throw CloFormerError(
            "the model is not the one that its manifest describes",
            advice: "bundle the artifact again with `cloformer bundle ios`"
        )
    }
}
