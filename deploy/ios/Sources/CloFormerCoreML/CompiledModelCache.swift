import CloFormerCore
import CoreML
import Foundation

/// Models that Core ML has compiled on this device, so that only the first launch waits for it.
///
/// The key is the hash of the manifest, which names the hash of each file of the model: an app update that brings
/// another model never meets the old one's.
struct CompiledModelCache {
    let folder: URL

    init() throws {
        let caches = try FileManager.default.url(
            for: .cachesDirectory, in: .userDomainMask, appropriateFor: nil, create: true
        )
        folder = caches.appendingPathComponent("cloformer-models", isDirectory: true)
    }

    /// The compiled model. The files are checked against the manifest before they are compiled.
    func model(of payload: Payload) async throws -> URL {
        let target = place(of: payload)
        if FileManager.default.fileExists(atPath: target.path) {
            return target
        }
        try payload.verify()
        let compiled = try await MLModel.compileModel(at: payload.model)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        do {
            // One rename: whoever looks finds a whole model or none.
            try FileManager.default.moveItem(at: compiled, to: target)
        } catch where FileManager.default.fileExists(atPath: target.path) {
            try? FileManager.default.removeItem(at: compiled)  // somebody else was quicker
        }
        removeAll(except: target)
        return target
    }

    /// Forget a model that does not load any more, which an update of the system can cause.
    func remove(_ payload: Payload) {
        try? FileManager.default.removeItem(at: place(of: payload))
    }

    private func place(of payload: Payload) -> URL {
        folder.appendingPathComponent("\(payload.manifestSHA256).mlmodelc", isDirectory: true)
    }

    private func removeAll(except kept: URL) {
        let all = try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        for other in all ?? [] where other.lastPathComponent != kept.lastPathComponent {
            try? FileManager.default.removeItem(at: other)
        }
    }
}
