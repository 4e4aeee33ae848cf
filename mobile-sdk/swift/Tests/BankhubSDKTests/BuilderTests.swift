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

    /// A phone that nobody has enrolled, which talks to nobody.
    private func newPhone() async throws -> Phone {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        let authority = try String(contentsOfFile: ProcessInfo.processInfo.environment["BANKHUB_TEST_AUTHORITY"] ?? "/dev/null")
        try XCTSkipIf(authority.isEmpty, "BANKHUB_TEST_AUTHORITY names no authority's certificate")
        return try await PhoneBuilder()
            .hub(endpoint: "https://127.0.0.1:1")
            .authority(pem: authority)
            .dataFolder(path: folder.path)
            .language(language: .english)
            .deviceKey(key: SoftwareDeviceKey.generate().asDeviceKey())
            .secureStore(store: MemorySecureStore().asSecureStore())
            .build()
    }

    private func assertNotEnrolled(_ name: String, _ call: () async throws -> Void) async {
        do {
            try await call()
            XCTFail("\(name): nobody is enrolled")
        } catch let SdkError.NotEnrolled(reason, retryable, text) {
            XCTAssertEqual(reason, "NOT_ENROLLED", name)
            XCTAssertFalse(retryable, name)
            XCTAssertFalse(text.isEmpty, name)
        } catch {
            XCTFail("\(name): \(error)")
        }
    }

    func testAPhoneThatIsNotEnrolledSaysSo() async throws {
        let phone = try await newPhone()
        let id = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f"
        let name = InstrumentName(bankId: "bank-a", id: .account(accountId: id))
        let amount = Money(currencyCode: "CNY", minorUnits: 1)
        await assertNotEnrolled("payments") { _ = try await phone.payments() }
        await assertNotEnrolled("instruments") { _ = try await phone.instruments() }
        await assertNotEnrolled("freeze") { _ = try await phone.freeze(instruments: [name]) }
        await assertNotEnrolled("freezeAll") { _ = try await phone.freezeAll() }
        await assertNotEnrolled("unfreeze") { _ = try await phone.unfreeze(instruments: [name], transactionPassword: "271828") }
        await assertNotEnrolled("proposeRepayment") { _ = try phone.proposeRepayment(from: name, to: name, amount: amount) }
        await assertNotEnrolled("resumeRepayment") { _ = try await phone.resumeRepayment() }
        await assertNotEnrolled("offers") { _ = try await phone.offers() }
        await assertNotEnrolled("proposeOfferAgreement") { _ = try phone.proposeOfferAgreement(bankIds: ["bank-a"], mostAWeek: 3) }
        await assertNotEnrolled("pendingApprovals") { _ = try await phone.pendingApprovals() }
        await assertNotEnrolled("decline") { _ = try await phone.decline(paymentId: id) }
        try await phone.shutDown()
    }
}
