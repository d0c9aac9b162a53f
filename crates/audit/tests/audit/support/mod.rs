//! A whole federation's evidence without processes: real keys, really masked vectors that add up, signed READYs, receipts
//! and publications, cosigned checkpoints. One [`Lie`] at a time can be told while it is made.

mod lie;
mod log;
mod mirror;
mod parties;
mod rounds;
mod rules;
mod witnesses;
mod world;

use std::path::Path;

pub use lie::{LIAR, Lie, ROUND};
pub use parties::{SQL, key, name};
pub use rounds::Round;
pub use rules::Moment;
pub use world::World;

/// Rounds of every kind, and a second manifest between them.
pub fn federation(agencies: usize, lie: Option<Lie>, files: Option<&Path>) -> World {
    let mut world = World::new(agencies, lie, files);
    world.round(&Round::of(SQL[0]));
    world.round(&Round { approved: true, ..Round::of(SQL[1]) });
    world.round(&Round { lost: 1, planner: "city", ..Round::of(SQL[2]) });
    world.grant();
    world.round(&Round { published: false, ..Round::of(SQL[3]) });
    world.round(&Round { planner: "city", ..Round::of(SQL[0]) });
    world
}
