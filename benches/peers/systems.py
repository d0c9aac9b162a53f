"""The peers: how each loads the register, who bounds the rows of a person, and how it answers Q1 to Q5.

A system's class is made with the register's file; making it is its load time. Its methods q1 to q5 give numbers in the
order of the counties: q3 first those of women, then those of men; q4 headcounts, then poverty gaps. One that a system
cannot answer is missing. Every question has EPSILON and DELTA for itself, shared equally by its columns.
Modules are imported where they are used, since no environment has them all.
"""

import os
import sys

EPSILON, DELTA = 1.0, 1e-9
COUNTIES = range(200)
TOP = 100_000.0
LINE = 4_000.0
COLUMNS = ["person_id", "county", "sex", "income"]


def read(file):
    import pandas

    return pandas.read_parquet(file, columns=COLUMNS)


def with_poverty(register):
    return register.assign(
        poor=(register.income < LINE).astype("int64"), gap=((LINE - register.income) / LINE).clip(0, 1)
    )


def in_order(rows, keys):
    """The rows' values after their key, column by column, in the order of `keys`; 0 for a group that was left out."""
    found = {row[0]: row[1:] for row in rows}
    width = len(next(iter(found.values())))
    return [float(found.get(key, [0] * width)[column] or 0) for column in range(width) for key in keys]


BY_SEX = [(county, sex) for sex in "FM" for county in COUNTIES]


class Pandas:
    """One row of each person, and every group's incomes, made by pandas: such peers take the bounding on trust."""

    def __init__(self, file):
        one = read(file).drop_duplicates("person_id")
        self.by_county = self.incomes(one, "county", COUNTIES)
        self.by_sex = self.incomes(one, ["county", "sex"], BY_SEX)

    @staticmethod
    def incomes(one, keys, groups):
        found = one.groupby(keys).income
        found = {key: incomes.to_numpy() for key, incomes in found}
        return [found[group] for group in groups]


class Diffprivlib(Pandas):
    """diffprivlib after pandas. It takes the size of a group as known: means divide by it, and a count is cut off at it,
    so that most counts of Q1 are exact."""

    environment, packages = "main", ["diffprivlib", "pandas"]

    def __init__(self, file):
        from diffprivlib import tools

        self.tools = tools
        super().__init__(file)

    def q1(self):
        return [self.tools.count_nonzero(i >= 0, epsilon=EPSILON) for i in self.by_county]

    def q2(self):
        return [self.tools.sum(i, epsilon=EPSILON, bounds=(0, TOP)) for i in self.by_county]

    def q3(self):
        return [self.tools.mean(i, epsilon=EPSILON, bounds=(0, TOP)) for i in self.by_sex]

    def q4(self):
        poor = [self.tools.count_nonzero(i < LINE, epsilon=EPSILON / 2) for i in self.by_county]
        gaps = [((LINE - i) / LINE).clip(0, 1) for i in self.by_county]
        return poor + [self.tools.sum(g, epsilon=EPSILON / 2, bounds=(0, 1)) for g in gaps]

    def q5(self):
        return [self.tools.median(i, epsilon=EPSILON, bounds=(0, TOP)) for i in self.by_county]


class PyDp(Pandas):
    """PyDP (Google's C++ library) after pandas."""

    environment, packages = "main", ["python-dp", "pandas"]

    def __init__(self, file):
        from pydp.algorithms import laplacian

        self.laplacian = laplacian
        super().__init__(file)

    def each(self, algorithm, values, epsilon=EPSILON, top=TOP):
        make = getattr(self.laplacian, algorithm)
        bounds = {} if algorithm == "Count" else {"lower_bound": 0.0, "upper_bound": top}
        return [make(epsilon=epsilon, dtype="float", **bounds).quick_result(v.tolist()) for v in values]

    def q1(self):
        return self.each("Count", self.by_county)

    def q2(self):
        return self.each("BoundedSum", self.by_county)

    def q3(self):
        return self.each("BoundedMean", self.by_sex)

    def q4(self):
        poor = self.each("Count", [i[i < LINE] for i in self.by_county], EPSILON / 2)
        gaps = [((LINE - i) / LINE).clip(0, 1) for i in self.by_county]
        return poor + self.each("BoundedSum", gaps, EPSILON / 2, 1.0)

    def q5(self):
        return self.each("Median", self.by_county)


class OpenDp:
    """OpenDP's Polars context over rows in memory. It bounds in each query. Incomes are whole, as is the gap, of 4000."""

    environment, packages = "main", ["opendp", "polars"]

    def __init__(self, file):
        import opendp.prelude as opendp
        import polars

        opendp.enable_features("contrib")
        self.opendp, self.pl = opendp, polars
        income = polars.col("income").clip(0, TOP).round().cast(polars.Int64)
        self.rows = polars.scan_parquet(file).select(COLUMNS).with_columns(income).collect().lazy()
        self.counties = polars.LazyFrame({"county": list(COUNTIES)}, schema={"county": polars.Int64})
        self.sexes = self.counties.join(polars.LazyFrame({"sex": ["F", "M"]}), how="cross")
        self.income = polars.col("income").fill_null(0)

    def bounded(self):
        dp = self.opendp
        return dp.Context.compositor(
            data=self.rows,
            privacy_unit=dp.unit_of(contributions=1, identifier=self.pl.col("person_id")),
            privacy_loss=dp.loss_of(epsilon=EPSILON, delta=DELTA),
            split_evenly_over=1,
            margins=[dp.polars.Margin(max_length=20_000_000)],
        ).query().truncate_per_group(1)

    def by_county(self, *values, rows=None):
        asked = self.bounded() if rows is None else rows
        found = asked.group_by("county").agg(*values).with_keys(self.counties).release().collect()
        columns = [name for name in found.columns if name != "county"]
        return in_order(found.select("county", *columns).rows(), COUNTIES)

    def q1(self):
        return self.by_county(self.opendp.len())

    def q2(self):
        return self.by_county(self.income.dp.sum((0, int(TOP))))

    def q3(self):
        asked = self.bounded().group_by("county", "sex").agg(self.income.dp.mean((0, int(TOP)))).with_keys(self.sexes)
        rows = asked.release().collect().select("county", "sex", "income").rows()
        return in_order([((county, sex), mean) for county, sex, mean in rows], BY_SEX)

    def q4(self):
        line = int(LINE)
        poor = (self.income < line).cast(self.pl.Int64)
        rows = self.bounded().with_columns(poor=poor, gap=line - self.income.clip(0, line))
        poor, gap = (self.pl.col(name).fill_null(0) for name in ("poor", "gap"))
        found = self.by_county(poor.dp.sum((0, 1)), gap.dp.sum((0, line)), rows=rows)
        return found[: len(COUNTIES)] + [gap / LINE for gap in found[len(COUNTIES) :]]

    def q5(self):
        return self.by_county(self.income.dp.median(list(range(0, int(TOP) + 1, 250))))


QUERIES = {
    "q1": "SELECT county, COUNT(*) AS n FROM public.register GROUP BY county",
    "q2": "SELECT county, SUM(income) AS total FROM public.register GROUP BY county",
    "q3": "SELECT county, sex, AVG(income) AS mean FROM public.register GROUP BY county, sex",
    "q4": "SELECT county, SUM(poor) AS headcount, SUM(gap) AS gap FROM public.register GROUP BY county",
}


class Postgres:
    """The register in a table of the PostgreSQL database of PEERS_POSTGRES, with poverty as columns of it."""

    def __init__(self, file):
        import io

        import psycopg2
        import pyarrow
        import pyarrow.csv

        self.url = os.environ["PEERS_POSTGRES"]
        self.connection = psycopg2.connect(self.url)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.cursor.execute(
            "DROP TABLE IF EXISTS register; CREATE TABLE register (person_id BIGINT, county BIGINT, sex TEXT,"
            " income DOUBLE PRECISION, poor BIGINT, gap DOUBLE PRECISION)"
        )
        rows = pyarrow.Table.from_pandas(with_poverty(read(file)), preserve_index=False)
        for batch in rows.to_batches(1_000_000):
            text = io.BytesIO()
            pyarrow.csv.write_csv(batch, text, pyarrow.csv.WriteOptions(include_header=False))
            text.seek(0)
            self.cursor.copy_expert("COPY register FROM STDIN (FORMAT csv)", text)
        self.cursor.execute("VACUUM ANALYZE register")

    def rows(self, question):
        raise NotImplementedError

    def q1(self):
        return in_order(self.rows("q1"), COUNTIES)

    def q2(self):
        return in_order(self.rows("q2"), COUNTIES)

    def q3(self):
        return in_order([((county, sex), mean) for county, sex, mean in self.rows("q3")], BY_SEX)

    def q4(self):
        return in_order(self.rows("q4"), COUNTIES)


class SmartNoise(Postgres):
    """SmartNoise SQL on PostgreSQL. It bounds in each query; Python adds the noise. It has no median.

    Its epsilon is for each column, so a question of two (a mean is two) gets half."""

    environment, packages = "smartnoise", ["smartnoise-sql", "opendp"]

    def __init__(self, file):
        super().__init__(file)
        import snsql

        def number(low, high, kind="float"):
            return {"type": kind, "lower": low, "upper": high}

        table = {
            "row_privacy": False,
            "max_ids": 1,
            "sample_max_ids": True,
            "censor_dims": False,
            "person_id": {"type": "int", "private_id": True},
            "county": number(0, 199, "int"),
            "sex": {"type": "string"},
            "income": number(0, TOP),
            "poor": number(0, 1, "int"),
            "gap": number(0, 1),
        }
        self.readers = [
            snsql.from_connection(
                self.connection,
                engine="postgres",
                privacy=snsql.Privacy(epsilon=EPSILON / columns, delta=DELTA),
                metadata={"": {"public": {"register": table}}},
            )
            for columns in (1, 2)
        ]

    def rows(self, question):
        reader = self.readers[question in ("q3", "q4")]
        return [tuple(row) for row in reader.execute(QUERIES[question])[1:]]


class Qrlew(Postgres):
    """Qrlew on PostgreSQL, which bounds and adds noise in SQL. It has no median.

    It finds the counties by itself, with half of what the question may cost, although they are declared."""

    environment, packages = "qrlew", ["pyqrlew"]

    def __init__(self, file):
        super().__init__(file)
        import pyqrlew
        import sqlalchemy

        self.engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=self.connect)
        data = pyqrlew.Dataset.from_database(name="peers", engine=self.engine, schema_name="public")
        for column, high in [("income", TOP), ("poor", 1), ("gap", 1)]:
            data = data.with_range("public", "register", column, 0, high)
        data = data.with_possible_values("public", "register", "sex", ["F", "M"])
        self.data = data.with_possible_values("public", "register", "county", [str(c) for c in COUNTIES])

    def connect(self):
        import psycopg2

        return psycopg2.connect(self.url)

    def rows(self, question):
        import sqlalchemy

        private = self.data.relation(QUERIES[question]).rewrite_with_differential_privacy(
            self.data,
            [("register", [], "person_id")],
            {"epsilon": EPSILON, "delta": DELTA},
            max_multiplicity=1,
            max_privacy_unit_groups=1,
        )
        with self.engine.connect() as connection:
            return list(map(tuple, connection.execute(sqlalchemy.text(private.relation().to_query()))))


class PipelineDp:
    """PipelineDP on its local backend, over Python tuples. It bounds in each query. A gap is a second aggregation."""

    environment, packages = "main", ["pipeline-dp"]

    def __init__(self, file):
        rows = with_poverty(read(file))
        self.data = list(zip(*(rows[column].tolist() for column in [*COLUMNS, "poor", "gap"])))

    def ask(self, metric, column="income", top=TOP, keys=None, epsilon=EPSILON):
        import pipeline_dp

        place = [*COLUMNS, "poor", "gap"].index(column)
        accountant = pipeline_dp.NaiveBudgetAccountant(total_epsilon=epsilon, total_delta=DELTA)
        asked = pipeline_dp.DPEngine(accountant, pipeline_dp.LocalBackend()).aggregate(
            self.data,
            pipeline_dp.AggregateParams(
                metrics=[metric],
                noise_kind=pipeline_dp.NoiseKind.LAPLACE,
                max_partitions_contributed=1,
                max_contributions_per_partition=1,
                min_value=0,
                max_value=top,
            ),
            pipeline_dp.DataExtractors(
                privacy_id_extractor=lambda row: row[0],
                partition_extractor=(lambda row: (row[1], row[2])) if keys else (lambda row: row[1]),
                value_extractor=lambda row: row[place],
            ),
            public_partitions=list(keys or COUNTIES),
        )
        accountant.compute_budgets()
        return in_order([(key, *found) for key, found in asked], keys or COUNTIES)

    def metric(self, name):
        import pipeline_dp

        return getattr(pipeline_dp.Metrics, name)

    def q1(self):
        return self.ask(self.metric("COUNT"))

    def q2(self):
        return self.ask(self.metric("SUM"))

    def q3(self):
        return self.ask(self.metric("MEAN"), keys=BY_SEX)

    def q4(self):
        parts = [self.ask(self.metric("SUM"), column, 1, epsilon=EPSILON / 2) for column in ("poor", "gap")]
        return parts[0] + parts[1]

    def q5(self):
        return self.ask(self.metric("PERCENTILE")(50))


class Tumult:
    """Tumult Analytics on a Spark of this process. It bounds in each query. A gap is a second query."""

    environment, packages = "tumult", ["tmlt.analytics", "pyspark"]

    def __init__(self, file):
        from pyspark.sql import SparkSession, functions
        from tmlt import analytics

        os.environ["PYSPARK_PYTHON"] = sys.executable
        settings = {
            "spark.driver.memory": "6g",
            "spark.sql.shuffle.partitions": "4",
            "spark.ui.enabled": "false",
            "spark.driver.bindAddress": "127.0.0.1",
        }
        builder = SparkSession.builder.master("local[*]")
        for name, value in settings.items():
            builder = builder.config(name, value)
        rows = builder.getOrCreate().read.parquet(file).select(COLUMNS)
        income = functions.col("income")
        rows = rows.withColumn("poor", (income < LINE).cast("long"))
        gap = functions.greatest((LINE - income) / LINE, functions.lit(0.0))
        self.rows, self.analytics = rows.withColumn("gap", gap).cache(), analytics
        self.rows.count()
        self.counties = analytics.KeySet.from_dict({"county": list(COUNTIES)})
        self.sexes = analytics.KeySet.from_dict({"county": list(COUNTIES), "sex": ["F", "M"]})

    def ask(self, keys, *measures):
        analytics = self.analytics
        session = analytics.Session.from_dataframe(
            analytics.ApproxDPBudget(EPSILON, DELTA),
            "register",
            self.rows,
            protected_change=analytics.AddRowsWithID("person_id"),
        )
        answer = []
        for name, *arguments in measures:
            query = analytics.QueryBuilder("register").enforce(analytics.MaxRowsPerID(1)).groupby(keys)
            query = getattr(query, name)(*arguments)
            budget = analytics.ApproxDPBudget(EPSILON / len(measures), DELTA / len(measures))
            rows = session.evaluate(query, budget).toPandas().values.tolist()
            if keys is self.counties:
                answer += in_order(rows, COUNTIES)
            else:
                answer += in_order([((county, sex), value) for county, sex, value in rows], BY_SEX)
        return answer

    def q1(self):
        return self.ask(self.counties, ["count"])

    def q2(self):
        return self.ask(self.counties, ["sum", "income", 0, TOP])

    def q3(self):
        return self.ask(self.sexes, ["average", "income", 0, TOP])

    def q4(self):
        return self.ask(self.counties, ["sum", "poor", 0, 1], ["sum", "gap", 0, 1])

    def q5(self):
        return self.ask(self.counties, ["median", "income", 0, TOP])


FAST = {
    "diffprivlib": Diffprivlib,
    "PyDP": PyDp,
    "OpenDP": OpenDp,
    "SmartNoise": SmartNoise,
    "Qrlew": Qrlew,
}
SLOW = {"PipelineDP": PipelineDp, "Tumult": Tumult}
