"""What must be the same in several files of `istio/`, and in the code.

One source each: the collector's Service and StatefulSet say its name and port, ARCHITECTURE.md the
keys of the filter, Cargo.toml the version; everything else is compared with them.
"""

import json
import pathlib
import re

import kustomize

WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
MUTATION = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def disagreements(root: pathlib.Path, istio: pathlib.Path, objects_of):
    """Everything in the folder `istio` that does not fit the rest of it, or the repository `root`."""
    base = {one["kind"]: one for one in kustomize.render(istio / "base/collector")}
    yield from collector(root, base)
    cluster, keys = cluster_name(base["Service"]), documented_keys(root)
    version = re.search(r'^version = "(.*)"', (root / "Cargo.toml").read_text(), re.M).group(1)
    names = []
    for path in sorted((istio / "components").rglob("*.yaml")):
        for one in objects_of(path) if not is_patch(path) else []:
            where = str(path.relative_to(istio))
            if one["metadata"].get("labels") != {"app.kubernetes.io/part-of": "twintap"}:
                yield f"{where}: the rollback's label is missing"
            if one["kind"] == "EnvoyFilter":
                names.append(extension(one)["name"])
                yield from (f"{where}: {error}" for error in envoy_filter(one, cluster, keys, version))
            elif one["kind"] in ("WasmPlugin", "TrafficExtension"):
                yield from (f"{where}: {error}" for error in plugin(one, cluster, keys, version))
    if len(set(names)) != len(names):
        yield f"filter names are not unique: {sorted(names)}"
    yield from installers(istio, objects_of)
    yield from methods(root, istio)
    for overlay in sorted((istio / "overlays").iterdir()):
        objects = kustomize.render(overlay)
        yield from (f"{overlay.name}: {error}" for error in together(objects, cluster, keys))


def methods(root: pathlib.Path, istio: pathlib.Path):
    """The samples route methods that the demo's service has."""
    proto = (root / "demo/proto/shop/orders/v1/orders.proto").read_text()
    [service] = re.findall(r"^service (\w+)", proto, re.M)
    known = [f"/shop.orders.v1.{service}/{method}" for method in re.findall(r"^  rpc (\w+)", proto, re.M)]
    for path in sorted((istio / "samples").glob("*.yaml")):
        routed = re.findall(r"(?:prefix|value): (/shop\S+)", path.read_text())
        yield from (f"{path.name}: no method begins with {prefix}" for prefix in routed
                    if not any(method.startswith(prefix) for method in known))


def is_patch(path: pathlib.Path) -> bool:
    return isinstance(kustomize.read(path)[0], list)


def cluster_name(service: dict) -> str:
    """As pilot names the cluster of a Service."""
    metadata = service["metadata"]
    port = service["spec"]["ports"][0]["port"]
    return f"outbound|{port}||{metadata['name']}.{metadata['namespace']}.svc.cluster.local"


def documented_keys(root: pathlib.Path) -> set[str]:
    section = (root / "ARCHITECTURE.md").read_text().split("## 2. Filter configuration")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.M))


def collector(root: pathlib.Path, base: dict):
    """Service, pod, probes and policies speak of one port; selectors find the pod."""
    pod = base["StatefulSet"]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    [port] = container["ports"]
    service = base["Service"]["spec"]["ports"][0]
    number = port["containerPort"]
    listen = next(arg for arg in container["args"] if arg.startswith("--listen="))
    policy = base["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"]
    [operation] = base["AuthorizationPolicy"]["spec"]["rules"][0]["to"]
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    stated = {
        "Service": service["targetPort"], "Service's port": service["port"], "NetworkPolicy": policy,
        "--listen": int(listen.rsplit(":", 1)[1]), "AuthorizationPolicy": int(operation["operation"]["ports"][0]),
        "metrics": int(pod["metadata"]["annotations"]["prometheus.io/port"]),
    }
    stated |= {f"probe {probe['path']}": probe["port"] for probe in probes}
    yield from (f"collector: port {number}, {what} says {said}" for what, said in stated.items() if said != number)
    if "appProtocol" not in service:
        yield "collector: its Service's port has no appProtocol"
    routes = "".join((root / file).read_text() for file in ("collector/src/sources/http/routes.rs", "record/src/lib.rs"))
    paths = [*operation["operation"]["paths"], *(probe["path"] for probe in probes)]
    paths.append(pod["metadata"]["annotations"]["prometheus.io/path"])
    yield from (f"collector: serves no {path}" for path in paths if f'"{path}"' not in routes)
    labels = pod["metadata"]["labels"]
    selectors = {
        "StatefulSet": base["StatefulSet"]["spec"]["selector"]["matchLabels"],
        "Service": base["Service"]["spec"]["selector"],
        "PodDisruptionBudget": base["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        "NetworkPolicy": base["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        "PeerAuthentication": base["PeerAuthentication"]["spec"]["selector"]["matchLabels"],
        "AuthorizationPolicy": base["AuthorizationPolicy"]["spec"]["selector"]["matchLabels"],
    }
    yield from (f"collector: {kind} does not select the pod" for kind, wanted in selectors.items()
                if not wanted.items() <= labels.items())
    if pod["spec"]["serviceAccountName"] != base["ServiceAccount"]["metadata"]["name"]:
        yield "collector: no such service account"


def extension(one: dict) -> dict:
    """The EXTENSION_CONFIG of an EnvoyFilter: its second patch, where components change the code."""
    return one["spec"]["configPatches"][1]["patch"]["value"]


def configuration(one: dict) -> dict:
    """The filter's configuration, whatever installs it."""
    spec = one["spec"]
    if one["kind"] == "EnvoyFilter":
        return json.loads(extension(one)["typed_config"]["config"]["configuration"]["value"])
    return (spec["wasm"] if one["kind"] == "TrafficExtension" else spec)["pluginConfig"]


def configured(one: dict, cluster: str, keys: set[str]):
    plugin = configuration(one)
    if plugin.keys() - keys:
        yield f"the filter has no keys {sorted(plugin.keys() - keys)}"
    if plugin["position"] != "outbound" and plugin.get("collector_cluster") != cluster:
        yield f"collector_cluster is {plugin.get('collector_cluster')}, the collector's is {cluster}"


def envoy_filter(one: dict, cluster: str, keys: set[str], version: str):
    """It lets traffic pass whatever becomes of the module, and its two patches belong together."""
    insert, config = one["spec"]["configPatches"]
    if [insert["applyTo"], config["applyTo"]] != ["HTTP_FILTER", "EXTENSION_CONFIG"]:
        yield "its patches must be HTTP_FILTER, then EXTENSION_CONFIG"
        return
    if one["spec"].get("priority") != 10:
        yield "priority is not 10"
    contexts = {insert["match"]["context"], config["match"]["context"]}
    if len(contexts) != 1 or "ANY" in contexts:
        yield f"contexts {contexts}"
    http_filter = insert["match"]["listener"]["filterChain"]["filter"]
    operation = insert["patch"]["operation"]
    if operation != "INSERT_FIRST" and http_filter["subFilter"]["name"] != "envoy.filters.http.router":
        yield "it is not placed by the router"
    value, default = insert["patch"]["value"], RBAC
    if operation == "MERGE":
        router, default = value["typed_config"], MUTATION
        if router["@type"] != ROUTER or value["name"] != http_filter["subFilter"]["name"]:
            yield "what is merged is not the router"
        value, codec = router["upstream_http_filters"]
        if codec["name"] != "envoy.filters.http.upstream_codec":
            yield "the upstream chain does not end with the codec"
    elif operation != ("INSERT_FIRST" if configuration(one)["position"] == "outbound" else "INSERT_BEFORE"):
        yield f"operation {operation}"
    discovery = value["config_discovery"]
    expected = {
        "config_source": {"ads": {}, "initial_fetch_timeout": "5s"},
        "default_config": {"@type": default},
        "apply_default_config_without_warming": True,
        "type_urls": [WASM, default],
    }
    yield from (f"{key} is {discovery.get(key)}" for key, wanted in expected.items() if discovery.get(key) != wanted)
    module = extension(one)
    plugin = module["typed_config"]["config"]
    if not value["name"] == module["name"] == plugin["name"]:
        yield f"names {value['name']}, {module['name']}, {plugin['name']}"
    if module["typed_config"]["@type"] != WASM or plugin.get("failure_policy") != "FAIL_OPEN" or "fail_open" in plugin:
        yield "it does not fail open"
    machine = plugin["vm_config"]
    if (machine["vm_id"], machine["runtime"], plugin["root_id"]) != ("twintap", "envoy.wasm.runtime.v8", "twintap"):
        yield "vm_id, runtime or root_id is another than elsewhere"
    uri = machine["code"]["remote"]["http_uri"]["uri"]
    if uri != f"oci://registry.example.com/twintap/filter:{version}":
        yield f"module {uri} of version {version}"
    yield from configured(one, cluster, keys)


def plugin(one: dict, cluster: str, keys: set[str], version: str):
    wasm = one["spec"]["wasm"] if one["kind"] == "TrafficExtension" else one["spec"]
    if wasm["failStrategy"] != "FAIL_OPEN":
        yield "it does not fail open"
    if wasm["url"] != f"oci://registry.example.com/twintap/filter:{version}" or wasm["pluginName"] != "twintap":
        yield f"module {wasm['url']}, {wasm['pluginName']}"
    yield from configured(one, cluster, keys)


def installers(istio: pathlib.Path, objects_of):
    """Whichever installs it, the recorder of a role has one configuration and one place."""
    for role in ("primary", "candidate"):
        paths = {
            "inbound": f"inbound/envoyfilter-{role}.yaml", "wasmplugin": f"wasmplugin/wasmplugin-{role}.yaml",
            "trafficextension": f"trafficextension/trafficextension-{role}.yaml",
            "waypoint": f"waypoint/wasmplugin-{role}.yaml",
        }
        said = {name: objects_of(istio / "components" / path)[0] for name, path in paths.items()}
        first = configuration(said["inbound"])
        yield from (f"{name}: configuration differs from that of `inbound`" for name, one in said.items()
                    if configuration(one) != first)
        ports = {said["inbound"]["spec"]["configPatches"][0]["match"]["listener"]["portNumber"]}
        ports |= {said[name]["spec"]["match"][0]["ports"][0]["number"] for name in ("wasmplugin", "trafficextension")}
        selectors = [said["inbound"]["spec"]["workloadSelector"]["labels"]]
        selectors += [said[name]["spec"]["selector"]["matchLabels"] for name in ("wasmplugin", "trafficextension")]
        if len(ports) != 1 or any(selector != {"twintap/role": role} for selector in selectors):
            yield f"{role}: ports {ports}, selectors {selectors}"


def together(objects: list[dict], cluster: str, keys: set[str]):
    """What an overlay brings fits together: labels, ports, hosts, policies."""
    by_kind: dict[str, list] = {}
    for one in objects:
        by_kind.setdefault(one["kind"], []).append(one)
    recorders = [*by_kind.get("EnvoyFilter", []), *by_kind.get("WasmPlugin", []), *by_kind.get("TrafficExtension", [])]
    for one in recorders:
        yield from configured(one, cluster, keys)
    recorded = {one["metadata"]["namespace"] for one in recorders}
    [policy] = by_kind["AuthorizationPolicy"]
    allowed = set(policy["spec"]["rules"][0]["from"][0]["source"]["namespaces"])
    if not recorded <= allowed:
        yield f"records come from {sorted(recorded)}, AuthorizationPolicy allows {sorted(allowed)}"
    [network] = by_kind["NetworkPolicy"]
    wanted = network["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"]
    for namespace in by_kind.get("Namespace", []):
        is_recorded = namespace["metadata"]["name"] in recorded
        if is_recorded and not wanted.items() <= namespace["metadata"]["labels"].items():
            yield f"namespace {namespace['metadata']['name']} is not let in"
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in by_kind.get("Deployment", [])]
    for one in by_kind.get("EnvoyFilter", []) if pods else []:
        labels = one["spec"]["workloadSelector"]["labels"]
        if not any(labels.items() <= pod.items() for pod in pods):
            yield f"{one['metadata']['name']} selects no pod"
    yield from routes(by_kind)


def routes(by_kind: dict[str, list]):
    ports = {}
    for service in by_kind["Service"]:
        metadata = service["metadata"]
        for port in service["spec"]["ports"]:
            ports[f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"] = port
    for service in by_kind.get("VirtualService", []):
        for route in service["spec"]["http"]:
            targets = [one["destination"] for one in route["route"] + route.get("mirrors", [])]
            for target in targets + ([route["mirror"]] if "mirror" in route else []):
                port = ports.get(target["host"], {})
                if port.get("port") != target["port"]["number"] or port.get("appProtocol") != "grpc":
                    yield f"{service['metadata']['name']}: {target} is no gRPC port of a Service"
    recorded = [one for one in by_kind.get("EnvoyFilter", []) if "mirror" not in one["metadata"]["name"]]
    grpc = {(port["port"], port["targetPort"]) for port in ports.values() if port["appProtocol"] == "grpc"}
    for one in recorded if grpc else []:
        number = one["spec"]["configPatches"][0]["match"]["listener"].get("portNumber")
        is_inbound = one["spec"]["configPatches"][0]["match"]["context"] == "SIDECAR_INBOUND"
        if number not in {target if is_inbound else port for port, target in grpc}:
            yield f"{one['metadata']['name']}: no Service has port {number}"
