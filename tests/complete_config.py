"""The tree of a complete configuration, from short overrides."""

import copy
from typing import Any

from hpsearch.config.conversion import build
from hpsearch.config.preprocess import Preprocess
from hpsearch.config.schema import KINDS

ADAM = {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
BATCH_NORM = {"momentum": 0.1, "eps": 1e-5, "affine": True}
SCALED = {"bias": 0.0, "gain": 1.0, "fan": "in"}
OWN_DATA = {"limit": None, "path": "own", "target": "y", "task": "auto", "test": 0.2}
PREPROCESS = {
    "missing": "median", "fill_value": 0.0, "indicator": True, "categories": "onehot", "min_frequency": 5,
    "max_categories": 100, "hash_features": 32, "dates": "parts", "target": "standard",
}  # fmt: skip
TRANSFORMS = {
    "shift": 0.0, "rotate": 0.0, "scale": 0.0, "flip": 0.0, "crop": 0, "erase": 0.0, "noise": 0.0, "mixup": 0.0,
    "fill": "zero",
}  # fmt: skip
SCALED_BY = {
    **dict.fromkeys(("digits", "mnist", "fashion", "kmnist", "usps", "cifar10", "folder"), "minmax"),
    "xor": "none",
}
"""Option of `preprocess` that a data set brings along, if it is not the first."""
PRUNER = {
    "timeout": None,
    "patience": None,
    "objectives": [],
    "constraints": [],
    "callbacks": [],
    "enqueue": [],
    "enqueue_from": None,
    "enqueue_best": 5,
    "cohort": None,
    "pruner": "none",
    "pruner_options": {},
    "rungs": None,
}
ROUNDS = [{"trials": 4, "epochs": 1}]
SEARCH = {"trials": 1, "choose": {}, "tune": [], "space": {}, "metric": "auto", **PRUNER}
REPEATED = {"replicates": 1, "baseline": None, "folds": 5, "allow_rare": False, "repeats": 2, "stratified": True}

OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "data": {
        "digits": {"task": "auto", "limit": None},
        "mnist": {"task": "auto", "limit": None, "packaged": "auto"},
        "fashion": {"task": "auto", "limit": None},
        "kmnist": {"task": "auto", "limit": None},
        "usps": {"task": "auto", "limit": None},
        "cifar10": {"task": "auto", "limit": None},
        **{name: {"task": "auto", "limit": None} for name in ("breast_cancer", "iris", "wine", "linnerud")},
        "diabetes": {"task": "auto", "limit": None},
        "xor": {"task": "auto", "limit": None},
        "csv": {**OWN_DATA, "delimiter": ",", "drop": []},
        "parquet": {**OWN_DATA, "drop": []},
        "excel": {**OWN_DATA, "drop": [], "sheet": None},
        "npz": {**OWN_DATA, "inputs": "x"},
        "folder": {
            **OWN_DATA,
            "labels": None,
            "file_column": "file",
            "size": None,
            "color": "auto",
            "test_path": None,
            "test_labels": None,
            "missing_target": "refuse",
        },
    },
    "preprocess": {
        **dict.fromkeys(("standard", "minmax", "robust", "quantile", "log", "none"), PREPROCESS),
        "custom": {"import_path": "own:transformer", "kwargs": {}, "target": "standard"},
    },
    "augmentation": {
        "none": {},
        **dict.fromkeys(("shift", "rotate", "scale", "affine", "flip", "crop", "flip_crop"), TRANSFORMS),
        **dict.fromkeys(("erase", "noise", "mixup"), TRANSFORMS),
    },
    "model": {
        "mlp": {"depth": 1, "width": 16, "widths": None},
        "perceptron": {},
        "linear": {},
        "cnn": {
            "filters": [4],
            "kernel": 3,
            "stride": 1,
            "padding": None,
            "pool": "max",
            "pool_size": 2,
            "dense": [8],
        },
        "custom": {"import_path": "own:Net", "kwargs": {}},
    },
    "activation": {
        "relu": {},
        "step": {},
        "identity": {},
        "sigmoid": {},
        "tanh": {},
        "leaky_relu": {"slope": 0.01},
        "elu": {"alpha": 1.0},
    },
    "init": {
        "scaled_normal": {**SCALED, "gain": 2**0.5},
        "scaled_uniform": SCALED,
        "zeros": {"bias": 0.0},
        "normal": {"bias": 0.0, "std": 0.01},
        "uniform": {"bias": 0.0, "limit": 0.1},
        "orthogonal": {"bias": 0.0, "gain": 1.0},
        "custom": {"bias": 0.0, "import_path": "torch.nn.init:trunc_normal_", "kwargs": {"std": 0.02}},
        "lsuv": {"bias": 0.0, "gain": 1.0, "rows": 16},
    },
    "norm": {"none": {}, "before": BATCH_NORM, "after": BATCH_NORM},
    "regularization": {
        "none": {"max_norm": None},
        "weight_decay": {"max_norm": None, "weight_decay": 0.01},
        "dropout": {"max_norm": None, "dropout": 0.5},
        "both": {"max_norm": None, "weight_decay": 0.01, "dropout": 0.5},
    },
    "optimizer": {
        "adam": ADAM,
        "adamw": ADAM,
        "nadam": {**ADAM, "momentum_decay": 4e-3},
        "radam": ADAM,
        "lamb": {**ADAM, "eps": 1e-6},
        "lion": {"lr": 0.001, "beta1": 0.9, "beta2": 0.99},
        "custom": {"lr": 0.01, "import_path": "users_optimizers:Momentum", "kwargs": {}},
        "sgd": {"lr": 0.1},
        "momentum": {"lr": 0.1, "momentum": 0.9},
        "nesterov": {"lr": 0.1, "momentum": 0.9},
        "adagrad": {"lr": 0.01, "eps": 1e-10},
        "rmsprop": {"lr": 0.001, "alpha": 0.99, "eps": 1e-8},
    },
    "schedule": {
        "constant": {"warmup_epochs": 0.0},
        "step": {"warmup_epochs": 0.0, "every": 2, "gamma": 0.5},
        "exponential": {"warmup_epochs": 0.0, "gamma": 0.9},
        "cosine": {"warmup_epochs": 0.0, "floor": 0.0},
        "linear": {"warmup_epochs": 0.0, "floor": 0.0},
        "warm_restarts": {"warmup_epochs": 0.0, "period": 1, "period_mult": 2, "floor": 0.0},
        "one_cycle": {"warmup_epochs": 0.0, "pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4},
        "custom": {"warmup_epochs": 0.0, "import_path": "users_schedules:ramp", "kwargs": {}},
        "plateau": {"warmup_epochs": 0.0, "factor": 0.5, "patience": 0},
    },
    "loss": {
        "cross_entropy": {"label_smoothing": 0.0},
        "bce": {"label_smoothing": 0.0},
        "mse": {},
        "mae": {},
        "sse": {},
        "perceptron": {},
        "focal": {"gamma": 2.0},
        "huber": {"delta": 1.0},
        "pinball": {"quantile": 0.5},
        "poisson_nll": {},
        "gaussian_nll": {},
        "multi_margin": {"margin": 1.0},
        "custom": {"import_path": "own:loss"},
    },
    "training": {"default": {"epochs": 2, "batch_size": 8, "patience": None, "clip_norm": None}},
    "evaluation": {
        "holdout": {"replicates": 1, "baseline": None, "val": None, "report": None},
        "kfold": {"replicates": 1, "baseline": None, "folds": 5},
        "stratified_kfold": {"replicates": 1, "baseline": None, "folds": 5, "allow_rare": False},
        "repeated_kfold": REPEATED,
        "loocv": {"replicates": 1, "baseline": None},
        "time_series": {"replicates": 1, "baseline": None, "folds": 5, "gap": 0, "window": None},
        "truth_table": {"replicates": 1, "baseline": None},
    },
    "search": {
        "random": SEARCH,
        "qmc": SEARCH,
        "tpe": {**SEARCH, "startup": 10},
        "optuna": {**SEARCH, "startup": 10, "sampler": "optuna.samplers:TPESampler", "sampler_options": {}},
        "coarse_to_fine": {**SEARCH, "rounds": ROUNDS},
    },
    "execution": {"local": {"workers": 1, "device": "cpu", "memory_gib": None}},
    "tracking": {"mlflow": {"uri": None, "directory": "mlruns"}},
}
"""Every option of every group; the first of a group is the default of `make_config`."""

PLAIN: dict[str, Any] = {
    "name": None,
    "description": None,
    "seed": 0,
    "engine": "auto",
    "trust": False,
    "extend": None,
    "confirm": {"seeds": None},
    "final": {
        "sweep": None,
        "run": None,
        "started_by": None,
        "epochs": None,
        "dry_run": False,
        "reopen": {"reason": None, "opening": None},
        "retrains": 0,
    },
    "report": {
        "sweep": None,
        "run": None,
        "started_by": None,
        "path": None,
        "metric": None,
        "delta": None,
        "alpha": 0.05,
        "control": None,
        "data": None,
        "directory": "experiments",
    },
}


def preprocess(kind: str = "standard", **keys: Any) -> Preprocess:
    """Options of preprocessing, with the defaults of `make_config`."""
    problems: list[str] = []
    option = build(
        KINDS["preprocess"][kind], {**OPTIONS["preprocess"][kind], **keys, "kind": kind}, "preprocess", problems
    )
    assert option is not None, problems
    return option


def config_tree(**overrides: Any) -> dict[str, Any]:
    """The tree of a complete configuration; see `make_config`."""
    tree = copy.deepcopy(PLAIN)
    tree["options"] = {}
    for group, kinds in OPTIONS.items():
        asked = overrides.pop(group, {})
        asked = {"kind": asked} if isinstance(asked, str) else asked
        first = SCALED_BY.get(tree["options"]["data"], "standard") if group == "preprocess" else next(iter(kinds))
        kind = asked.get("kind", first)
        tree[group] = {"kind": kind, **copy.deepcopy(kinds[kind]), **asked}
        tree["options"][group] = kind
    return tree | overrides
