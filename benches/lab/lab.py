#!/usr/bin/env python3
"""Trains models under the same wall clock, on many tables, with many settings, and has each result judged.

    lab.py choose  [TRIAL…]   settings: on the tables that choose, on rows that no later result is judged on
    lab.py confirm [TRIAL…]   what was chosen: on rows and tables that chose nothing

See README.md beside. What stands in the results is not done again.
"""
import argparse
import csv
import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Models of other programs: what stands before their names.
PEERS = "pypi-"
# Settings are chosen on these alone.
CHOOSING = ["adult", "default", "beijing", "shoppers", "magic"]
CONFIRMING = ["bank", "actg175", "king", "insurance", "airquality"]
# What is taken from our own report, to stand beside the judge's.
OWN = ["quality", "column_pair_trends_real_edges", "c2st_auc_train", "utility_ratio", "dcr_share", "membership_advantage"]
# The fifth of each table that no setting is chosen on is the same for all.
ASIDE = "kept aside until a setting is chosen"


class Lab:
    """What is to be done, and what was."""

    def __init__(self, args):
        self.args = args
        self.work = Path(args.work)
        self.results = Path(args.results)
        self.lock = threading.Lock()
        known = {trial["name"]: trial for trial in json.loads(Path(args.trials).read_text())}
        # A setting that was taken out of the program stays in the log.
        names = args.names or [name for name, trial in known.items() if "gone" not in trial]
        unknown = [name for name in names if name not in known]
        if unknown:
            sys.exit(f"there is no trial {unknown[0]!r} in {args.trials}: add it, with what is hoped of it")
        self.trials = [known[name] for name in names]
        # What failed, or was ended from outside, is tried again by the next run.
        self.done = {key(line) for line in read(self.results) if "failed" not in line}

    def tasks(self):
        tables = self.args.tables or (CHOOSING if self.args.stage == "choose" else CHOOSING + CONFIRMING)
        for seed in self.args.seeds:
            for table in tables:
                for trial in self.trials:
                    for budget in trial.get("budgets", [self.args.budget]):
                        task = {"stage": self.args.stage, "trial": trial["name"], "table": table, "seed": seed, "budget": budget}
                        if key(task) not in self.done:
                            yield task, trial

    def run(self):
        """Every lane has a core of its own, so that all train on as many."""
        tasks = queue.Queue()
        for task in self.tasks():
            tasks.put(task)
        print(f"{tasks.qsize()} to do, {len(self.done)} done", flush=True)
        lanes = [threading.Thread(target=self.lane, args=(core, tasks)) for core in self.args.cores]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()

    def lane(self, core, tasks):
        while True:
            try:
                task, trial = tasks.get_nowait()
            except queue.Empty:
                return
            try:
                line = {**task, **self.one(core, task, trial)}
            except subprocess.CalledProcessError as error:
                line = {**task, "failed": " ".join(map(str, error.cmd))[-300:], "status": error.returncode}
            with self.lock, self.results.open("a") as out:
                out.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)

    def one(self, core, task, trial):
        """One training, one judgement."""
        args, seed = self.args, task["seed"]
        folder = self.work / task["stage"] / task["table"] / str(seed)
        meta_path = Path(args.data) / task["table"] / "meta.json"
        meta = json.loads(meta_path.read_text())
        with self.lock:
            train, holdout = split(Path(args.data) / task["table"], meta, folder, task["stage"], seed)
        synthetic = folder / f"{task['trial']}-{task['budget']}.csv"
        rows = sum(1 for _ in csv.reader(train.open(newline=""))) - 1
        began = time.time()
        facts = self.fit(core, task, trial, (train, holdout, synthetic), rows)
        seconds = time.time() - began
        verdict = self.judge(core, (train, holdout, synthetic), meta_path, meta)
        synthetic.unlink()
        return {"model": trial["model"], "set": trial.get("set", []), "rows": rows, "seconds": round(seconds, 1),
                "version": args.version, "date": time.strftime("%Y-%m-%d"), **facts, **verdict}

    def fit(self, core, task, trial, files, rows):
        train, holdout, synthetic = files
        on_core = ["taskset", "-c", str(core)]
        model, seed, budget = trial["model"], str(task["seed"]), task["budget"]
        if model.startswith(PEERS):
            peers = [self.args.peers, HERE / "peer.py", model.removeprefix(PEERS), train, synthetic, str(budget), seed]
            subprocess.run(on_core + peers, check=True, stdout=subprocess.DEVNULL)
            return {}
        report = synthetic.with_suffix(".report")
        words = [self.args.tgs, "synth", train, "-n", str(rows), "-o", synthetic, "--model", model, "--seed", seed,
                 "--holdout", holdout, "--gates", "warn", "--report", report, "--threads", "1", "--samplers", "1",
                 "--home", synthetic.with_suffix(".home"), "--json"]
        if model != "seqtree":
            words += ["--budget", f"{budget}s"]
        for pair in trial.get("set", []):
            words += ["--set", pair]
        done = subprocess.run(on_core + words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        last = json.loads(done.stdout.strip().splitlines()[-1])
        return {"steps": last.get("steps"), "verdict": last.get("verdict"), "ours": own_view(report / "report.json")}

    def judge(self, core, files, meta_path, meta):
        train, holdout, synthetic = files
        out = synthetic.with_suffix(".judged.json")
        words = ["taskset", "-c", str(core), self.args.python, self.args.judge, *files, "--meta", meta_path, "--json", out]
        if meta.get("target"):
            words += ["--target", meta["target"]]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = json.loads(out.read_text())
        quality, privacy, utility = found["sdmetrics"]["quality"], found["privacy"], found.get("utility", {})
        return {
            "shape_error": round(100 * (1 - quality["column_shapes"]), 3),
            "trend_error": round(100 * (1 - quality["column_pair_trends"]), 3),
            "c2st": round(found["c2st_auc_train"], 4),
            "c2st_holdout": round(found.get("c2st_auc_holdout") or float("nan"), 4),
            "tstr": utility.get("TSTR"), "trtr": utility.get("TRTR"),
            "dcr": round(privacy["dcr_share_train"], 4),
            "exact": privacy["exact_matches"],
            "exact_rate": privacy["exact_match_rate"],
            "exact_rate_holdout": privacy["exact_match_rate_holdout_vs_train"],
        }


def trained(args, table, model, name, home, seed):
    """A model file of a table, by `tgs train`."""
    long = ["--steps", str(args.steps)] if args.steps else ["--budget", f"{args.budget}s"]
    words = [args.tgs, "train", table, "--model", name, "-o", model, "--home", home, "--seed", str(seed), *long]
    subprocess.run(words + [word for pair in args.set for word in ("--set", pair)], check=True, stdout=subprocess.DEVNULL)
    return model


def way_of(args):
    """How long and with which constants models are trained, in one word for names of files."""
    return "-".join([f"{args.steps}steps" if args.steps else f"{args.budget}s", *args.set])


def of_tables(description):
    """What scripts that train one model for each table are told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder for each table, with meta.json")
    parser.add_argument("--work", required=True)
    parser.add_argument("--tables", type=lambda text: text.split(","), default=CHOOSING)
    parser.add_argument("--budget", type=int, default=120, help="seconds of training")
    parser.add_argument("--steps", type=int, help="of training, in place of a budget")
    parser.add_argument("--set", action="append", default=[], help="a constant of the model, as of tgs train")
    parser.add_argument("--tgs", default=os.environ.get("TGS_BIN", "tgs"))
    return parser


def own_view(path):
    """What our own report says of the same things, beside the judge."""
    metrics = {metric["key"]: metric["value"] for metric in json.loads(path.read_text())["metrics"]}
    return {name: round(metrics[name], 4) for name in OWN if metrics.get(name) is not None}


def split(folder, meta, into, stage, seed):
    """Train and holdout rows. A fifth of every table is kept aside, the same for every seed, and only confirms; to
    choose, the rest is split again, by the seed."""
    into.mkdir(parents=True, exist_ok=True)
    train, holdout = into / "train.csv", into / "holdout.csv"
    if holdout.exists():
        return train, holdout
    source = folder / next(iter(meta["tables"].values()))["file"]
    with source.open(newline="") as text:
        header, *rows = csv.reader(text)
    rest, aside = parted(rows, ASIDE)
    if stage == "choose":
        rest, aside = parted(rest, seed)
    for path, part in ((train, rest), (holdout, aside)):
        with path.open("w", newline="") as out:
            csv.writer(out).writerows([header, *part])
    return train, holdout


def parted(rows, seed):
    """Four fifths and one, by a seeded shuffle."""
    rows = rows[:]
    random.Random(seed).shuffle(rows)
    cut = len(rows) * 4 // 5
    return rows[:cut], rows[cut:]


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def key(line):
    return tuple(line[name] for name in ("stage", "trial", "table", "seed", "budget"))


def arguments():
    words = lambda text: text.split(",")
    numbers = lambda text: [int(each) for each in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["choose", "confirm"])
    parser.add_argument("names", nargs="*", metavar="TRIAL", help="of trials.json; without any: all")
    parser.add_argument("--data", required=True, help="a folder for each table, with meta.json")
    parser.add_argument("--judge", required=True)
    parser.add_argument("--tables", type=words, help="instead of those of the stage")
    parser.add_argument("--seeds", type=numbers, default=[1, 2, 3])
    parser.add_argument("--budget", type=int, default=600, help="seconds of training, where a trial names none")
    parser.add_argument("--cores", type=numbers, default=list(range(os.cpu_count())), help="one run at a time on each")
    parser.add_argument("--work", required=True)
    parser.add_argument("--trials", default=HERE / "trials.json")
    parser.add_argument("--results", default=HERE / "results.jsonl")
    parser.add_argument("--tgs", default=os.environ.get("TGS_BIN", "tgs"))
    parser.add_argument("--version", default="", help="of tgs, as a commit")
    parser.add_argument("--python", default=sys.executable, help="Python of the judge")
    parser.add_argument("--peers", default=sys.executable, help="Python that has the package ctgan")
    return parser.parse_args()


if __name__ == "__main__":
    Lab(arguments()).run()
