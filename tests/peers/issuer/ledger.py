"""The books of the issuer: accounts, holds, PINs and the answers that were given, in a journal that survives SIGKILL.

Every event is a line of JSON that is on disk before anybody hears of it. The same reference again gives the same answer and
changes nothing; the void of a hold that never came leaves a tombstone.
"""

import json
import os
from collections import Counter


# What is answered to a hold with a card that stands in a file.
FILES = {"ISSUED": "78", "ACTIVE": "00", "FROZEN": "62", "LOST": "41", "REPLACED": "04", "CLOSED": "04"}


class Ledger:
    def __init__(self, path: str):
        self.accounts, self.holds, self.answers = {}, {}, {}
        self.effects, self.order = Counter(), []
        # Which file each card stands in, and every change of that in order.
        self.cards, self.changes = {}, []
        if os.path.exists(path):
            with open(path) as lines:
                # A line that was cut off by a crash was told to nobody.
                for line in (line for line in lines if line.endswith("\n")):
                    self.apply(json.loads(line))
        self.file = open(path, "a")

    def record(self, event: dict) -> None:
        self.file.write(json.dumps(event) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.apply(event)

    def apply(self, event: dict) -> None:
        kind, reference = event["event"], event.get("reference")
        if kind == "account":
            self.accounts[event["pan"]] = {
                "limit": event["limit"], "cash": event["cash"], "pin": event["pin"], "held": 0, "owed": 0}
            return
        if kind in ("void-unknown", "void"):
            self.answers[("void", reference)] = event["code"]
        else:
            self.answers[(kind, reference)] = event["code"]
        if kind == "void-unknown":
            self.holds[reference] = {"state": "tombstone", "amount": event["amount"], "pan": event["pan"]}
        if event["code"] != "00" or kind == "void-unknown":
            return
        self.effects[kind] += 1
        self.order.append(kind)
        account = self.accounts[event["pan"]]
        if kind == "card":
            self.cards[event["pan"]] = event["file"]
            self.changes.append([event["pan"], event["file"]])
            if event["file"] == "REPLACED":
                self.accounts[event["successor"]] = account
            return
        if kind == "hold":
            self.holds[reference] = {"state": "held", "amount": event["amount"], "pan": event["pan"]}
            account["held"] += event["amount"]
        elif kind in ("post", "void"):
            hold = self.holds[reference]
            hold["state"] = {"post": "posted", "void": "voided"}[kind]
            account["held"] -= hold["amount"]
            if kind == "post":
                account["owed"] += event["amount"]
        elif kind in ("refund", "repayment"):
            account["owed"] -= event["amount"]
        elif kind == "reversal":
            account["owed"] += event["amount"]
        elif kind == "pin":
            account["pin"] = event["pin"]

    def left(self, pan: str) -> int:
        account = self.accounts[pan]
        return account["limit"] - account["held"] - account["owed"]

    def put(self, fields: dict) -> str:
        """Has a card stand in a file: decides, records and gives the response code."""
        pan, reference, file = fields["2"], fields["37"], fields["101"].strip()
        if ("card", reference) in self.answers:
            return self.answers[("card", reference)]
        successor = fields.get("103", "").strip()
        code = "00"
        if pan not in self.accounts:
            code = "25"
        elif fields["91"] != "2" or file not in FILES or len(fields["14"]) != 4:
            code = "27"
        elif (file == "REPLACED") != bool(successor):
            code = "27"
        self.record({"event": "card", "reference": reference, "pan": pan, "code": code, "file": file,
                     "successor": successor})
        return code

    def answer(self, kind: str, pan: str, reference: str, amount: int, is_cash: bool, pin) -> str:
        """Decides, records and gives the response code."""
        known = self.answers.get((kind, reference))
        # An approved void goes on standing if the hold comes after it and was approved meanwhile.
        if known is not None and not (kind == "void" and self.holds[reference]["amount"] != amount):
            return known
        code, event = self.decide(kind, pan, reference, amount, is_cash, pin), kind
        if kind == "void" and code == "00" and reference not in self.holds:
            event = "void-unknown"
        # What is refused for its amount only is not the answer to the right one.
        if (kind, code) != ("void", "64"):
            self.record({"event": event, "reference": reference, "pan": pan, "amount": amount, "code": code, "pin": pin})
        return code

    def decide(self, kind: str, pan: str, reference: str, amount: int, is_cash: bool, pin) -> str:
        if pan not in self.accounts:
            return "14"
        hold = self.holds.get(reference)
        if kind == "hold":
            if hold is not None:
                return "05"
            if FILES[self.cards.get(pan, "ACTIVE")] != "00":
                return FILES[self.cards[pan]]
            if amount > self.left(pan):
                return "51"
            return "61" if is_cash and amount > self.accounts[pan]["cash"] else "00"
        if kind == "post":
            if hold is None:
                return "25"
            if hold["state"] != "held":
                return "12"
            return "13" if amount > hold["amount"] else "00"
        if kind == "void":
            if hold is None:
                return "00"
            if hold["amount"] != amount:
                return "64"
            return "00" if hold["state"] == "held" else "12"
        if kind == "pin":
            return "99" if pin is None else "00"
        return "00"

    def described(self) -> dict:
        return {"accounts": self.accounts, "holds": self.holds, "effects": self.effects, "order": self.order,
                "cards": self.cards, "changes": self.changes}
