import BankhubSDK
import CryptoKit
import Foundation
import LocalAuthentication
import Security

/// The phone's key in the Secure Enclave. What the Keychain holds is the enclave's own sealed form of it, which no other phone can use.
final class EnclaveKey: DeviceKey {
    private let needsPerson: Bool
    private let one = NSLock()

    init(needsPerson: Bool) {
        self.needsPerson = needsPerson
    }

    func publicKey() async throws -> Data {
        try key().publicKey.x963Representation
    }

    func sign(message: Data) async throws -> Data {
        do {
            return try key().signature(for: message).rawRepresentation
        } catch let error as LAError where [.userCancel, .userFallback, .systemCancel, .authenticationFailed].contains(error.code) {
            throw KeyError.Refused
        } catch let error as KeyError {
            throw error
        } catch {
            throw KeyError.Failed
        }
    }

    private func key() throws -> SecureEnclave.P256.Signing.PrivateKey {
        one.lock()
        defer { one.unlock() }
        do {
            if let kept = try Keychain.get("device-key") {
                return try SecureEnclave.P256.Signing.PrivateKey(dataRepresentation: kept)
            }
            let flags: SecAccessControlCreateFlags = needsPerson ? [.privateKeyUsage, .userPresence] : [.privateKeyUsage]
            guard let access = SecAccessControlCreateWithFlags(nil, kSecAttrAccessibleWhenUnlockedThisDeviceOnly, flags, nil) else {
                throw KeyError.Failed
            }
            let made = try SecureEnclave.P256.Signing.PrivateKey(accessControl: access)
            try Keychain.put("device-key", made.dataRepresentation)
            return made
        } catch {
            throw KeyError.Failed
        }
    }
}

/// Small values in the Keychain, for this phone alone.
final class KeychainStore: SecureStore {
    func get(name: String) async throws -> Data? { try Keychain.get("value." + name) }

    func put(name: String, value: Data) async throws { try Keychain.put("value." + name, value) }

    func remove(name: String) async throws { try Keychain.remove("value." + name) }
}

private enum Keychain {
    static func get(_ name: String) throws -> Data? {
        var found: CFTypeRef?
        let asked = item(name).merging([kSecReturnData as String: true]) { _, new in new }
        switch SecItemCopyMatching(asked as CFDictionary, &found) {
        case errSecSuccess: return found as? Data
        case errSecItemNotFound: return nil
        default: throw StoreError.Failed
        }
    }

    static func put(_ name: String, _ value: Data) throws {
        let change = [kSecValueData as String: value]
        var status = SecItemUpdate(item(name) as CFDictionary, change as CFDictionary)
        if status == errSecItemNotFound {
            let new: [String: Any] = [
                kSecValueData as String: value, kSecAttrAccessible as String: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
            ]
            status = SecItemAdd(item(name).merging(new) { _, new in new } as CFDictionary, nil)
        }
        guard status == errSecSuccess else { throw StoreError.Failed }
    }

    static func remove(_ name: String) throws {
        let status = SecItemDelete(item(name) as CFDictionary)
        guard status == errSecSuccess || status == errSecItemNotFound else { throw StoreError.Failed }
    }

    private static func item(_ name: String) -> [String: Any] {
        [
            kSecClass as String: kSecClassGenericPassword, kSecAttrService as String: "bankhub.demo", kSecAttrAccount as String: name,
            kSecUseDataProtectionKeychain as String: true,
        ]
    }
}
