"""Score a feature matrix in CSV with an exported model, for the tests of `pql export`.

    models.py onnxruntime|tract|mlflow MODEL MATRIX   write the outputs as CSV to stdout, NaN as empty
    models.py --available                             print the runtimes that are installed
"""

import csv
import importlib.util
import json
import math
import sys

RUNTIMES = {"onnxruntime": ["onnx", "onnxruntime"], "tract": ["onnx", "tract"], "mlflow": ["mlflow", "onnxruntime", "pandas"]}


def numbers(texts):
    import numpy as np

    return np.array([float(text or "nan") for text in texts])


def inputs(model, rows):
    """Returns the inputs of an ONNX model: its metadata has the features."""
    import numpy as np

    features = json.loads({entry.key: entry.value for entry in model.metadata_props}["pql.features"])
    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    values = {}
    for feature in features:
        name = feature["name"]
        texts = [row[name] for row in rows]
        if feature["kind"] == "number":
            values[name] = numbers(texts)
        elif kinds[name] == 8:
            values[name] = np.array(texts, dtype=object)
        else:
            codes = {level: code for code, level in enumerate(feature["levels"])}
            values[name] = np.array([codes.get(text or "(missing)", -1) for text in texts], dtype=np.int64)
    return values


def run_onnxruntime(path, rows):
    import onnx
    import onnxruntime

    onnx.checker.check_model(path, full_check=True)
    # Warnings are errors of the export, such as a constant without use.
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs(onnx.load(path), rows))))


def run_tract(path, rows):
    import onnx
    import tract

    model = onnx.load(path)
    runnable = tract.onnx().load(path).into_model().into_runnable()
    results = runnable.run(list(inputs(model, rows).values()))
    return {output.name: result.to_numpy() for output, result in zip(model.graph.output, results)}


def run_mlflow(path, rows):
    import mlflow
    import pandas as pd

    model = mlflow.pyfunc.load_model(path)
    schema, example = model.metadata.get_input_schema(), model.input_example
    kinds = {column.name: column.type.name for column in schema.inputs}
    assert list(example.columns) == list(kinds), example
    assert len(model.predict(example)) == 1
    frame = pd.DataFrame({
        name: numbers([row[name] for row in rows]) if kind == "double" else [row[name] or None for row in rows]
        for name, kind in kinds.items()
    })
    found = model.predict(frame)
    assert list(found.columns) == model.metadata.get_output_schema().input_names(), found.columns
    return {name: found[name].to_numpy() for name in found}


def main():
    if sys.argv[1] == "--available":
        installed = lambda modules: all(importlib.util.find_spec(module) for module in modules)
        print(" ".join(name for name, modules in RUNTIMES.items() if installed(modules)))
        return
    runtime, path, matrix = sys.argv[1:]
    with open(matrix, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    outputs = globals()[f"run_{runtime}"](path, rows)
    writer = csv.writer(sys.stdout)
    writer.writerow(["account_id", *outputs])
    text = lambda value: "" if math.isnan(value) else repr(value.item())
    for index, row in enumerate(rows):
        writer.writerow([row["account_id"], *(text(values[index]) for values in outputs.values())])


main()
