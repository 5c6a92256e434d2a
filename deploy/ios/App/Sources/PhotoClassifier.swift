import CloFormerCore
import CloFormerCoreML
import ImageIO
import SwiftUI
import UIKit

/// What the screen shows: the model, the photograph, and what is on it.
@MainActor
final class PhotoClassifier: ObservableObject {
    enum State: Equatable {
        case loading
        case ready
        case working
        case failed(String)
    }

    @Published private(set) var state = State.loading
    @Published private(set) var shown: UIImage?
    @Published private(set) var answer: Classifier.Answer?
    @Published private(set) var sight: Classifier.Sight?
    @Published private(set) var payload: Payload?

    private var classifier: Classifier?

    func load() async {
        guard classifier == nil else { return }
        do {
            let payload = try Payload()
            self.payload = payload
            classifier = try await Classifier(payload: payload)
            state = .ready
        } catch {
            state = .failed(error.localizedDescription)
        }
    }

    /// A file as the gallery has it.
    func classify(_ data: Data) async {
        do {
            try await classify(Photo(data: data), shown: UIImage(data: data))
        } catch {
            state = .failed(error.localizedDescription)
        }
    }

    /// A picture as the camera gives it.
    func classify(_ picture: UIImage) async {
        guard let image = picture.cgImage else { return }
        do {
            let photo = Photo(image: image, orientation: CGImagePropertyOrientation(picture.imageOrientation))
            try await classify(photo, shown: picture)
        } catch {
            state = .failed(error.localizedDescription)
        }
    }

    private func classify(_ photo: Photo, shown picture: UIImage?) async throws {
        guard let classifier else { return }
        shown = picture
        answer = nil
        sight = nil
        state = .working
        if classifier.payload.manifest.isClassifier {
            answer = try await classifier.classify(photo)
        } else {
            sight = try await classifier.see(photo)
        }
        state = .ready
    }
}

extension CGImagePropertyOrientation {
    /// The two count the same eight differently.
    init(_ orientation: UIImage.Orientation) {
        switch orientation {
        case .up: self = .up
        case .upMirrored: self = .upMirrored
        case .down: self = .down
        case .downMirrored: self = .downMirrored
        case .left: self = .left
        case .leftMirrored: self = .leftMirrored
        case .right: self = .right
        case .rightMirrored: self = .rightMirrored
        @unknown default: self = .up
        }
    }
}
