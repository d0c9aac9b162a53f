//! What the demo's register should look like, as constants with their sources. What no source backs is
//! marked as an assumption. Incomes are yuan of 2020 per person and year.

/// People of the whole prefecture. Assumption: a small prefecture that a laptop can hold.
pub const PEOPLE: u32 = 200_000;

/// Yuan below which a person counts as poor: 2,300 yuan at 2010 prices, about 4,000 in 2020.
/// Source: State Council Information Office, white paper of 2021-04-06, appendix; CGTN, 2021-04-06.
pub const POVERTY_LINE: u32 = 4_000;

/// Mean and median income per head of rural residents in 2020.
/// Source: National Bureau of Statistics, communique of 2021-02-28.
#[cfg(test)]
pub const RURAL_MEAN: f64 = 17_131.0;
/// See [`RURAL_MEAN`].
#[cfg(test)]
pub const RURAL_MEDIAN: f64 = 15_204.0;
/// Mean and median income per head of urban residents in 2020. Source: as [`RURAL_MEAN`].
#[cfg(test)]
pub const URBAN_MEAN: f64 = 43_834.0;
/// See [`URBAN_MEAN`].
#[cfg(test)]
pub const URBAN_MEDIAN: f64 = 40_378.0;

/// Share of rural people below the line: 3.1 % at the end of 2017, 1.7 % at the end of 2018.
/// Source: english.www.gov.cn, 2018-02-10; chinabankingnews.com, 2019-02-16, quoting the NBS.
#[cfg(test)]
pub const RURAL_POOR_SHARE: std::ops::RangeInclusive<f64> = 0.017..=0.031;

/// Share of rural people in households that the campaign of 2014 registered as poor: 89.62 million of
/// the rural population that 98.99 million were 10.2 % of.
/// Source: keywords.china.org.cn/2021-01/11/content_77102863.html; globaltimes.cn/content/1139534.shtml.
pub const REGISTERED_SHARE: f64 = 89.62 / (98.99 / 0.102);

/// Persons of a registered household: 89.62 million in 29.48 million. Source: as [`REGISTERED_SHARE`].
#[cfg(test)]
pub const REGISTERED_HOUSEHOLD_SIZE: f64 = 89.62 / 29.48;

/// Mean income per head of the registered in 2020. Source: the white paper of [`POVERTY_LINE`].
#[cfg(test)]
pub const REGISTERED_MEAN: f64 = 12_588.0;

/// Persons of a household: 1,292.81 million in 494.16 million.
/// Source: census of 2020, Chinanews 2021-05-11.
#[cfg(test)]
pub const HOUSEHOLD_SIZE: f64 = 2.62;

/// Shares of households of 1, 2, ... persons. Assumption, except that the mean is [`HOUSEHOLD_SIZE`].
pub const HOUSEHOLD_SIZES: [f64; 7] = [0.25, 0.294, 0.21, 0.136, 0.064, 0.032, 0.014];

/// Persons of a rural household on the allowance roll: 2,478,369 in 1,278,292.
/// Source: one province's register of January 2020, toupaice.com/cms/tongjiyuebao/4723.html.
#[cfg(test)]
pub const ROLL_HOUSEHOLD_SIZE: f64 = 1.94;

/// Share of the people under the allowance's line who are not on the roll, and share of those on the
/// roll who are above it: both 30 to 50 %. The roll and the income-poor overlap only in part.
/// Source: Golan, Sicular and Umapathi, World Bank WPS 7374 (the overlap); the range is a judgement.
pub const EXCLUSION_ERROR: f64 = 0.40;
/// See [`EXCLUSION_ERROR`].
pub const INCLUSION_ERROR: f64 = 0.40;

/// Yuan below which a rural household may have the allowance; counties differ by a tenth or so.
/// Assumption: near a national mean of 2020 that no source at hand confirms.
pub const ALLOWANCE_LINE: f64 = 5_960.0;

/// Share of an agency's records without a person's id, and with a wrong one.
/// Source: pseudopeople's defaults, which gave 3.1 % disagreement including 1.0 % missing.
pub const MISSING_ID: f64 = 0.010;
/// See [`MISSING_ID`].
pub const WRONG_ID: f64 = 0.021;

/// Share of residents whom the civil registry holds twice under two ids: 0.05 to 1 %. Judgement.
pub const REGISTERED_TWICE: f64 = 0.003;

/// A county: its public name, its share of the households, and how far the logarithm of its incomes
/// lies from the prefecture's.
pub struct County {
    /// Invented place code.
    pub name: &'static str,
    /// Share of the prefecture's households.
    pub share: f64,
    /// Added to the mean of log income.
    pub log_income: f64,
}

const fn county(name: &'static str, share: f64, log_income: f64) -> County {
    County { name, share, log_income }
}

/// Assumptions: invented places; the log incomes have a standard deviation of 0.15 around 0.
pub const COUNTIES: [County; 8] = [
    county("county-01", 0.19, 0.06),
    county("county-02", 0.16, 0.13),
    county("county-03", 0.14, -0.11),
    county("county-04", 0.13, 0.24),
    county("county-05", 0.12, -0.18),
    county("county-06", 0.10, 0.00),
    county("county-07", 0.09, -0.05),
    county("county-08", 0.07, -0.29),
];

/// Share of households in towns. Assumption.
pub const URBAN_SHARE: f64 = 0.20;

/// Mean and standard deviation of log income within a county, solved so that the mixture over the
/// counties and the very poor has the mean and median of [`RURAL_MEAN`]. One national lognormal would
/// put only 0.3 % below the line.
pub const RURAL_LOG_INCOME: (f64, f64) = (9.6415, 0.4789);
/// As [`RURAL_LOG_INCOME`], for [`URBAN_MEAN`] and without very poor.
pub const URBAN_LOG_INCOME: (f64, f64) = (10.6039, 0.3782);

/// Share of rural households of one or two persons with hardly any income, and of larger ones; together
/// 2.2 % of rural people. Assumption, for the share of [`RURAL_POOR_SHARE`].
pub const VERY_POOR: (f64, f64) = (0.035, 0.0159);
/// Share of the very poor with no income at all; the others lie evenly below the line. Assumption.
pub const NO_INCOME: f64 = 0.25;

/// How the campaign of 2014 saw a household's income of 2020: the standard deviation of its error in
/// logarithms, and how much poorer each further member made a household look. Assumptions, chosen for
/// [`REGISTERED_MEAN`] and [`REGISTERED_HOUSEHOLD_SIZE`].
pub const CAMPAIGN_ERROR: f64 = 1.87;
/// See [`CAMPAIGN_ERROR`].
pub const CAMPAIGN_SIZE: f64 = 0.258;

/// How much richer each further member makes a household look to those who keep the allowance roll, in
/// logarithms. Assumption, chosen for [`ROLL_HOUSEHOLD_SIZE`].
pub const ROLL_SIZE: f64 = 0.16;
