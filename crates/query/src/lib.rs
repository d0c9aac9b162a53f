//! SQL text and a manifest become a [`Plan`]: what is computed where the data are, how noisy it will
//! be, and what it costs. Everything here is a pure function that coordinator, node and auditor all run.
//!
//! Nothing here may read data, a clock, a random source or the environment.

mod aggregate;
mod answer;
mod bins;
mod canonical;
mod conclude;
mod describe;
mod error;
mod expected;
mod expr;
mod goal;
mod inspect;
mod interval;
mod keys;
mod layout;
mod lower;
mod near;
mod noise;
mod parse;
mod places;
mod plan;
mod published;
mod question;
mod reach;
mod refuse;
mod sets;
mod source;
mod spec;
mod territory;
mod text;
mod uses;

pub use almoner_privacy::Estimate;
pub use answer::{Answer, AnswerColumn, AnswerValue};
pub use conclude::Conclusions;
pub use error::{Position, QueryError};
pub use expected::ExpectedError;
pub use goal::{ErrorGoal, rho_for_error};
pub use noise::{Block, SketchBlock};
pub use plan::{Plan, plan};
pub use reach::MAGNITUDE_BITS;
pub use source::{Shape, SourceQuery, Units};
pub use spec::{MAX_PURPOSE_BYTES, Spec};
pub use territory::PLACEMENT_COLUMN;
pub use text::{quoted, text_literal};
pub use uses::{Family, Uses};
