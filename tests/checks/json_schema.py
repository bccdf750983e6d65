"""The part of JSON Schema that the project's schemas use."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
KNOWN = {
    *("$schema", "$defs", "$ref", "title", "description", "type", "const", "enum"),
    *("anyOf", "required", "properties", "additionalProperties", "items", "minimum"),
}


def problems(value: Any, schema: Any, root: Any, where: str = "report") -> list[str]:
    """Where the value does not follow the schema; empty if it does."""
    unknown = schema.keys() - KNOWN
    assert not unknown, f"the schema uses {unknown}, which nothing checks"
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        return problems(value, target, root, where)
    if "anyOf" in schema:
        tried = [problems(value, choice, root, where) for choice in schema["anyOf"]]
        return [] if [] in tried else [f"{where}: none of the choices: {tried}"]
    found = []
    wanted = schema.get("type")
    if wanted and not _is(value, wanted):
        return [f"{where}: {value!r} is no {wanted}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is not one of {schema['enum']}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{where}: {value!r} is below {schema['minimum']}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [
            f"{where}: no {k}" for k in schema.get("required", ()) if k not in value
        ]
        if schema.get("additionalProperties") is False:
            found += [f"{where}: unknown {key}" for key in value.keys() - known.keys()]
        for key in value.keys() & known.keys():
            found += problems(value[key], known[key], root, f"{where}/{key}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += problems(item, schema["items"], root, f"{where}/{index}")
    return found


def _is(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, TYPES[wanted])
