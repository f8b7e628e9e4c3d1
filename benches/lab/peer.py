#!/usr/bin/env python3
"""CTGAN or TVAE from PyPI under a wall-clock budget: peer.py ctgan|tvae TRAIN.csv OUT.csv SECONDS SEED

Epochs are run one by one until the budget is spent, with the authors' own defaults for everything else.
"""
import os
import sys
import time

import numpy as np
import pandas as pd
import torch
from ctgan import CTGAN, TVAE


class Enough(Exception):
    """The budget is spent."""


def main():
    name, train, out, seconds, seed = sys.argv[1:6]
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    np.random.seed(int(seed))
    torch.manual_seed(int(seed))
    table = pd.read_csv(train, keep_default_na=False, na_values=[""])
    discrete = [c for c in table if table[c].dtype == object or table[c].nunique() <= 10]
    for column in table:
        if column in discrete:
            table[column] = table[column].astype(object).where(table[column].notna(), "").astype(str)
        else:
            table[column] = table[column].fillna(table[column].median())
    model = {"ctgan": CTGAN, "tvae": TVAE}[name](epochs=10**6, verbose=False)
    stop_after(model, float(seconds))
    try:
        model.fit(table, discrete)
    except Enough:
        pass
    if name == "tvae":
        model.decoder.eval()
    model.sample(len(table)).to_csv(out, index=False)


def stop_after(model, seconds):
    """Ends the fit from inside its own optimiser once the time is over."""
    began = time.time()
    step = torch.optim.Adam.step

    def timed(self, *args, **kwargs):
        if time.time() - began > seconds:
            raise Enough
        return step(self, *args, **kwargs)

    torch.optim.Adam.step = timed


if __name__ == "__main__":
    main()
