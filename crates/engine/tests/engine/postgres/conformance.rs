//! What PostgreSQL holds means what files mean, and is bounded wherever it must be.

use crate::common::{HEADER, Random, csv, folder, manifest, manifest_of, open as open_folder, plan};
use crate::conformance::{self, agree, answer, seed};
use crate::postgres::server::shared;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_means_the_same_everywhere() {
    let Some(server) = shared() else { return };
    conformance::text_means_the_same(60, async |round, manifest, text| {
        let database = server.database(&format!("text_{round}")).await;
        let columns: Vec<String> = HEADER.split(',').map(|name| format!("{name} text")).collect();
        // A collation in which neither order nor equality is that of bytes.
        database
            .run("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
            .await;
        database.fill("people", &columns.join(", "), text).await;
        database
            .run("ALTER TABLE people ALTER sex TYPE text COLLATE loose, ALTER id TYPE text COLLATE loose")
            .await;
        database.grant().await;
        database.open(manifest).await.expect("the database is all right")
    })
    .await;
}

/// A column's name and type, and its values, each as SQL and as a file holds it.
type Typed = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What typed columns hold.
const TYPED: [Typed; 7] = [
    (
        "id",
        "numeric",
        &[
            ("1", "1"),
            ("1.0", "1.0"),
            ("2", "2"),
            ("3.50", "3.50"),
            ("-7", "-7"),
            ("NULL", ""),
            ("12345678901234567890", "12345678901234567890"),
        ],
    ),
    ("sex", "char(3)", &[("'f'", "f"), ("'m  '", "m"), ("' f'", " f"), ("''", ""), ("NULL", "")]),
    (
        "age",
        "numeric",
        &[
            ("17", "17"),
            ("34.000", "34.000"),
            ("34.5", "34.5"),
            ("'NaN'", "NaN"),
            ("'Infinity'", "inf"),
            ("1e30", "1e30"),
            ("-1", "-1"),
            ("NULL", ""),
        ],
    ),
    (
        "score",
        "bigint",
        &[
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("0", "0"),
            ("-3", "-3"),
            ("NULL", ""),
        ],
    ),
    (
        "income",
        "double precision",
        &[
            ("0.25", "0.25"),
            ("-0.25", "-0.25"),
            ("0.75", "0.75"),
            ("'-0'", "-0.0"),
            ("'NaN'", "NaN"),
            ("'Infinity'", "inf"),
            ("'-Infinity'", "-inf"),
            ("1e308", "1e308"),
            ("5e-324", "5e-324"),
            ("4999.75", "4999.75"),
            ("120.1", "120.1"),
            ("1267650600228229401496703205376", "1267650600228229401496703205376"),
            ("-1e31", "-1e31"),
            ("1e-31", "1e-31"),
            ("7.888609052210118e-31", "7.888609052210118e-31"),
            ("NULL", ""),
        ],
    ),
    ("poor", "boolean", &[("TRUE", "true"), ("FALSE", "false"), ("NULL", "")]),
    (
        "born",
        "date",
        &[
            ("'2000-02-29'", "2000-02-29"),
            ("'0001-01-01'", "0001-01-01"),
            ("'9999-12-31'", "9999-12-31"),
            ("'infinity'", "infinity"),
            ("'-infinity'", "-infinity"),
            ("'0001-12-31 BC'", "0000-12-31"),
            ("'10000-01-01'", "10000-01-01"),
            ("'2005-06-07'", "2005-06-07"),
            ("NULL", ""),
        ],
    ),
];

/// Other types that mean the same, column by column.
const CASTS: [&str; 3] = [
    "SELECT * FROM people",
    "SELECT id, CAST(sex AS text) AS SEX, age, CAST(score AS numeric) AS score, CAST(income AS text) AS income,
       CAST(CAST(poor AS int) AS numeric) AS poor, CAST(born AS timestamp) + INTERVAL '0 hours' AS born FROM people",
    "SELECT CAST(id AS text) AS id, CAST(sex AS varchar) AS sex, CAST(age AS text) AS age, CAST(score AS text) AS score,
       income, CAST(CAST(poor AS int) AS text) AS poor, CAST(born AS text) AS born FROM people -- with a comment",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_columns_mean_what_their_export_means() {
    let Some(server) = shared() else { return };
    let random = &mut Random(seed() + 1);
    let manifest = manifest(2, 2);
    let database = server.database("typed").await;
    let columns: Vec<String> = TYPED.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    database.run(&format!("CREATE TABLE people ({})", columns.join(", "))).await;
    let (mut inserts, mut lines) = (Vec::new(), Vec::new());
    for _ in 0..600 {
        let (mut values, mut fields) = (Vec::new(), Vec::new());
        for (_, kind, all) in &TYPED {
            let (value, field) = all[random.below(all.len())];
            values.push(format!("CAST({value} AS {kind})"));
            fields.push(field);
        }
        // Else all would be units with far too many rows.
        if random.once_in(2) {
            let id = random.below(200).to_string();
            values[0] = id.clone();
            lines.push(format!("{id},{}", fields[1..].join(",")));
        } else {
            lines.push(fields.join(","));
        }
        inserts.push(format!("({})", values.join(", ")));
    }
    database.run(&format!("INSERT INTO people VALUES {}", inserts.join(", "))).await;
    database.grant().await;
    let folder = folder(&[("people.csv", &csv(&lines))]);
    let files = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
    for cast in CASTS {
        let source = database
            .mapped(&manifest, "people", cast)
            .await
            .unwrap_or_else(|error| panic!("{cast}: {error}"));
        conformance::typed_means_its_export(&manifest, &files, &source).await;
    }
}

/// A unique unit needs no bounding, and everything that may repeat one gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_surely_unique_goes_unbounded() {
    let Some(server) = shared() else { return };
    let table = "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"age\", type = \"integer\", min = 0, max = 120 }]\n";
    let manifest = manifest_of(2, "id", 1_000, table);
    let database = server.database("uniqueness").await;
    database
        .run(
            "CREATE TABLE keyed (id int PRIMARY KEY, age int, twice int[] DEFAULT '{1,2}');
             INSERT INTO keyed SELECT i, i % 100 FROM generate_series(1, 100) i;
             CREATE TABLE more (id int, age int); INSERT INTO more SELECT i, 1 FROM generate_series(50, 60) i;
             CREATE TABLE words (id text UNIQUE, age int); INSERT INTO words VALUES ('1', 3), ('1.0', 4), (' 1', 5);
             CREATE TABLE partly (id int, age int); CREATE UNIQUE INDEX ON partly (id) WHERE age > 9; INSERT INTO partly VALUES (1, 1), (1, 2), (2, 10);
             CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, age int); INSERT INTO late VALUES (1, 1), (2, 2);
             CREATE TABLE heir () INHERITS (keyed); INSERT INTO heir VALUES (1, 7), (1, 8);
             CREATE TABLE pairs (id int, age int, UNIQUE (id, age)); INSERT INTO pairs VALUES (1, 1), (1, 2);
             CREATE TABLE ids (id uuid PRIMARY KEY, age int); INSERT INTO ids VALUES (gen_random_uuid(), 1), (gen_random_uuid(), 2)",
        )
        .await;
    database.grant().await;
    let count = plan(&manifest, "SELECT COUNT(*) FROM people");
    for (select, kept) in [
        ("SELECT * FROM more", 11),
        ("SELECT id, age FROM ONLY keyed", 100),
        ("SELECT id, age FROM keyed", 100),
        ("SELECT id, age FROM more UNION ALL SELECT id, age FROM more", 11),
        ("SELECT m.id, k.age FROM more m, ONLY keyed k WHERE k.id < 5", 11),
        ("SELECT k.id, k.age FROM more m, ONLY keyed k WHERE k.id < 5", 4),
        ("SELECT id, unnest(twice) AS age FROM ONLY keyed", 100),
        ("SELECT id / 10 AS id, age FROM ONLY keyed", 11),
        ("SELECT age AS id, id AS age FROM ONLY keyed", 100),
        ("SELECT * FROM words", 1),
        ("SELECT * FROM partly", 2),
        ("SELECT * FROM late", 2),
        ("SELECT * FROM pairs", 1),
        ("SELECT * FROM ids", 2),
        ("WITH people AS (SELECT id, age FROM more) SELECT * FROM people ORDER BY age", 11),
    ] {
        let source = database
            .mapped(&manifest, "people", select)
            .await
            .unwrap_or_else(|error| panic!("{select}: {error}"));
        assert_eq!(answer(&source, &count).await, [kept], "{select}");
        assert_eq!(source.report().tables[0].units, kept as u64, "{select}");
    }

    // The proof is asked for again in each snapshot.
    database.run("DROP TABLE heir; CREATE TABLE alone (id int PRIMARY KEY, age int); INSERT INTO alone VALUES (1, 1), (2, 2)").await;
    database.grant().await;
    let source = database.mapped(&manifest, "people", "SELECT * FROM alone").await.expect("all right");
    assert_eq!(answer(&source, &count).await, [2]);
    database
        .run("ALTER TABLE alone DROP CONSTRAINT alone_pkey; INSERT INTO alone VALUES (1, 3), (1, 4)")
        .await;
    assert_eq!(answer(&source, &count).await, [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_are_placed_where_files_place_them() {
    let Some(server) = shared() else { return };
    conformance::placed_where_files_place(async |manifest, [people, stays, pupils]| {
        let database = server.database("territories").await;
        database.fill("people", "id int, county text, income float8", people.as_bytes()).await;
        database.fill("stays", "id int, nights int, county varchar(9)", stays.as_bytes()).await;
        database.fill("pupils", "id int, grade int", pupils.as_bytes()).await;
        database.grant().await;
        // The agency's own table of another name is not mistaken for the manifest's, nor the other way round.
        let mut access = database.access();
        access.tables.insert("people".into(), "SELECT id, county, income FROM people".into());
        access.tables.insert(
            "stays".into(),
            "SELECT s.id, s.nights, s.county FROM stays s WHERE EXISTS (SELECT 1 FROM people) OR TRUE".into(),
        );
        crate::postgres::opening::open(&access, manifest).await.expect("the database is all right")
    })
    .await;
}

/// So many units over the bound that the database has to find them within each statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_units_may_have_too_many_rows() {
    let Some(server) = shared() else { return };
    let table = "name = \"people\"\nrows_per_unit = 2\ncolumn = [{ name = \"age\", type = \"integer\", min = 0, max = 99, bands = [0, 50] }]\n";
    let manifest = manifest_of(2, "id", 100_000, table);
    let random = &mut Random(seed() + 3);
    let mut lines = String::from("id,age\n");
    for id in 0..11_000 {
        for _ in 0..if id < 10_500 { 3 } else { 1 } {
            lines += &format!("{id},{}\n", random.below(100));
        }
    }
    let folder = folder(&[("people.csv", lines.as_bytes())]);
    let files = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
    let database = server.database("many_over").await;
    database.fill("people", "id int, age int", lines.as_bytes()).await;
    database.grant().await;
    for select in ["SELECT * FROM people", "SELECT CAST(id AS text) AS id, age FROM people"] {
        let source = database.mapped(&manifest, "people", select).await.expect("all right");
        assert_eq!(source.report().tables[0].units_over_bound, 10_500);
        for sql in ["SELECT COUNT(*), SUM(age) FROM people", "SELECT age, COUNT(*) FROM people GROUP BY age"]
        {
            assert!(agree(&files, &source, &plan(&manifest, sql), sql).await);
        }
    }
}
