import CloFormerCore
import CoreVideo
import Foundation

extension Pixels {
    /// The same pixels as Core ML takes them: blue, green, red, and a fourth byte that it ignores. The model itself
    /// says in which order it wants its channels, and Core ML puts them into it.
    func pixelBuffer() throws -> CVPixelBuffer {
        var created: CVPixelBuffer?
        // Memory that the GPU and the Neural Engine read where it is.
        let shared: [String: Any] = [kCVPixelBufferIOSurfacePropertiesKey as String: [String: Any]()]
        let status = CVPixelBufferCreate(
            kCFAllocatorDefault, width, height, kCVPixelFormatType_32BGRA, shared as CFDictionary, &created
        )
        guard status == kCVReturnSuccess, let buffer = created else {
            throw CloFormerError("there is no memory for an image (\(status))", advice: "close other apps")
        }
        CVPixelBufferLockBaseAddress(buffer, [])
        defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
        guard let memory = CVPixelBufferGetBaseAddress(buffer) else {
            throw CloFormerError("the memory of an image cannot be reached", advice: "close other apps")
        }
        let rowBytes = CVPixelBufferGetBytesPerRow(buffer)
        var from = 0
        for row in 0..<height {
            var to = row * rowBytes
            for _ in 0..<width {
                memory.storeBytes(of: bytes[from + 2], toByteOffset: to, as: UInt8.self)
                memory.storeBytes(of: bytes[from + 1], toByteOffset: to + 1, as: UInt8.self)
                memory.storeBytes(of: bytes[from], toByteOffset: to + 2, as: UInt8.self)
                memory.storeBytes(of: UInt8.max, toByteOffset: to + 3, as: UInt8.self)
                from += 3
                to += 4
            }
        }
        return buffer
    }
}
