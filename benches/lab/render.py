#!/usr/bin/env python3
"""Renders results of lab.py.

    render.py confirm                  as the tables of docs/benchmarks.md: medians over seeds, every trial of every table
    render.py confirm --seeds TRIAL    one trial: a row per table, the values seed by seed
    render.py log                      what was tried and what it gave: docs/trials.md
"""
import argparse
import json
import statistics
import sys
from pathlib import Path

TABLES = ["adult", "default", "beijing", "shoppers", "magic", "bank", "actg175", "king", "insurance", "airquality"]
MODELS = {"base": "`tabgraph`", "seqtree": "`seqtree`", "autoregressive": "`autoregressive`", "original": "`original`",
          "ctgan": "`ctgan`", "tvae": "`tvae`", "pypi-tvae": "TVAE", "pypi-ctgan": "CTGAN"}
COLUMNS = ["seconds in all", "shape error %", "trend error %", "C2ST AUC, train", "TSTR / TRTR", "DCR share",
           "exact copies (their rate; holdout's rate)"]
NONE = "–"


def main():
    args = arguments()
    lines = [json.loads(line) for line in args.results.read_text().splitlines()]
    if args.what == "log":
        print("\n".join(log(lines, json.loads(args.trials.read_text()))))
        return
    groups = grouped(line for line in lines if line["stage"] == args.what and "failed" not in line)
    if args.seeds:
        groups = {key: lines for key, lines in groups.items() if key[1] == args.seeds}
    if not groups:
        sys.exit(f"there are no such results in {args.results}: run lab.py {args.what}")
    for text in by_seed(groups) if args.seeds else medians(groups):
        print(text)
    seeds = {tuple(line["seed"] for line in lines) for lines in groups.values()}
    if len(seeds) > 1:
        print(f"not all have the same seeds: {sorted(seeds)}", file=sys.stderr)


def grouped(lines):
    """Lines by (table, trial, budget) in the order of the page, each group in the order of its seeds. Where
    two lines are of one run, the later one counts."""
    runs = {(line["table"], line["trial"], line["budget"], line["seed"]): line for line in lines}

    def place(run):
        table, trial, budget, seed = run
        return rank(TABLES, table), trial, budget, seed

    groups = {}
    for run in sorted(runs, key=place):
        groups.setdefault(run[:3], []).append(runs[run])
    return groups


def rank(known, name):
    return (known.index(name) if name in known else len(known), name)


def log(lines, trials):
    """Every trial that chose: what was hoped of it, and what it gave beside `base` of the same seeds."""
    yield "# Trials\n"
    yield "What was tried, and what it gave: `./dev lab render log` writes this page. Medians over seeds on the"
    yield "tables that choose settings; none of their rows, and no other table, judges a result of `benchmarks.md`.\n"
    hopes = {trial["name"]: trial for trial in trials}
    groups = grouped(line for line in lines if line["stage"] == "choose" and "failed" not in line)
    for name in dict.fromkeys(key[1] for key in groups):
        trial = hopes.get(name, {})
        settings = ", ".join(f"`{pair}`" for pair in trial.get("set", [])) or "as it stands"
        gone = f" ({trial['gone']})" if "gone" in trial else ""
        yield f"## {name}\n\n`{trial.get('model', '')}`, {settings}{gone}. Hope: {trial.get('hope', '')}. Found: {trial.get('found', 'open')}.\n"
        yield from header(["table", "budget"])
        for (table, _, budget), runs in groups.items():
            if runs[0]["trial"] == name:
                yield row([table, f"{budget} s × {len(runs)}", *cells(runs)])
        yield ""
    for line in (line for line in lines if "failed" in line):
        yield f"Failed: {line['trial']} on {line['table']}, seed {line['seed']}: status {line['status']}."


def cells(lines):
    copies = statistics.median(line["exact"] for line in lines)
    return [middle(lines, "seconds", 0), middle(lines, "shape_error", 2), middle(lines, "trend_error", 2),
            middle(lines, "c2st", 3), usefulness(lines, lambda ratios: [statistics.median(ratios)]),
            middle(lines, "dcr", 3), f"{copies:.0f}" + (rates(lines) if copies else "")]


def medians(groups):
    yield from header(["table", "model"])
    before = None
    for (table, trial, budget), lines in groups.items():
        name = MODELS.get(trial, trial) + at(budget, groups)
        yield row(["" if table == before else table, name, *cells(lines)])
        before = table


def by_seed(groups):
    yield from header(["table"])
    for (table, _, budget), lines in groups.items():
        copies = any(line["exact"] or line["exact_rate_holdout"] for line in lines)
        values = [each(lines, "seconds", 0), each(lines, "shape_error", 2), each(lines, "trend_error", 2),
                  each(lines, "c2st", 3), usefulness(lines, list), each(lines, "dcr", 3),
                  each(lines, "exact", 0) + (rates(lines) if copies else "")]
        yield row([table + at(budget, groups), *values])


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
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["choose", "confirm", "log"])
    parser.add_argument("--results", type=Path, default=here / "results.jsonl")
    parser.add_argument("--trials", type=Path, default=here / "trials.json")
    parser.add_argument("--seeds", metavar="TRIAL", help="this trial alone, the values seed by seed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
