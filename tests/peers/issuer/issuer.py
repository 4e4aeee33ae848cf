"""A bank's credit system, as bank-adapter/tests/credit_system talks to it: an issuer that speaks ISO 8583 over TCP.

    issuer.py --state FILE [--port PORT] [--dialect NAME] [--mac des:HEX|aes:HEX] [--zone-key HEX]
              [--certificate FILE --key FILE]

It prints its port, and then answers a line on its input with a line:

    account PAN LIMIT CASH PIN     opens an account, once
    state                          its books and what it has seen, as JSON
    fault WHAT HOW [ARGUMENT]      does HOW to the next message that is WHAT; several are done one after the other
    clear                          forgets faults that have not happened
    release                        sends the answers that were parked, on the connection that is open now
    ask CODE                       sends a 0800 with this code in field 70
    drop                           closes every connection

WHAT is sign-on, sign-off, echo, balance, hold, pin, post, void, refund, repayment, reversal,
card. HOW is one of HOWS. It ends with its input.
"""

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
import threading
from collections import Counter, defaultdict, deque

from messages import Codec, WrongMac
from ledger import Ledger

HOWS = (
    "pass",  # Nothing: the fault is for a message after this one.
    "drop-before", "drop-after",  # Closes the connection before or after it is done, without an answer.
    "die-before", "die-after", "die-answered",  # SIGKILL: before it is done, before it is answered, after that.
    "mute",  # Neither does nor answers it.
    "park",  # Does it, and answers when it is released.
    "twice", "garbage", "half", "too-long", "no-mac", "bad-mac",  # How it is answered.
    "refuse",  # With the code that is the argument, without doing it.
    "amount",  # Does it, and answers with another amount.
)
NETWORK = {"001": "sign-on", "002": "sign-off", "301": "echo"}
PROCESSING = {"00": "hold", "01": "hold", "31": "balance", "92": "pin"}
ADVICES = {"00": "post", "01": "post", "02": "reversal", "20": "refund", "21": "repayment"}


def what_is(fields: dict) -> str:
    kind = fields["t"][:2]
    if kind == "08":
        return NETWORK.get(fields.get("70"), "network")
    if kind == "04":
        return "void"
    if kind == "03":
        return "card"
    return {"01": PROCESSING, "02": ADVICES}[kind].get(fields["3"][:2], "unknown")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Issuer:
    def __init__(self, ledger: Ledger, codec: Codec):
        self.ledger, self.codec = ledger, codec
        self.faults = defaultdict(deque)
        self.seen, self.types = Counter(), Counter()
        self.parked, self.writers = [], []

    async def serve(self, reader, writer) -> None:
        self.writers.append(writer)
        self.seen["connection"] += 1
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
            self.seen["answer " + fields.get("39", "")] += 1
            return
        what = what_is(fields)
        self.seen[what] += 1
        how, argument = self.faults[what].popleft() if self.faults[what] else ("pass", "")
        if how == "die-before":
            die()
        if how == "drop-before":
            raise ConnectionError
        if how == "mute":
            return
        answer = self.answer(what, fields, argument if how == "refuse" else "")
        if how == "die-after":
            die()
        if how == "drop-after":
            raise ConnectionError
        if how == "amount":
            answer["4"] = "%012d" % (int(fields["4"]) - 1)
        message = self.codec.encode(answer, how)
        if how == "park":
            self.parked.append(message)
            return
        frame = len(message).to_bytes(2, "big") + message
        if how == "garbage":
            frame = b"\x00\x05gabel"[:7]
        elif how == "too-long":
            frame = b"\xff\xff" + message
        elif how == "half":
            frame = frame[: len(frame) // 2]
        elif how == "twice":
            frame += frame
        writer.write(frame)
        await writer.drain()
        if how == "die-answered":
            die()

    def answer(self, what: str, fields: dict, refusal: str) -> dict:
        mti = fields["t"]
        answer = {number: fields[number] for number in ("2", "3", "4", "7", "11", "32", "37", "41", "49", "70", "91", "101")
                  if number in fields}
        answer["t"] = mti[:2] + str(int(mti[2]) + 1) + str(int(mti[3]) // 2 * 2)
        if "h" in fields:
            answer["h"] = fields["h"]
        answer["39"] = refusal or "00"
        if refusal or mti[:2] == "08":
            return answer
        pan, amount = fields["2"], int(fields.get("4", "0"))
        if what == "balance":
            if pan not in self.ledger.accounts:
                answer["39"] = "14"
                return answer
            left = self.ledger.left(pan)
            amounts = [("02", left), ("40", min(left, self.ledger.accounts[pan]["cash"]))]
            # Some dialects have room for one.
            most = self.codec.dialect.spec["54"]["max_len"] // 20
            parts = [f"30{kind}{fields['49']}{'D' if minor < 0 else 'C'}{abs(minor):012d}" for kind, minor in amounts]
            answer["54"] = "".join(parts[:most])
            return answer
        if what == "card":
            answer["39"] = self.ledger.put(fields)
            return answer
        pin = self.codec.pin(fields) if what == "pin" else None
        is_cash = fields["3"][:2] == "01"
        answer["39"] = self.ledger.answer(what, pan, fields["37"], amount, is_cash, pin)
        if what == "hold" and answer["39"] == "00":
            answer["38"] = fields["37"][-6:]
        return answer

    async def release(self) -> None:
        parked, self.parked = self.parked, []
        for message in parked:
            self.writers[-1].write(len(message).to_bytes(2, "big") + message)
            await self.writers[-1].drain()

    async def command(self, line: str) -> str:
        words = line.split()
        if words[0] == "account":
            _, pan, limit, cash, pin = words
            if pan not in self.ledger.accounts:
                self.ledger.record({"event": "account", "pan": pan, "limit": int(limit), "cash": int(cash), "pin": pin})
        elif words[0] == "state":
            described = self.ledger.described()
            described.update(seen=self.seen, types=self.types, parked=len(self.parked), open=len(self.writers))
            return json.dumps(described)
        elif words[0] == "fault":
            assert words[2] in HOWS, words[2]
            self.faults[words[1]].append((words[2], words[3] if len(words) > 3 else ""))
        elif words[0] == "clear":
            self.faults.clear()
        elif words[0] == "release":
            await self.release()
        elif words[0] == "ask":
            message = self.codec.encode({"t": "0800", "7": "0101000000", "11": "000007", "70": words[1]})
            self.writers[-1].write(len(message).to_bytes(2, "big") + message)
        elif words[0] == "drop":
            for writer in list(self.writers):
                writer.close()
        else:
            return "unknown"
        return "ok"


def listen_to_input(loop, issuer: Issuer) -> None:
    for line in sys.stdin:
        answered = asyncio.run_coroutine_threadsafe(issuer.command(line), loop)
        try:
            print(answered.result(), flush=True)
        except Exception as error:  # pylint: disable=broad-except
            print("error " + repr(error), flush=True)
    os._exit(0)


async def run(arguments) -> None:
    issuer = Issuer(Ledger(arguments.state), Codec(arguments.dialect, arguments.mac, arguments.zone_key))
    tls = None
    if arguments.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(arguments.certificate, arguments.key)
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", arguments.port, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    thread = threading.Thread(target=listen_to_input, args=(asyncio.get_running_loop(), issuer), daemon=True)
    thread.start()
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dialect", default="ascii")
    parser.add_argument("--mac", default="")
    parser.add_argument("--zone-key", default="")
    parser.add_argument("--certificate", default="")
    parser.add_argument("--key", default="")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
