//! What the node's role may do. A node that could write, or become somebody who can, does not start: whoever took it
//! over would own the register too.

use tokio_postgres::Client;

use super::failed;
use crate::SourceError;

/// Oldest version whose SQL the node's statements are.
const OLDEST_VERSION: i32 = 120_000;
/// Most findings that are shown; one is enough to refuse.
const SHOWN: usize = 8;

/// The server's version number, its encoding, and whether the role may ask for the cluster's identity.
const SERVER: &str = "SELECT CAST(current_setting('server_version_num') AS integer),
  current_setting('server_encoding'),
  has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
    AND has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE')";

/// Everything that the role, or any role that it may become, can change: what it is, and the statement that ends it.
/// System schemas are left out, where only a superuser can grant anything.
const FINDINGS: &str = r#"WITH mine AS (
  SELECT oid, rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication
  FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER')
), spaces AS (
  SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relations AS (
  SELECT c.oid, c.relkind, c.relowner, format('%I.%I', s.nspname, c.relname) AS name
  FROM pg_class c JOIN spaces s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), findings AS (
  SELECT 1 AS place, format('%s is a superuser', rolname) AS finding,
    format('make a role of its own for the node: CREATE ROLE almoner_node LOGIN') AS remedy
  FROM mine WHERE rolsuper
  UNION ALL SELECT 2, format('%s may create roles, databases or replicate', rolname),
    format('ALTER ROLE %I NOCREATEROLE NOCREATEDB NOREPLICATION', rolname)
  FROM mine WHERE NOT rolsuper AND (rolcreaterole OR rolcreatedb OR rolreplication)
  UNION ALL SELECT 3, format('%s belongs to %s', current_user, rolname),
    format('REVOKE %I FROM %I', rolname, current_user)
  FROM mine WHERE rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program',
    'pg_read_server_files', 'pg_signal_backend', 'pg_checkpoint', 'pg_maintain', 'pg_create_subscription')
  UNION ALL SELECT 4, format('%s may create schemas in this database', m.rolname),
    format('REVOKE CREATE ON DATABASE %I FROM %I, PUBLIC', current_database(), m.rolname)
  FROM mine m WHERE has_database_privilege(m.oid, current_database(), 'CREATE')
  UNION ALL SELECT 5, format('%s may create tables in schema %s', m.rolname, s.nspname),
    format('REVOKE CREATE ON SCHEMA %I FROM %I, PUBLIC', s.nspname, m.rolname)
  FROM mine m, spaces s WHERE has_schema_privilege(m.oid, s.oid, 'CREATE')
  UNION ALL SELECT 6, format('%s owns %s', m.rolname, r.name),
    format('ALTER TABLE %s OWNER TO somebody else, and GRANT SELECT ON %s TO %I', r.name, r.name, m.rolname)
  FROM relations r JOIN mine m ON m.oid = r.relowner
  UNION ALL SELECT 7, format('%s may write %s', m.rolname, r.name),
    format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON %s FROM %I, PUBLIC', r.name, m.rolname)
  FROM mine m, relations r WHERE r.relkind <> 'S' AND r.relowner <> m.oid
    AND (has_table_privilege(m.oid, r.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
      OR has_any_column_privilege(m.oid, r.oid, 'INSERT, UPDATE'))
  UNION ALL SELECT 8, format('%s may advance the sequence %s', m.rolname, r.name),
    format('REVOKE USAGE, UPDATE ON SEQUENCE %s FROM %I, PUBLIC', r.name, m.rolname)
  FROM mine m, relations r WHERE r.relowner <> m.oid
    AND CASE WHEN r.relkind = 'S' THEN has_sequence_privilege(m.oid, r.oid, 'USAGE, UPDATE') END
)
SELECT finding, remedy FROM findings ORDER BY place, finding"#;

/// Refuses a server that is too old or in another encoding, and a role that can change anything.
pub(crate) async fn check(client: &Client) -> Result<(), SourceError> {
    let row = client.query_one(SERVER, &[]).await.map_err(|error| failed(&error))?;
    let (version, encoding, identity): (i32, String, bool) = (row.get(0), row.get(1), row.get(2));
    if version < OLDEST_VERSION {
        return Err(SourceError::database(
            format!("the server is PostgreSQL {}", version / 10_000),
            "bring it to version 12 or later",
        ));
    }
    if encoding != "UTF8" {
        return Err(SourceError::database(
            format!("the database holds its text as {encoding}"),
            "read from one in UTF8, for example a copy",
        ));
    }
    if !identity {
        return Err(SourceError::database(
            "the node's role may not ask which cluster this is, which names the data of each answer",
            "GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system(), pg_catalog.pg_control_checkpoint() to it",
        ));
    }
    let rows = client.query(FINDINGS, &[]).await.map_err(|error| failed(&error))?;
    let findings: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let Some((first, _)) = findings.first() else { return Ok(()) };
    let more = match findings.len() {
        1 => String::new(),
        many => format!(" ({} findings)", many),
    };
    // What ends a superuser's power is another role; the rest follows from it.
    let superuser = first.ends_with("is a superuser");
    let shown = if superuser { 1 } else { SHOWN };
    let remedies: Vec<&str> = findings.iter().take(shown).map(|(_, remedy)| remedy.as_str()).collect();
    Err(SourceError::database(
        format!("the node's role must only read, but {first}{more}"),
        format!("as the owner: {}; then start the node again", remedies.join("; ")),
    ))
}
