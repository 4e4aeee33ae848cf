"""An acquirer at one end of a link, whose messages pyiso8583 reads and writes; a line for a line:

    connect HOST PORT DIALECT [CA [CERTIFICATE KEY]]   ok; under TLS if there is a CA
    ask TYPE HEADER FIELD=VALUE …            ok TYPE HEADER FIELD=VALUE …

Values are hexadecimal, of octets or of characters in ISO 8859-1; "-" is a header of no octets.
"""

import socket
import ssl
import struct
import sys

import iso8583

from peer import DIALECTS, read, write


class Link:
    def __init__(self) -> None:
        self.socket = None
        self.dialect = None

    def connect(self, host: str, port: str, dialect: str, authority: str = "", *own: str) -> str:
        self.dialect = DIALECTS[dialect]
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        if authority:
            context = ssl.create_default_context(cafile=authority)
            if own:
                context.load_cert_chain(*own)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        return ""

    def receive(self, length: int) -> bytes:
        octets = b""
        while len(octets) < length:
            piece = self.socket.recv(length - len(octets))
            if not piece:
                raise ConnectionError("the link is closed")
            octets += piece
        return octets

    def ask(self, *words: str) -> str:
        message = bytes.fromhex(write(self.dialect, list(words)))
        self.socket.sendall(struct.pack(">H", len(message)) + message)
        (length,) = struct.unpack(">H", self.receive(2))
        return read(self.dialect, self.receive(length))


def main() -> None:
    link = Link()
    for line in sys.stdin:
        words = line.split()
        try:
            said = link.connect(*words[1:]) if words[0] == "connect" else link.ask(*words[1:])
            print("ok " + said, flush=True)
        except (iso8583.DecodeError, iso8583.EncodeError, ValueError, KeyError, OSError) as error:
            print("error " + repr(error), flush=True)


if __name__ == "__main__":
    main()
