"""Messages by pyiso8583, and what their keys do by PyCryptodome: nothing here is bankhub's."""

import os
import sys

import iso8583
from Crypto.Cipher import AES, DES, DES3
from Crypto.Hash import CMAC

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pyiso8583"))
from peer import DIALECTS  # noqa: E402


class WrongMac(Exception):
    pass


def retail_mac(key: bytes, message: bytes) -> bytes:
    """ISO/IEC 9797-1, algorithm 3, padding method 1."""
    message += bytes(-len(message) % 8)
    chained = DES.new(key[:8], DES.MODE_CBC, bytes(8)).encrypt(message)[-8:]
    return DES.new(key[:8], DES.MODE_ECB).encrypt(DES.new(key[8:], DES.MODE_ECB).decrypt(chained))


def aes_mac(key: bytes, message: bytes) -> bytes:
    return CMAC.new(key, message, ciphermod=AES).digest()[:8]


class Codec:
    def __init__(self, dialect: str, mac: str, zone_key: str):
        self.dialect = DIALECTS[dialect]
        self.mac_digits = 16 if dialect == "ascii" else 8
        self.header = 11 if dialect == "union-pay" else 0
        self.zone_key = bytes.fromhex(zone_key)
        self.mac = None
        if mac:
            algorithm, key = mac.split(":")
            function = {"des": retail_mac, "aes": aes_mac}[algorithm]
            self.mac = lambda message: function(bytes.fromhex(key), message)

    def encode(self, fields: dict, spoil: str = "") -> bytes:
        fields = dict(fields)
        if self.mac is None or spoil == "no-mac":
            return bytes(iso8583.encode(fields, self.dialect.spec)[0])
        last = "128" if any(int(key) > 64 for key in fields if key.isdigit()) else "64"
        fields[last] = "0" * 16
        raw = bytes(iso8583.encode(fields, self.dialect.spec)[0])[: -self.mac_digits]
        code = self.mac(raw[self.header:])
        if spoil == "bad-mac":
            code = bytes([code[0] ^ 1]) + code[1:]
        return raw + (code.hex().upper().encode() if self.mac_digits == 16 else code)

    def decode(self, raw: bytes) -> dict:
        fields, _ = iso8583.decode(raw, self.dialect.spec)
        if self.mac is not None:
            code = fields.pop("128", None) or fields.pop("64", None)
            if code is None or bytes.fromhex(code) != self.mac(raw[self.header: -self.mac_digits]):
                raise WrongMac
        return fields

    def pin(self, fields: dict):
        """The PIN in field 52, format 0 of ISO 9564-1; none if it is not one of this card."""
        clear = DES3.new(self.zone_key, DES3.MODE_ECB).decrypt(bytes.fromhex(fields["52"]))
        account = bytes.fromhex("0000" + fields["2"][-13:-1])
        block = bytes(a ^ b for a, b in zip(clear, account)).hex().upper()
        length = int(block[1], 16)
        pin, rest = block[2: 2 + length], block[2 + length:]
        return pin if block[0] == "0" and 4 <= length <= 12 and pin.isdigit() and set(rest) <= {"F"} else None
