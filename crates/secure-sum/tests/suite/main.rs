//! Tests of MASK/1 through the public interface alone.

mod attacks;
mod coordinator;
mod federation;
mod known_answers;
mod messages;
mod model;
mod release_checks;
mod rings;
