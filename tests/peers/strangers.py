"""Lets schemathesis loose on a real `tgs up`: it reads the document that is served, sends what it allows
and what it forbids, and checks every answer against it. Usage: strangers.py TGS SCHEMATHESIS SECONDS"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

# A stream of events has no end, and a WebSocket speaks another protocol: nothing that waits for a whole answer can
# read them.
NO_WHOLE_ANSWER = ["followEvents", "followJobEvents", "openSocket"]
# What a document cannot say is refused all the same: a name that leads nowhere, a table too large for this server, a
# job that is not what it was, a part that a file does not have, an order that contradicts itself.
CONFIG = """
hooks = "{hooks}"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 413, 416, "5xx"]

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 416, 422, 428, 429, "5xx"]
"""
# An order may contradict itself in ways that no schema tells: two lengths, rows kept aside that also train, a key that
# came with another order, a mailbox whose domain is too long, a whole number with a point (`1e16`) that is beyond what a
# floating point number holds exactly. What is off sends nothing again. A server that is alone orders nothing of nodes.
REFUSING = [
    "submitJob", "retryJob", "sampleModel",
    "createWebhook", "createMailSubscription", "resendWebhookDelivery", "resendMailDelivery",
    "cordonNode", "drainNode", "uncordonNode",
]
OPERATIONS = "".join(
    f"""
[[operations]]
include-operation-id = "{operation}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409, 412, 413, 422, "5xx"]
"""
    for operation in REFUSING
)
# These send for real: an answer takes as long as the name of a server that is not there.
OPERATIONS += "".join(
    f"""
[[operations]]
include-operation-id = "{operation}"
checks.max_response_time = 40
"""
    for operation in ["testWebhook", "testMailSubscription"]
)
# A mail server that is not there: letters wait.
MAIL = {"TGS_SMTP_URL": "smtp://127.0.0.1:9", "TGS_MAIL_FROM": "tgs@example.org"}
# Programs that jobs may run: one that does its work, and one that fails.
PROGRAMS = ["/bin/true", "/bin/false"]
# Names that lead somewhere, and how often one of them is taken. What is learned stays short.
NAMES = {
    "path.job": ("jobs", 0.8),
    "path.model": ("jobs", 0.8),
    "path.dataset": ("datasets", 0.8),
    "path.version": ("versions", 0.5),
    "path.upload": ("uploads", 0.8),
    "path.file": ("files", 0.9),
    "path.node": ("nodes", 0.8),
    "query.dataset": ("datasets", 0.5),
    "body.dataset": ("datasets", 0.5),
    "body.holdout": ("datasets", 0.2),
    "body.model": ("jobs", 0.5),
    "header.Range": ("ranges", 1.0),
    "body.program": ("programs", 0.8),
    "body.learn.model": ("generators", 1.0),
    "body.learn.steps": ("few", 1.0),
    "body.learn.epochs": ("few", 1.0),
    "body.learn.budget": ("moments", 1.0),
    "body.learn.threads": ("few", 1.0),
}


def main(tgs: str, schemathesis: str, seconds: int) -> int:
    with tempfile.TemporaryDirectory(prefix="tgs-strangers-") as home:
        log = open(pathlib.Path(home) / "log", "w+")
        command = [tgs, "--home", f"{home}/data", "--json", "up", "--listen", "127.0.0.1:0"]
        settings = os.environ | MAIL | {"TGS_EXTERNAL_PROGRAMS": ",".join(PROGRAMS)}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=settings)
        try:
            listening = json.loads(server.stdout.readline())
            base, token = listening["url"], listening["token"]
            names = furnish(base, token)
            status = judge(schemathesis, base, token, home, seconds, names)
            if server.poll() is not None:
                print(f"strangers: the server ended with {server.returncode}")
                status = 1
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)
        log.seek(0)
        said = log.read()
        if "panicked" in said or "is broken" in said:
            print("strangers: the server's log tells of a panic or a broken promise:\n" + said)
            status = 1
        return status


def furnish(base: str, token: str) -> dict:
    """A dataset, uploads half way, jobs that trained and some whose report blocked, so that names lead somewhere."""
    rows = "".join(f"{at * 37 % 1009},{at * 101 % 1009},{at % 3}\n" for at in range(60))
    table = ("a,b,c\n" + rows).encode()
    places = [begin_upload(base, token, len(table)) for _ in range(6)]
    piece = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": 0}
    for sent, place in enumerate(places):
        ask(base, token, "PATCH", place, table if sent == 0 else table[: 10 * sent], piece)
    learn = {"model": "seqtree", "threads": 1}
    blocked = {"ks_mean": {"threshold": 0, "level": "block"}}
    orders = [
        {"kind": "train", "dataset": "trial", "learn": learn},
        {"kind": "synthesize", "dataset": "trial", "learn": learn, "gates": blocked},
    ]
    jobs = [finished(base, token, order) for order in orders * 15]
    return {
        "jobs": jobs,
        "datasets": ["trial", "trial", "strange"],
        "versions": [1, 2],
        "uploads": [place.rsplit("/", 1)[1] for place in places],
        "files": ["report.html", "report.json", "manifest.json", "model.safetensors", "table.csv"],
        "generators": ["seqtree", "seqtree", "tabgraph"],
        "programs": PROGRAMS,
        "nodes": [node["node"] for node in json.load(ask(base, token, "GET", "/v1/nodes", None, {}))["items"]],
        # A part of a JSON file is no JSON, which the judge does not know; tests/api.rs asks for other parts.
        "ranges": ["bytes=0-"],
        "few": [1, 2],
        "moments": ["1s", "1"],
    }


def begin_upload(base: str, token: str, size: int) -> str:
    path = "/v1/uploads?dataset=trial&file=trial.csv"
    return ask(base, token, "POST", path, None, {"Upload-Length": size}).headers["Location"]


def finished(base: str, token: str, order: dict) -> str:
    body = json.dumps(order).encode()
    job = json.load(ask(base, token, "POST", "/v1/jobs", body, {"Content-Type": "application/json"}))
    while job["state"] in ("waiting", "running"):
        time.sleep(0.05)
        job = json.load(ask(base, token, "GET", f"/v1/jobs/{job['id']}", None, {}))
    return job["id"]


def ask(base, token, method, path, body, headers):
    request = urllib.request.Request(base + path, data=body, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    for name, value in headers.items():
        request.add_header(name, str(value))
    return urllib.request.urlopen(request, timeout=60)


def judge(schemathesis: str, base: str, token: str, home: str, seconds: int, names: dict) -> int:
    config = pathlib.Path(home) / "schemathesis.toml"
    hooks = pathlib.Path(__file__).resolve().parent / "strangers_hooks.py"
    told = CONFIG.format(hooks=hooks)
    for name, values in names.items():
        told += f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n"
    told += "[parameters]\n"
    for place, (name, often) in NAMES.items():
        told += f'"{place}" = {{ dictionary = "{name}", probability = {often} }}\n'
    config.write_text(told + OPERATIONS)
    command = [schemathesis, "--config-file", str(config), "run", f"{base}/v1/openapi.json"]
    command += ["--header", f"Authorization: Bearer {token}", "--checks", "all"]
    command += ["--max-time", str(seconds), "--continue-on-failure", "--request-timeout", "60"]
    command += ["--workers", "2"]
    for operation in NO_WHOLE_ANSWER:
        command += ["--exclude-operation-id", operation]
    return subprocess.call(command, cwd=home, env={**os.environ, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
