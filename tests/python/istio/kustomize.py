"""Renders the folders of `istio/`: the part of kustomize that they use, and nothing else.

Known: `resources`, `components`, `namespace`, `images`, `patches` (JSON 6902, from a file, with a
target). Anything else is an error, so that what is rendered here is what `kubectl kustomize` renders;
where kubectl is installed, a test compares the two.

    kustomize.py DIRECTORY      prints the objects as a JSON list
"""

import copy
import json
import pathlib
import re
import sys

import yaml

KEYS = {"apiVersion", "kind", "resources", "components", "namespace", "images", "patches"}
CLUSTER_SCOPED = {"Namespace"}


class Unsupported(Exception):
    """A feature of kustomize that this does not know."""


def render(folder: pathlib.Path) -> list[dict]:
    """The objects of a kustomization, in the order in which they were added."""
    return _built(folder.resolve(), [])


def read(path: pathlib.Path) -> list[dict]:
    """All documents of a YAML file."""
    with path.open() as file:
        return [document for document in yaml.load_all(file, Loader=_Loader) if document is not None]


class _Loader(yaml.CSafeLoader):
    """Refuses repeated keys, as Kubernetes' own readers do."""


def _mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    repeated = {key for key in keys if keys.count(key) > 1}
    if repeated:
        raise yaml.YAMLError(f"{node.start_mark}: repeated keys {sorted(repeated)}")
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _built(folder: pathlib.Path, objects: list[dict]) -> list[dict]:
    """A component sees the objects so far; a kustomization only its own."""
    [kustomization] = read(folder / "kustomization.yaml")
    unknown = set(kustomization) - KEYS
    if unknown:
        raise Unsupported(f"{folder}: {sorted(unknown)}")
    for entry in kustomization.get("resources", []):
        path = folder / entry
        added = render(path) if path.is_dir() else read(path)
        for one in added:
            if any(_identity(one) == _identity(other) for other in objects):
                raise Unsupported(f"{path}: {_identity(one)} is there already")
        objects = objects + copy.deepcopy(added)
    for entry in kustomization.get("components", []):
        objects = _built(folder / entry, objects)
    for patch in kustomization.get("patches", []):
        _patch(folder, patch, objects)
    if "namespace" in kustomization:
        _into_namespace(kustomization["namespace"], objects)
    for image in kustomization.get("images", []):
        _with_image(image, objects)
    return objects


def _identity(one: dict) -> tuple:
    metadata = one["metadata"]
    return one["apiVersion"], one["kind"], metadata.get("namespace"), metadata["name"]


def _patch(folder: pathlib.Path, patch: dict, objects: list[dict]) -> None:
    if set(patch) != {"path", "target"} or set(patch["target"]) - {"kind", "name"}:
        raise Unsupported(f"{folder}: patch {patch}")
    [operations] = read(folder / patch["path"])
    for one in objects:
        is_kind = one["kind"] == patch["target"]["kind"]
        if is_kind and patch["target"].get("name", one["metadata"]["name"]) == one["metadata"]["name"]:
            for operation in operations:
                _apply(operation, one)


def _apply(operation: dict, one: dict) -> None:
    """RFC 6902, `add` and `replace` in objects, `add` at the end of arrays."""
    if set(operation) != {"op", "path", "value"} or operation["op"] not in ("add", "replace"):
        raise Unsupported(f"patch operation {operation}")
    *parents, last = [
        step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]
    ]
    at = one
    for step in parents:
        at = at[int(step)] if isinstance(at, list) else at[step]
    value = copy.deepcopy(operation["value"])
    if isinstance(at, list) and last == "-" and operation["op"] == "add":
        at.append(value)
    elif isinstance(at, dict) and (operation["op"] == "add" or last in at):
        at[last] = value
    else:
        raise Unsupported(f"{_identity(one)}: patch operation {operation}")


def _into_namespace(namespace: str, objects: list[dict]) -> None:
    for one in objects:
        if one["kind"] not in CLUSTER_SCOPED:
            one["metadata"]["namespace"] = namespace
        elif one["metadata"]["name"] != namespace:
            raise Unsupported(f"Namespace {one['metadata']['name']} in namespace {namespace}")


def _with_image(image: dict, objects: list[dict]) -> None:
    if set(image) - {"name", "newName", "newTag", "digest"}:
        raise Unsupported(f"image {image}")
    for one in objects:
        template = one.get("spec", {}).get("template", {})
        if one["kind"] not in ("Deployment", "StatefulSet"):
            continue
        for container in template["spec"]["containers"]:
            container["image"] = _renamed(container["image"], image)


def _renamed(reference: str, image: dict) -> str:
    # A colon before the last slash is of a port.
    name = re.match(r"(?:[^@]*/)?[^@:/]*", reference).group()
    if name != image["name"]:
        return reference
    # What neither replaces stays: the tag, or the digest.
    version = reference.removeprefix(name)
    if "newTag" in image:
        version = f":{image['newTag']}"
    if "digest" in image:
        version = f"@{image['digest']}"
    return image.get("newName", name) + version


if __name__ == "__main__":
    json.dump(render(pathlib.Path(sys.argv[1])), sys.stdout)
