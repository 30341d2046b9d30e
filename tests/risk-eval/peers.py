"""PyOD's and scikit-learn's detectors on every split of every .npz file of a folder, defaults throughout.
One JSON object a line: set, peer, auc, ap, fit_seconds, score_micros (per row)."""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from pyod.models.ecod import ECOD
from pyod.models.gmm import GMM
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.pca import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

warnings.filterwarnings("ignore")


def peers(seed):
    yield "pyod IForest", IForest(random_state=seed), lambda m, x: m.decision_function(x)
    yield "pyod ECOD", ECOD(), lambda m, x: m.decision_function(x)
    yield "pyod HBOS", HBOS(), lambda m, x: m.decision_function(x)
    yield "pyod GMM", GMM(n_components=4, random_state=seed), lambda m, x: m.decision_function(x)
    yield "pyod PCA", PCA(random_state=seed), lambda m, x: m.decision_function(x)
    yield "sklearn IsolationForest", IsolationForest(random_state=seed), lambda m, x: -m.score_samples(x)


for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    data = np.load(path)
    x, y = data["X"], data["y"]
    split = 0
    while f"train_{split}" in data:
        train, test = data[f"train_{split}"], data[f"test_{split}"]
        for name, model, score in peers(split):
            begin = time.process_time()
            try:
                model.fit(x[train])
            except Exception as error:  # a peer that cannot fit a set has no line for it
                print(f"{path.stem}/{split} {name}: {error}", file=sys.stderr)
                continue
            fitted = time.process_time()
            scores = score(model, x[test])
            scored = time.process_time()
            # Some peers score infinity; the metrics take finite numbers only, and the order stays.
            scores = np.nan_to_num(scores, nan=0.0, posinf=1e300, neginf=-1e300)
            print(json.dumps({
                "set": path.stem,
                "peer": name,
                "auc": roc_auc_score(y[test], scores),
                "ap": average_precision_score(y[test], scores),
                "fit_seconds": fitted - begin,
                "score_micros": (scored - fitted) * 1e6 / len(test),
            }))
        split += 1
