//! What a failed statement or connection means for the data officer: code and message, never the row that the server may
//! quote in addition, and what to do.

use tokio_postgres::Error;

use crate::SourceError;

/// A failure of a statement or connection, for the node's own log.
pub(super) fn failed(error: &Error) -> SourceError {
    SourceError::answer(format!("{}; {}", told(error), remedy(error)))
}

/// A failure while a table's rows are read at the start.
pub(super) fn unreadable(table: &str, error: &Error) -> SourceError {
    let by_a_row = class(error) == Some("22");
    let problem = if by_a_row { "fails on a row" } else { "cannot be read to its end" };
    SourceError::database(format!("the SELECT for table {table} {problem} ({})", told(error)), remedy(error))
}

/// A SELECT of node.toml that the server does not take.
pub(super) fn refused(table: &str, error: &Error) -> SourceError {
    if class(error) != Some("42") {
        return failed(error);
    }
    let reason = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    SourceError::database(
        format!("the SELECT for table {table} fails ({reason})"),
        "correct it in [postgres.tables], as one SELECT without a semicolon, and GRANT SELECT on what it reads",
    )
}

/// The first two letters of the code that the server gave.
fn class(error: &Error) -> Option<&str> {
    error.code().and_then(|code| code.code().get(..2))
}

fn told(error: &Error) -> String {
    match error.as_db_error() {
        Some(refused) => format!("PostgreSQL {}: {}", refused.code().code(), refused.message()),
        None => std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}

fn remedy(error: &Error) -> &'static str {
    error.code().map_or(
        "see whether the server runs and can be reached: every question connects anew where it must",
        |code| remedy_for(code.code()),
    )
}

/// By the codes of PostgreSQL's manual, appendix A.
fn remedy_for(code: &str) -> &'static str {
    match (code, code.get(..2).unwrap_or_default()) {
        ("57014", _) => {
            "it took longer than query_timeout_s in [limits] allows, or somebody cancelled it: give the unit's column a \
             unique index where no unit has two rows, or raise query_timeout_s"
        }
        ("55P03", _) => "another session locks the table: wait for it to end, or end it",
        ("40001", _) => {
            "this replica had to take changes that the statement stood in the way of: raise its max_standby_streaming_delay, or set hot_standby_feedback"
        }
        ("57P01" | "57P02" | "57P03" | "57P05" | "25P03", _) => {
            "the server ended this connection or lets nobody in yet: every question connects anew where it must"
        }
        ("53100", _) => {
            "the server's disk, or what temp_tablespaces names, is full: make room; bounding sorts there what work_mem does \
             not hold, and sorts nothing where the unit's column has a unique index"
        }
        ("53200", _) => "the server has too little memory: lower the role's work_mem, or add memory",
        ("53300", _) => {
            "raise the role's CONNECTION LIMIT or the server's max_connections above `connections` in [postgres], or lower that"
        }
        ("53400", _) => {
            "a limit of the server's is reached: raise it for the node's role, such as temp_file_limit or work_mem; bounding \
             sorts nothing where the unit's column has a unique index"
        }
        ("42501", _) => "GRANT SELECT on what the SELECTs in [postgres.tables] read to the node's role",
        (_, "42") => {
            "the tables are no longer what the SELECTs in [postgres.tables] read: correct these, and `almoner node check` tells whether they fit"
        }
        (_, "22") => {
            "take casts and functions that can fail out of its SELECT: the node reads text as the manifest's types by itself"
        }
        (_, "28") => {
            "correct the user and the password in the file of `url_file`, and what pg_hba.conf lets in"
        }
        (_, "08") => {
            "see whether the server runs and can be reached: every question connects anew where it must"
        }
        _ => "the server's own log says more",
    }
}
