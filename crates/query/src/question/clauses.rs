//! The clauses of a question: those that are read, and the refusal of all others by name.

use almoner_federation::{Manifest, Table};
use sqlparser::ast::{
    self, Distinct, LimitClause, ObjectName, ObjectNamePart, Select, SetExpr, TableFactor, Value,
};
use sqlparser::keywords::Keyword;

use crate::QueryError;
use crate::lower::{invalid, unsupported};
use crate::near::{echo, near};
use crate::places::{Places, START, of_ident, of_name, of_select, of_table};

/// The query's one SELECT, or the refusal of what surrounds it.
pub(super) fn only_select<'q>(query: &'q ast::Query, places: &Places) -> Result<&'q Select, QueryError> {
    refuse_around(query, places)?;
    match &*query.body {
        SetExpr::Select(select) => Ok(select),
        _ => Err(unsupported(START, "this statement", "ask SELECT ... FROM table")),
    }
}

/// Refuses what may surround a query's body, but ORDER BY and LIMIT.
pub(super) fn refuse_around(query: &ast::Query, places: &Places) -> Result<(), QueryError> {
    let ast::Query {
        with,
        body: _,
        order_by: _,
        limit_clause: _,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    if fetch.is_some() {
        return Err(unsupported(places.word(&[Keyword::FETCH]), "FETCH", "write LIMIT n"));
    }
    if !locks.is_empty() || for_clause.is_some() {
        return Err(unsupported(
            places.word(&[Keyword::FOR]),
            "FOR",
            "leave it out: nothing here is written",
        ));
    }
    if with.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
        return Err(unsupported(START, "a clause of another dialect", "leave it out"));
    }
    Ok(())
}

/// Refuses every clause that is not SELECT, FROM, WHERE or GROUP BY.
pub(super) fn refuse_clauses(select: &Select, places: &Places) -> Result<(), QueryError> {
    let Select {
        select_token: _,
        optimizer_hints,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection: _,
        exclude,
        into,
        from: _,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by: _,
        cluster_by,
        distribute_by,
        sort_by,
        having,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    let refuse =
        |word: Keyword, what: &str, instead: &str| Err(unsupported(places.word(&[word]), what, instead));
    match distinct {
        None | Some(Distinct::All) => {}
        Some(_) => {
            return refuse(Keyword::DISTINCT, "DISTINCT", "use GROUP BY, which lists every group once");
        }
    }
    if having.is_some() {
        let instead = "filter rows with WHERE; drop groups from the answer, where their noise can be seen";
        return refuse(Keyword::HAVING, "HAVING", instead);
    }
    if !named_window.is_empty() {
        return refuse(Keyword::WINDOW, "WINDOW", "group by the keys of the window");
    }
    if qualify.is_some() {
        return refuse(Keyword::QUALIFY, "QUALIFY", "filter rows with WHERE");
    }
    if into.is_some() {
        return refuse(Keyword::INTO, "INTO", "save the answer with --format csv");
    }
    if top.is_some() {
        return refuse(Keyword::TOP, "TOP", "write LIMIT n");
    }
    let foreign = !optimizer_hints.is_empty()
        || select_modifiers.is_some()
        || exclude.is_some()
        || !lateral_views.is_empty()
        || prewhere.is_some()
        || !connect_by.is_empty()
        || !cluster_by.is_empty()
        || !distribute_by.is_empty()
        || !sort_by.is_empty()
        || value_table_mode.is_some()
        || *flavor != ast::SelectFlavor::Standard;
    if foreign {
        return refuse(
            Keyword::SELECT,
            "a clause of another dialect",
            "ask SELECT ... FROM ... WHERE ... GROUP BY",
        );
    }
    Ok(())
}

/// The one table, and what its columns may be qualified with.
pub(super) fn from<'m>(
    select: &Select,
    manifest: &'m Manifest,
) -> Result<(&'m Table, Vec<String>), QueryError> {
    let [from] = select.from.as_slice() else {
        return Err(match select.from.get(1) {
            None => unsupported(of_select(select), "a SELECT without FROM", "name the table: FROM t"),
            Some(second) => {
                unsupported(of_table(&second.relation), "a join (a second table)", "ask each table by itself")
            }
        });
    };
    if !from.joins.is_empty() {
        return Err(unsupported(of_table(&from.relation), "a join", "ask each table by itself"));
    }
    let TableFactor::Table {
        name,
        alias,
        args,
        with_hints,
        version,
        with_ordinality,
        partitions,
        json_path,
        sample,
        index_hints,
    } = &from.relation
    else {
        return Err(unsupported(of_table(&from.relation), "a subquery in FROM", "name one table"));
    };
    let plain = args.is_none()
        && with_hints.is_empty()
        && version.is_none()
        && !with_ordinality
        && partitions.is_empty()
        && json_path.is_none()
        && sample.is_none()
        && index_hints.is_empty();
    if !plain {
        return Err(unsupported(of_name(name), "a clause after the table's name", "write FROM table"));
    }
    let table = table(name, manifest)?;
    let mut qualifiers = vec![table.name.clone()];
    if let Some(alias) = alias {
        if !alias.columns.is_empty() || alias.at.is_some() {
            return Err(unsupported(
                of_ident(&alias.name),
                "a list of column aliases",
                "write FROM table AS t",
            ));
        }
        qualifiers = vec![alias.name.value.clone()];
    }
    Ok((table, qualifiers))
}

fn table<'m>(name: &ObjectName, manifest: &'m Manifest) -> Result<&'m Table, QueryError> {
    let at = of_name(name);
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
        return Err(unsupported(at, "a qualified table name", "write the table's name alone"));
    };
    manifest.table(&ident.value).ok_or_else(|| QueryError::Unknown {
        at,
        kind: "table",
        name: echo(&ident.value),
        near: near(&ident.value, manifest.tables.iter().map(|table| table.name.as_str())),
    })
}

/// LIMIT.
pub(super) fn limit(query: &ast::Query, places: &Places) -> Result<Option<u64>, QueryError> {
    let at = places.word(&[Keyword::LIMIT]);
    let tree = match &query.limit_clause {
        None => return Ok(None),
        Some(LimitClause::LimitOffset { limit, offset: None, limit_by }) if limit_by.is_empty() => limit,
        Some(_) => {
            let at = places.word(&[Keyword::OFFSET]);
            return Err(unsupported(at, "OFFSET", "write LIMIT n; the whole answer costs no more"));
        }
    };
    let Some(tree) = tree else { return Ok(None) };
    let number = match tree {
        ast::Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<u64>().ok(),
            _ => None,
        },
        _ => None,
    };
    number.map(Some).ok_or_else(|| invalid(at, "LIMIT needs a whole number", "write LIMIT 10"))
}
