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
import urllib.error
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
"""


def main(tgs: str, schemathesis: str, seconds: int) -> int:
    with tempfile.TemporaryDirectory(prefix="tgs-strangers-") as home:
        log = open(pathlib.Path(home) / "log", "w+")
        command = [tgs, "--home", f"{home}/data", "--json", "up", "--listen", "127.0.0.1:0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            listening = json.loads(server.stdout.readline())
            base, token = listening["url"], listening["token"]
            furnish(base, token)
            status = judge(schemathesis, base, token, home, seconds)
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


def furnish(base: str, token: str) -> None:
    """A dataset, a job that trained and one whose report blocked, so that names lead somewhere."""
    rows = "".join(f"{at * 37 % 1009},{at * 101 % 1009},{at % 3}\n" for at in range(60))
    table = ("a,b,c\n" + rows).encode()
    place = ask(base, token, "POST", "/v1/uploads?dataset=trial&file=trial.csv", None, {"Upload-Length": len(table)})
    place = place.headers["Location"]
    kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": 0}
    ask(base, token, "PATCH", place, table, kind)
    learn = {"model": "seqtree", "threads": 1}
    blocked = {"ks_mean": {"threshold": 0, "level": "block"}}
    orders = [
        {"kind": "train", "dataset": "trial", "learn": learn},
        {"kind": "synthesize", "dataset": "trial", "learn": learn, "gates": blocked},
    ]
    for order in orders:
        body = json.dumps(order).encode()
        job = json.load(ask(base, token, "POST", "/v1/jobs", body, {"Content-Type": "application/json"}))
        while job["state"] in ("waiting", "running"):
            time.sleep(0.05)
            job = json.load(ask(base, token, "GET", f"/v1/jobs/{job['id']}", None, {}))


def ask(base, token, method, path, body, headers):
    request = urllib.request.Request(base + path, data=body, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    for name, value in headers.items():
        request.add_header(name, str(value))
    return urllib.request.urlopen(request, timeout=60)


def judge(schemathesis: str, base: str, token: str, home: str, seconds: int) -> int:
    config = pathlib.Path(home) / "schemathesis.toml"
    hooks = pathlib.Path(__file__).resolve().parent / "strangers_hooks.py"
    config.write_text(CONFIG.format(hooks=hooks))
    command = [schemathesis, "--config-file", str(config), "run", f"{base}/v1/openapi.json"]
    command += ["--header", f"Authorization: Bearer {token}", "--checks", "all"]
    command += ["--max-time", str(seconds), "--continue-on-failure", "--request-timeout", "60"]
    command += ["--workers", "2"]
    for operation in NO_WHOLE_ANSWER:
        command += ["--exclude-operation-id", operation]
    return subprocess.call(command, cwd=home, env={**os.environ, "NO_COLOR": "1"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
