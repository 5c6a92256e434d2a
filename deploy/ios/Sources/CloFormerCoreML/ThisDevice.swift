import CloFormerCore
import CoreML
import Foundation

/// What a report says of the device that it is from.
public enum ThisDevice {
    public static func description(appBuild: String) -> DeviceReport.Device {
        DeviceReport.Device(
            manufacturer: "Apple", model: model, os: "\(systemName) \(systemVersion)",
            cpu: system("machdep.cpu.brand_string") ?? "that of \(machine), \(cores) cores",
            appBuild: appBuild
        )
    }

    /// Core ML is part of the system and has its version.
    public static func runtime(_ units: MLComputeUnits) -> DeviceReport.Runtime {
        DeviceReport.Runtime(name: "coreml", version: systemVersion, provider: name(of: units), threads: 0)
    }

    /// The compute units by Core ML's own names; nil for a name that it does not have.
    public static func computeUnits(named wanted: String) -> MLComputeUnits? {
        let all: [MLComputeUnits] = [.all, .cpuOnly, .cpuAndGPU, .cpuAndNeuralEngine]
        return all.first { name(of: $0) == wanted }
    }

    public static func name(of units: MLComputeUnits) -> String {
        switch units {
        case .all: return "all"
        case .cpuOnly: return "cpuOnly"
        case .cpuAndGPU: return "cpuAndGPU"
        case .cpuAndNeuralEngine: return "cpuAndNeuralEngine"
        @unknown default: return "unknown"
        }
    }

    private static var model: String {
        // A simulator runs on a Mac's processor: it must never pass for the phone that it shows.
        if let simulated = ProcessInfo.processInfo.environment["SIMULATOR_MODEL_IDENTIFIER"] {
            return "simulator of \(simulated)"
        }
        return machine
    }

    private static var machine: String {
        #if os(iOS)
            return system("hw.machine") ?? "unknown"  // iPhone16,1
        #else
            return system("hw.model") ?? "unknown"  // Mac14,2
        #endif
    }

    private static var systemName: String {
        #if os(iOS)
            return "iOS"
        #else
            return "macOS"
        #endif
    }

    private static var systemVersion: String {
        let version = ProcessInfo.processInfo.operatingSystemVersion
        let build = system("kern.osversion").map { " (\($0))" } ?? ""
        let patch = version.patchVersion == 0 ? "" : ".\(version.patchVersion)"
        return "\(version.majorVersion).\(version.minorVersion)\(patch)\(build)"
    }

    private static var cores: Int { ProcessInfo.processInfo.processorCount }

    /// A text that the kernel has under this name.
    private static func system(_ name: String) -> String? {
        var size = 0
        guard sysctlbyname(name, nil, &size, nil, 0) == 0, size > 0 else { return nil }
        var text = [UInt8](repeating: 0, count: size)
        guard sysctlbyname(name, &text, &size, nil, 0) == 0 else { return nil }
        return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
    }
}
