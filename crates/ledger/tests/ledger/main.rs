//! The ledger and the registry from outside: what they promise, across crashes, tampering and threads.

mod approvals;
mod attacks;
mod behaviour;
mod concurrency;
mod crashes;
mod entries;
mod model;
mod order;
mod periods;
mod reader;
mod registry;
mod support;
mod tampering;
