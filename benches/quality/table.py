#!/usr/bin/env python3
"""Renders results of quality.py as the tables of docs/benchmarks.md.

    table.py RESULTS.jsonl…                   medians over seeds: every model of every table
    table.py RESULTS.jsonl… --seeds MODEL     one model: a row per table, the values seed by seed
"""
import argparse
import json
import statistics
import sys
from pathlib import Path

TABLES = ["adult", "default", "beijing", "shoppers", "magic", "actg175"]
MODELS = {"tabgraph": "`tabgraph`", "seqtree": "`seqtree`", "original": "`original`", "tvae": "TVAE", "ctgan": "CTGAN"}
COLUMNS = ["seconds in all", "shape error %", "trend error %", "C2ST AUC, train", "TSTR / TRTR", "DCR share",
           "exact copies (their rate; holdout's rate)"]
NONE = "–"


def main():
    args = arguments()
    groups = grouped(args.results)
    if args.seeds:
        groups = {key: lines for key, lines in groups.items() if key[1] == args.seeds}
    if not groups:
        sys.exit("there are no such results: name a file and a model that it has")
    for text in by_seed(groups) if args.seeds else medians(groups):
        print(text)
    seeds = {tuple(line["seed"] for line in lines) for lines in groups.values()}
    if len(seeds) > 1:
        print(f"not all have the same seeds: {sorted(seeds)}", file=sys.stderr)


def grouped(paths):
    """Lines by (table, model, budget) in the order of the page, each group in the order of its seeds. Where
    two lines are of one run, the later one counts."""
    runs = {}
    for path in paths:
        for line in map(json.loads, path.read_text().splitlines()):
            runs[line["table"], line["model"], line["budget"], line["seed"]] = line

    def place(run):
        table, model, budget, seed = run
        return rank(TABLES, table), rank(list(MODELS), model), budget, seed

    groups = {}
    for run in sorted(runs, key=place):
        groups.setdefault(run[:3], []).append(runs[run])
    return groups


def rank(known, name):
    return (known.index(name) if name in known else len(known), name)


def medians(groups):
    yield from header(["table", "model"])
    before = None
    for (table, model, budget), lines in groups.items():
        copies = statistics.median(line["exact"] for line in lines)
        cells = [middle(lines, "seconds", 0), middle(lines, "shape_error", 2), middle(lines, "trend_error", 2),
                 middle(lines, "c2st", 3), usefulness(lines, lambda ratios: [statistics.median(ratios)]),
                 middle(lines, "dcr", 3), f"{copies:.0f}" + (rates(lines) if copies else "")]
        name = MODELS.get(model, model) + at(budget, groups)
        yield row(["" if table == before else table, name, *cells])
        before = table


def by_seed(groups):
    yield from header(["table"])
    for (table, _, budget), lines in groups.items():
        copies = any(line["exact"] or line["exact_rate_holdout"] for line in lines)
        cells = [each(lines, "seconds", 0), each(lines, "shape_error", 2), each(lines, "trend_error", 2),
                 each(lines, "c2st", 3), usefulness(lines, list), each(lines, "dcr", 3),
                 each(lines, "exact", 0) + (rates(lines) if copies else "")]
        yield row([table + at(budget, groups), *cells])


def at(budget, groups):
    """The budget, where there are several."""
    return f", {budget} s" if len({key[2] for key in groups}) > 1 else ""


def usefulness(lines, chosen):
    """TSTR over TRTR of each seed: of the AUC; where the target is a number, of the RMSE, and marked so."""
    ratios, mark, digits = [], "", 3
    for line in lines:
        made, real = line.get("tstr"), line.get("trtr")
        if not made or not real:
            return NONE
        if "auc" not in made:
            mark, digits = "RMSE × ", 2
        score = "auc" if "auc" in made else "rmse"
        ratios.append(made[score] / real[score])
    return mark + ", ".join(figure(ratio, digits) for ratio in chosen(ratios))


def rates(lines):
    """Exact copies over rows, of synthetic and of holdout rows: means over the seeds."""
    made, aside = (statistics.mean(line[key] for line in lines) for key in ("exact_rate", "exact_rate_holdout"))
    return f" ({figure(made, 4)}; {figure(aside, 4)})"


def middle(lines, key, digits):
    return figure(statistics.median(line[key] for line in lines), digits)


def each(lines, key, digits):
    return ", ".join(figure(line[key], digits) for line in lines)


def figure(value, digits):
    """A number without its leading zero: .563."""
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") else text


def header(names):
    yield row([*names, *COLUMNS])
    yield "|" + "---|" * (len(names) + len(COLUMNS))


def row(cells):
    return "| " + " | ".join(cells) + " |"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS.jsonl")
    parser.add_argument("--seeds", metavar="MODEL", help="this model alone, the values seed by seed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
