"""Synonyms of keys and options in other programs."""

from collections.abc import Iterable, Mapping

from hpsearch.config.conversion import nearest

_KEYS_BY_MEANING = {
    "search.trials": "n_trials num_trials max_trials num_samples n_iter run_cap count max_evals hydra.sweeper.n_trials",
    "search.metric": "objective scoring",
    "search.direction": "hydra.sweeper.direction greater_is_better",
    "search.space": "param_space search_space param_distributions param_grid parameters hydra.sweeper.params",
    "search.startup": "n_startup_trials n_initial_points",
    "search.pruner": "early_terminate",
    "search.rungs": "min_resource grace_period min_iter",
    "optimizer.lr": "learning_rate",
    "regularization.weight_decay": "weight_decay wd l2",
    "regularization.dropout": "dropout_rate",
    "training.epochs": "n_epochs num_epochs max_epochs max_t max_resource",
    "training.batch_size": "bs batch batchsize",
    "training.patience": "early_stopping",
    "training.clip_norm": "grad_clip clip",
    "augmentation.rotate": "degrees rotation random_rotation",
    "augmentation.shift": "translate translation",
    "augmentation.scale": "zoom",
    "augmentation.flip": "hflip horizontal_flip",
    "augmentation.erase": "cutout random_erasing",
    "augmentation.mixup": "mixup_alpha",
    "model.depth": "layers n_layers num_layers hidden_layers",
    "model.width": "hidden units n_units hidden_size hidden_dim",
    "model.widths": "hidden_layer_sizes",
    "evaluation.folds": "k cv n_folds n_splits",
    "evaluation.val": "val_size val_split validation_split",
    "data.test": "test_size",
    "data.weight": "sample_weight",
    "execution.workers": "n_jobs jobs num_workers n_workers max_concurrent max_concurrent_trials hydra.launcher.n_jobs",
    "seed": "random_state random_seed",
    "name": "study_name experiment_name run_name project hydra.job.name hydra.sweeper.study_name",
    "tracking.uri": "storage tracking_uri mlflow_uri hydra.sweeper.storage",
    "tracking.directory": "output_dir storage_path local_dir log_dir hydra.run.dir hydra.sweep.dir",
}

KEYS: Mapping[str, str] = {word: key for key, words in _KEYS_BY_MEANING.items() for word in words.split()}
"""Keys by their names in Hydra, Optuna, Ray Tune, Weights & Biases, scikit-learn, Keras and Lightning."""

_NEEDLESS_BY_REASON = {
    "search.metric knows which way is better; of your own metric search.direction says it": (
        "directions mode goal maximize"
    ),
    "the same command again resumes a sweep, so nothing is given for it": "load_if_exists resume restore",
}

NEEDLESS: Mapping[str, str] = {word: why for why, words in _NEEDLESS_BY_REASON.items() for word in words.split()}
"""Keys of other programs for which there is nothing to set, each with the reason."""

_GROUPS_BY_MEANING = {
    "data": "dataset",
    "model": "net network arch architecture",
    "optimizer": "optim opt",
    "loss": "criterion loss_fn",
    "schedule": "scheduler lr_scheduler",
    "augmentation": "augment aug transform transforms data_augmentation",
    "init": "initializer initialization",
    "activation": "nonlinearity",
    "norm": "normalization",
    "regularization": "regularizer",
    "search": "sampler search_alg method hydra.sweeper.sampler",
}

GROUPS: Mapping[str, str] = {word: key for key, words in _GROUPS_BY_MEANING.items() for word in words.split()}
"""Config groups by their names in other programs."""

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "data": {
        "fashion_mnist": "fashion",
        **dict.fromkeys(("cifar", "cifar_10"), "cifar10"),
        **dict.fromkeys(("kuzushiji", "kuzushiji_mnist"), "kmnist"),
        "cancer": "breast_cancer",
        "table": "csv",
        "numpy": "npz",
        **dict.fromkeys(("images", "image_folder", "imagefolder", "directory"), "folder"),
    },
    "model": {
        **dict.fromkeys(("fc", "dense", "dnn", "fnn", "nn"), "mlp"),
        **dict.fromkeys(("conv", "convnet", "lenet"), "cnn"),
        **dict.fromkeys(("logistic", "softmax"), "linear"),
        **dict.fromkeys(("resnet", "vgg", "vit", "transformer", "lstm", "rnn", "gru"), "custom"),
    },
    "augmentation": {
        **dict.fromkeys(("translate", "translation"), "shift"),
        **dict.fromkeys(("rotation", "random_rotation"), "rotate"),
        **dict.fromkeys(("hflip", "horizontal_flip"), "flip"),
        **dict.fromkeys(("cutout", "random_erasing"), "erase"),
        **dict.fromkeys(("random_affine", "basic"), "affine"),
        "zoom": "scale",
        "random_crop": "crop",
        "gaussian_noise": "noise",
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
        **dict.fromkeys(("sgdr", "cosine_warm_restarts", "cosine_restarts"), "warm_restarts"),
        **dict.fromkeys(("onecycle", "1cycle"), "one_cycle"),
        "none": "constant",
    },
    "loss": {
        **dict.fromkeys(("ce", "xent", "nll", "crossentropy", "categorical_crossentropy", "softmax"), "cross_entropy"),
        **dict.fromkeys(("binary_cross_entropy", "binary_crossentropy", "bce_with_logits", "logistic"), "bce"),
        **dict.fromkeys(("l2", "mean_squared_error"), "mse"),
        **dict.fromkeys(("l1", "mean_absolute_error"), "mae"),
        **dict.fromkeys(("smooth_l1", "huber_loss"), "huber"),
        **dict.fromkeys(("quantile", "quantile_loss"), "pinball"),
        **dict.fromkeys(("poisson", "poisson_nll_loss"), "poisson_nll"),
        **dict.fromkeys(("gaussian", "gaussian_nll_loss"), "gaussian_nll"),
        **dict.fromkeys(("hinge", "multi_margin_loss", "svm"), "multi_margin"),
        **dict.fromkeys(("focal_loss", "sigmoid_focal_loss"), "focal"),
    },
    "evaluation": {
        **dict.fromkeys(("cv", "k_fold", "cross_validation"), "kfold"),
        **dict.fromkeys(("loo", "leave_one_out"), "loocv"),
        **dict.fromkeys(("split", "train_test_split"), "holdout"),
    },
    "search": {
        **dict.fromkeys(("bayes", "bayesian", "bayesopt", "hyperopt", "bohb", "tpesampler"), "tpe"),
        **dict.fromkeys(("cmaes", "cma", "gp", "nsga", "cmaessampler", "gpsampler", "nsgaiisampler"), "optuna"),
        **dict.fromkeys(("sobol", "halton", "qmcsampler"), "qmc"),
        **dict.fromkeys(("grid", "gridsampler", "randomsampler"), "random"),
    },
}
"""For each group, its options by their names in other programs."""


_METRICS_BY_MEANING = {
    "accuracy": "acc accuracy_score f1_micro micro_f1 micro_precision micro_recall precision_micro recall_micro top_1",
    "accuracy@3": "top_k top_k_accuracy top_k_accuracy_score",
    "cross_entropy": "log_loss neg_log_loss nll ce logloss categorical_crossentropy",
    "macro_f1": "f1_macro",
    "macro_precision": "precision_macro",
    "macro_recall": "recall_macro",
    "weighted_f1": "f1_weighted",
    "f1": "f1_score f1_binary",
    "precision": "precision_score ppv",
    "recall": "recall_score sensitivity tpr",
    "mcc": "matthews_corrcoef matthews phi",
    "kappa": "cohen_kappa cohen_kappa_score",
    "roc_auc": "auc auroc rocauc roc_auc_score roc_auc_ovr",
    "average_precision": "ap auprc pr_auc average_precision_score",
    "brier": "brier_score brier_score_loss neg_brier_score",
    "ece": "expected_calibration_error calibration_error",
    "mse": "mean_squared_error neg_mean_squared_error",
    "mae": "mean_absolute_error neg_mean_absolute_error",
    "rmse": "root_mean_squared_error neg_root_mean_squared_error",
    "mape": "mean_absolute_percentage_error neg_mean_absolute_percentage_error",
    "r2": "r2_score r_squared",
    "pinball@0.5": "pinball quantile_loss mean_pinball_loss",
    "poisson_deviance": "mean_poisson_deviance neg_mean_poisson_deviance poisson",
    "gamma_deviance": "mean_gamma_deviance neg_mean_gamma_deviance gamma",
}

METRICS: Mapping[str, str] = {word: metric for metric, words in _METRICS_BY_MEANING.items() for word in words.split()}
"""Metrics by their names in scikit-learn and elsewhere; the mean over all rows that `micro` takes is the accuracy."""


def meant_metric(word: str) -> str | None:
    """The metric for a word of another program, such as `top_5_accuracy` and `neg_log_loss`; None if unknown."""
    plain = _plain(word)
    base, _, rest = plain.replace("acc@", "top_", 1).partition("_")
    k = rest.removesuffix("_accuracy")
    return f"accuracy@{k}" if base == "top" and k.isdecimal() and int(k) > 1 else METRICS.get(plain)


def meant_key(word: str) -> str | None:
    """The key or group for a word of another program, ignoring case and hyphens; None if unknown."""
    plain = _plain(word)
    return KEYS.get(plain) or GROUPS.get(plain)


def needless(word: str) -> str | None:
    """Why a key of another program has no counterpart here, ignoring case and hyphens; None if it is not known."""
    return NEEDLESS.get(_plain(word))


def meant_option(group: str, word: str) -> str | None:
    """The option of a group for a word of another program, ignoring trailing digits (`resnet18`); None if unknown."""
    plain, known = _plain(word), OPTIONS.get(group, {})
    return known.get(plain) or known.get(plain.rstrip("_0123456789"))


def nearest_option(group: str, word: str, known: Iterable[str]) -> str:
    """Like `nearest` for the options of a group, including synonyms."""
    known, meant = list(known), meant_option(group, word)
    return f"did you mean {meant}?" if meant in known else nearest(word, known)


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")
