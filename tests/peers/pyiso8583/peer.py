"""pyiso8583, which nothing of bankhub links, as the other side of tests/tests/iso8583_peers.

Reads and writes messages for somebody at the other end of a pipe, a line for a line:

    read DIALECT MESSAGE                     ok TYPE HEADER FIELD=VALUE ...
    write DIALECT TYPE HEADER FIELD=VALUE …  ok MESSAGE

Messages, headers and values are hexadecimal, of octets or of characters in ISO 8859-1; "-" is a header of no octets. What
cannot be done is answered with "error" and why. `peer.py bench DIALECT FILE SECONDS` measures messages a second with the
messages of a file, a line each.
"""

import copy
import sys
import time

import iso8583
from iso8583 import specs

# The classes of ISO 8583:1987, table 5, that text does not show.
BINARY = {52, 64, 96, 128}
SIGNED = {28, 29, 30, 31, 97}
TRACKS = {35, 36}
DIGITS = {2, *range(3, 28), 32, 33, 53, *range(66, 91), 99, 100}


def ascii_hex() -> dict:
    spec = copy.deepcopy(specs.default_ascii)
    spec["55"]["max_len"] = 999  # Reserved in 1987; later editions put the chip there.
    return spec


def ascii_binary() -> dict:
    return copy.deepcopy(specs.default)


def ebcdic() -> dict:
    spec = copy.deepcopy(specs.default)
    for field in spec.values():
        field["len_enc"] = "cp037"
        if field["data_enc"] != "b":
            field["data_enc"] = "cp037"
    return spec


def packed() -> dict:
    """Digits packed; a signed amount is its sign and packed digits, which is a binary field to pyiso8583."""
    spec = copy.deepcopy(specs.default)
    spec["t"] = {"data_enc": "b", "len_enc": "b", "len_type": 0, "max_len": 2}
    spec["55"].update(data_enc="latin-1", max_len=999)
    for number in (number for number in range(2, 129) if number != 65):
        field = spec[str(number)]
        field["len_enc"] = "bcd"
        field["len_type"] = {0: 0, 2: 1, 3: 2}[field["len_type"]]
        if number in DIGITS or number in TRACKS:
            pad = "right_pad" if field["len_type"] else "left_pad"
            field.update({"data_enc": "b", "len_count": "nibbles", pad: "0"})
        elif number in SIGNED:
            field.update(data_enc="b", max_len=1 + field["max_len"] // 2)
        elif field["data_enc"] != "b":
            field["data_enc"] = "latin-1"
    return spec


def union_pay() -> dict:
    spec = packed()
    spec["h"] = {"data_enc": "b", "len_enc": "b", "len_type": 0, "max_len": 11}
    del spec["22"]["left_pad"]
    spec["22"]["right_pad"] = "0"
    for number, most in ((48, 322), (60, 17), (61, 29)):
        spec[str(number)].update({"data_enc": "b", "len_count": "nibbles", "right_pad": "0", "max_len": most})
    for number, most in ((55, 255), (62, 512)):
        spec[str(number)].update(data_enc="b", max_len=most)
    for number, most in ((54, 20), (57, 100), (58, 100), (63, 163)):
        spec[str(number)]["max_len"] = most
    return spec


class Dialect:
    def __init__(self, spec: dict, octets: tuple = ()):
        self.spec = spec
        self.octets = BINARY | set(octets)
        self.is_packed = spec["3"]["data_enc"] == "b"

    def to_text(self, number: int, value: bytes) -> str:
        """The value as pyiso8583 takes it."""
        if number in self.octets:
            return value.hex().upper()
        text = value.decode("latin-1")
        if self.is_packed and number in TRACKS:
            return text.replace("=", "D")
        if self.is_packed and number in SIGNED:
            return value[:1].hex() + text[1:]
        return text

    def to_value(self, number: int, text: str) -> bytes:
        if number in self.octets:
            return bytes.fromhex(text)
        if self.is_packed and number in TRACKS:
            text = text.replace("D", "=")
        if self.is_packed and number in SIGNED:
            text = bytes.fromhex(text[:2]).decode() + text[2:]
        return text.encode("latin-1")


DIALECTS = {
    "ascii": Dialect(ascii_hex()),
    "ascii-binary": Dialect(ascii_binary(), octets=(55,)),
    "ebcdic": Dialect(ebcdic(), octets=(55,)),
    "bcd": Dialect(packed()),
    "union-pay": Dialect(union_pay(), octets=(55, 62)),
}


def read(dialect: Dialect, message: bytes) -> str:
    decoded, _ = iso8583.decode(message, dialect.spec)
    words = [decoded["t"], decoded.get("h") or "-"]
    for number in sorted(int(key) for key in decoded if key.isdigit() and key != "1"):
        words.append(f"{number}={dialect.to_value(number, decoded[str(number)]).hex().upper()}")
    return " ".join(words)


def write(dialect: Dialect, words: list) -> str:
    decoded = {"t": words[0]}
    if words[1] != "-":
        decoded["h"] = words[1]
    for word in words[2:]:
        number, value = word.split("=")
        decoded[number] = dialect.to_text(int(number), bytes.fromhex(value))
    message, _ = iso8583.encode(decoded, dialect.spec)
    return message.hex().upper()


def answer(line: str) -> str:
    words = line.split()
    try:
        dialect = DIALECTS[words[1]]
        return "ok " + (read(dialect, bytes.fromhex(words[2])) if words[0] == "read" else write(dialect, words[2:]))
    except (iso8583.DecodeError, iso8583.EncodeError, ValueError, KeyError) as error:
        return "error " + repr(error)


def per_second(messages: int, seconds: float, work) -> float:
    began, rounds = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work()
        rounds += 1
    return rounds * messages / (time.perf_counter() - began)


def bench(dialect: Dialect, path: str, seconds: float) -> None:
    with open(path) as lines:
        messages = [bytes.fromhex(line) for line in lines]
    decoded = [iso8583.decode(message, dialect.spec)[0] for message in messages]

    def parse():
        for message in messages:
            iso8583.decode(message, dialect.spec)

    def build():
        for fields in decoded:
            # It takes the bitmap out of what it is given.
            iso8583.encode(dict(fields), dialect.spec)

    parsed = per_second(len(messages), seconds, parse)
    print(f"parse {parsed:.0f}/s build {per_second(len(messages), seconds, build):.0f}/s")


def main() -> None:
    if len(sys.argv) == 5 and sys.argv[1] == "bench":
        bench(DIALECTS[sys.argv[2]], sys.argv[3], float(sys.argv[4]))
        return
    for line in sys.stdin:
        print(answer(line), flush=True)


if __name__ == "__main__":
    main()
