import Foundation

/// What happened, and what to do next.
public struct CloFormerError: LocalizedError, CustomStringConvertible, Equatable, Sendable {
    public let happened: String
    public let advice: String

    public init(_ happened: String, advice: String) {
        self.happened = happened
        self.advice = advice
    }

    public var description: String { "\(happened): \(advice)" }
    public var errorDescription: String? { description }
}

let bundleAgain = "bundle the artifact again with `cloformer bundle ios`"
let updateTheApp = "update the app's cloformer code"

/// Decodes JSON of a known schema version; a newer version is refused before anything else is read.
func decode<Value: Decodable>(
    _ type: Value.Type, from data: Data, file: String, newest: Int, tooNew: (Int) -> String
) throws -> Value {
    let decoder = JSONDecoder()
    do {
        let version = try decoder.decode(Version.self, from: data).number
        guard version <= newest else {
            throw CloFormerError(tooNew(version), advice: updateTheApp)
        }
        return try decoder.decode(type, from: data)
    } catch let error as DecodingError {
        throw CloFormerError("\(file) cannot be read (\(error))", advice: bundleAgain)
    }
}

private struct Version: Decodable {
    let number: Int

    enum CodingKeys: String, CodingKey {
        case number = "schema_version"
    }
}

/// Whether a relative path with forward slashes names something below its folder.
func staysInside(_ path: String) -> Bool {
    !path.isEmpty && !path.hasPrefix("/") && !path.contains("\\") && !path.contains("\0")
        && !path.split(separator: "/").contains("..")
}
