"""Judges objects as an API server would, without one: schema, unknown fields, CEL rules.

    errors(obj, Schemas.of("1.31.0-rc.0"))    the reasons to refuse it, as texts

An unknown field is an error (`kubectl apply --validate=strict`). A CEL rule that cannot be evaluated is
an error, never a pass.
"""

import copy
import functools
import gzip
import json
import pathlib
from urllib.parse import urlsplit

import cel
import jsonschema

FOLDER = pathlib.Path(__file__).parents[2] / "crds"
# Istio versions with a Kubernetes version that each supports: the oldest, and a new one. Not 1.29, of which
# there are no CRDs here: what it takes is only known from those before and after it.
VERSIONS = {
    "1.28.10": "1.30.0",
    "1.30.3": "1.35.0",
    "1.31.0-rc.0": "1.35.0",
}
GATEWAY_API = "1.6.0"


@functools.cache
def of(istio: str) -> dict:
    """All schemas by `apiVersion/Kind`, with this version of Istio."""
    files = [f"istio-{istio}", f"gateway-api-{GATEWAY_API}", f"kubernetes-{VERSIONS[istio]}"]
    schemas = {}
    for file in files:
        schemas |= json.loads(gzip.decompress((FOLDER / f"{file}.json.gz").read_bytes()))
    return schemas


def errors(one: dict, istio: str) -> list[str]:
    """Why an API server with this Istio would refuse the object."""
    key = f"{one.get('apiVersion')}/{one.get('kind')}"
    schema = of(istio).get(key)
    if schema is None:
        return [f"{key}: no such kind in Istio {istio}"]
    found = list(_unknown(schema, one, key, is_root=True))
    one = _with_defaults(schema, copy.deepcopy(one))
    for error in _validator(istio, key).iter_errors(one):
        found.append(f"{key}{error.json_path.removeprefix('$')}: {error.message}")
    if not found:
        found += _cel(schema, one, key)
    return found


def _unknown(schema: dict, value, where: str, is_root=False):
    """Fields that the schema does not know."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(schema.get("items", {}), item, f"{where}[{index}]")
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    known = dict(schema.get("properties", {}))
    if is_root:
        known |= {name: known.get(name, {}) for name in ("apiVersion", "kind", "metadata")}
    others = schema.get("additionalProperties")
    for name, item in value.items():
        if name in known:
            # CRDs say nothing of what is inside `metadata`.
            if not (is_root and name == "metadata" and not known[name].get("properties")):
                yield from _unknown(known[name], item, f"{where}.{name}")
        elif isinstance(others, dict):
            yield from _unknown(others, item, f"{where}.{name}")
        elif others is not True and (known or others is False):
            yield f"{where}.{name}: unknown field"


def _with_defaults(schema: dict, value):
    """Defaults are filled in before rules are judged."""
    if isinstance(value, list):
        return [_with_defaults(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    for name, field in schema.get("properties", {}).items():
        if name not in value and "default" in field:
            value[name] = copy.deepcopy(field["default"])
    return {name: _with_defaults(_field(schema, name), item) for name, item in value.items()}


def _field(schema: dict, name: str) -> dict:
    field = schema.get("properties", {}).get(name)
    others = schema.get("additionalProperties")
    return field if field is not None else others if isinstance(others, dict) else {}


@functools.cache
def _validator(istio: str, key: str):
    return jsonschema.Draft7Validator(_draft7(of(istio)[key]))


def _draft7(schema, is_names=False):
    """The structural schema as JSON Schema: Kubernetes' own keywords are no part of it."""
    if isinstance(schema, list):
        return [_draft7(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {}
    for name, value in schema.items():
        if is_names or not (name.startswith("x-kubernetes-") or name in ("nullable", "default")):
            plain[name] = _draft7(value, not is_names and name == "properties")
    if not is_names and schema.get("x-kubernetes-int-or-string"):
        plain["type"] = ["integer", "string"]
    if not is_names and schema.get("nullable") and "type" in plain:
        plain["type"] = [plain["type"], "null"]
    return plain


def _cel(schema: dict, value, where: str):
    found = []
    for rule in schema.get("x-kubernetes-validations", []):
        if "oldSelf" in rule["rule"]:
            continue  # Only on updates.
        try:
            holds = cel.evaluate(rule["rule"], _context(value))
        except Exception as error:  # The binding raises several kinds.
            found.append(f"{where}: rule cannot be evaluated: {rule['rule']}: {error}")
            continue
        if holds is not True:
            found.append(f"{where}: {rule.get('message', rule['rule'])}")
    if isinstance(value, dict):
        for name, item in value.items():
            found += _cel(_field(schema, name), item, f"{where}.{name}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += _cel(schema.get("items", {}), item, f"{where}[{index}]")
    return found


def _context(value):
    context = cel.Context({"self": _escaped(value)})
    # Kubernetes' own URL library, as far as rules use it.
    context.add_function("isURL", lambda text: bool(urlsplit(text).scheme or text.startswith("/")))
    context.add_function("url", lambda text: text)
    context.add_function("getScheme", lambda text: urlsplit(text).scheme)
    return context


def _escaped(value):
    """Fields whose names are words of CEL: `namespace` is `__namespace__`."""
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if not isinstance(value, dict):
        return value
    words = {"namespace", "in", "package", "import", "as", "break", "const", "continue", "else", "for",
             "function", "if", "let", "loop", "return", "var", "void", "while"}
    return {f"__{name}__" if name in words else name: _escaped(item) for name, item in value.items()}
