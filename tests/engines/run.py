"""Run statements in one engine, for the tests of exported SQL.

    run.py ENGINE        a JSON request per line of stdin, a JSON response per line of stdout
    run.py --available   print the engines that this machine can run; what is missing on stderr

Request:  {"sql": TEXT, "tables": [[[SCHEMA, NAME], PARQUET], ...], "parameters": {NAME: VALUE},
           "options": {NAME: VALUE}, "dbt": {"folder": PATH, "builds": [VARIABLES, ...]}}
Response: {"columns": [[NAME, TYPE], ...], "rows": [[VALUE, ...], ...], "sql": TEXT} or {"error": TEXT}

TYPE is boolean, integer, double, text or timestamp, or the engine's own name of any other type.
Timestamps are microseconds UTC; doubles that are not finite are texts. The engine starts with the
first request and stops at the end of stdin. With `dbt`, the engine loads the tables, runs `dbt build`
with each set of variables, and then the statement.
"""

import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

ENGINES = ["duckdb", "postgres", "spark", "bigquery", "snowflake"]


def quote(name, mark='"'):
    return mark + name.replace(mark, mark + mark) + mark


def double(value):
    return value if value is None or math.isfinite(value) else str(value)


def column(values):
    """Returns the type and the values of an Arrow column."""
    kind = values.type
    if pa.types.is_boolean(kind):
        return "boolean", values.to_pylist()
    if pa.types.is_signed_integer(kind):
        return "integer", values.to_pylist()
    if pa.types.is_float64(kind):
        return "double", [double(value) for value in values.to_pylist()]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text", values.to_pylist()
    if pa.types.is_timestamp(kind):
        micros = values.cast(pa.timestamp("us", tz=kind.tz)).cast(pa.int64())
        return "timestamp", micros.to_pylist()
    if pa.types.is_null(kind):
        return "null", values.to_pylist()
    return str(kind), [None if value is None else str(value) for value in values.to_pylist()]


def dbt_build(package, output):
    """Runs `dbt build` of a package, whose profile has the package's name, with each set of variables.

    `output` is the target of the profile.
    """
    folder = pathlib.Path(package["folder"])
    project = re.search('^name: "(.*)"', (folder / "dbt_project.yml").read_text(), re.M)[1]
    with tempfile.TemporaryDirectory(prefix="pql-dbt-") as home:
        profile = {project: {"target": "test", "outputs": {"test": output}}}
        pathlib.Path(home, "profiles.yml").write_text(json.dumps(profile))
        for variables in package["builds"]:
            command = [pathlib.Path(sys.executable).parent / "dbt", "--no-send-anonymous-usage-stats"]
            command += ["build", "--project-dir", folder, "--profiles-dir", home]
            command += ["--target-path", home, "--log-path", home, "--no-use-colors"]
            command += ["--vars", json.dumps(variables)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=home)
            if done.returncode != 0:
                raise RuntimeError(f"dbt build failed\n{done.stdout}{done.stderr}")


def result(table):
    columns = [column(values) for values in table.columns]
    return {
        "columns": [[name, kind] for name, (kind, _) in zip(table.column_names, columns)],
        "rows": [list(row) for row in zip(*(values for _, values in columns))],
    }


class DuckDB:
    @staticmethod
    def version():
        import duckdb

        return f"DuckDB {duckdb.__version__}"

    def run(self, request):
        import duckdb

        if "dbt" in request:
            return self.build(request)
        with duckdb.connect(config={"threads": 2}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            self.load(connection, request)
            parameters = request.get("parameters") or None
            return result(connection.sql(request["sql"], params=parameters).to_arrow_table())

    @staticmethod
    def load(connection, request):
        for parts, path in request["tables"]:
            if len(parts) > 1:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(parts[0])}")
            name = ".".join(quote(part) for part in parts)
            path = path.replace("'", "''")
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet('{path}')")

    def build(self, request):
        import duckdb

        with tempfile.TemporaryDirectory(prefix="pql-duckdb-") as home:
            path = os.path.join(home, "test.duckdb")
            with duckdb.connect(path) as connection:
                self.load(connection, request)
            output = {"type": "duckdb", "path": path, "threads": 2, "settings": {"TimeZone": "UTC"}}
            dbt_build(request["dbt"], output)
            with duckdb.connect(path) as connection:
                return result(connection.sql(request["sql"]).to_arrow_table())

    def stop(self):
        pass


class Transpiled(DuckDB):
    """Parses the statement in a dialect and runs its translation in DuckDB."""

    def __init__(self, dialect):
        self.dialect = dialect

    @staticmethod
    def version():
        import sqlglot

        return f"sqlglot {sqlglot.__version__}, with {DuckDB.version()}"

    def run(self, request):
        import sqlglot
        from sqlglot import exp

        def adapt(node):
            # sqlglot does not translate TO_NUMBER with a hexadecimal format.
            if isinstance(node, exp.ToNumber) and set(node.args["format"].name) == {"X"}:
                digits = exp.Concat(expressions=[exp.Literal.string("0x"), node.this])
                return exp.cast(digits, "BIGINT")
            # Integers have 64 bits in these engines; in DuckDB, small literals have 32.
            literal = node.this if isinstance(node, exp.Neg) else node
            is_integer = isinstance(literal, exp.Literal) and literal.is_int
            return exp.cast(node, "BIGINT", copy=True) if is_integer else node

        tree = sqlglot.parse_one(request["sql"], read=self.dialect).transform(adapt)
        sql = tree.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
        try:
            return super().run({**request, "sql": sql}) | {"sql": sql}
        except Exception as error:
            raise RuntimeError(f"{error}\n{sql}") from error


def postgres_folder():
    """Returns the folder of the newest server."""
    folders = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(folders, key=lambda path: int(path.parts[-3]))
    if newest:
        return newest[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError("PostgreSQL is missing (Debian: apt-get install postgresql)")
    return pathlib.Path(found).parent


class Postgres:
    """A server of its own on a free port of 127.0.0.1, with its data in a temporary folder."""

    TYPES = {
        16: "boolean",
        20: "integer",
        25: "text",
        701: "double",
        1043: "text",
        1114: "timestamp",
        1184: "timestamp",
    }

    def __init__(self):
        import psycopg2

        folder = postgres_folder()
        self.home = tempfile.mkdtemp(prefix="pql-postgres-")
        # The server refuses to run as root.
        user = {"user": "postgres"} if os.geteuid() == 0 else {}
        if user:
            shutil.chown(self.home, "postgres")
        data = os.path.join(self.home, "data")
        # The order of texts is not that of their bytes, as on most servers.
        subprocess.run(
            [folder / "initdb", "-D", data, "-U", "pql", "--auth=trust", "--encoding=UTF8", "--no-sync"]
            + ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"],
            check=True,
            capture_output=True,
            cwd=self.home,
            **user,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.home,
            "fsync": "off",
            "timezone": "UTC",
            "jit": "off",
        }
        settings = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.server = subprocess.Popen(
            [folder / "postgres", "-D", data, *settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.home,
            start_new_session=True,
            **user,
        )
        end = time.monotonic() + 60
        while True:
            try:
                self.connection = psycopg2.connect(
                    host="127.0.0.1", port=self.port, user="pql", dbname="postgres"
                )
                return
            except psycopg2.OperationalError:
                if time.monotonic() > end or self.server.poll() is not None:
                    self.stop()
                    raise
                time.sleep(0.05)

    @staticmethod
    def version():
        found = subprocess.run([postgres_folder() / "postgres", "--version"], capture_output=True, text=True)
        return "PostgreSQL " + found.stdout.split()[2]

    def stop(self):
        # SIGINT: the server ends its connections and stops.
        self.server.send_signal(signal.SIGINT)
        self.server.wait()
        shutil.rmtree(self.home)

    @staticmethod
    def type_name(kind):
        if pa.types.is_boolean(kind):
            return "BOOLEAN"
        if pa.types.is_integer(kind):
            return "BIGINT"
        if pa.types.is_floating(kind):
            return "DOUBLE PRECISION"
        if pa.types.is_timestamp(kind):
            return "TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ"
        if pa.types.is_date(kind):
            return "DATE"
        if pa.types.is_decimal(kind):
            return "NUMERIC"
        return "TEXT"

    def load(self, cursor, parts, path):
        import io

        table = pa.parquet.read_table(path)
        if len(parts) > 1:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(parts[0])}")
        name = ".".join(quote(part) for part in parts)
        columns = []
        for index, field in enumerate(table.schema):
            if pa.types.is_dictionary(field.type) or pa.types.is_string_view(field.type):
                table = table.set_column(index, field.name, table.column(index).cast(pa.large_string()))
            columns.append(f"{quote(field.name)} {self.type_name(table.schema[index].type)}")
        cursor.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        # Only missing values have no quotes.
        options = pa.csv.WriteOptions(include_header=False, quoting_style="all_valid")
        csv = io.BytesIO()
        pa.csv.write_csv(table, csv, options)
        csv.seek(0)
        cursor.copy_expert(f"COPY {name} FROM STDIN (FORMAT csv)", csv)

    def build(self, request):
        import psycopg2

        admin = {"host": "127.0.0.1", "port": self.port, "user": "pql"}
        self.connection.autocommit = True
        shared = self.connection
        shared.cursor().execute("CREATE DATABASE dbt")
        try:
            self.connection = psycopg2.connect(dbname="dbt", **admin)
            with self.connection, self.connection.cursor() as cursor:
                for parts, path in request["tables"]:
                    self.load(cursor, parts, path)
            output = {"type": "postgres", "dbname": "dbt", "schema": "public", "threads": 2, "password": ""}
            dbt_build(request["dbt"], output | admin)
            return self.run({"sql": request["sql"], "tables": []})
        finally:
            self.connection.close()
            self.connection = shared
            shared.cursor().execute("DROP DATABASE dbt")
            shared.autocommit = False

    def run(self, request):
        if "dbt" in request:
            return self.build(request)
        sql = request["sql"]
        for name, value in (request.get("parameters") or {}).items():
            # As psql does; a text has its quotes.
            value = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
            sql = re.sub(rf"(?<![:\w]):{re.escape(name)}\b", lambda _, value=value: value, sql)
        try:
            with self.connection.cursor() as cursor:
                for parts, path in request["tables"]:
                    self.load(cursor, parts, path)
                cursor.execute(sql)
                kinds = [self.TYPES.get(field.type_code) for field in cursor.description]
                names = [field.name for field in cursor.description]
                rows = [[self.value(*cell) for cell in zip(kinds, row)] for row in cursor.fetchall()]
            kinds = [
                kind or f"type {field.type_code}" for kind, field in zip(kinds, cursor.description)
            ]
            return {"columns": [list(pair) for pair in zip(names, kinds)], "rows": rows}
        finally:
            self.connection.rollback()

    @staticmethod
    def value(kind, value):
        if kind == "double":
            return double(value)
        if kind == "timestamp" and value is not None:
            scalar = pa.scalar(value, pa.timestamp("us", tz="UTC" if value.tzinfo else None))
            return scalar.cast(pa.int64()).as_py()
        return value if kind or value is None else str(value)


class Spark:
    """A session in this process's Java machine."""

    def __init__(self):
        from pyspark.sql import SparkSession

        os.environ["TZ"] = "UTC"
        os.environ["PYSPARK_PYTHON"] = sys.executable
        self.home = tempfile.mkdtemp(prefix="pql-spark-")
        settings = {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": "2g",
            "spark.ui.enabled": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.warehouse.dir": self.home,
            "spark.local.dir": self.home,
            "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
            # Compiling a plan costs more than running it on a few rows.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            # So does planning again after each shuffle.
            "spark.sql.adaptive.enabled": "false",
        }
        builder = SparkSession.builder.master("local[2]").appName("pql")
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("OFF")

    @staticmethod
    def version():
        import pyspark

        java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
        return f"Apache Spark {pyspark.__version__} ({java.splitlines()[0]})"

    def run(self, request):
        session = self.session
        made = []
        options = request.get("options") or {}
        for name, value in options.items():
            session.conf.set(name, value)
        try:
            for parts, path in request["tables"]:
                name = ".".join(quote(part, "`") for part in parts)
                if len(parts) > 1:
                    session.sql(f"CREATE DATABASE IF NOT EXISTS {quote(parts[0], '`')}")
                    session.read.parquet(path).write.saveAsTable(name)
                    made.append(f"DROP TABLE {name}")
                else:
                    session.read.parquet(path).createOrReplaceTempView(name)
                    made.append(f"DROP VIEW {name}")
            frame = session.sql(request["sql"], args=request.get("parameters") or None)
            return result(frame.toArrow())
        finally:
            for statement in made:
                session.sql(statement)
            for name in options:
                session.conf.unset(name)

    def stop(self):
        self.session.stop()
        shutil.rmtree(self.home, ignore_errors=True)


def engine_class(name):
    classes = {"duckdb": DuckDB, "postgres": Postgres, "spark": Spark}
    return classes.get(name, Transpiled)


def start(name):
    return Transpiled(name) if name in ("bigquery", "snowflake") else engine_class(name)()


def print_available():
    for name in ENGINES:
        try:
            print(f"{name}: {engine_class(name).version()}", file=sys.stderr)
            print(name)
        except Exception as error:
            print(f"{name}: missing: {error}", file=sys.stderr)


def serve(name):
    # The engine's own messages must not reach the responses.
    responses = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if name == "spark":
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    engine = None
    try:
        for line in sys.stdin:
            try:
                engine = engine or start(name)
                response = engine.run(json.loads(line))
            except Exception as error:
                response = {"error": f"{type(error).__name__}: {error}"}
            json.dump(response, responses, ensure_ascii=False, allow_nan=False)
            responses.write("\n")
            responses.flush()
    finally:
        if engine:
            engine.stop()


if __name__ == "__main__":
    if sys.argv[1:] == ["--available"]:
        print_available()
    else:
        serve(sys.argv[1])
