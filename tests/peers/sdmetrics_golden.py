#!/usr/bin/env python3
"""Holds our report against the real SDMetrics (PyPI `sdmetrics`, thresholds 0, no subsample).

  sdmetrics_golden.py write FOLDER                 make the fixture tables and their golden values
  sdmetrics_golden.py live PROGRAM                 make new tables, let PROGRAM (the example
                                                   `measure_json`) measure them, and compare
  sdmetrics_golden.py compare REAL SYNTH REPORT    measure now and compare with our report (1e-6)

The kinds of columns are those of our report, so both sides look at the same columns.
Exit status 1 and a list of differences when a number differs by more than 1e-6.
"""
import json
import math
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import numpy as np
import pandas as pd

TOLERANCE = 1e-6
SDTYPE = {
    "integer": "numerical", "real": "numerical", "boolean": "categorical",
    "category": "categorical", "constant": "categorical", "date": "datetime",
    "time": "datetime", "datetime": "datetime", "id": "id", "text": "id",
}


def holes(rng, values, share):
    """The same values with a share of them missing."""
    values = pd.Series(values, dtype=object)
    values[rng.random(len(values)) < share] = None
    return values


def numeric_table(rng, rows, shift):
    """Numbers with missing cells, atoms, a heavy tail, a constant and a nearly empty column."""
    x = rng.normal(0, 1, rows)
    return pd.DataFrame({
        "height": np.round(170 + 9 * x + shift, 1),
        "weight": holes(rng, np.round(70 + 12 * x + 5 * rng.normal(0, 1, rows), 2), 0.07),
        "income": np.round(np.exp(10 + 0.8 * rng.normal(0, 1, rows) + 0.1 * shift), 2),
        "children": rng.poisson(1.2 + 0.2 * shift, rows),
        "debt": holes(rng, np.where(rng.random(rows) < 0.6, 0, rng.integers(1, 5000, rows)), 0.2),
        "tiny": rng.normal(0, 1e-9, rows),
        "same": np.full(rows, 3.5),
        "rare": holes(rng, rng.integers(0, 9, rows), 0.97),
        "group": rng.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2]),
    })


def category_table(rng, rows, shift):
    """Levels: few, many, unbalanced, missing, one that only one table knows."""
    city = [f"city {i}" for i in range(60 + int(10 * shift))]
    weights = 1 / np.arange(1, len(city) + 1)
    home = rng.choice(city, rows, p=weights / weights.sum())
    return pd.DataFrame({
        "home": home,
        "work": np.where(rng.random(rows) < 0.4, home, rng.choice(city, rows)),
        "sex": holes(rng, rng.choice(["f", "m", "d"], rows, p=[0.5, 0.49, 0.01]), 0.03),
        "plan": rng.choice(["basic", "plus", "pro, yearly", "Größe"], rows),
        "active": rng.choice(["yes", "no"], rows, p=[0.8 - 0.1 * shift, 0.2 + 0.1 * shift]),
        "visits": rng.integers(0, 30, rows),
    })


def mixed_table(rng, rows, shift):
    """Dates, moments, ids, numbers and levels that depend on each other."""
    start = pd.Timestamp("2019-03-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D")
    stay = rng.integers(1, 40, rows) + int(3 * shift)
    seen = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 10_000_000, rows), unit="s")
    ward = np.where(stay > 20, "long", rng.choice(["short", "day"], rows))
    return pd.DataFrame({
        "patient": [f"P{i:05d}" for i in rng.permutation(rows)],
        "admitted": start.strftime("%Y-%m-%d"),
        "discharged": holes(rng, (start + pd.to_timedelta(stay, unit="D")).strftime("%Y-%m-%d"), 0.1),
        "seen": seen.strftime("%Y-%m-%d %H:%M:%S"),
        "ward": ward,
        "score": holes(rng, np.round(rng.normal(50, 10, rows) + stay, 1), 0.05),
        "ok": rng.choice(["True", "False"], rows),
    })


KINDS = {
    "numeric": dict(height="real", weight="real", income="real", children="integer", debt="integer",
                    tiny="real", same="real", rare="integer", group="category"),
    "category": dict(home="category", work="category", sex="category", plan="category",
                     active="boolean", visits="integer"),
    "mixed": dict(patient="id", admitted="date", discharged="date", seen="datetime",
                  ward="category", score="real", ok="boolean"),
    "student": dict(student_id="id", degree_type="category", start_date="date", second_perc="real",
                    work_experience="boolean"),
}


def tables(folder, rows=300, seed=100):
    """Writes NAME.real.csv and NAME.synthetic.csv for every kind of table."""
    from sdmetrics.demos import load_single_table_demo
    makers = {"numeric": numeric_table, "category": category_table, "mixed": mixed_table}
    for number, (name, make) in enumerate(makers.items()):
        rng = np.random.default_rng(seed + number)
        write_table(folder, name, make(rng, rows, 0.0), make(rng, rows - 40, 0.4))
    # The demo pair that SDMetrics ships (MIT licence), the columns of our published golden values.
    real, synthetic, _ = load_single_table_demo()
    if isinstance(real, dict):
        real, synthetic = real["student_placements"], synthetic["student_placements"]
    columns = list(KINDS["student"])
    write_table(folder, "student", real[columns], synthetic[columns])


def write_table(folder, name, real, synthetic):
    folder.mkdir(parents=True, exist_ok=True)
    real.to_csv(folder / f"{name}.real.csv", index=False)
    synthetic.to_csv(folder / f"{name}.synthetic.csv", index=False)


def read(path, kinds):
    """A table as SDMetrics should see it: kinds are given, only empty cells are missing."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    for name, kind in kinds.items():
        sdtype = SDTYPE[kind]
        if sdtype == "numerical":
            frame[name] = pd.to_numeric(frame[name])
        elif sdtype == "datetime":
            frame[name] = pd.to_datetime(frame[name], format="mixed")
    return frame[list(kinds)]


def number(value):
    """JSON has no NaN."""
    return None if value is None or math.isnan(value) else float(value)


def measure(real, synthetic, kinds):
    """Everything that SDMetrics defines, as {columns, pairs, metrics}."""
    from sdmetrics.reports.single_table import QualityReport
    from sdmetrics.reports.single_table._properties import Boundary, Coverage
    from sdmetrics.single_column import CategoryAdherence, KeyUniqueness, MissingValueSimilarity
    from sdmetrics.single_table import NewRowSynthesis

    metadata = {"columns": {name: {"sdtype": SDTYPE[kind]} for name, kind in kinds.items()}}
    report = QualityReport()
    report.real_correlation_threshold = 0
    report.real_association_threshold = 0
    report.num_rows_subsample = None
    report.generate(real, synthetic, metadata, verbose=False)
    compared = [name for name, kind in kinds.items() if SDTYPE[kind] != "id"]
    columns = {name: {} for name in compared}

    def details(property_name, table):
        for _, row in table.iterrows():
            columns[row["Column"]][property_name] = number(row["Score"])

    details("shape", report.get_details("Column Shapes"))
    details("adherence", Boundary()._generate_details(real, synthetic, metadata))
    details("coverage", Coverage()._generate_details(real, synthetic, metadata))
    for name in compared:
        if SDTYPE[kinds[name]] == "categorical":
            columns[name]["adherence"] = number(CategoryAdherence.compute(real[name], synthetic[name]))
        columns[name]["missing_value_similarity"] = number(
            MissingValueSimilarity.compute(real[name], synthetic[name]))
    pairs = [
        [row["Column 1"], row["Column 2"], number(row["Score"])]
        for _, row in report.get_details("Column Pair Trends").iterrows()
    ]
    properties = report.get_properties().set_index("Property")["Score"]
    keys = [KeyUniqueness.compute(real[n], synthetic[n]) for n, k in kinds.items() if k == "id"]
    metrics = {
        "column_shapes": number(properties["Column Shapes"]),
        "column_pair_trends": number(properties["Column Pair Trends"]),
        "quality": number(report.get_score()),
        "key_uniqueness": number(float(np.mean(keys))) if keys else None,
    }
    if len(synthetic) <= 2_000:  # SDMetrics scans the whole real table once per synthetic row.
        metrics["new_row_synthesis"] = number(NewRowSynthesis.compute(real, synthetic, metadata))
    return {"kinds": kinds, "columns": columns, "pairs": pairs, "metrics": metrics}


def write(folder):
    """Tables and golden values."""
    tables(folder)
    for name, kinds in KINDS.items():
        golden = measure(read(folder / f"{name}.real.csv", kinds),
                         read(folder / f"{name}.synthetic.csv", kinds), kinds)
        (folder / f"{name}.golden.json").write_text(json.dumps(golden, indent=1) + "\n")


def differences(golden, report):
    """(place, SDMetrics, ours) wherever the two disagree."""
    found, looked = [], 0

    def check(place, theirs, ours):
        nonlocal looked
        looked += 1
        same = theirs is None and ours is None or (
            theirs is not None and ours is not None and abs(theirs - ours) <= TOLERANCE)
        if not same:
            found.append((place, theirs, ours))

    columns = {column["name"]: column for column in report["columns"]}
    for name, theirs in golden["columns"].items():
        ours = dict(columns[name])
        ours["missing_value_similarity"] = 1 - abs(ours["missing"][0] - ours["missing"][1])
        for key, value in theirs.items():
            check(f"{name} {key}", value, ours[key])
    pairs = {(pair["a"], pair["b"]): pair["trend"] for pair in report["pairs"]}
    for a, b, value in golden["pairs"]:
        check(f"{a} × {b}", value, pairs[(a, b)])
    metrics = {metric["key"]: metric["value"] for metric in report["metrics"]}
    for key, value in golden["metrics"].items():
        check(key, value, metrics.get(key))
    return found, looked


def compare(real, synthetic, report):
    report = json.loads(Path(report).read_text())
    kinds = {column["name"]: column["kind"] for column in report["columns"]}
    kinds |= {name: "id" for name, why in report["tables"]["left_out"] if why.startswith("an id")}
    order = list(pd.read_csv(real, nrows=0).columns)
    kinds = {name: kinds[name] for name in order if name in kinds}
    golden = measure(read(real, kinds), read(synthetic, kinds), kinds)
    found, looked = differences(golden, report)
    for place, theirs, ours in found:
        print(f"{place}: SDMetrics {theirs}, ours {ours}")
    print(f"{looked} numbers compared, {len(found)} differ by more than {TOLERANCE}")
    return 1 if found or not looked else 0


def live(program):
    """Tables that no fixture holds, measured by both sides."""
    status = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tables(folder, rows=900, seed=7)
        for name, kinds in KINDS.items():
            real, synthetic = folder / f"{name}.real.csv", folder / f"{name}.synthetic.csv"
            (folder / "kinds.json").write_text(json.dumps({"columns": kinds}))
            report = folder / "report.json"
            with report.open("w") as out:
                subprocess.run([program, folder / "kinds.json", real, synthetic], stdout=out, check=True)
            print(name, end=": ")
            status |= compare(real, synthetic, report)
    return status


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder]:
            write(Path(folder))
        case ["live", program]:
            sys.exit(live(program))
        case ["compare", real, synthetic, report]:
            sys.exit(compare(real, synthetic, report))
        case _:
            sys.exit(__doc__)
