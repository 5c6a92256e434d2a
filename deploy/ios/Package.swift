// swift-tools-version: 5.9
import PackageDescription

let strict: [SwiftSetting] = [.enableExperimentalFeature("StrictConcurrency")]

let package = Package(
    name: "CloFormer",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [
        .library(name: "CloFormerCore", targets: ["CloFormerCore"])
    ],
    targets: [
        .target(name: "CloFormerCore", path: "Sources/CloFormerCore", swiftSettings: strict),
        .testTarget(
            name: "CoreTests",
            dependencies: ["CloFormerCore"],
            path: "CoreTests",
            resources: [.copy("Fixtures")],
            swiftSettings: strict
        ),
    ]
)

#if os(macOS)  // Core ML is on Apple's systems alone; everything else is built and tested on Linux too.
    package.products.append(.library(name: "CloFormerCoreML", targets: ["CloFormerCoreML", "CloFormerCore"]))
    package.targets.append(
        .target(
            name: "CloFormerCoreML",
            dependencies: ["CloFormerCore"],
            path: "Sources/CloFormerCoreML",
            swiftSettings: strict
        )
    )
#endif
