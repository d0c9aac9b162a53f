//! What happened to one attempt at one question.

use almoner_federation::{DecodeError, Digest, Name, PicoRho, QueryId, Reader, lp};

use super::{LABEL, digest, name, rho};

/// Which territories a question touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// All of them, and units that are in none.
    All,
    /// Only units placed in these, ascending, at least one.
    Some(Vec<u16>),
}

impl Touched {
    /// As a plan tells it: the numbers of the territories, ascending, or `None` for all.
    pub fn of(territories: Option<&[u16]>) -> Self {
        territories.map_or(Touched::All, |numbers| Touched::Some(numbers.to_vec()))
    }
}

/// What happened to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Budget was set aside and the noisy vector sealed.
    Reserve {
        /// Whose budget.
        touched: Touched,
        /// The question, where the data officer approved it; nothing where the agency's rules did.
        approval: Option<Digest>,
    },
    /// The budget is spent, for this context and no other.
    Charge {
        /// The context's hash.
        context: Digest,
    },
    /// Its time passed; the budget is free again.
    Expire,
    /// The coordinator gave it up; the budget is free again.
    Abort,
}

impl Step {
    fn word(&self) -> &'static str {
        match self {
            Step::Reserve { .. } => "RESERVE",
            Step::Charge { .. } => "CHARGE",
            Step::Expire => "EXPIRE",
            Step::Abort => "ABORT",
        }
    }
}

/// A RESERVE, CHARGE, EXPIRE or ABORT entry: `LP(label, step, at_s, query_id, attempt, spec_hash, planner, cost,
/// charged_total, charged_planner, charged_period, charged_territories)`, followed in a RESERVE by the touched
/// territories (two bytes each, nothing for all) and the approved question or nothing, in a CHARGE by the context's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundEntry {
    /// What happened.
    pub step: Step,
    /// When, Unix seconds.
    pub at_s: u64,
    /// The planner's number of the question.
    pub query: QueryId,
    /// Which try.
    pub attempt: u32,
    /// What was asked, hashed.
    pub spec_hash: Digest,
    /// Who asked.
    pub planner: Name,
    /// The price.
    pub cost: PicoRho,
    /// What any one unit has lost for ever after this entry, at most.
    pub charged_total: PicoRho,
    /// This planner's charges after this entry.
    pub charged_planner: PicoRho,
    /// As `charged_total`, in the period of the reservation.
    pub charged_period: PicoRho,
    /// All charges that touch each of the touched territories, in the period of the reservation; nothing where all
    /// are touched.
    pub charged_territories: Vec<PicoRho>,
}

impl RoundEntry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let territories: Vec<u8> =
            self.charged_territories.iter().flat_map(|sum| sum.get().to_be_bytes()).collect();
        let touched: Vec<u8>;
        let (at_s, attempt) = (self.at_s.to_be_bytes(), self.attempt.to_be_bytes());
        let [cost, total, planner, period] =
            [self.cost, self.charged_total, self.charged_planner, self.charged_period]
                .map(|amount| amount.get().to_be_bytes());
        let mut items: Vec<&[u8]> = vec![
            LABEL.as_bytes(),
            self.step.word().as_bytes(),
            &at_s,
            &self.query.0,
            &attempt,
            &self.spec_hash.0,
            self.planner.as_str().as_bytes(),
            &cost,
            &total,
            &planner,
            &period,
            &territories,
        ];
        match &self.step {
            Step::Reserve { touched: which, approval } => {
                touched = match which {
                    Touched::All => Vec::new(),
                    Touched::Some(numbers) => numbers.iter().flat_map(|n| n.to_be_bytes()).collect(),
                };
                items.extend([touched.as_slice(), approval.as_ref().map_or(&[], |question| &question.0)]);
            }
            Step::Charge { context } => items.push(&context.0),
            Step::Expire | Step::Abort => {}
        }
        lp(&items)
    }

    pub(super) fn decode(word: &str, mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let mut entry = RoundEntry {
            step: Step::Expire,
            at_s: reader.u64()?,
            query: QueryId(reader.array()?),
            attempt: reader.u32()?,
            spec_hash: digest(&mut reader)?,
            planner: name(&mut reader)?,
            cost: rho(&mut reader)?,
            charged_total: rho(&mut reader)?,
            charged_planner: rho(&mut reader)?,
            charged_period: rho(&mut reader)?,
            charged_territories: territories(reader.bytes()?)?,
        };
        entry.step = match word {
            "RESERVE" => {
                let touched = touched(reader.bytes()?)?;
                let approval = match reader.bytes()? {
                    [] => None,
                    bytes => {
                        Some(Digest(bytes.try_into().map_err(|_| DecodeError::Malformed("not a digest"))?))
                    }
                };
                Step::Reserve { touched, approval }
            }
            "CHARGE" => Step::Charge { context: digest(&mut reader)? },
            "EXPIRE" => Step::Expire,
            "ABORT" => Step::Abort,
            _ => return Err(DecodeError::Malformed("unknown type of entry")),
        };
        reader.end()?;
        Ok(entry)
    }
}

fn touched(bytes: &[u8]) -> Result<Touched, DecodeError> {
    let (numbers, rest) = bytes.as_chunks::<2>();
    let numbers: Vec<u16> = numbers.iter().map(|number| u16::from_be_bytes(*number)).collect();
    if !rest.is_empty() || !numbers.is_sorted_by(|a, b| a < b) {
        return Err(DecodeError::Malformed("territories must ascend"));
    }
    Ok(if numbers.is_empty() { Touched::All } else { Touched::Some(numbers) })
}

fn territories(bytes: &[u8]) -> Result<Vec<PicoRho>, DecodeError> {
    let (sums, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(DecodeError::Malformed("not a list of sums"));
    }
    Ok(sums.iter().map(|sum| PicoRho::new(u64::from_be_bytes(*sum))).collect())
}
