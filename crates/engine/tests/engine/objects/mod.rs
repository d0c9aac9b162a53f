//! An agency's folder in an object store: what it holds means what a folder on a disk means, and a store that fails,
//! changes or lies is refused with what to do.

mod hostile;
mod same;
mod server;
