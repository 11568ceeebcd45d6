"""A network that is served with the preprocessing of its table: rows in, as the file has them, predictions out.

The class is pickled by value with the model, so that a server needs PyTorch and scikit-learn, and no hpsearch.
"""

import io
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
        categories: Words of each column of categories by name.
        missing: Words that count as missing, in lower case.
        transformer: The fitted `ColumnTransformer`.
        dtype: Type of the features.
        network: The exported network, as `torch.export.save` writes it: features to logits or predictions.
        outputs: Names of the classes, or of the targets of a regression.
        classes: Whether classes are predicted.
        probabilities: `softmax` or `sigmoid` where outputs are logits; None where they are no probabilities.
    """

    def __init__(  # noqa: PLR0913 - all that a prediction needs
        self,
        *,
        kinds: Mapping[str, str],
        formats: Mapping[str, str],
        categories: Mapping[str, Sequence[str]],
        missing: Sequence[str],
        transformer: Any,
        dtype: str,
        network: bytes,
        outputs: Sequence[str],
        classes: bool,
        probabilities: str | None,
    ) -> None:
        self.kinds, self.formats, self.missing = dict(kinds), dict(formats), frozenset(missing)
        self.spellings = {
            name: {word: word for word in words} | {word.casefold(): word for word in words}
            for name, words in categories.items()
        }
        self.transformer, self.dtype, self.network = transformer, dtype, network
        # not `classes`: cloudpickle would take the name for that of the module `torch.classes`
        self.outputs, self.classifies, self.probabilities = tuple(outputs), classes, probabilities

    @property
    def modules(self) -> set[str]:
        """Names of the modules of hpsearch that the model needs, and is pickled with."""
        parts = [self, *(part for _, pipeline, _ in self.transformer.transformers_ for part in _steps(pipeline))]
        return {name for part in parts if (name := type(part).__module__).startswith("hpsearch.")}

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return a row of predictions for each row.

        Args:
            rows: Rows with the columns of the table; others are ignored. Cells may be missing.

        Returns:
            `prediction` and, where the network gives probabilities, `probability of <class>` for each class; of a
            regression, the targets by name.

        Raises:
            ValueError: If a column is absent, or a cell is no number or date.
        """
        absent = [name for name in self.kinds if name not in rows]
        if absent:
            raise ValueError(f"columns that the model needs are absent: {', '.join(absent)}")
        cells = pd.DataFrame({name: self._column(rows[name]) for name in self.kinds}, index=rows.index)
        with warnings.catch_warnings():
            # a word that no training row had shares the feature of rare ones, or has none
            warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
            features = np.ascontiguousarray(self.transformer.transform(cells), self.dtype)
        with torch.no_grad():
            outputs = self._module()(torch.from_numpy(features))
        return self._predictions(outputs, rows.index)

    def _column(self, given: pd.Series) -> pd.Series:
        name, kind = str(given.name), self.kinds[str(given.name)]
        if kind == "date" and pd.api.types.is_datetime64_any_dtype(given):
            return pd.to_datetime(given, utc=True).dt.tz_localize(None)
        if kind == "number" and pd.api.types.is_numeric_dtype(given):
            return given.astype("float64")
        words = given.map(lambda cell: None if pd.isna(cell) else _word(cell))
        words = words.where(~words.str.casefold().isin(self.missing), None)
        try:
            if kind == "number":
                return pd.to_numeric(words)
            if kind == "date":
                date_format = "ISO8601" if self.formats[name] == "ISO 8601" else self.formats[name]
                return pd.to_datetime(words, format=date_format, utc=True).dt.tz_localize(None)
        except (ValueError, TypeError) as error:
            raise ValueError(f"column {name!r} must hold {kind}s: {error}") from error
        spellings = self.spellings[name]
        known = words.map(
            lambda word: spellings.get(word, spellings.get(str(word).casefold(), word)), na_action="ignore"
        )
        return known.astype(object).where(known.notna(), None)

    def _module(self) -> Any:
        if not hasattr(self, "_loaded"):
            self._loaded = torch.export.load(io.BytesIO(self.network)).module()
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_loaded"}

    def _predictions(self, outputs: torch.Tensor, index: Any) -> pd.DataFrame:
        if not self.classifies:
            return pd.DataFrame(outputs.numpy(), columns=list(self.outputs), index=index)
        single = outputs.shape[1] == 1
        chosen = (outputs[:, 0] > 0).long() if single else outputs.argmax(dim=1)
        predictions = pd.DataFrame({"prediction": np.array(self.outputs, object)[chosen.numpy()]}, index=index)
        if self.probabilities is None:
            return predictions
        if single:
            positive = outputs.sigmoid()
            shares = torch.cat([1 - positive, positive], dim=1)
        else:
            shares = outputs.softmax(dim=1) if self.probabilities == "softmax" else outputs.sigmoid()
        for name, share in zip(self.outputs, shares.T.numpy(), strict=True):
            predictions[f"probability of {name}"] = share
        return predictions


def _steps(transformer: Any) -> list[Any]:
    return [step for _, step in transformer.steps] if hasattr(transformer, "steps") else [transformer]


def _word(cell: Any) -> str:
    """Return a cell as a file has it: whole numbers have no point."""
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell).strip()
