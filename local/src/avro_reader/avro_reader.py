"""Reads the schemas and framed values of a folder; see mod.rs for what it prints."""
import io
import json
import pathlib
import sys

import fastavro
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

folder = pathlib.Path(sys.argv[1])
schemas = {}
for file in sorted(folder.glob("*.avsc")):
    text = json.loads(file.read_text())
    form = to_parsing_canonical_form(text)
    # The library gives the bytes in the order in which single-object encoding has them.
    wire = bytes.fromhex(fingerprint(form, "CRC-64-AVRO"))
    schemas[file.stem] = (wire, parse_schema(text))
    print("schema", file.stem, wire[::-1].hex(), form)
for line in (folder / "values.txt").read_text().splitlines():
    name, digits = line.split(" ")
    wire, schema = schemas[name]
    value = bytes.fromhex(digits)
    if value[:2] != b"\xc3\x01" or value[2:10] != wire:
        print("refused", name, "no value of this schema:", value[:10].hex())
        continue
    body = io.BytesIO(value[10:])
    try:
        record = fastavro.schemaless_reader(body, schema)
        rest = body.read()
        print("value", name, next(iter(record.values()))) if not rest else print("refused", name, "trailing bytes")
    except Exception as refusal:
        print("refused", name, repr(refusal))
