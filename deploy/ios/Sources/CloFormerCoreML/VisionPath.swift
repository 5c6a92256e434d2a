import CloFormerCore
import CoreGraphics
import Vision

extension Classifier {
    /// The `top` most probable classes, with the image prepared by Vision: faster for large photographs, and for apps
    /// that run other Vision requests on the same image.
    ///
    /// It shows the model the same part of the image. But Vision resizes with a filter of its own and applies the
    /// image's colour profile, so the pixels differ from those of the training code, and the probabilities with them.
    public func classifyWithVision(_ photo: Photo, top: Int = 5) throws -> [Guess] {
        guard rule.fill == nil else {
            throw CloFormerError("Vision makes a letterbox's border black", advice: "call classify, which does not")
        }
        let request = VNCoreMLRequest(model: try VNCoreMLModel(for: model))
        let size = photo.uprightSize
        let part = try rule.shownPart(width: size.width, height: size.height)
        // The part has the model's own proportions, so filling its input does not distort it.
        request.regionOfInterest = CGRect(
            x: (1 - part.width) / 2, y: (1 - part.height) / 2, width: part.width, height: part.height
        )
        request.imageCropAndScaleOption = .scaleFill
        let handler = VNImageRequestHandler(cgImage: photo.image, orientation: photo.orientation, options: [:])
        try handler.perform([request])
        return try guesses(of: request, top: top)
    }

    private func guesses(of request: VNCoreMLRequest, top: Int) throws -> [Guess] {
        let output = payload.manifest.output.name
        let results = request.results ?? []
        let classes = results.compactMap { $0 as? VNClassificationObservation }
        if let labels = payload.labels, !classes.isEmpty {
            let found = Dictionary(classes.map { ($0.identifier, $0.confidence) }, uniquingKeysWith: max)
            return guesses(labels.map { found[$0] ?? 0 }, top: top)
        }
        let values = results.compactMap { $0 as? VNCoreMLFeatureValueObservation }
        guard let value = values.first(where: { $0.featureName == output })?.featureValue,
            let scores = numbers(value, payload.labels)
        else {
            throw missing(output)
        }
        return guesses(scores, top: top)
    }
}
