//! Who is let in: a role that can only read, over a connection that nobody else can answer.

use crate::common::{manifest, manifest_of, plan};
use crate::postgres::opening::open;
use crate::postgres::server::{Database, shared};

const PEOPLE: &str = "CREATE TABLE people (id int PRIMARY KEY, sex text, age int, score int8, income float8, poor bool, born date);
    INSERT INTO people VALUES (1, 'f', 30, 5, 10, true, '2000-01-01'), (2, 'm', 40, 5, 10, false, NULL)";

async fn people(name: &str) -> Option<Database<'static>> {
    let database = shared()?.database(name).await;
    database.run(PEOPLE).await;
    database.grant().await;
    Some(database)
}

#[tokio::test]
async fn a_role_that_can_only_read_is_let_in_and_reads() {
    let Some(database) = people("reads").await else { return };
    let manifest = manifest(2, 1);
    let source = database.open(&manifest).await.expect("it may only read");
    let report = &source.report().tables[0];
    assert_eq!((report.rows_read, report.units, report.rows_over_bound), (2, 2, 0), "{report}");
    assert_eq!(report.columns[5].empty, 1, "{report}");
    let count = plan(&manifest, "SELECT sex, COUNT(*), SUM(income) FROM people GROUP BY sex");
    assert_eq!(source.cells(&count).await.expect("an answer").values.len(), 4);
    assert!(!format!("{source:?}").contains("password"));
}

/// Each is given to the role, refused with the statement that takes it away, and taken away by it.
#[tokio::test]
async fn whatever_can_write_is_refused_with_what_to_do() {
    let Some(database) = people("writes").await else { return };
    database.run("CREATE TABLE other (x int); CREATE SEQUENCE numbers; CREATE SCHEMA more; CREATE TABLE more.deep (x int);
        CREATE ROLE writer_of_writes NOLOGIN; GRANT UPDATE ON other TO writer_of_writes").await;
    let manifest = manifest(2, 1);
    for (given, said, remedy) in [
        ("GRANT INSERT ON other TO almoner_node", "may write public.other", "REVOKE INSERT, UPDATE"),
        ("GRANT DELETE ON other TO PUBLIC", "may write public.other", "REVOKE INSERT, UPDATE"),
        ("GRANT TRUNCATE ON people TO almoner_node", "may write public.people", "REVOKE INSERT, UPDATE"),
        ("GRANT UPDATE (x) ON more.deep TO almoner_node", "may write more.deep", "REVOKE INSERT, UPDATE"),
        (
            "GRANT USAGE ON SEQUENCE numbers TO almoner_node",
            "the sequence public.numbers",
            "REVOKE USAGE, UPDATE",
        ),
        (
            "GRANT CREATE ON SCHEMA public TO PUBLIC",
            "tables in schema public",
            "REVOKE CREATE ON SCHEMA public",
        ),
        (
            "GRANT CREATE ON SCHEMA more TO almoner_node",
            "tables in schema more",
            "REVOKE CREATE ON SCHEMA more",
        ),
        (
            "GRANT CREATE ON DATABASE writes TO almoner_node",
            "create schemas",
            "REVOKE CREATE ON DATABASE writes",
        ),
    ] {
        database.run(given).await;
        let error = database.open(&manifest).await.expect_err(given).to_string();
        assert!(
            error.contains("must only read") && error.contains(said) && error.contains(remedy),
            "{error}"
        );
        let start = error.find(remedy).expect("there");
        let remedy = error[start..].split(';').next().expect("a statement");
        // What a column was given is taken by table; public too.
        database.run(remedy).await;
        database.open(&manifest).await.unwrap_or_else(|error| panic!("{remedy}: {error}"));
    }
}

/// These change what the role is everywhere, so a server of one's own is used.
#[tokio::test]
async fn whoever_could_become_a_writer_is_refused() {
    let Some(server) = super::server::Server::start("") else { return };
    let database = server.database("becomes").await;
    database.run(PEOPLE).await;
    database.grant().await;
    database
        .run("CREATE TABLE other (x int); CREATE ROLE writer NOLOGIN; GRANT UPDATE ON other TO writer")
        .await;
    let manifest = manifest(2, 1);
    for (given, said, taken) in [
        ("ALTER ROLE almoner_node CREATEROLE", "may create roles", "ALTER ROLE almoner_node NOCREATEROLE"),
        ("ALTER ROLE almoner_node SUPERUSER", "is a superuser", "ALTER ROLE almoner_node NOSUPERUSER"),
        (
            "GRANT pg_write_all_data TO almoner_node",
            "belongs to pg_write_all_data",
            "REVOKE pg_write_all_data FROM almoner_node",
        ),
        (
            "GRANT pg_execute_server_program TO almoner_node",
            "belongs to pg_execute_server_program",
            "REVOKE pg_execute_server_program FROM almoner_node",
        ),
        // Not inherited, but one SET ROLE away.
        (
            "ALTER ROLE almoner_node NOINHERIT; GRANT writer TO almoner_node",
            "writer may write public.other",
            "REVOKE writer FROM almoner_node; ALTER ROLE almoner_node INHERIT",
        ),
        ("GRANT owner TO almoner_node", "owner is a superuser", "REVOKE owner FROM almoner_node"),
        (
            "ALTER TABLE other OWNER TO almoner_node; REVOKE ALL ON other FROM almoner_node",
            "owns public.other",
            "ALTER TABLE other OWNER TO owner",
        ),
        (
            "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
            "may not ask which cluster",
            "GRANT EXECUTE ON FUNCTION pg_control_system() TO almoner_node",
        ),
    ] {
        database.run(given).await;
        let error = database.open(&manifest).await.expect_err(given).to_string();
        assert!(error.contains(said), "{given}: {error}");
        database.run(taken).await;
        database.open(&manifest).await.unwrap_or_else(|error| panic!("{taken}: {error}"));
    }
    let latin = server.database_as("latin", "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").await;
    latin.run(PEOPLE).await;
    latin.grant().await;
    let error = latin.open(&manifest).await.expect_err("not UTF-8").to_string();
    assert!(error.contains("holds its text as LATIN1"), "{error}");
}

#[tokio::test]
async fn the_servers_certificate_is_checked() {
    let Some(database) = people("certificates").await else { return };
    let manifest = manifest(2, 1);
    let good = database.access();
    open(&good, &manifest).await.expect("its own authority and name");

    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let mut access = good.clone();
    access.ca_pem = Some(other.cert.pem().into_bytes());
    let error = open(&access, &manifest).await.expect_err("another authority").to_string();
    assert!(error.contains("cannot be reached") && error.contains("certificate"), "{error}");

    let mut access = good.clone();
    access.url = access.url.replace("@localhost", "@db.example");
    let error = open(&access, &manifest).await.expect_err("another name").to_string();
    assert!(error.contains("cannot be reached") && error.contains("certificate"), "{error}");

    // The server lets nobody in without TLS.
    let mut access = good.clone();
    access.ca_pem = None;
    let error = open(&access, &manifest).await.expect_err("without TLS").to_string();
    assert!(error.contains("pg_hba"), "{error}");

    let mut access = good;
    access.url = access.url.replacen("%61", "%62", 1);
    let error = open(&access, &manifest).await.expect_err("another password").to_string();
    assert!(error.contains("password authentication failed"), "{error}");
    assert!(!error.contains("%62"), "{error}");
}

#[tokio::test]
async fn a_mapping_that_does_not_fit_says_what_to_write() {
    let Some(database) = people("mappings").await else { return };
    database.run("CREATE TABLE odd (id int, sex int[], age timestamptz, score text, income money, poor text, born timestamptz)").await;
    database.grant().await;
    let wide = manifest(2, 1);
    let one = |kind: &str| {
        manifest_of(
            2,
            "id",
            10,
            &format!("name = \"people\"\nrows_per_unit = 1\ncolumn = [{{ name = \"x\", {kind} }}]\n"),
        )
    };
    let date = one("type = \"date\", min = \"1990-01-01\", max = \"2020-12-31\"");
    let text = one("type = \"text\", domain = [\"f\"]");
    for (manifest, select, said) in [
        (&wide, "SELECT id, sex FROM people", "gives no column age; name one so: SELECT ... AS age"),
        (&wide, "SELECT *, sex AS \"SEX\" FROM people", "gives column sex twice"),
        (&wide, "SELECT * FROM people;", "without a semicolon"),
        (&wide, "SELECT * FROM nowhere", "GRANT SELECT"),
        (&wide, "SELECT * FROM people WHERE id = $1", "has a parameter"),
        (&wide, "DELETE FROM people", "as one SELECT"),
        (&date, "SELECT id, born AS x FROM odd", "AT TIME ZONE"),
        (&text, "SELECT id, sex AS x FROM odd", "CAST(x AS text) AS x"),
        (&text, "SELECT id, income AS x FROM odd", "CAST(x AS text) AS x"),
        (&text, "SELECT poor AS id, sex AS x FROM people", "cannot be read as a unit id"),
    ] {
        let error = database.mapped(manifest, "people", select).await.expect_err(select).to_string();
        assert!(error.contains(said), "{select}: {error}");
    }
    let error = database.mapped(&wide, "nowhere", "SELECT 1").await.expect_err("no such table").to_string();
    assert!(error.contains("no table of the manifest"), "{error}");
    let error = database
        .mapped(&wide, "people", "SELECT id, sex, 1/(age-30) AS age, score, income, poor, born FROM people")
        .await;
    let error = error.expect_err("a row that fails").to_string();
    assert!(error.contains("fails on a row") && error.contains("division by zero"), "{error}");
    let few = manifest_of(
        2,
        "id",
        1,
        "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"age\", type = \"integer\", min = 0, max = 9 }]\n",
    );
    let error = database.open(&few).await.expect_err("two people").to_string();
    assert!(error.contains("unit.population"), "{error}");
}
