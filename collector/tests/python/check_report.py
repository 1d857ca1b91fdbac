"""Checks reports against the schema: check_report.py SCHEMA REPORT...

Strictly: every key of a report must be in the schema, so that the schema cannot fall behind. Readers
get the schema as it is, which allows keys to be added.
"""

import json
import sys

import fastjsonschema


def strict(schema):
    """The same schema without room for other keys."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    as_published, closed = fastjsonschema.compile(schema), fastjsonschema.compile(strict(schema))
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        closed(report)
        as_published({**report, "key_of_a_later_version": 1})
        for key in schema["required"]:
            lacking = {name: part for name, part in report.items() if name != key}
            try:
                as_published(lacking)
            except fastjsonschema.JsonSchemaException:
                continue
            sys.exit(f"the schema accepts {path} without {key}")


main()
