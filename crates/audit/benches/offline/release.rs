//! The evidence of one release: what is signed once all ledgers have charged.

use std::sync::Arc;

use almoner_api::{to_wire, v1};
use almoner_audit::Publication;
use almoner_federation::checkpoint::Checkpoint;
use almoner_federation::{Digest, Signature};
use almoner_ledger::Position;
use almoner_query::Plan;
use almoner_secure_sum::{Context, Masked, Message as _, Output, Ready, Signed};
use prost::Message as _;

use crate::federation::Agency;
use crate::parties::key;

/// Every so many releases one keeps its masked vectors.
const KEPT: u64 = 8;

/// A round that every ledger has charged.
pub struct Draft {
    pub number: u64,
    pub now_s: u64,
    pub body: Vec<u8>,
    pub spec_hash: Digest,
    pub plan: Arc<Plan>,
    pub readies: Vec<Ready>,
    pub context: Context,
    /// Each ledger right after its charge.
    pub charged: Vec<Position>,
}

/// The evidence's bytes, and the planner's signature.
pub struct Sealed {
    pub evidence: Vec<u8>,
    pub asked: Signature,
}

impl Draft {
    /// Everybody signs. Vectors are uniform words, as masked ones are to whoever lacks the keys.
    pub fn seal(&self, agencies: &[Agency]) -> Sealed {
        let (cells, ctx_hash) = (self.plan.dimension(), self.context.hash());
        let mut words = Words(self.number);
        let masked: Vec<Masked> = agencies
            .iter()
            .map(|_| Masked::from_cells((0..cells).map(|_| words.next()).collect()).expect("cells"))
            .collect();
        let mut sum = vec![0; cells];
        masked.iter().for_each(|vector| self.context.ring.combine(&mut sum, vector.cells()));
        let total: Vec<i64> = sum.into_iter().map(u64::cast_signed).collect();
        let (mut readies, mut outputs, mut checkpoints) = (Vec::new(), Vec::new(), Vec::new());
        for (place, agency) in agencies.iter().enumerate() {
            readies.push(to_wire(Signed::sign(self.readies[place].clone(), &agency.key).as_signed()));
            let at = self.charged[place];
            let output = Output {
                ctx_hash,
                node: agency.id,
                vector_hash: masked[place].hash(),
                ledger_size: at.size,
                ledger_root: at.root,
            };
            outputs.push(to_wire(Signed::sign(output, &agency.key).as_signed()));
            let note = Checkpoint { origin: agency.origin.clone(), size: at.size, root: at.root };
            let mut note = note.sign(&agency.key).expect("signs");
            // The manifest asks for two.
            for witness in [1, 2].map(|step| &agencies[(place + step) % agencies.len()]) {
                let cosignature = note.cosign(&witness.origin, &witness.key, self.now_s).expect("cosigns");
                note.add(&cosignature, &witness.key.verifying_key()).expect("is right");
            }
            checkpoints.push(note.to_string());
        }
        let asked = key(201).sign(&self.body);
        let publication = Publication::new(ctx_hash, &total, self.now_s).encode();
        let keeps = self.number.is_multiple_of(KEPT);
        let evidence = v1::Evidence {
            release: Some(v1::Release {
                spec: Some(v1::Signed::new(self.body.clone(), &asked)),
                context: Some(to_wire(Signed::sign(self.context.clone(), &key(200)).as_signed())),
                readies,
                outputs,
                total,
                publication: Some(v1::Signed::new(publication.clone(), &key(200).sign(&publication))),
                checkpoints,
            }),
            masked: masked
                .iter()
                .filter(|_| keeps)
                .map(|vector| v1::MaskedVector { values: vector.cells().to_vec() })
                .collect(),
        };
        Sealed { evidence: evidence.encode_to_vec(), asked }
    }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), which is uniform enough for vectors that nobody masks.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
