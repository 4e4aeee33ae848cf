"""A card network with the issuing banks behind it, as the hub talks to it when a bank has no adapter: ISO 8583 over TCP, whose messages
pyiso8583 reads and writes. Nothing of it is bankhub's.

    network.py --state FILE [--port PORT] [--dialect NAME] [--mac des:HEX] [--zone-key HEX] [--exchange-key HEX]
               [--certificate FILE --key FILE]

It prints its port, and then answers a line on its input with a line:

    account PAN BALANCE PIN        opens an account, once
    state                          its books and what it has seen, as JSON
    fault WHAT HOW [ARGUMENT]      does HOW to the next message that is WHAT; several are done one after the other
    clear                          forgets faults that have not happened
    release                        sends the answers that were parked, on the connection that is open now
    cut-over MMDD                  asks the other side to go over to this day; says what it answers
    totals MMDD [MORE]             asks the other side to compare this day's totals, of which the debits are so much more; says 39 and 66
    raw HEX                        sends these octets, as they are, on the connection that is open now
    trickle HEX                    sends them one by one, a second apart
    stranger                       approves a charge that nobody has sent, twice
    drop                           closes every connection

WHAT is sign-on, sign-off, echo, keys, charge, authorisation, completion, refund, reversal, totals. It ends with its input.

The books are a journal that survives SIGKILL: a line of JSON for every message that moved something, on disk before it is answered. A
message is known for ever by fields 11, 7 and 32; the same again gives the same answer and moves nothing, and a reversal that comes before
what it reverses keeps that out.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
import threading
from collections import Counter, defaultdict, deque

from Crypto.Cipher import DES3

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "issuer"))
from messages import Codec, WrongMac  # noqa: E402

HOWS = (
    "pass",
    "drop-before", "drop-after",  # Closes the connection before or after it is done, without an answer.
    "mute",  # Neither does nor answers it.
    "silent",  # Does it, and never answers.
    "park",  # Does it, and answers when it is released.
    "park-amount",  # The same, with another amount.
    "twice", "garbage", "half", "bad-mac",  # How it is answered.
    "refuse",  # With the code that is the argument, without doing it.
    "refuse-park",  # Refuses it, does it all the same, and approves it when it is released.
    "amount",  # Does it, and answers with another amount.
    "card",  # Does it, and answers with another card.
    "off",  # Answers totals with others than its own.
    "split",  # Answers octet by octet.
    "slow",  # Answers the first half, and the rest never.
    "empty", "too-long",  # Answers with a length of nothing, and of more than may be.
    "bitmap", "letters", "type",  # Answers with a bit more than there is, with letters in digits, and with a type that there is not.
    "no-mac",  # Answers without an authentication code.
)
TOTALS = ("74", "75", "76", "77", "86", "87", "88", "89")
NETWORK = {"001": "sign-on", "002": "sign-off", "301": "echo", "101": "keys"}


def what_is(fields: dict) -> str:
    kind = fields["t"][:3]
    if kind[:2] == "08":
        return NETWORK.get(fields.get("70"), "network")
    if kind[:2] == "04":
        return "reversal"
    if kind[:2] == "05":
        return "totals"
    if kind[:2] == "01":
        return "authorisation"
    if kind == "022":
        return "refund" if fields["3"][:2] == "20" else "completion"
    return "charge"


def name_of(fields: dict) -> str:
    return "-".join((fields["11"], fields["7"], fields["32"].lstrip("0")))


def original_of(fields: dict) -> str:
    named = fields["90"]
    return "-".join((named[4:10], named[10:20], named[20:31].lstrip("0")))


class Books:
    def __init__(self, path: str):
        # Messages by name: what, pan, amount, code, and whether it was reversed.
        self.accounts, self.messages, self.tombstones = {}, {}, set()
        self.effects = Counter()
        # The day of what comes, and every day that was cut over to.
        self.day, self.days = "", set()
        if os.path.exists(path):
            with open(path) as lines:
                for line in (line for line in lines if line.endswith("\n")):
                    self.apply(json.loads(line))
        self.file = open(path, "a")

    def record(self, event: dict) -> None:
        self.file.write(json.dumps(event) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.apply(event)

    def apply(self, event: dict) -> None:
        if event["event"] == "account":
            self.accounts[event["pan"]] = {"balance": event["balance"], "held": 0, "pin": event["pin"]}
            return
        if event["event"] == "day":
            self.day = event["day"]
            self.days.add(self.day)
            return
        self.messages[event["name"]] = dict(event, reversed=False)
        original = self.messages.get(event.get("original"))
        if event["event"] == "reversal" and event["code"] == "00" and original is None:
            self.tombstones.add(event["original"])
            return
        if event["code"] != "00":
            return
        self.effects[event["event"]] += 1
        account, amount = self.accounts[event["pan"]], event["amount"]
        if event["event"] == "charge":
            account["balance"] -= amount
        elif event["event"] == "authorisation":
            account["held"] += amount
        elif event["event"] == "completion":
            account["held"] -= original["amount"]
            account["balance"] -= amount
            original["completed"] = True
        elif event["event"] == "refund":
            account["balance"] += amount
        elif event["event"] == "reversal" and original["code"] == "00":
            original["reversed"] = True
            if original["event"] == "authorisation":
                account["held"] -= original["amount"]
            else:
                account["balance"] += original["amount"]

    def decide(self, what: str, fields: dict, pin) -> str:
        pan, amount = fields["2"], int(fields["4"])
        account = self.accounts.get(pan)
        if account is None:
            return "14"
        if what in ("charge", "authorisation"):
            if name_of(fields) in self.tombstones:
                return "12"
            if pin is not None and pin != account["pin"]:
                return "55"
            return "51" if amount > account["balance"] - account["held"] else "00"
        original = self.messages.get(original_of(fields))
        if original is None:
            return "25"
        if what == "reversal":
            if original["code"] != "00" or original["reversed"]:
                return "00"
            return "64" if original["amount"] != amount else "00"
        if original["code"] != "00" or original["reversed"] or original["pan"] != pan:
            return "12"
        if what == "completion":
            if original["event"] != "authorisation" or original.get("completed") or amount > original["amount"]:
                return "12"
            return "00"
        return "64" if amount > original["amount"] else "00"

    def answer(self, what: str, fields: dict, pin) -> str:
        name = name_of(fields)
        known = self.messages.get(name)
        if known is not None:
            return known["code"] if known["event"] == what and known["amount"] == int(fields["4"]) else "94"
        code = self.decide(what, fields, pin)
        event = {"event": what, "name": name, "pan": fields["2"], "amount": int(fields["4"]), "code": code,
                 "receiver": fields.get("100", ""), "approval": fields.get("38", ""), "entry": fields.get("22", ""), "day": self.day}
        if "90" in fields:
            event["original"] = original_of(fields)
        if (what, code) == ("reversal", "25"):
            # What comes after its reversal stays out, whatever is answered now.
            self.tombstones.add(event["original"])
        else:
            self.record(event)
        return code


    def totals(self, day: str) -> dict:
        """What was moved on a day, by the fields of numbers and amounts. What came before any cut-over is of the day that none was to."""
        day = day if day in self.days else ""
        sums = {"74": 0, "75": 0, "76": 0, "77": 0}
        amounts = dict.fromkeys(sums, 0)
        for message in self.messages.values():
            if message["day"] != day or message["code"] != "00":
                continue
            kind = {"charge": "76", "completion": "76", "refund": "74"}.get(message["event"])
            if message["event"] == "reversal":
                original = self.messages.get(message["original"])
                took = original is not None and original["code"] == "00" and original["event"] != "authorisation"
                kind = "77" if took else None
            if kind:
                sums[kind] += 1
                amounts[kind] += message["amount"]
        fields = {number: "%010d" % count for number, count in sums.items()}
        fields.update({str(int(number) + 12): "%016d" % minor for number, minor in amounts.items()})
        return fields


class Network:
    def __init__(self, books: Books, codec: Codec, arguments):
        self.books, self.codec, self.arguments = books, codec, arguments
        self.faults = defaultdict(deque)
        self.seen, self.types = Counter(), Counter()
        self.parked, self.writers, self.asked = [], [], deque()
        self.zone_key = bytes.fromhex(arguments.zone_key) if arguments.zone_key else b""

    async def serve(self, reader, writer) -> None:
        self.writers.append(writer)
        self.seen["connection"] += 1
        self.codec.zone_key = self.zone_key
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                await self.take(await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except WrongMac:
            self.seen["wrong-mac"] += 1
        finally:
            self.writers.remove(writer)
            writer.close()

    async def take(self, raw: bytes, writer) -> None:
        fields = self.codec.decode(raw)
        self.types[fields["t"]] += 1
        if fields["t"][2] in "13":
            if self.asked:
                self.asked.popleft().set_result((fields.get("39", "") + " " + fields.get("66", "")).strip())
            return
        what = what_is(fields)
        self.seen[what] += 1
        how, argument = self.faults[what].popleft() if self.faults[what] else ("pass", "")
        if how == "drop-before":
            raise ConnectionError
        if how == "mute":
            return
        answer = self.answer(what, fields, argument if how == "refuse" else "")
        if how == "drop-after":
            raise ConnectionError
        if how == "silent":
            return
        if how in ("amount", "park-amount"):
            answer["4"] = "%012d" % (int(fields["4"]) - 1)
        if how == "card":
            answer["2"] = "6228490000000003"
        if how == "off":
            answer["88"] = "%016d" % (int(answer["88"]) + 1)
        message = self.spoiled(self.codec.encode(answer, how), how)
        if how in ("park", "park-amount"):
            self.parked.append(message)
            return
        frame = len(message).to_bytes(2, "big") + message
        if how == "refuse-park":
            self.parked.append(message)
            refusal = self.codec.encode(self.answer(what, fields, "05"), how)
            frame = len(refusal).to_bytes(2, "big") + refusal
        if how == "garbage":
            frame = b"\x00\x05gabel"[:7]
        elif how == "half":
            frame = frame[: len(frame) // 2]
        elif how == "twice":
            frame += frame
        elif how == "empty":
            frame = b"\x00\x00"
        elif how == "too-long":
            frame = b"\xff\xff" + message
        elif how == "split":
            for octet in frame:
                writer.write(bytes([octet]))
                await writer.drain()
                await asyncio.sleep(0.005)
            return
        elif how == "slow":
            frame = frame[: len(frame) // 2]
        writer.write(frame)
        await writer.drain()

    def spoiled(self, message: bytes, how: str) -> bytes:
        """A message of packed digits behind a header of eleven octets, with something wrong."""
        message, header = bytearray(message), self.codec.header
        if how == "bitmap":
            message[header + 9] |= 0x02
        elif how == "letters":
            message[header + 2 + 8 + 9] = 0xBC
        elif how == "type":
            message[header] = 0x77
        return bytes(message)

    def answer(self, what: str, fields: dict, refusal: str) -> dict:
        mti = fields["t"]
        answer = {number: fields[number]
                  for number in ("2", "3", "4", "7", "11", "12", "13", "32", "33", "37", "41", "42", "49", "70")
                  if number in fields}
        answer["t"] = mti[:2] + str(int(mti[2]) + 1) + str(int(mti[3]) // 2 * 2)
        if "h" in fields:
            answer["h"] = fields["h"]
        answer["39"] = refusal or "00"
        if what == "keys" and not refusal:
            answer["120"] = self.new_keys()
        if refusal or mti[:2] == "08":
            return answer
        if what == "totals":
            answer.update(self.books.totals(fields["15"]))
            answer.update({number: fields[number] for number in ("15", "50")})
            is_same = all(int(answer[number]) == int(fields[number]) for number in answer if number in TOTALS)
            answer["39"], answer["66"] = ("00", "1") if is_same else ("95", "2")
            return answer
        pin = self.codec.pin(fields) if "52" in fields else None
        if "52" in fields and pin is None:
            answer["39"] = "99"
            return answer
        answer["39"] = self.books.answer(what, fields, pin)
        if what in ("charge", "authorisation") and answer["39"] == "00":
            answer["38"] = fields["11"]
        return answer

    def new_keys(self) -> str:
        """A new key of PIN blocks under the exchange key, and the first three octets of zeros under it."""
        exchange = DES3.new(bytes.fromhex(self.arguments.exchange_key), DES3.MODE_ECB)
        self.codec.zone_key = DES3.adjust_key_parity(os.urandom(16))
        check = DES3.new(self.codec.zone_key, DES3.MODE_ECB).encrypt(bytes(8))[:3]
        told = (exchange.encrypt(self.codec.zone_key) + check).hex().upper()
        return "11%03d%s" % (len(told), told)

    async def release(self) -> None:
        parked, self.parked = self.parked, []
        for message in parked:
            self.writers[-1].write(len(message).to_bytes(2, "big") + message)
            await self.writers[-1].drain()

    async def cut_over(self, day: str) -> str:
        fields = {"t": "0800", "7": "0101000000", "11": "000007", "15": day, "70": "201"}
        if self.codec.header:
            fields["h"] = "00" * self.codec.header
        message = self.codec.encode(fields)
        answered = asyncio.get_running_loop().create_future()
        self.asked.append(answered)
        self.writers[-1].write(len(message).to_bytes(2, "big") + message)
        code = await asyncio.wait_for(answered, 20)
        if code.startswith("00"):
            self.books.record({"event": "day", "day": day})
        return code

    async def own_totals(self, day: str, more: int) -> str:
        fields = {"t": "0500", "7": "0101000001", "11": "000008", "15": day, "32": "66280000", "50": "156"}
        fields.update(self.books.totals(day))
        fields["88"] = "%016d" % (int(fields["88"]) + more)
        if self.codec.header:
            fields["h"] = "00" * self.codec.header
        answered = asyncio.get_running_loop().create_future()
        self.asked.append(answered)
        message = self.codec.encode(fields)
        self.writers[-1].write(len(message).to_bytes(2, "big") + message)
        return await asyncio.wait_for(answered, 20)

    async def stranger(self) -> None:
        fields = {"t": "0210", "7": "0101000002", "11": "999999", "4": "000000000100", "39": "00"}
        if self.codec.header:
            fields["h"] = "00" * self.codec.header
        message = self.codec.encode(fields)
        for _ in range(2):
            self.writers[-1].write(len(message).to_bytes(2, "big") + message)
        await self.writers[-1].drain()

    async def trickle(self, octets: bytes) -> None:
        writer = self.writers[-1]
        try:
            for octet in octets:
                writer.write(bytes([octet]))
                await writer.drain()
                await asyncio.sleep(1)
        except ConnectionError:
            pass

    async def command(self, line: str) -> str:
        words = line.split()
        if words[0] == "account":
            _, pan, balance, pin = words
            if pan not in self.books.accounts:
                self.books.record({"event": "account", "pan": pan, "balance": int(balance), "pin": pin})
        elif words[0] == "state":
            described = {"accounts": self.books.accounts, "effects": self.books.effects, "seen": self.seen,
                         "messages": list(self.books.messages.values()), "types": self.types,
                         "parked": len(self.parked), "open": len(self.writers)}
            return json.dumps(described)
        elif words[0] == "fault":
            assert words[2] in HOWS, words[2]
            self.faults[words[1]].append((words[2], words[3] if len(words) > 3 else ""))
        elif words[0] == "clear":
            self.faults.clear()
        elif words[0] == "release":
            await self.release()
        elif words[0] == "cut-over":
            return await self.cut_over(words[1])
        elif words[0] == "totals":
            return await self.own_totals(words[1], int(words[2]) if len(words) > 2 else 0)
        elif words[0] == "stranger":
            await self.stranger()
        elif words[0] == "raw":
            self.writers[-1].write(bytes.fromhex(words[1]))
            await self.writers[-1].drain()
        elif words[0] == "trickle":
            asyncio.get_running_loop().create_task(self.trickle(bytes.fromhex(words[1])))
        elif words[0] == "drop":
            for writer in list(self.writers):
                writer.close()
        else:
            return "unknown"
        return "ok"


def listen_to_input(loop, network: Network) -> None:
    for line in sys.stdin:
        answered = asyncio.run_coroutine_threadsafe(network.command(line), loop)
        try:
            print(answered.result(), flush=True)
        except Exception as error:  # pylint: disable=broad-except
            print("error " + repr(error), flush=True)
    os._exit(0)


async def run(arguments) -> None:
    network = Network(Books(arguments.state), Codec(arguments.dialect, arguments.mac, arguments.zone_key), arguments)
    tls = None
    if arguments.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(arguments.certificate, arguments.key)
    server = await asyncio.start_server(network.serve, "127.0.0.1", arguments.port, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    thread = threading.Thread(target=listen_to_input, args=(asyncio.get_running_loop(), network), daemon=True)
    thread.start()
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dialect", default="union-pay")
    parser.add_argument("--mac", default="")
    parser.add_argument("--zone-key", default="")
    parser.add_argument("--exchange-key", default="")
    parser.add_argument("--certificate", default="")
    parser.add_argument("--key", default="")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
