import XCTest

@testable import BankhubSDK

final class BuilderTests: XCTestCase {
    func testABuilderThatLacksSomethingSaysWhat() async {
        do {
            _ = try await PhoneBuilder().build()
            XCTFail("nothing was set")
        } catch let SdkError.Invalid(reason, retryable, text) {
            XCTAssertEqual(reason, "BUILDER_INCOMPLETE")
            XCTAssertFalse(retryable)
            XCTAssertFalse(text.isEmpty)
        } catch {
            XCTFail("\(error)")
        }
    }

    func testAPhoneThatIsNotEnrolledSaysSo() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        let authority = try String(contentsOfFile: ProcessInfo.processInfo.environment["BANKHUB_TEST_AUTHORITY"] ?? "/dev/null")
        try XCTSkipIf(authority.isEmpty, "BANKHUB_TEST_AUTHORITY names no authority's certificate")
        let phone = try await PhoneBuilder()
            .hub(endpoint: "https://127.0.0.1:1")
            .authority(pem: authority)
            .dataFolder(path: folder.path)
            .language(language: .english)
            .deviceKey(key: SoftwareDeviceKey.generate().asDeviceKey())
            .secureStore(store: MemorySecureStore().asSecureStore())
            .build()
        do {
            _ = try await phone.payments()
            XCTFail("nobody is enrolled")
        } catch let SdkError.NotEnrolled(reason, _, _) {
            XCTAssertEqual(reason, "NOT_ENROLLED")
        }
        try await phone.shutDown()
    }
}
