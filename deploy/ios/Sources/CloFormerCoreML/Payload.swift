import CloFormerCore
import CryptoKit
import Foundation

/// The folder that `cloformer bundle` puts into the app: the manifest, the model, its labels.
public struct Payload: Sendable {
    public let folder: URL
    public let manifest: Manifest
    public let manifestSHA256: String
    public let labels: [String]?

    /// Throws ``CloFormerError`` unless the folder has a manifest that this app reads.
    public init(folder: URL) throws {
        self.folder = folder
        let data = try readFile("manifest.json", in: folder)
        let manifest = try Manifest.read(data)
        self.manifest = manifest
        manifestSHA256 = sha256(data)
        let labelled = manifest.outputs.first { $0.labels != nil }
        labels = try labelled?.labels.map { name in
            let text = try readFile(name, in: folder)
            return try readLabels(String(decoding: text, as: UTF8.self), classes: labelled?.classes)
        }
    }

    /// The payload of `bundle`, the app's own unless another is given.
    public init(in bundle: Bundle = .main) throws {
        guard let folder = bundle.url(forResource: "Payload", withExtension: nil) else {
            throw CloFormerError(
                "the app has no folder Payload", advice: "put a model there with `cloformer bundle ios`"
            )
        }
        try self.init(folder: folder)
    }

    public var model: URL { folder.appendingPathComponent(manifest.model.path) }

    /// Its licences and those of what it is made from.
    public var notices: String? {
        (try? readFile("THIRD_PARTY_NOTICES.txt", in: folder)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Throws ``CloFormerError`` that names the first file which is not the one that was exported.
    public func verify() throws {
        for file in manifest.filesInApp {
            try file.verify(in: folder, sha256: sha256)
        }
    }
}

/// SHA-256 in hexadecimal.
public func sha256(_ data: Data) -> String {
    SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
}

func readFile(_ name: String, in folder: URL) throws -> Data {
    do {
        return try Data(contentsOf: folder.appendingPathComponent(name), options: .mappedIfSafe)
    } catch {
        throw CloFormerError(
            "\(name) cannot be read (\(error.localizedDescription))",
            advice: "bundle the artifact again with `cloformer bundle ios`"
        )
    }
}
