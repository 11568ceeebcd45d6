"""What other programs call our keys and options: the words that people bring along."""

from collections.abc import Iterable, Mapping

from hpsearch.config.conversion import nearest

KEYS: Mapping[str, str] = {
    "n_trials": "search.trials",
    "num_trials": "search.trials",
    "max_trials": "search.trials",
    "num_samples": "search.trials",
    "n_iter": "search.trials",
    "learning_rate": "optimizer.lr",
    "weight_decay": "regularization.weight_decay",
    "wd": "regularization.weight_decay",
    "l2": "regularization.weight_decay",
    "dropout_rate": "regularization.dropout",
    "n_epochs": "training.epochs",
    "num_epochs": "training.epochs",
    "max_epochs": "training.epochs",
    "bs": "training.batch_size",
    "batch": "training.batch_size",
    "batchsize": "training.batch_size",
    "early_stopping": "training.patience",
    "grad_clip": "training.clip_norm",
    "clip": "training.clip_norm",
    "layers": "model.depth",
    "n_layers": "model.depth",
    "num_layers": "model.depth",
    "hidden_layers": "model.depth",
    "hidden": "model.width",
    "units": "model.width",
    "n_units": "model.width",
    "hidden_size": "model.width",
    "hidden_dim": "model.width",
    "hidden_layer_sizes": "model.widths",
    "k": "evaluation.folds",
    "cv": "evaluation.folds",
    "n_folds": "evaluation.folds",
    "n_splits": "evaluation.folds",
    "val_size": "evaluation.val",
    "val_split": "evaluation.val",
    "validation_split": "evaluation.val",
    "test_size": "data.test",
    "n_jobs": "execution.workers",
    "jobs": "execution.workers",
    "num_workers": "execution.workers",
    "n_workers": "execution.workers",
    "random_state": "seed",
    "random_seed": "seed",
    "study_name": "name",
    "experiment_name": "name",
    "run_name": "name",
    "storage": "tracking.uri",
    "tracking_uri": "tracking.uri",
    "mlflow_uri": "tracking.uri",
    "output_dir": "tracking.directory",
    "hydra.run.dir": "tracking.directory",
    "hydra.sweep.dir": "tracking.directory",
    "hydra.job.name": "name",
    "hydra.sweeper.n_trials": "search.trials",
    "hydra.sweeper.study_name": "name",
    "hydra.launcher.n_jobs": "execution.workers",
}
"""Words of Hydra, Optuna, Ray Tune, scikit-learn, Keras and Lightning for keys of ours."""

GROUPS: Mapping[str, str] = {
    "dataset": "data",
    "net": "model",
    "network": "model",
    "arch": "model",
    "architecture": "model",
    "optim": "optimizer",
    "opt": "optimizer",
    "criterion": "loss",
    "loss_fn": "loss",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "initializer": "init",
    "initialization": "init",
    "nonlinearity": "activation",
    "normalization": "norm",
    "regularizer": "regularization",
    "sampler": "search",
}
"""The same for groups of options."""

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "data": {"fashion_mnist": "fashion", "cancer": "breast_cancer", "table": "csv", "numpy": "npz"},
    "model": {
        **dict.fromkeys(("fc", "dense", "dnn", "fnn", "nn"), "mlp"),
        **dict.fromkeys(("conv", "convnet", "lenet"), "cnn"),
        **dict.fromkeys(("logistic", "softmax"), "linear"),
        **dict.fromkeys(("resnet", "vgg", "vit", "transformer", "lstm", "rnn", "gru"), "custom"),
    },
    "activation": {"logistic": "sigmoid", "lrelu": "leaky_relu", "linear": "identity", "heaviside": "step"},
    "init": {
        **dict.fromkeys(("glorot", "glorot_normal", "xavier_normal"), "xavier"),
        **dict.fromkeys(("kaiming", "kaiming_normal", "he_normal"), "he"),
        "glorot_uniform": "xavier_uniform",
        "kaiming_uniform": "he_uniform",
        "gaussian": "normal",
    },
    "norm": dict.fromkeys(("batch", "batchnorm", "batch_norm", "bn"), "before"),
    "regularization": dict.fromkeys(("l2", "wd", "ridge"), "weight_decay"),
    "optimizer": {"nag": "nesterov", "gd": "sgd"},
    "schedule": {
        "cosine_annealing": "cosine",
        "exp": "exponential",
        "reduce_on_plateau": "plateau",
        "none": "constant",
    },
    "loss": {
        **dict.fromkeys(("ce", "xent", "nll", "crossentropy", "categorical_crossentropy", "softmax"), "cross_entropy"),
        **dict.fromkeys(("binary_cross_entropy", "binary_crossentropy", "bce_with_logits", "logistic"), "bce"),
        **dict.fromkeys(("l2", "mean_squared_error"), "mse"),
        **dict.fromkeys(("l1", "mean_absolute_error"), "mae"),
    },
    "evaluation": {
        **dict.fromkeys(("cv", "k_fold", "cross_validation"), "kfold"),
        **dict.fromkeys(("loo", "leave_one_out"), "loocv"),
        **dict.fromkeys(("split", "train_test_split"), "holdout"),
    },
    "search": {"bayes": "tpe", "bayesian": "tpe", "optuna": "tpe", "sobol": "qmc", "halton": "qmc", "grid": "random"},
}
"""By group, words for its options."""


def meant_key(word: str) -> str | None:
    """Our key or group for a word of another program, capitals and hyphens aside; None if it is not known."""
    plain = _plain(word)
    return KEYS.get(plain) or GROUPS.get(plain)


def meant_option(group: str, word: str) -> str | None:
    """Our option of a group for a word of another program; None if it is not known.

    What a word begins with counts too, so that `resnet18` and `lstm_2` are known.
    """
    plain, known = _plain(word), OPTIONS.get(group, {})
    return known.get(plain) or known.get(plain.rstrip("_0123456789"))


def nearest_option(group: str, word: str, known: Iterable[str]) -> str:
    """As `nearest`, of the options of a group, for which other programs may have other words."""
    known, meant = list(known), meant_option(group, word)
    return f"did you mean {meant}?" if meant in known else nearest(word, known)


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")
