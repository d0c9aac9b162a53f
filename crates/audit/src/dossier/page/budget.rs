//! The guarantee in numbers, and what every ledger has spent.

use super::{MAX_CHARTS, table};
use crate::dossier::guarantee::Loss;
use crate::dossier::text::{Foreign, epsilon, rho};
use crate::dossier::{Dossier, chart};

pub(super) fn guarantee(dossier: &Dossier) -> String {
    let (g, trust) = (&dossier.guarantee, &dossier.trust);
    let line = |what: &str, loss: &Loss| vec![what.to_owned()].into_iter().chain(numbers(loss)).collect();
    let lines: [Vec<String>; 6] = [
        line("Planned: all questions together, for ever", &g.planned),
        line("Realised: the largest account of a ledger", &g.realised),
        line("Planned, if the coordinator lets ledgers fill unevenly", &g.planned_if_coordinator_lies),
        line("Realised, if it did", &g.realised_if_coordinator_lies),
        line("Planned, if everybody else is compromised", &g.planned_alone),
        line("Realised, if everybody else is compromised", &g.realised_alone),
    ];
    let at = format!("#epsilon at delta {:e}", g.delta);
    let columns = ["Loss of one unit", "#rho", &at, "#epsilon at 1e-6", "#epsilon at 1e-9"];
    let mut out = table("Planned and realised privacy loss", &columns, lines);
    out += &format!(
        "<p>The promise is zero-concentrated differential privacy (zCDP) with rho as given; epsilon follows by \
         Proposition 7 of Canonne, Kamath and Steinke (2020), rounded up. It counts over all planners: they may \
         collude.</p>\n\
         <h3>The worst case</h3>\n\
         <p>Each agency's ledger stops at its own limit. A coordinator that lies may choose the participants of each \
         question so that accounts fill at different speed: a unit loses at most (n - t)/(q - t) of a limit, n = {n} \
         agencies. If all other agencies and the coordinator are compromised together, an agency's records are \
         protected by its own noise alone: a question of price rho then costs rho (q - t)/m<sup>2</sup>, here with q - t \
         = {h}. The realised number adds up the published releases, as if the agency had taken part in all of them; \
         lost rounds come on top. ",
        n = trust.agencies.len(),
        h = trust.honest_shares,
    );
    out += if dossier.unit.sketches {
        "Counts of distinct units by sketches cost more than this formula says when fewer honest shares are left, so the \
         planned number does not bound them; the realised one has each at its price with one honest share left. "
    } else {
        ""
    };
    out += &format!("{} of the releases are such sketches.</p>\n", g.sketched);
    if let Some(period) = &g.period {
        let caption = format!(
            "Growth of the accounts by {}, the most over the ledgers; limit {} rho (epsilon {} at delta {:e})",
            period.length,
            rho(period.limit.rho),
            epsilon(period.limit.epsilon),
            g.delta
        );
        let grown = period.grown.iter().rev().map(|(period, grown)| vec![period.clone(), rho(*grown)]);
        out +=
            "<h3>Periods</h3>\n<p>This limit counts anew with each period; the total above does not.</p>\n";
        out += &table(&caption, &["Period", "#rho"], grown);
        if period.thinned {
            out += "<p class=\"note\">A ledger has too many charges for all to be kept here: some may be counted in a \
                    period after their own.</p>\n";
        }
    }
    if let Some(territory) = &g.territory {
        out += &format!(
            "<h3>Territories</h3>\n<p>Budgets are counted apart for {} territories, the values of \
             <code><bdi>{}</bdi></code>: a question about one costs the units placed in others nothing. Questions that \
             touch one territory may cost {} rho (epsilon {} at delta {:e}) together{}. One unit can be placed in up to \
             {} of them, once at each agency that may hold it, and loses at most the questions about all and so many \
             territories' together.</p>\n",
            territory.count,
            Foreign(&territory.column),
            rho(territory.limit.rho),
            epsilon(territory.limit.epsilon),
            g.delta,
            if g.period.is_some() { " in one period" } else { "" },
            territory.placements,
        );
        let lines = territory
            .apart
            .iter()
            .map(|(name, spent, charged)| vec![name.to_string(), rho(*spent), rho(*charged)]);
        let columns = ["Agency", "#All charges added up, rho", "#Lost by one unit at most, rho"];
        out += &table("What counting apart saved", &columns, lines);
    }
    out
}

pub(super) fn over_time(dossier: &Dossier) -> String {
    let mut out = String::from(
        "<p>Solid: what was charged by then, in rho. Dashed: the limit then in force. Charges only ever grow.</p>\n\
         <div class=\"charts\">\n",
    );
    for (index, node) in dossier.nodes.iter().take(MAX_CHARTS).enumerate() {
        let svg = chart::svg(node, dossier.made_at_s, index);
        out += &format!("<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>\n", node.agency);
    }
    out += "</div>\n";
    if let Some(more) = dossier.nodes.len().checked_sub(MAX_CHARTS).filter(|more| *more > 0) {
        out += &format!("<p>{more} more ledgers are in the table alone.</p>\n");
    }
    let delta = dossier.guarantee.delta;
    let lines = dossier.nodes.iter().map(|node| {
        let charged = Loss::of(node.charged_rho, delta);
        let grants = node.policies.iter().filter(|policy| policy.grant).count();
        vec![
            node.agency.to_string(),
            rho(charged.rho),
            epsilon(charged.epsilon),
            rho(node.limit_rho),
            node.charges.to_string(),
            node.lost.to_string(),
            grants.to_string(),
        ]
    });
    let columns = [
        "Agency",
        "#Charged, rho",
        "#epsilon",
        "#Limit, rho",
        "#Rounds charged",
        "#Never published",
        "#Limit raised",
    ];
    out += &table("Ledgers", &columns, lines);
    let lines = dossier.planners.iter().map(|planner| {
        vec![
            planner.planner.to_string(),
            rho(planner.charged.rho),
            epsilon(planner.charged.epsilon),
            if planner.limit_rho > 0.0 { rho(planner.limit_rho) } else { "not in this manifest".into() },
            planner.releases.to_string(),
            rho(planner.released_rho),
        ]
    });
    let columns = [
        "Planner",
        "#Largest account, rho",
        "#epsilon",
        "#Limit, rho",
        "#Releases",
        "#Their prices added up, rho",
    ];
    out + &table("Planners", &columns, lines)
}

/// rho and the three epsilons.
fn numbers(loss: &Loss) -> [String; 4] {
    [rho(loss.rho), epsilon(loss.epsilon), epsilon(loss.epsilon_at_1e6), epsilon(loss.epsilon_at_1e9)]
}
