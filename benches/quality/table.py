#!/usr/bin/env python3
"""Renders results.jsonl as Markdown: table.py results.jsonl — medians over seeds, one block per table."""
import json
import statistics
import sys
from pathlib import Path

COLUMNS = [("shape_error", "shape err %"), ("trend_error", "trend err %"), ("c2st", "C2ST AUC"), ("tstr", "TSTR"),
           ("trtr", "TRTR"), ("dcr", "DCR share"), ("exact", "exact copies"), ("seconds", "seconds")]


def main():
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    for table in sorted({line["table"] for line in lines}):
        print(f"\n**{table}**\n\n| model | seeds | " + " | ".join(name for _, name in COLUMNS) + " |")
        print("|---|---|" + "---|" * len(COLUMNS))
        for model, budget in sorted({kind(line) for line in lines if line["table"] == table}):
            found = [line for line in lines if (line["table"], *kind(line)) == (table, model, budget)]
            print(f"| {model}, {budget} s | {len(found)} | " + " | ".join(median(found, key) for key, _ in COLUMNS) + " |")


def kind(line):
    return line["model"], line["budget"]


def median(lines, key):
    values = [score(line[key]) for line in lines if line.get(key) is not None]
    return f"{statistics.median(values):.4g}" if values else "–"


def score(value):
    """A utility is a dictionary of scores: AUC, else RMSE."""
    if isinstance(value, dict):
        return next((value[name] for name in ("auc", "AUC", "rmse", "RMSE") if name in value), float("nan"))
    return value


if __name__ == "__main__":
    main()
