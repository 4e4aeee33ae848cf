// swift-tools-version: 5.9
// The phone's SDK for Swift. `./generate` makes the bindings first; on Apple's platforms `./build-xcframework` makes the library too.

import Foundation
import PackageDescription

let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
let framework = "build/BankhubMobileFFI.xcframework"
let hasFramework = FileManager.default.fileExists(atPath: folder.appendingPathComponent(framework).path)

// With the XCFramework the C side comes out of it; without, as on Linux, out of cargo's folder: the header beside the module map, and
// libbankhub_mobile from where `swift build -Xlinker -L…` points.
let ffi: Target = hasFramework
    ? .binaryTarget(name: "BankhubMobileFFI", path: framework)
    : .systemLibrary(name: "BankhubMobileFFI", path: "Sources/BankhubMobileFFI")

let package = Package(
    name: "BankhubSDK",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "BankhubSDK", targets: ["BankhubSDK"])],
    targets: [
        ffi,
        // What UniFFI has generated, and nothing else.
        .target(name: "BankhubMobile", dependencies: ["BankhubMobileFFI"]),
        .target(name: "BankhubSDK", dependencies: ["BankhubMobile"]),
        .testTarget(name: "BankhubSDKTests", dependencies: ["BankhubSDK"]),
    ]
)
