"""Scores a DataFrame with the ONNX file of a pql model. `pql export mlflow` wrote this module; MLflow loads it."""

import numpy as np
import onnxruntime
import pandas as pd


class Model:
    """An ONNX session with one input per feature."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def predict(self, data, params=None):
        """Returns one row of scores for each row of features, which may have missing values."""
        inputs = {feature.name: self.values(data[feature.name], feature.type) for feature in self.session.get_inputs()}
        names = [output.name for output in self.session.get_outputs()]
        return pd.DataFrame(dict(zip(names, self.session.run(names, inputs))), index=data.index)

    @staticmethod
    def values(column, kind):
        """Returns a column as the graph takes it: a missing number is NaN, a missing text is empty."""
        if kind == "tensor(string)":
            return np.array(["" if pd.isna(text) else str(text) for text in column], dtype=object)
        return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _load_pyfunc(path):
    return Model(path)
