"""Write the seeds of the corpus: small valid inputs of every target.

    python make.py REPOSITORY

Findings are added by hand, with a name that says what was wrong.
"""
import pathlib
import struct
import sys

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
root = pathlib.Path(sys.argv[1])


def seed(target: str, name: str, data) -> None:
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


for number, text in enumerate(["2025-06-30", "20250630", "2025-06-30T12:34:56.123456Z", "2025-06-30 12:34:56+05:30", "1969-12-31T23:59:60-0930",
                               "14d", "2w", "36h", "90m", "%d/%m/%Y %H:%M\n31/12/2025 23:59", "%Y-%m-%dT%H:%M:%S%.f%:z\n2025-06-30T01:02:03.5-03:00", "%s\n1719752400"]):
    seed("timestamp", f"seed{number:02}", text)

demo = (root / "data/demo/pql.toml").read_text()
seed("config", "demo", demo)
seed("config", "keys", """[input]
timezone = "America/New_York"
null = ["NA", "-"]

[[events]]
path = "events.parquet"
account = "account_id"

[accounts]
path = "accounts.csv"
attributes = ["plan"]

[roles]
login = ["login"]
exclude = ["invoice", "ünïcödé"]

[features]
windows = ["7d", "28d"]

[observation]
cutoffs = "snapshot"
every = "1w"
since = 2025-01-01T00:00:00Z
horizon = "30d"

[design]
spline = 3
categorical = ["plan"]

[model]
penalty = "l1"
alpha = 0.5

[qualify]
by = "both"

[alerts]
within = "7d"

[[definition]]
name = "team"
type = "criteria"
all = [{ users = 3 }, { any = [{ event = "invite", at_least = 2 }, { active_days = 5 }] }]
""")
seed("config", "short", "[model]\nalpha = 1.0\n")
definitions = ["name = \"hits a limit\"\ntype = \"limit\"\nall = [{ event = \"limit_reached\", at_least = 1 }]\n",
               "name = \"team\"\ntype = \"criteria\"\nwithin = \"14d\"\nany = [{ users = 3 }, { features = 4 }, { active_days = 5 }]\n",
               "name = \"a \\\"b\\\"\"\ntype = \"hand_raise\"\nall = [{ event = \"x\", at_least = 2 }, { any = [{ users = 2 }, { event = \"y\", at_least = 1 }] }]\n"]
for number, text in enumerate(definitions):
    seed("definition", f"seed{number}", text)

model = (root / "models/demo/0001/model.pql").read_bytes()
seed("model", "payload", model[16:-32])

seed("csv", "plain", "account_id,time,value\na,2025-01-01,1.5\nb,,\n")
seed("csv", "quoted", 'id;text\n"1";"a ""b""; c"\n2;"two\nlines"\n'.replace("\n", "\r\n"))
seed("csv", "sep", "sep=;\nid;n\n1;2\n")
seed("csv", "bom", b"\xef\xbb\xbfid\tn\n1\t2\n")
seed("ndjson", "flat", '{"id":"a","n":1.5,"t":null}\n{"id":"b","ok":true}\n')
seed("ndjson", "rejected_nested", '{"id":1,"properties":{"time":"2025-01-01","deep":{"x":[1,2]}}}\n')
seed("ndjson", "escapes", '{"\\u0069d":"\\ud83d\\ude00","big":12345678901234567890,"e":1e-7}\n')

table = pa.table({"id": ["a", "b", None, "a"], "n": [1, 2, 3, None], "x": [0.5, None, float("nan"), -0.0],
                  "t": pa.array([0, 1, 2, None], pa.timestamp("us", "UTC")), "ok": [True, False, None, True]})
for codec in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
    for version in ["1.0", "2.0"]:
        path = HERE / "parquet" / f"{codec}_v{version[0]}"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path, compression=codec, data_page_version=version, use_dictionary=codec != "none", write_page_checksum=True, row_group_size=3)
for name, new, codec in [("stream", pa.ipc.new_stream, None), ("stream_lz4", pa.ipc.new_stream, "lz4"), ("stream_zstd", pa.ipc.new_stream, "zstd"), ("file", pa.ipc.new_file, None)]:
    path = HERE / "arrow" / name
    path.parent.mkdir(exist_ok=True)
    with new(path, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, max_chunksize=3)
coded = table.set_column(0, "id", table["id"].dictionary_encode()).append_column("v", table["id"].cast(pa.string_view()))
with pa.ipc.new_stream(HERE / "arrow" / "dictionary", coded.schema) as writer:
    writer.write_table(coded)
nested = pa.table({"s": [{"a": 1, "b": "x"}, None], "l": [[1, 2], []]})
pq.write_table(nested, HERE / "parquet" / "rejected_nested", compression="zstd")
pq.write_table(pa.table({"d": pa.array(["u", "v"]).dictionary_encode()}), HERE / "parquet" / "dictionary", compression="zstd")

with pa.ipc.new_stream(HERE / "arrow" / "rejected_nested", nested.schema) as writer:
    writer.write_table(nested)

seed("score-writer", "cells", "a\0b,c\0\"q\"\0two\nlines\0=1+1\0'x")
seed("score-writer", "numbers", b"".join(struct.pack("<d", x) for x in [0.0, -0.0, 1.5, 1e-7, 1e300, 5e-324, float("nan"), float("inf"), 0.1]))
seed("html", "tags", "<script>alert(1)</script> & \"quotes\"")
seed("html", "code", "`a` and `b<c`\u0000\x1b[31m")
