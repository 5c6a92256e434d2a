import Foundation

/// Numbers in a row, the lowest byte first. `type` is their type as safetensors files name it.
public struct Tensor: Equatable, Sendable {
    public let type: String
    public let shape: [Int]
    public let data: Data

    public init(type: String, shape: [Int], data: Data) {
        self.type = type
        self.shape = shape
        self.data = data
    }

    /// Of float32 numbers.
    public init(_ numbers: [Float]) {
        let bytes = numbers.flatMap { number in withUnsafeBytes(of: number.bitPattern.littleEndian, Array.init) }
        self.init(type: "F32", shape: [numbers.count], data: Data(bytes))
    }
}

/// The numbers of `shape`, of `width` bytes, one after the other, from memory in which two neighbours along an axis are
/// as many numbers apart as `strides` says: Core ML leaves room between the rows of what the Neural Engine gives.
/// Throws ``CloFormerError`` if they are not all in the memory.
public func contiguous(
    _ memory: UnsafeRawBufferPointer, shape: [Int], strides: [Int], width: Int
) throws -> Data {
    let furthest = zip(shape, strides).reduce(0) { sum, axis in sum + (axis.0 - 1) * axis.1 }
    guard !shape.contains(0) else { return Data() }
    guard shape.count == strides.count, strides.allSatisfy({ $0 >= 0 }), (furthest + 1) * width <= memory.count else {
        throw CloFormerError(
            "an output of the model has \(memory.count) bytes for the shape \(shape)", advice: bundleAgain
        )
    }
    var found = Data(capacity: shape.reduce(width, *))
    var index = [Int](repeating: 0, count: shape.count)
    let length = shape.last ?? 1
    let step = strides.last ?? 1
    for _ in 0..<shape.dropLast().reduce(1, *) {
        let row = zip(index, strides).reduce(0) { sum, axis in sum + axis.0 * axis.1 }
        if step == 1 {
            found.append(contentsOf: memory[(row * width)..<((row + length) * width)])
        } else {
            for place in 0..<length {
                let start = (row + place * step) * width
                found.append(contentsOf: memory[start..<(start + width)])
            }
        }
        advance(&index, within: shape)
    }
    return found
}

/// The next row: the last axis stays at its beginning.
private func advance(_ index: inout [Int], within shape: [Int]) {
    for axis in (0..<max(shape.count - 1, 0)).reversed() {
        index[axis] += 1
        if index[axis] < shape[axis] { return }
        index[axis] = 0
    }
}

/// Writes a `.safetensors` file without holding it in memory: the length of the header in eight bytes, the header in
/// JSON, the numbers. Until ``finish(_:sha256:)`` has written it, there is no file.
public final class SafetensorsWriter {
    public static let seal = "numbers_sha256"

    private let file: URL
    private let numbers: URL
    private let body: FileHandle
    private var header: [String: Any] = [:]
    private var end = 0

    public init(_ file: URL) throws {
        self.file = file
        numbers = file.appendingPathExtension("numbers")
        body = try emptyFile(at: numbers)
    }

    deinit {
        try? body.close()
        try? FileManager.default.removeItem(at: numbers)
    }

    public func add(_ name: String, _ tensor: Tensor) throws {
        guard header[name] == nil else {
            throw CloFormerError("\(name) is there already", advice: bundleAgain)
        }
        try body.write(contentsOf: tensor.data)
        let place = [end, end + tensor.data.count]
        header[name] = ["dtype": tensor.type, "shape": tensor.shape, "data_offsets": place] as [String: Any]
        end += tensor.data.count
    }

    /// Puts the file together; `told` goes into its metadata, beside the hash of all numbers. `sha256` is given, since
    /// CryptoKit is on Apple's systems alone.
    public func finish(_ told: [String: String], sha256: (Data) -> String) throws {
        try body.synchronize()
        let content = try Data(contentsOf: numbers, options: .mappedIfSafe)
        header["__metadata__"] = told.merging([Self.seal: sha256(content)]) { _, new in new }
        var text = try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys])
        text.append(Data(repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8))
        let out = try emptyFile(at: file)
        try out.write(contentsOf: withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) })
        try out.write(contentsOf: text)
        try out.write(contentsOf: content)
        try out.close()
    }
}

private func emptyFile(at place: URL) throws -> FileHandle {
    guard FileManager.default.createFile(atPath: place.path, contents: nil) else {
        throw CloFormerError("\(place.lastPathComponent) cannot be written", advice: "free some space")
    }
    return try FileHandle(forWritingTo: place)
}
