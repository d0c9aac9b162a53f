//! Where a node of the tests has its tables: `[postgres]` or `[flight_sql]` in its node.toml instead of a folder.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use almoner_engine::{FlightSqlAccess, PostgresAccess};

use super::Federation;

impl Federation {
    /// Points an agency's node at a database.
    pub fn place_in_postgres(&self, agency: &str, access: &PostgresAccess) {
        let mut text = format!(
            "[postgres]\nurl_file = {:?}\nconnections = {}\n",
            self.secret(agency, "postgres.url", access.url.as_bytes()),
            access.connections
        );
        if let Some(ca) = &access.ca_pem {
            text += &format!("ca = {:?}\n", self.secret(agency, "database-ca.pem", ca));
        }
        self.place(agency, &(text + &tables("postgres", &access.tables)));
    }

    /// Points an agency's node at a Flight SQL server.
    pub fn place_in_flight_sql(&self, agency: &str, access: &FlightSqlAccess) {
        let mut text = format!("[flight_sql]\nurl = {:?}\n", access.url);
        if let Some(ca) = &access.ca_pem {
            text += &format!("ca = {:?}\n", self.secret(agency, "engine-ca.pem", ca));
        }
        if let Some((certificate, key)) = &access.identity_pem {
            text += &format!("certificate = {:?}\n", self.secret(agency, "engine.pem", certificate));
            text += &format!("key = {:?}\n", self.secret(agency, "engine.key", key));
        }
        if let Some(token) = &access.token {
            text += &format!("token_file = {:?}\n", self.secret(agency, "engine.token", token.as_bytes()));
        }
        if let Some(version) = &access.version {
            text += &format!("version = {version:?}\n");
        }
        self.place(agency, &(text + &tables("flight_sql", &access.tables)));
    }

    /// Puts another source in the place of the one that node.toml names.
    fn place(&self, agency: &str, source: &str) {
        self.rewrite(agency, |text| {
            let end = text.find("[postgres]").or(text.find("[flight_sql]")).unwrap_or(text.len());
            let without = text[..end].replace(&format!("data = \"data/{agency}\"\n"), "");
            without + source
        });
    }

    /// Changes an agency's node.toml.
    pub fn rewrite(&self, agency: &str, change: impl FnOnce(String) -> String) {
        let path = self.path(&format!("{agency}.toml"));
        let text = std::fs::read_to_string(&path).expect("node.toml");
        std::fs::write(path, change(text)).expect("node.toml");
    }

    /// A file among the agency's keys that its owner alone may read, as node.toml names it.
    fn secret(&self, agency: &str, name: &str, contents: &[u8]) -> String {
        let named = format!("keys/{agency}/{name}");
        std::fs::write(self.path(&named), contents).expect("a new file");
        let owner = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(&named), owner).expect("one's own file");
        named
    }
}

fn tables(engine: &str, tables: &BTreeMap<String, String>) -> String {
    let lines = tables.iter().map(|(table, select)| format!("{table} = {select:?}\n"));
    format!("[{engine}.tables]\n{}", lines.collect::<String>())
}
