"""Makes the trimmed schemas of this folder from the projects' own files (README.md says which).

    make.py istio 1.31.0-rc.0 crd-all.gen.yaml
    make.py gateway-api 1.6.0 grpcroutes.yaml httproutes.yaml
    make.py kubernetes 1.31.0 v1.31.0-local-strict/

Writes NAME-VERSION.json.gz: schemas by `apiVersion/Kind`, of the kinds in KINDS, without
descriptions. Nothing else is changed. Equal input gives equal bytes.
"""

import gzip
import json
import pathlib
import sys

import yaml

KINDS = {
    "VirtualService", "DestinationRule", "Sidecar", "Gateway", "EnvoyFilter", "WasmPlugin",
    "TrafficExtension", "PeerAuthentication", "AuthorizationPolicy", "GRPCRoute", "HTTPRoute",
}
# File names of the Kubernetes schemas, without `.json`.
CORE = {
    "apps/v1/StatefulSet": "statefulset-apps-v1",
    "apps/v1/Deployment": "deployment-apps-v1",
    "v1/Service": "service-v1",
    "v1/ServiceAccount": "serviceaccount-v1",
    "v1/Namespace": "namespace-v1",
    "networking.k8s.io/v1/NetworkPolicy": "networkpolicy-networking-v1",
    "networking.k8s.io/v1/Ingress": "ingress-networking-v1",
    "policy/v1/PodDisruptionBudget": "poddisruptionbudget-policy-v1",
}


def main(name: str, version: str, *sources: str) -> None:
    schemas = core(pathlib.Path(sources[0])) if name == "kubernetes" else crds(sources)
    text = json.dumps(schemas, sort_keys=True, separators=(",", ":")).encode()
    target = pathlib.Path(__file__).parent / f"{name}-{version}.json.gz"
    with target.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text)
    print(f"{target.name}: {', '.join(sorted(schemas))}")


def crds(sources) -> dict:
    schemas = {}
    for source in sources:
        opened = gzip.open(source, "rt") if source.endswith(".gz") else open(source)
        with opened as file:
            for crd in yaml.load_all(file, Loader=yaml.CSafeLoader):
                if not crd or crd.get("kind") != "CustomResourceDefinition":
                    continue
                spec = crd["spec"]
                if spec["names"]["kind"] not in KINDS:
                    continue
                for version in spec["versions"]:
                    if version["served"]:
                        key = f"{spec['group']}/{version['name']}/{spec['names']['kind']}"
                        schemas[key] = trimmed(version["schema"]["openAPIV3Schema"])
    return schemas


def core(folder: pathlib.Path) -> dict:
    definitions = json.loads((folder / "_definitions.json").read_text())["$defs"]
    schemas = {}
    for key, file in CORE.items():
        schemas[key] = trimmed(inlined(json.loads((folder / f"{file}.json").read_text()), definitions))
    return schemas


def inlined(schema, definitions):
    """References replaced by what they refer to; none of these kinds is recursive."""
    if isinstance(schema, list):
        return [inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return inlined(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    return {key: inlined(value, definitions) for key, value in schema.items()}


def trimmed(schema, is_names=False):
    """Without descriptions; `is_names`: the keys are fields, not keywords."""
    if isinstance(schema, list):
        return [trimmed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = schema.items()
    if not is_names:
        kept = [(key, value) for key, value in kept if key not in ("description", "$schema", "$id")]
    return {key: trimmed(value, not is_names and key == "properties") for key, value in kept}


if __name__ == "__main__":
    main(*sys.argv[1:])
