"""Asks the tools of what deploy/ holds, as libraries: Helm, the schemas of Kubernetes, and Grafana's own
model of a dashboard. Prints JSON.

deployment.py lint CHART [VALUES]       what Helm finds wrong, warnings counted
deployment.py render CHART [VALUES]     what would be applied; what the schemas refuse or do not know
deployment.py dashboard FILE            what Grafana's model of a dashboard does not keep
deployment.py yaml FILE                 the file as JSON

VALUES is a file, or JSON itself.
"""

import json
import sys
from pathlib import Path

import yaml

# The oldest Kubernetes that the chart names, and the newest whose schemas are here.
KUBERNETES = ["1.30", "1.37"]


def values_of(text):
    return json.loads(text) if text.startswith("{") else yaml.safe_load(Path(text).read_text())


def lint(chart, values):
    import helm_python

    report = helm_python.lint(chart, values, strict=True)
    serious = [it for it in report["messages"] if it["severity"] > 1]
    return {"charts": report["total_charts_linted"], "messages": serious, "errors": report["errors"]}


def render(chart, values):
    import helm_python
    import kubernetes_validate

    loaded = helm_python.Chart.load(chart)
    try:
        loaded.validate_schema(values)
        rendered = loaded.render(values, name="tabgraphsyn", namespace="science")
    except helm_python.HelmError as error:
        return {"error": str(error)}
    documents, refused, unknown = [], [], set()
    for template, text in sorted(rendered.items()):
        if not template.endswith(".yaml"):
            continue
        for document in yaml.safe_load_all(text):
            if not document:
                continue
            documents.append(document)
            for version in KUBERNETES:
                name = f"{document['kind']} {document['metadata']['name']}, Kubernetes {version}"
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.SchemaNotFoundError:
                    unknown.add(document["kind"])
                except kubernetes_validate.ValidationError as error:
                    refused.append(f"{name}: {error.message}")
    return {"documents": documents, "refused": refused, "unknown": sorted(unknown)}


def lost(whole, kept, path=""):
    """Where something of `whole` is not in `kept`."""
    if isinstance(whole, dict):
        for key, value in whole.items():
            if not isinstance(kept, dict) or key not in kept:
                yield f"{path}.{key}"
            else:
                yield from lost(value, kept[key], f"{path}.{key}")
    elif isinstance(whole, list):
        if not isinstance(kept, list) or len(whole) != len(kept):
            yield path
        else:
            for no, pair in enumerate(zip(whole, kept)):
                yield from lost(*pair, f"{path}[{no}]")
    elif whole != kept:
        yield f"{path}: {whole!r} becomes {kept!r}"


def dashboard(path):
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    whole = json.loads(Path(path).read_text())
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(whole)))
    return list(lost(whole, kept))


def main():
    act, path, *rest = sys.argv[1:]
    values = values_of(rest[0]) if rest else {}
    match act:
        case "lint":
            answer = lint(path, values)
        case "render":
            answer = render(path, values)
        case "dashboard":
            answer = dashboard(path)
        case "yaml":
            answer = yaml.safe_load(Path(path).read_text())
    print(json.dumps(answer))


main()
