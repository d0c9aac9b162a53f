//! Progress by agency on standard error, when a person is watching.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use almoner_api::v1;
use almoner_api::v1::progress::Step;
use almoner_federation::{Manifest, NodeId};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// More lines than this would scroll away; beyond it one line counts.
const MOST_LINES: usize = 40;

/// One line per agency; silent when standard error is no terminal.
pub(crate) struct ProgressLines {
    bars: BTreeMap<u32, ProgressBar>,
    screen: MultiProgress,
}

impl ProgressLines {
    pub(crate) fn new(manifest: &Manifest) -> Self {
        let screen = MultiProgress::new();
        let mut bars = BTreeMap::new();
        if std::io::stderr().is_terminal() && manifest.agencies.len() <= MOST_LINES {
            let style = ProgressStyle::with_template("{spinner} {prefix:<24} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            for agency in &manifest.agencies {
                let bar = screen.add(ProgressBar::new_spinner());
                bar.set_style(style.clone());
                bar.set_prefix(agency.name.to_string());
                bars.insert(agency.node.0, bar);
            }
        }
        ProgressLines { bars, screen }
    }

    pub(crate) fn show(&mut self, progress: &v1::Progress) {
        let text = match progress.step() {
            Step::Preparing => "preparing".to_owned(),
            Step::Ready => "ready".to_owned(),
            Step::Refused => format!("refused: {}", progress.detail),
            Step::Absent => "absent".to_owned(),
            Step::Releasing => "releasing".to_owned(),
            Step::Masked => "masked vector received".to_owned(),
            Step::Retrying => "silent; asking again".to_owned(),
            Step::Unspecified => String::new(),
        };
        match self.bars.get(&NodeId(progress.node).0) {
            Some(bar) => {
                bar.set_message(text);
                bar.tick();
            }
            // Without a terminal only what went wrong is worth a line.
            None if matches!(progress.step(), Step::Refused | Step::Absent) => {
                eprintln!("node {}: {text}", progress.node);
            }
            None => {}
        }
    }

    pub(crate) fn finish(self) {
        for bar in self.bars.values() {
            bar.finish_and_clear();
        }
        let _ = self.screen.clear();
    }
}
