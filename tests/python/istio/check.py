"""Checks of `istio/` that need no Envoy; prints what is wrong and exits with 1.

    check.py schemas      every overlay, component and sample against the CRDs in tests/crds
    check.py planted      the schema check finds what is planted
    check.py kubectl      kustomize.py renders what kubectl renders (skipped without kubectl)
    check.py agreement    names, ports, clusters and types agree across files
    check.py documents    YAML blocks, paths, make targets and versions in istio/README.md are those of the files
    check.py TOPIC DIR    of another folder than istio/
"""

import copy
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

import agreement
import kustomize
import planted
import schemas
import yaml

ROOT = pathlib.Path(__file__).parents[3]
ISTIO = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "istio"
# Kinds that not every supported version has, with the oldest that has them.
SINCE = {"TrafficExtension": "1.30"}


def overlays() -> list[pathlib.Path]:
    return sorted((ISTIO / "overlays").iterdir())


def objects_of(path: pathlib.Path) -> list[dict]:
    """Objects of a file; patches and kustomizations are none."""
    documents = kustomize.read(path)
    return [one for one in documents if isinstance(one, dict) and not one["apiVersion"].startswith("kustomize.")]


def is_known(one: dict, istio: str) -> bool:
    def number(version):
        return tuple(int(part) for part in version.split(".")[:2])

    return number(istio) >= number(SINCE.get(one["kind"], "1.0"))


def check_schemas():
    judged = 0
    for istio in schemas.VERSIONS:
        sets = {overlay.name: kustomize.render(overlay) for overlay in overlays()}
        sets |= {str(path.relative_to(ISTIO)): objects_of(path) for path in sorted(ISTIO.rglob("*.yaml"))}
        for name, objects in sets.items():
            for one in objects:
                if is_known(one, istio):
                    judged += 1
                    for error in schemas.errors(one, istio):
                        yield f"{name}, Istio {istio}, {one['metadata']['name']}: {error}"
    if judged < 200:
        yield f"only {judged} objects were judged"
    print(f"{judged} objects judged")


def check_planted():
    newest = list(schemas.VERSIONS)[-1]
    for file, where, value, words in planted.REFUSED:
        one = copy.deepcopy(objects_of(ISTIO / file)[0])
        if schemas.errors(one, newest):
            yield f"{file} is refused before anything is planted"
        plant(one, where.split("."), value)
        found = schemas.errors(one, newest)
        if not any(words in error for error in found):
            yield f"{file}: planted {where}, found {found}"
    trafficextension = objects_of(ISTIO / "components/trafficextension/trafficextension-primary.yaml")[0]
    if not any("no such kind" in error for error in schemas.errors(trafficextension, "1.28.10")):
        yield "TrafficExtension is accepted by Istio 1.28"
    try:
        yaml.load("a: 1\na: 2\n", Loader=kustomize._Loader)
        yield "a repeated key is accepted"
    except yaml.YAMLError:
        pass


def plant(at, steps: list[str], value) -> None:
    for step in steps[:-1]:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if value is ...:
        del at[steps[-1]]
    else:
        at[steps[-1]] = value


def check_kubectl():
    if "Kustomize Version: v5" not in kubectl_version():
        print("SKIPPED, NOT TESTED: no kubectl with kustomize 5", file=sys.stderr)
        return
    for overlay in overlays():
        run = subprocess.run(["kubectl", "kustomize", overlay], capture_output=True, text=True)
        if run.returncode:
            yield f"{overlay.name}: {run.stderr}"
            continue
        theirs = list(yaml.load_all(run.stdout, Loader=yaml.CSafeLoader))
        ours = kustomize.render(overlay)
        if sorted(map(canonical, ours)) != sorted(map(canonical, theirs)):
            yield f"{overlay.name}: kubectl kustomize renders something else"


def kubectl_version() -> str:
    if shutil.which("kubectl") is None:
        return ""
    return subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True).stdout


def canonical(one: dict) -> str:
    return json.dumps(one, sort_keys=True)


def check_agreement():
    yield from agreement.disagreements(ROOT, ISTIO, objects_of)
    for file, old, new in planted.DISAGREEMENTS:
        with tempfile.TemporaryDirectory() as folder:
            copied = pathlib.Path(folder) / "istio"
            shutil.copytree(ISTIO, copied)
            text = (copied / file).read_text()
            (copied / file).write_text(text.replace(old, new))
            found = list(agreement.disagreements(ROOT, copied, objects_of))
            if old not in text or not found:
                yield f"{file}: {old} planted as {new}, nothing found"


def check_documents():
    text = (ISTIO / "README.md").read_text()
    # Blocks may be indented, in lists.
    blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```", text, re.M | re.S)
    blocks = [textwrap.dedent(block) for _, block in blocks]
    if not blocks:
        yield "istio/README.md has no YAML"
    for block in blocks:
        first, _, rest = block.partition("\n")
        path = ROOT / first.removeprefix("# ")
        if not path.is_file():
            yield f"a YAML block does not begin with the path of a file: {first}"
        elif not is_part(rest, path.read_text()):
            yield f"{first.removeprefix('# ')}: a YAML block is not what the file says:\n{rest}"
    for path in re.findall(r"\bistio/[\w./-]+", text):
        if not (ROOT / path.rstrip(".")).exists():
            yield f"istio/README.md: {path} does not exist"
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^ *)make ([a-z][\w-]+)", text, re.M):
        if not re.search(rf"^{target}:", makefile, re.M):
            yield f"istio/README.md: no target {target} in the Makefile"
    said = set(re.findall(r"CRDs of (\d[\w.-]*\w)", text))
    if said != set(schemas.VERSIONS):
        yield f"istio/README.md says CRDs of {sorted(said)}, checked are {sorted(schemas.VERSIONS)}"


def is_part(block: str, text: str) -> bool:
    """Is the block a run of lines of the text, whatever its indentation there?"""
    return any(textwrap.indent(block, " " * width) in text for width in range(0, 24, 2))


if __name__ == "__main__":
    problems = list(globals()[f"check_{sys.argv[1]}"]())
    print("\n".join(problems))
    sys.exit(1 if problems else 0)
