// swift-tools-version: 5.9
// What the app does, without Apple's frameworks. DemoLogic needs Foundation alone; DemoHub adds the SDK, and on Linux its shared library.

import PackageDescription

let package = Package(
    name: "DemoLogic",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [
        .library(name: "DemoLogic", targets: ["DemoLogic"]),
        .library(name: "DemoHub", targets: ["DemoHub"]),
    ],
    dependencies: [.package(name: "BankhubSDK", path: "../../mobile-sdk/swift")],
    targets: [
        .target(name: "DemoLogic"),
        .target(name: "DemoHub", dependencies: ["DemoLogic", .product(name: "BankhubSDK", package: "BankhubSDK")]),
        .testTarget(name: "DemoLogicTests", dependencies: ["DemoLogic"]),
    ]
)
