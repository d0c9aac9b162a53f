//! A bounded number of connections. One that failed, or whose question was dropped half way, never serves another.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_postgres::Client;

use super::access::Route;
use super::failed;
use crate::SourceError;

/// Most connections of one node.
const MAX_CONNECTIONS: usize = 64;

pub(crate) struct Pool {
    route: Route,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Link>>,
}

/// An open connection. Dropping it ends its task, and with it the socket.
struct Link {
    client: Client,
    driver: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Pool {
    pub(crate) fn new(route: Route, connections: usize) -> Result<Arc<Pool>, SourceError> {
        if !(1..=MAX_CONNECTIONS).contains(&connections) {
            return Err(SourceError::database(
                format!("connections is {connections}"),
                format!("write 1 to {MAX_CONNECTIONS} in [postgres]"),
            ));
        }
        Ok(Arc::new(Pool { route, slots: Arc::new(Semaphore::new(connections)), idle: Mutex::default() }))
    }

    /// A connection on which `begin` has succeeded. Idle ones whose server went away in the meantime are given up.
    pub(crate) async fn begin(self: &Arc<Pool>, begin: &str) -> Result<Lent, SourceError> {
        let slot = self.slots.clone().acquire_owned().await.map_err(SourceError::answer)?;
        let mut lent = Lent { pool: self.clone(), link: None, slot: Some(slot) };
        loop {
            // The lock is not held while anything is waited for.
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let fresh = idle.is_none();
            lent.link = Some(match idle {
                Some(link) => link,
                None => {
                    let (client, driver) = self.route.connect().await.map_err(|error| failed(&error))?;
                    Link { client, driver }
                }
            });
            match lent.client().batch_execute(begin).await {
                Ok(()) => return Ok(lent),
                Err(error) => {
                    // It computes nothing that would have to be stopped.
                    lent.link = None;
                    if fresh {
                        return Err(failed(&error));
                    }
                }
            }
        }
    }
}

/// A connection out of the pool. It goes back by [`Lent::give_back`] alone; dropped otherwise, what it computes is
/// stopped and it is closed, and its place in the pool is taken until then.
pub(crate) struct Lent {
    pool: Arc<Pool>,
    link: Option<Link>,
    slot: Option<OwnedSemaphorePermit>,
}

impl Lent {
    pub(crate) fn client(&self) -> &Client {
        &self.link.as_ref().expect("a lent connection is open until it is given back").client
    }

    /// Ends the transaction; the connection serves again if that succeeds.
    pub(crate) async fn give_back(mut self) -> Result<(), SourceError> {
        self.client().batch_execute("ROLLBACK").await.map_err(|error| failed(&error))?;
        if let Some(link) = self.link.take().filter(|link| !link.client.is_closed()) {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link);
        }
        Ok(())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (pool, slot) = (self.pool.clone(), self.slot.take());
        let Some(link) = self.link.take().filter(|link| !link.client.is_closed()) else { return };
        // Without a runtime the process ends, and with it the connection.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                pool.route.cancel(&link.client.cancel_token()).await;
                drop((link, slot));
            });
        }
    }
}
