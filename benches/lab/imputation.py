#!/usr/bin/env python3
"""Fills in what was taken away, and asks what a classifier or regression learns from it.

    imputation.py --data DIR --work DIR [--tables adult,…] [--share 0.3] [--budget 120] [--seeds 1,2,3]

Of the training rows so large a share of the cells is taken away, at random, but for the target. They are filled in by a
model that was trained on what is left, and by scikit-learn (IterativeImputer for numbers, codes of categories among
them, rounded to the nearest; its authors' defaults). Trees learn from each and predict whole rows that were kept aside:
area under the curve, or the root mean square error of a number. Rows are those of `choose`.
"""
import json
import subprocess
import sys
from pathlib import Path

import numpy
import pandas
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.metrics import roc_auc_score
from xgboost import XGBClassifier, XGBRegressor

from lab import of_tables, split, trained


def taken(table, share, target, seed):
    """The table with cells missing."""
    dice = numpy.random.default_rng(seed)
    out = table.astype(object)
    for name in out.columns:
        if name != target:
            out.loc[dice.random(len(out)) < share, name] = numpy.nan
    return out


def by_ours(args, table, folder, seed):
    """Trained on the table with its gaps; its rows completed."""
    gaps, model, whole, home = (folder / name for name in ("gaps.csv", "gaps.safetensors", "whole.csv", "home"))
    table.to_csv(gaps, index=False)
    trained(args, gaps, model, "autoregressive", home, seed)
    words = [args.tgs, "complete", model, gaps, "-o", whole, "--home", home, "--seed", str(seed)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return pandas.read_csv(whole)


def by_sklearn(table, numeric, seed):
    """Numbers and codes of categories, imputed by all others in turns."""
    coded, levels = pandas.DataFrame(index=table.index), {}
    for name in table.columns:
        if name in numeric:
            coded[name] = pandas.to_numeric(table[name])
        else:
            codes, levels[name] = pandas.factorize(table[name])
            coded[name] = numpy.where(codes < 0, numpy.nan, codes)
    filled = pandas.DataFrame(IterativeImputer(random_state=seed).fit_transform(coded), columns=coded.columns)
    for name, known in levels.items():
        filled[name] = known[filled[name].round().clip(0, len(known) - 1).astype(int)]
    return filled


def learned(train, holdout, target, numeric):
    """What trees that learned from these rows are worth on rows kept aside."""
    both = pandas.concat([train, holdout], ignore_index=True)
    answer = both.pop(target)
    for name in both.columns:
        both[name] = pandas.to_numeric(both[name]) if name in numeric else both[name].astype(str).astype("category")
    cut = len(train)
    shape = {"n_estimators": 200, "max_depth": 6, "learning_rate": 0.1, "tree_method": "hist", "enable_categorical": True, "n_jobs": 1}
    if target in numeric and answer.nunique() > 20:
        answer = pandas.to_numeric(answer)
        tree = XGBRegressor(**shape).fit(both[:cut], answer[:cut])
        return {"rmse": float(numpy.sqrt(numpy.mean((tree.predict(both[cut:]) - answer[cut:]) ** 2)))}
    codes = pandas.factorize(answer.astype(str), sort=True)[0]
    tree = XGBClassifier(**shape).fit(both[:cut], codes[:cut])
    odds = tree.predict_proba(both[cut:])
    return {"auc": float(roc_auc_score(codes[cut:], odds[:, 1] if odds.shape[1] == 2 else odds, multi_class="ovr"))}


def main():
    numbers = lambda text: [int(each) for each in text.split(",")]
    parser = of_tables(__doc__)
    parser.add_argument("--share", type=float, default=0.3, help="of the cells, taken away")
    parser.add_argument("--seeds", type=numbers, default=[1, 2, 3])
    args = parser.parse_args()
    for name in args.tables:
        meta = json.loads((Path(args.data) / name / "meta.json").read_text())
        target = meta.get("target")
        if not target:
            print(f"{name}: there is nothing to predict", file=sys.stderr)
            continue
        for seed in args.seeds:
            folder = Path(args.work) / "imputation" / name / str(seed)
            train, holdout = (pandas.read_csv(file) for file in split(Path(args.data) / name, meta, folder, "choose", seed))
            numeric = {column for column in train if pandas.api.types.is_numeric_dtype(train[column])}
            gaps = taken(train, args.share, target, seed)
            line = {"table": name, "seed": seed, "share": args.share, "target": target}
            for way, rows in (
                ("whole", train),
                ("ours", by_ours(args, gaps, folder, seed)),
                ("sklearn", by_sklearn(gaps, numeric, seed)),
            ):
                line[way] = learned(rows, holdout, target, numeric)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
