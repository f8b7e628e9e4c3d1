#!/usr/bin/env python3
"""Draws rows under random conditions from a model of each table, and judges them against the real rows that fit.

    conditions.py --data DIR --work DIR [--tables adult,…] [--count 200] [--budget 120] [--model autoregressive]

Every row must fit, as this script reads it. Where a thousand real rows fit as well, a classifier is to tell them from
those drawn (C2ST: the area under its curve, five folds; one half where it cannot). Rows and seeds are those of `choose`.
"""
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pandas
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from xgboost import XGBClassifier

from lab import of_tables, split, trained, way_of

# A classifier learns little from fewer.
REAL_ROWS_MIN = 1_000
DRAWN_ROWS = 2_000
# Distinct values up to which a column of numbers is asked for by value.
VALUES_MAX = 20


def condition(dice, name, column):
    """Words for `--where`, and which rows of any table with this column fit."""
    known = column.dropna()
    values = sorted(known.unique(), key=str)
    is_number = pandas.api.types.is_numeric_dtype(column) and not pandas.api.types.is_bool_dtype(column)
    if is_number and len(values) > VALUES_MAX:
        low, high = sorted(float(numpy.quantile(known, dice.random())) for _ in range(2))
        low, high = (known[known >= low].min(), known[known <= max(low, high)].max())
        return [f'"{name}">={low}', f'"{name}"<={high}'], lambda table: table[name].between(low, high)
    picked = dice.sample(values, dice.randint(1, max(1, len(values) // 2)))
    shown = [f'{value:.0f}' if is_number and float(value).is_integer() else str(value) for value in picked]
    return [f'"{name}"={value}' for value in shown], lambda table: table[name].isin(picked)


def conditions(dice, table, skip):
    """Of one to three columns."""
    names = [name for name in table.columns if name not in skip and table[name].nunique() > 1]
    words, tests = [], []
    for name in dice.sample(names, dice.randint(1, 3)):
        more, test = condition(dice, name, table[name])
        words += more
        tests.append(test)
    return words, lambda rows: numpy.logical_and.reduce([test(rows) for test in tests])


def c2st(real, drawn, seed):
    """How well a classifier tells them apart, on as many of each."""
    count = min(len(real), len(drawn))
    both = pandas.concat([real.sample(count, random_state=seed), drawn.sample(count, random_state=seed)], ignore_index=True)
    for name in both.columns:
        if not pandas.api.types.is_numeric_dtype(both[name]):
            both[name] = both[name].astype("category")
    is_real = numpy.r_[numpy.ones(count), numpy.zeros(count)].astype(int)
    found = []
    for learn, judge in StratifiedKFold(5, shuffle=True, random_state=seed).split(both, is_real):
        tree = XGBClassifier(n_estimators=100, max_depth=5, learning_rate=0.1, tree_method="hist", enable_categorical=True, n_jobs=1)
        tree.fit(both.iloc[learn], is_real[learn])
        found.append(roc_auc_score(is_real[judge], tree.predict_proba(both.iloc[judge])[:, 1]))
    return float(numpy.mean(found))


def one_table(args, name):
    """A line for each set of conditions."""
    meta = json.loads((Path(args.data) / name / "meta.json").read_text())
    folder = Path(args.work) / "conditions" / name
    train, holdout = split(Path(args.data) / name, meta, folder, "choose", 1)
    model, home = folder / f"{args.model}-{way_of(args)}.safetensors", folder / "home"
    if not model.exists():
        trained(args, train, model, args.model, home, 1)
    real = pandas.concat([pandas.read_csv(train), pandas.read_csv(holdout)], ignore_index=True)
    texts = {column for column in real if real[column].dtype == object and real[column].nunique() > 500}
    dice, out = random.Random(name), folder / "drawn.csv"
    for number in range(args.count):
        words, fits = conditions(dice, real, texts)
        asked = [word for each in words for word in ("--where", each)]
        command = [args.tgs, "generate", model, "-n", str(DRAWN_ROWS), "-o", out, "--home", home, "--seed", str(number), *asked]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = {"table": name, "where": words, "real": int(fits(real).sum())}
        if done.returncode != 0:
            yield {**line, "refused": done.stdout.strip().splitlines()[-2:]}
            continue
        drawn = pandas.read_csv(out)
        line["unfit"] = int((~fits(drawn)).sum())
        if line["real"] >= REAL_ROWS_MIN:
            line["c2st"] = round(c2st(real[fits(real)], drawn, number), 4)
        yield line


def main():
    parser = of_tables(__doc__)
    parser.add_argument("--count", type=int, default=200, help="sets of conditions per table")
    parser.add_argument("--model", default="autoregressive")
    args = parser.parse_args()
    for name in args.tables:
        lines = []
        for line in one_table(args, name):
            print(json.dumps(line), flush=True)
            lines.append(line)
        told = [line["c2st"] for line in lines if "c2st" in line]
        refused, unfit = sum("refused" in line for line in lines), sum(line.get("unfit", 0) for line in lines)
        within = sum(each <= 0.65 for each in told)
        print(f"{name}: {len(lines)} conditions, {refused} refused, {unfit} rows unfit; C2ST of {len(told)}: "
              f"median {numpy.median(told):.3f}, 90 % {numpy.quantile(told, 0.9):.3f}, {within} within .65", file=sys.stderr)


if __name__ == "__main__":
    main()
