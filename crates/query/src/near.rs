//! Which of the names that exist is the one that was meant.

/// Longest part of a stranger's text that an error repeats, in characters.
const MAX_ECHO: usize = 80;

/// Most names that an error lists.
const MAX_LISTED: usize = 8;

/// The text as far as an error may repeat it.
pub(crate) fn echo(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_ECHO).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `did you mean ...?` when something close exists, otherwise the names there are.
pub(crate) fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let wanted: Vec<char> = name.to_lowercase().chars().take(MAX_ECHO).collect();
    let mut ranked: Vec<(usize, &str)> = known.map(|known| (distance(&wanted, known), known)).collect();
    ranked.sort();
    let close = |(distance, known): &&(usize, &str)| *distance <= known.len().max(wanted.len()) / 3;
    let likely: Vec<String> =
        ranked.iter().filter(close).take(3).map(|(_, name)| format!("{name:?}")).collect();
    if !likely.is_empty() {
        return format!("did you mean {}?", likely.join(" or "));
    }
    let mut listed: Vec<&str> = ranked.iter().take(MAX_LISTED).map(|(_, name)| *name).collect();
    listed.sort_unstable();
    let more = ranked.len().saturating_sub(MAX_LISTED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    if listed.is_empty() { "there is none".into() } else { format!("there is {}{rest}", listed.join(", ")) }
}

/// Levenshtein's distance, without regard to case.
fn distance(wanted: &[char], known: &str) -> usize {
    let known: Vec<char> = known.to_lowercase().chars().take(MAX_ECHO).collect();
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (i, a) in wanted.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in known.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[known.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let known = ["income", "county", "age"];
        assert_eq!(near("incmoe", known.into_iter()), "did you mean \"income\"?");
        assert_eq!(near("COUNTRY", known.into_iter()), "did you mean \"county\"?");
        assert_eq!(near("zzzzzz", known.into_iter()), "there is age, county, income");
        assert_eq!(near("x", std::iter::empty()), "there is none");
    }

    #[test]
    fn a_long_name_is_repeated_in_part_only() {
        assert_eq!(echo(&"é".repeat(500)).chars().count(), 81);
        assert_eq!(echo("short"), "short");
    }
}
