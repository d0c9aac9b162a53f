//! The dossier as a page: its sections from what everybody should know to what a cryptographer will ask.
//!
//! Names of parties are slugs and hashes are hexadecimal; whatever else comes from outside passes through
//! [`Foreign`].

mod budget;
mod intro;
mod proof;

use super::Dossier;

/// Most releases, findings and charts on the page, and most lines of any other table.
pub(super) const MAX_RELEASES: usize = 1_000;
pub(super) const MAX_FINDINGS: usize = 1_000;
pub(super) const MAX_CHARTS: usize = 24;
pub(super) const MAX_LINES: usize = 1_000;

/// The sections in their order: ids and titles.
pub(super) const SECTIONS: [(&str, &str); 12] = [
    ("findings", "What was found wrong"),
    ("summary", "In short"),
    ("unit", "Who is protected"),
    ("guarantee", "The guarantee"),
    ("trust", "Who must be trusted"),
    ("mechanisms", "How answers are made"),
    ("budget", "The budget over time"),
    ("releases", "What was released"),
    ("checked", "What was verified"),
    ("unverified", "What was not verified"),
    ("verify", "Verify it yourself"),
    ("record", "Deployment record"),
];

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn html(dossier: &Dossier) -> String {
    let federation = &dossier.federation;
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>Privacy dossier of {federation}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>Privacy dossier of the federation {federation}</h1>\n\
         <p class=\"note\">Epoch {}. Made {} from an audit of public logs.</p>\n</header>\n",
        dossier.epoch,
        super::text::minute(dossier.made_at_s),
    );
    page += "<nav aria-label=\"Sections\"><ol>\n";
    for (id, title) in SECTIONS {
        page += &format!("<li><a href=\"#{id}\">{title}</a></li>\n");
    }
    page += "</ol></nav>\n<main>\n";
    for (id, title) in SECTIONS {
        let content = match id {
            "findings" => intro::findings(dossier),
            "summary" => intro::summary(dossier),
            "unit" => intro::unit(dossier),
            "guarantee" => budget::guarantee(dossier),
            "trust" => intro::trust(dossier),
            "mechanisms" => intro::mechanisms(dossier),
            "budget" => budget::over_time(dossier),
            "releases" => proof::releases(dossier),
            "checked" => proof::checked(dossier),
            "unverified" => proof::unverified(dossier),
            "verify" => proof::verify(dossier),
            _ => proof::record(dossier),
        };
        let class = match id {
            "findings" if dossier.findings.is_empty() => " class=\"clean\"",
            "findings" => " class=\"found\"",
            _ => "",
        };
        page += &format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\"{class}>\n<h2 id=\"{id}-title\">{title}</h2>\n{content}</section>\n"
        );
    }
    page + "</main>\n</body>\n</html>\n"
}

/// A table. Columns whose title begins with `#` hold numbers. Cells are markup already; at most [`MAX_LINES`] lines,
/// and how many were left out.
fn table(caption: &str, columns: &[&str], lines: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut lines = lines.into_iter();
    let is_number = |at: usize| columns.get(at).is_some_and(|title| title.starts_with('#'));
    let class = |at: usize| if is_number(at) { " class=\"n\"" } else { "" };
    let mut out = format!("<div class=\"wide\"><table>\n<caption>{caption}</caption>\n<thead><tr>");
    for (at, title) in columns.iter().enumerate() {
        out += &format!("<th scope=\"col\"{}>{}</th>", class(at), title.trim_start_matches('#'));
    }
    out += "</tr></thead>\n<tbody>\n";
    for line in lines.by_ref().take(MAX_LINES) {
        out += "<tr>";
        for (at, cell) in line.iter().enumerate() {
            match at {
                0 => out += &format!("<th scope=\"row\"{}>{cell}</th>", class(at)),
                _ => out += &format!("<td{}>{cell}</td>", class(at)),
            }
        }
        out += "</tr>\n";
    }
    out += "</tbody>\n</table></div>\n";
    match lines.count() {
        0 => out,
        more => out + &format!("<p>{more} more are in the JSON form.</p>\n"),
    }
}

/// A list; at most [`MAX_LINES`] items, and how many were left out.
fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut items = items.into_iter();
    let mut out = String::from("<ul>\n");
    for item in items.by_ref().take(MAX_LINES) {
        out += &format!("<li>{item}</li>\n");
    }
    out += "</ul>\n";
    match items.count() {
        0 => out,
        more => out + &format!("<p>{more} more are in the JSON form.</p>\n"),
    }
}
