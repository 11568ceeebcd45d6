"""A network that is served with the preprocessing of its table: rows in, as the file has them, predictions out.

The class is pickled by value with the model, so that a server needs PyTorch and scikit-learn, and no hpsearch.
"""

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch


class ServedTable:
    """Predicts rows of a table.

    Args:
        kinds: `number`, `category` or `date` of each input column by name, in order.
        formats: Format of each column of dates by name, as `strptime` takes it, or `ISO 8601`.
        readings: What parses, by `number`, the text of each column whose numbers are not written as programs do.
        categories: Words of each column of categories by name.
        missing: Words that count as missing, in lower case.
        transformer: The fitted `ColumnTransformer`, or the user's own transformer.
        dtype: Type of the features.
        network: The exported network, as `torch.export.save` writes it: features to logits or predictions.
        outputs: Names of the classes, or of the targets of a regression.
        classes: Whether classes are predicted.
        probabilities: `softmax` or `sigmoid` where outputs are logits; None where they are no probabilities.
        labels: The two values of each of several labels, of the second of which outputs are probabilities.
        own_modules: Names of the user's modules that the transformer needs.
    """

    def __init__(  # noqa: PLR0913 - all that a prediction needs
        self,
        *,
        kinds: Mapping[str, str],
        formats: Mapping[str, str],
        readings: Mapping[str, Any],
        categories: Mapping[str, Sequence[str]],
        missing: Sequence[str],
        transformer: Any,
        dtype: str,
        network: bytes,
        outputs: Sequence[str],
        classes: bool,
        probabilities: str | None,
        labels: Sequence[tuple[str, str]] = (),
        own_modules: Sequence[str] = (),
    ) -> None:
        self.kinds, self.formats, self.readings = dict(kinds), dict(formats), dict(readings)
        self.missing = frozenset(missing)
        self.missing_numbers = frozenset(number for word in missing if (number := _number(word)) is not None)
        self.spellings = {
            name: {word: word for word in words} | {word.casefold(): word for word in words}
            for name, words in categories.items()
        }
        self.numbers = {
            name: {number: word for word in words if (number := _number(word)) is not None}
            for name, words in categories.items()
        }
        self.transformer, self.dtype, self.network, self._own = transformer, dtype, network, tuple(own_modules)
        # not `classes`: cloudpickle would take the name for that of the module `torch.classes`
        self.outputs, self.classifies, self.probabilities = tuple(outputs), classes, probabilities
        self.labels = tuple(labels)

    @property
    def modules(self) -> set[str]:
        """Names of the modules of hpsearch, and of the user's own, that the model needs, and is pickled with."""
        parts = [self, *self.readings.values()]
        steps = getattr(self.transformer, "transformers_", ())
        parts += [*(part for _, pipeline, _ in steps for part in _steps(pipeline))]
        return {*self._own, *(name for part in parts if (name := type(part).__module__).startswith("hpsearch."))}

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return a row of predictions for each row.

        Args:
            rows: Rows with the columns of the table; others are ignored. Cells may be missing.

        Returns:
            `prediction`, of the type that the target has in the file, and, where the network gives probabilities,
            `probability of <class>` for each class; of a regression, the targets by name; of labels,
            their values by name, and `probability of <label> <value>`.

        Raises:
            ValueError: If a column is absent, a cell is no number or date, or the user's own transformer cannot cope
                with missing cells.
        """
        rows = rows.set_axis([str(name).strip() for name in rows.columns], axis=1)
        absent = [name for name in self.kinds if name not in rows]
        if absent:
            raise ValueError(f"columns that the model needs are absent: {', '.join(absent)}")
        cells = pd.DataFrame({name: self._column(rows[name]) for name in self.kinds}, index=rows.index)
        with warnings.catch_warnings():
            # a word that no training row had shares the feature of rare ones, or has none
            warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
            made = self.transformer.transform(cells)
        features = np.ascontiguousarray(made.toarray() if hasattr(made, "toarray") else made, self.dtype)
        if lacking := int((~np.isfinite(features)).any(axis=1).sum()):
            raise ValueError(f"the transformer makes missing or infinite features of {lacking} of {len(rows)} rows")
        with torch.no_grad():
            outputs = self._module()(torch.from_numpy(features))
        names, kind = self.outputs, self.probabilities
        how: dict[str, Any] = {"classifies": self.classifies, "probabilities": kind, "labels": self.labels}
        return as_predictions(outputs, rows.index, names, **how)

    def _column(self, given: pd.Series) -> pd.Series:
        name, kind = str(given.name), self.kinds[str(given.name)]
        if kind == "date" and pd.api.types.is_datetime64_any_dtype(given):
            return pd.to_datetime(given, utc=True).dt.tz_localize(None)
        words = [None if self._is_missing(cell) else cell for cell in given]
        try:
            if kind == "date":
                return self._dates(pd.Series(words, given.index, dtype=object), self.formats[name])
            if kind == "number":
                numbers = [np.nan if word is None else self._read(word, name) for word in words]
                return pd.Series(numbers, given.index, dtype="float64")
        except (ValueError, TypeError) as error:
            raise ValueError(f"column {name!r} must hold {kind}s: {error}") from error
        known = [np.nan if word is None else self._category(word, name) for word in words]
        return pd.Series(known, given.index, dtype=object)

    def _is_missing(self, cell: Any) -> bool:
        if isinstance(cell, str):
            word = cell.strip()
            return word.casefold() in self.missing or (
                bool(self.missing_numbers) and _number(word) in self.missing_numbers
            )
        return bool(pd.isna(cell)) or (not isinstance(cell, bool) and cell in self.missing_numbers)

    def _read(self, cell: Any, name: str) -> float:
        """Return a cell as a number; text is read as the file was."""
        if not isinstance(cell, str):
            return float(cell)
        number = self.readings[name].number(cell.strip()) if name in self.readings else _number(cell)
        if number is None:
            raise ValueError(f"got {cell!r}")
        return number

    def _category(self, cell: Any, name: str) -> str:
        """Return the word of the table that a cell is; a number is the word of this value."""
        spellings = self.spellings[name]
        if isinstance(cell, int | float | np.number) and not isinstance(cell, bool):
            return self.numbers[name].get(float(cell), str(cell))
        word = str(cell).strip()
        return spellings.get(word, spellings.get(word.casefold(), word))

    def _dates(self, words: pd.Series, date_format: str) -> pd.Series:
        if date_format != "ISO 8601":
            return pd.to_datetime(words, format=date_format, utc=True).dt.tz_localize(None)
        zulu = words.map(lambda word: str(word).strip().replace("UTC", "Z"), na_action="ignore")
        return pd.to_datetime(zulu, format="ISO8601", utc=True).dt.tz_localize(None)

    def _module(self) -> Any:
        if not hasattr(self, "_loaded"):
            self._loaded = torch.export.load(io.BytesIO(self.network)).module()
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_loaded"}


def as_predictions(
    outputs: torch.Tensor,
    index: Any,
    names: Sequence[str],
    *,
    classifies: bool,
    probabilities: str | None,
    labels: Sequence[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Return outputs (N, C) of a network as `ServedTable.predict` returns them; see `ServedTable` for the arguments."""
    if labels:
        columns: dict[str, np.ndarray] = {}
        for name, values, share in zip(names, labels, outputs.T.numpy(), strict=True):
            columns |= {name: _typed(values)[(share > 0.5).astype(int)], f"probability of {name} {values[1]}": share}
        return pd.DataFrame(columns, index=index)
    if not classifies:
        return pd.DataFrame(outputs.numpy(), columns=list(names), index=index)
    single = outputs.shape[1] == 1
    chosen = (outputs[:, 0] > 0).long() if single else outputs.argmax(dim=1)
    predictions = pd.DataFrame({"prediction": _typed(names)[chosen.numpy()]}, index=index)
    if probabilities is None:
        return predictions
    if single:
        positive = outputs.sigmoid()
        shares = torch.cat([1 - positive, positive], dim=1)
    else:
        shares = outputs.softmax(dim=1) if probabilities == "softmax" else outputs.sigmoid()
    for name, share in zip(names, shares.T.numpy(), strict=True):
        predictions[f"probability of {name}"] = share
    return predictions


def _steps(transformer: Any) -> list[Any]:
    return [step for _, step in transformer.steps] if hasattr(transformer, "steps") else [transformer]


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return None if math.isnan(number) or "_" in word else number


def _typed(names: Sequence[str]) -> np.ndarray:
    """Return the names of classes as the column of the file has them: numbers, truth values or text."""
    numbers = [_number(name) for name in names]
    if None not in numbers:
        whole = all(float(number).is_integer() for number in numbers if number is not None)
        return np.array(numbers, np.int64 if whole else np.float64)
    if {name.casefold() for name in names} <= {"true", "false"}:
        return np.array([name.casefold() == "true" for name in names])
    return np.array(names, object)
