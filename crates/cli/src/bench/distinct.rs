//! `almoner bench distinct`: how well distinct units are counted, whatever the number of agencies that hold each.

use almoner_federation::{Digest, PicoRho};
use almoner_privacy::{NoiseSource, add_flips, buckets_for, distinct, distinct_error, flips};
use clap::Args;
use comfy_table::{Table, presets};

use crate::bench::BenchError;
use crate::cli_error::CliError;
use crate::output;
use crate::query::fixed;

#[derive(Args)]
pub(crate) struct Distinct {
    /// Units of the whole federation.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    people: u64,
    /// Agencies.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=100))]
    agencies: u32,
    /// Agencies that may collude.
    #[arg(long, default_value_t = 1)]
    colluders: u32,
    /// What one release costs.
    #[arg(long, default_value = "0.26")]
    rho: PicoRho,
    /// How often.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    releases: u32,
}

impl Distinct {
    pub(super) fn run(self) -> Result<(), CliError> {
        let honest = self.agencies.saturating_sub(self.colluders);
        let flips = flips(self.rho, honest, 1).map_err(BenchError::Noise)?;
        let buckets = buckets_for(self.people);
        let predicted = distinct_error(self.people as f64, buckets, flips.flip, self.agencies);
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(["agencies that hold a unit", "mean", "rmse", "predicted", "ratio", "coverage %"]);
        for (name, holders) in [
            ("one", (|_, _| 1) as fn(u64, u32) -> u32),
            ("one to all", |unit, agencies| 1 + (unit % u64::from(agencies)) as u32),
            ("all", |_, agencies| agencies),
        ] {
            let (mut sum, mut squares, mut covered) = (0.0, 0.0, 0u32);
            for release in 0..self.releases {
                let found = self.release(release, buckets, flips.flip, holders).map_err(BenchError::Noise)?;
                let exact = self.people as f64;
                let value = found.value.unwrap_or(0.0);
                sum += value;
                squares += (value - exact).powi(2);
                covered += u32::from(found.low <= exact && exact <= found.high);
            }
            let count = f64::from(self.releases);
            let error = (squares / count).sqrt();
            table.add_row([
                name.to_owned(),
                fixed(sum / count, 1),
                fixed(error, 1),
                fixed(predicted, 1),
                fixed(error / predicted, 3),
                fixed(100.0 * f64::from(covered) / count, 1),
            ]);
        }
        output::print(&format!(
            "{table}\n{} units in {buckets} buckets at {} agencies, rho {}: predicted {:.3} %; {} releases, each with \
             buckets of its own\n",
            self.people,
            self.agencies,
            self.rho,
            100.0 * predicted / self.people as f64,
            self.releases
        ))
    }

    /// One release: every agency sets and flips its own bits; XOR is what the masks leave.
    fn release(
        &self,
        release: u32,
        buckets: u64,
        flip: u64,
        holders: fn(u64, u32) -> u32,
    ) -> Result<almoner_query::Estimate, almoner_privacy::PrivacyError> {
        let seed = Digest::of(&release.to_be_bytes());
        let seed = u64::from_be_bytes(std::array::from_fn(|index| seed.0[index]));
        let mut noise = NoiseSource::from_system()?;
        let mut total = vec![0u64; (buckets / 64) as usize];
        for agency in 0..self.agencies {
            let mut words = vec![0u64; total.len()];
            // The k holders of a unit are the k agencies from its own place on.
            let held = |unit: u64| {
                let place = (unit % u64::from(self.agencies)) as u32;
                (agency + self.agencies - place) % self.agencies < holders(unit, self.agencies)
            };
            for unit in (0..self.people).filter(|unit| held(*unit)) {
                let bucket = mixed(unit ^ seed) & (buckets - 1);
                words[(bucket / 64) as usize] |= 1 << (bucket % 64);
            }
            add_flips(&mut words, flip, &mut noise)?;
            total.iter_mut().zip(words).for_each(|(total, word)| *total ^= word);
        }
        let ones = total.iter().map(|word| u64::from(word.count_ones())).sum();
        Ok(distinct(ones, buckets, flip, self.agencies))
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): made-up units need no keyed hash.
fn mixed(unit: u64) -> u64 {
    let mut z = unit.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
