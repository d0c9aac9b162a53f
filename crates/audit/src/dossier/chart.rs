//! One ledger's charges over time against its limit, as inline SVG.

use super::text::{Foreign, day, rho};
use crate::NodeLine;

/// The view box, and the plot within it.
pub(super) const WIDTH: f64 = 480.0;
pub(super) const HEIGHT: f64 = 200.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = HEIGHT - 36.0;

/// The chart of a ledger until `until_s`, Unix seconds; `index` makes its ids unique on the page.
///
/// Both axes begin at their least value; x is linear in time from the first policy or charge, y in rho from 0.
/// Times and sums that run backwards, which only a faulty ledger has, are drawn at the largest so far.
pub(super) fn svg(node: &NodeLine, until_s: u64, index: usize) -> String {
    let charges = rising(&node.spent_over_time);
    let limits: Vec<(u64, f64)> =
        node.policies.iter().map(|policy| (policy.at_s, policy.total_rho)).collect();
    let times = || charges.iter().chain(&limits).map(|(at_s, _)| *at_s);
    let first = times().min().unwrap_or(until_s);
    let last = times().max().unwrap_or(until_s).max(until_s);
    let most = charges.iter().chain(&limits).map(|(_, rho)| *rho).fold(node.limit_rho, f64::max);
    let scale =
        Scale { first, span: (last - first).max(1) as f64, most: if most > 0.0 { most } else { 1.0 } };
    let (agency, (now, limit)) =
        (Foreign(node.agency.as_str()), (rho(node.charged_rho), rho(node.limit_rho)));
    let mut axis = String::new();
    for part in [0.0, 0.5, 1.0] {
        let (y, label) = (scale.y(part * scale.most), rho(part * scale.most));
        axis += &format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n",
            LEFT - 6.0,
            y + 4.0
        );
    }
    let (from, to) = (day(first), day(last));
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"chart-{index}-title chart-{index}-text\">\n\
         <title id=\"chart-{index}-title\">Budget of {agency} over time</title>\n\
         <desc id=\"chart-{index}-text\">From {from} to {to}, {now} rho of {limit} rho were charged in {} rounds. The \
         solid line is what was charged by then, the dashed line the limit then in force.</desc>\n\
         {axis}\
         <path class=\"limit\" d=\"{}\"/>\n<path class=\"charged\" d=\"{}\"/>\n\
         <text x=\"{LEFT}\" y=\"{low:.1}\">{from}</text><text x=\"{RIGHT}\" y=\"{low:.1}\" text-anchor=\"end\">{to}</text>\n\
         <text x=\"{:.1}\" y=\"{low:.1}\" text-anchor=\"middle\">date (UTC)</text>\n\
         <text transform=\"translate(12 {:.1}) rotate(-90)\" text-anchor=\"middle\">rho</text>\n</svg>\n",
        node.charges,
        scale.steps(limits.first().map_or(node.limit_rho, |(_, rho)| *rho), &limits),
        scale.steps(0.0, &charges),
        (LEFT + RIGHT) / 2.0,
        (TOP + BOTTOM) / 2.0,
        low = BOTTOM + 20.0,
    )
}

/// The points with neither time nor sum below an earlier one.
fn rising(points: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let mut most = (0, 0.0f64);
    let raise = |(at_s, rho): &(u64, f64)| {
        most = (most.0.max(*at_s), most.1.max(*rho));
        most
    };
    points.iter().map(raise).collect()
}

struct Scale {
    first: u64,
    span: f64,
    most: f64,
}

impl Scale {
    fn x(&self, at_s: u64) -> f64 {
        let part = at_s.saturating_sub(self.first) as f64 / self.span;
        LEFT + part.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn y(&self, rho: f64) -> f64 {
        BOTTOM - (rho / self.most).clamp(0.0, 1.0) * (BOTTOM - TOP)
    }

    /// A line of steps: `start` until the first point, then each point's value until the next.
    fn steps(&self, start: f64, points: &[(u64, f64)]) -> String {
        let mut path = format!("M{LEFT:.1} {:.1}", self.y(start));
        for (at_s, rho) in points {
            path += &format!("H{:.1}V{:.1}", self.x(*at_s), self.y(*rho));
        }
        path + &format!("H{RIGHT:.1}")
    }
}
