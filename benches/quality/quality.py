#!/usr/bin/env python3
"""Trains every model on every table with the same wall clock and judges the results. See README.md beside."""
import argparse
import csv
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
OURS = {"seqtree", "tabgraph", "original"}


def main():
    args = arguments()
    work = Path(args.work)
    work.mkdir(parents=True, exist_ok=True)
    results = work / "results.jsonl"
    done = {key(line) for line in read(results)}
    for seed in args.seeds:
        for table in args.tables:
            for model in args.models:
                if (table, model, seed, args.budget) in done:
                    continue
                line = one(args, work, table, model, seed)
                with results.open("a") as out:
                    out.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)


def one(args, work, table, model, seed):
    """One training, one judgement."""
    folder = work / table / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    meta_path = Path(args.data) / table / "meta.json"
    meta = json.loads(meta_path.read_text())
    train, holdout = split(Path(args.data) / table, meta, folder, seed)
    synthetic = folder / f"{model}-{args.budget}.csv"
    rows = sum(1 for _ in csv.reader(train.open(newline=""))) - 1
    began = time.time()
    facts = fit(args, model, train, holdout, synthetic, rows, seed, folder)
    seconds = time.time() - began
    verdict = judge(args, train, holdout, synthetic, meta_path, meta)
    return {"table": table, "model": model, "seed": seed, "budget": args.budget, "rows": rows,
            "seconds": round(seconds, 1), **facts, **verdict}


def fit(args, model, train, holdout, synthetic, rows, seed, folder):
    if model not in OURS:
        subprocess.run([args.peers, HERE / "peer.py", model, train, synthetic, str(args.budget), str(seed)], check=True)
        return {}
    words = [args.tgs, "synth", train, "-n", str(rows), "-o", synthetic, "--model", model, "--seed", str(seed),
             "--holdout", holdout, "--gates", "warn", "--report", folder / f"{model}.report", "--home", folder / "home", "--json"]
    if model != "seqtree":
        words += ["--budget", f"{args.budget}s"]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    last = json.loads(done.stdout.strip().splitlines()[-1])
    return {"steps": last.get("steps"), "verdict": last.get("verdict")}


def judge(args, train, holdout, synthetic, meta_path, meta):
    out = synthetic.with_suffix(".judged.json")
    words = [args.python, args.judge, train, holdout, synthetic, "--meta", meta_path, "--json", out]
    if meta.get("target"):
        words += ["--target", meta["target"]]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
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


def split(folder, meta, into, seed):
    """80/20 by a seeded shuffle; the same split for every model."""
    train, holdout = into / "train.csv", into / "holdout.csv"
    if holdout.exists():
        return train, holdout
    source = folder / next(iter(meta["tables"].values()))["file"]
    with source.open(newline="") as text:
        header, *rows = csv.reader(text)
    random.Random(seed).shuffle(rows)
    cut = len(rows) * 4 // 5
    for path, part in ((train, rows[:cut]), (holdout, rows[cut:])):
        with path.open("w", newline="") as out:
            csv.writer(out).writerows([header, *part])
    return train, holdout


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def key(line):
    return line["table"], line["model"], line["seed"], line["budget"]


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--judge", required=True)
    parser.add_argument("--tables", type=lambda text: text.split(","), required=True)
    parser.add_argument("--models", type=lambda text: text.split(","), default=["seqtree", "tabgraph"])
    parser.add_argument("--seeds", type=lambda text: [int(each) for each in text.split(",")], default=[1])
    parser.add_argument("--budget", type=int, default=600, help="seconds of training, the same for all")
    parser.add_argument("--work", required=True)
    parser.add_argument("--tgs", default=os.environ.get("TGS_BIN", "tgs"))
    parser.add_argument("--python", default=sys.executable, help="Python of the judge")
    parser.add_argument("--peers", default=sys.executable, help="Python that has the package ctgan")
    return parser.parse_args()


if __name__ == "__main__":
    main()
