//! The token of a release that passed every check. Nothing else in this crate makes masks.

use almoner_federation::{Digest, NodeId};

use crate::Context;
use crate::graph::neighbours;

/// A context that this node has accepted. Only [`NodeRound::accept`](crate::NodeRound::accept) makes
/// one, after all checks of PROTOCOL A.4, so whoever holds one need not check again.
///
/// It cannot be written down:
///
/// ```compile_fail,E0451
/// # use almoner_federation::{Digest, NodeId};
/// # use almoner_secure_sum::{AcceptedContext, Context};
/// fn forge(context: Context, hash: Digest, node: NodeId, ready: Digest) -> AcceptedContext {
///     AcceptedContext { context, hash, node, ready }
/// }
/// ```
///
/// It can be read:
///
/// ```
/// # use almoner_federation::{Digest, NodeId};
/// # use almoner_secure_sum::{AcceptedContext, Context};
/// fn read(accepted: &AcceptedContext) -> (&Context, Digest, NodeId, Digest) {
///     (accepted.context(), accepted.hash(), accepted.node(), accepted.ready())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedContext {
    context: Context,
    hash: Digest,
    node: NodeId,
    ready: Digest,
}

impl AcceptedContext {
    /// For [`NodeRound::accept`](crate::NodeRound::accept) alone.
    pub(crate) fn after_all_checks(context: Context, hash: Digest, node: NodeId, ready: Digest) -> Self {
        AcceptedContext { context, hash, node, ready }
    }

    /// The context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The context's hash: what a charge names and what is in every mask.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The node that accepted.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The participants with whom the node shares a mask in this context; each once, in any order.
    pub fn neighbours(&self) -> Vec<NodeId> {
        neighbours(&self.context, self.hash, self.node)
    }

    /// SHA-256 of the READY bytes that the context includes for this node.
    pub fn ready(&self) -> Digest {
        self.ready
    }
}
