//! Rounds: questions asked, reserved, charged, masked, witnessed and published.

use std::sync::Arc;

use almoner_api::{to_wire, v1};
use almoner_audit::{AskedQuestion, Publication, family_of, question_of};
use almoner_federation::{Digest, Manifest, PicoRho, QueryId};
use almoner_ledger::{About, Approval, Asked, Books, Position, RegistryStep, Reservation, Step, Touched};
use almoner_query::{Plan, Spec, plan};
use almoner_secure_sum::{
    Collecting, Masked, NodeRound, Output, PairRoots, Ready, ReleaseRules, Ring, Roster, Signed, mask,
};
use prost::Message;

use super::lie::{LIAR, Lie, ROUND};
use super::parties::{key, name};
use super::rules::Moment;
use super::world::World;

pub struct Round<'a> {
    pub planner: &'a str,
    pub sql: &'a str,
    /// Attempts that were charged and lost before the one that was published.
    pub lost: u32,
    pub published: bool,
    pub approved: bool,
}

impl Round<'_> {
    pub fn of(sql: &str) -> Round<'_> {
        Round { planner: "ministry", sql, lost: 0, published: true, approved: false }
    }
}

impl World {
    /// A question asked, every attempt charged, and the last one published if it should be.
    pub fn round(&mut self, round: &Round<'_>) {
        let number = self.next;
        self.next += 1;
        let manifest = self.manifests.last().expect("one at least").1.clone();
        let rho = PicoRho::new(10_000_000_000 + number);
        let plan = plan(&manifest, round.sql, rho).expect("a plain question");
        let mut query = [0; 16];
        query[8..].copy_from_slice(&number.to_be_bytes());
        let spec = Spec {
            federation: manifest.federation.clone(),
            manifest_hash: manifest.hash(),
            query_id: QueryId(query),
            planner: name(round.planner),
            sql: round.sql.into(),
            rho,
            plan_hash: plan.hash(),
            purpose: format!("report {number}"),
            issued_at_s: self.now,
        };
        let asker = key(if round.planner == "city" { 202 } else { 201 });
        let body = spec.encode();
        let asked = AskedQuestion { signature: asker.sign(&body), body };
        for attempt in 0..=round.lost {
            let publish = round.published && attempt == round.lost;
            self.attempt(number, round, &manifest, (&spec, &plan, &asked), attempt, publish);
            self.now += 100;
        }
    }

    fn reserve(
        &mut self,
        node: usize,
        number: u64,
        round: &Round<'_>,
        (spec, plan, asked): (&Spec, &Plan, &AskedQuestion),
        attempt: u32,
        manifest: &Manifest,
    ) -> Ready {
        let lies = |lie| self.lies(node, number, lie);
        let (price, territories, skips) = (lies(Lie::Price), lies(Lie::Territories), lies(Lie::NoRound));
        let (other, late) = (lies(Lie::OtherApproval), lies(Lie::Ready));
        let stranger = node == LIAR && self.lie == Some(Lie::PolicyOfficer);
        let now = self.now;
        let own = &mut self.nodes[node];
        let before = own.log.position();
        let spec_hash = Digest::of(&asked.body);
        let mut ready = Ready {
            spec_hash,
            manifest_hash: manifest.hash(),
            node: own.id,
            attempt,
            nonce: Digest::of(format!("{number} {attempt} {node}").as_bytes()).0,
            expires_at_s: now + 60,
            ledger_size: before.size + 1,
            ledger_root: Digest::of(b"a root of nothing"),
            cost: plan.price(),
            plan_hash: plan.hash(),
            ring: Ring::Z64,
            snapshot: Digest::of(b"snapshot"),
        };
        if own.questions.iter().all(|known| known.body != asked.body) {
            own.questions.push(asked.clone());
        }
        if skips {
            return ready;
        }
        let approval = (round.approved && attempt == 0 && node == LIAR).then(|| {
            let question = if other { Digest::of(b"another question") } else { spec.question() };
            let origin = own.log.origin.clone();
            let approval =
                Approval { origin, question, approved: true, decided_at_s: now, until_s: now + 90 };
            approval.sign(&if stranger { key(250) } else { key(100 + own.id.0 as u8) })
        });
        if let Some(decided) = &approval {
            let entry = own.books.approval_entry(decided, now);
            own.append(&entry);
        }
        if node == LIAR {
            self.changed(Moment::Approved);
        }
        let own = &mut self.nodes[node];
        let question = approval.as_ref().map(|decided| decided.approval.question);
        let touched = if territories { Touched::Some(vec![0]) } else { Touched::of(plan.territories()) };
        let cost = if price { PicoRho::new(plan.price().get() / 2) } else { plan.price() };
        let about = About { spec_hash, planner: spec.planner.clone(), cost };
        let step = Step::Reserve { touched: touched.clone(), approval: question };
        let entry =
            own.books.round_entry(step, now, (spec.query_id, attempt), about).expect("a known territory");
        let after = own.append(&entry);
        (ready.ledger_size, ready.ledger_root) =
            if late { (before.size, before.root) } else { (after.size, after.root) };
        if let Some(real) = &own.real {
            let reservation = Reservation {
                query: spec.query_id,
                attempt,
                spec_hash,
                planner: spec.planner.clone(),
                cost,
                touched,
                approval,
                asked: Asked { body: asked.body.clone(), signature: asked.signature },
                expires_at_s: now + 60,
                now_s: now,
                noisy: vec![1; plan.dimension()],
            };
            let stored = real.reserve(reservation, |position| {
                assert_eq!(position, after, "the real ledger has the same tree");
                let signed = Signed::sign(ready.clone(), &own.log.key);
                (signed.as_signed().bytes().to_vec(), *signed.as_signed().signature())
            });
            stored.expect("a reservation that fits");
        }
        ready
    }

    fn attempt(
        &mut self,
        number: u64,
        round: &Round<'_>,
        manifest: &Manifest,
        (spec, plan, asked): (&Spec, &Plan, &AskedQuestion),
        attempt: u32,
        publish: bool,
    ) {
        let spec_hash = Digest::of(&asked.body);
        let roster = Arc::new(Roster::of(manifest).expect("distinct keys"));
        let question = question_of(manifest, plan, spec_hash, attempt);
        let mut collecting = Collecting::new(roster.clone(), question).expect("cells");
        let mut readies = Vec::new();
        for node in 0..self.nodes.len() {
            let ready = self.reserve(node, number, round, (spec, plan, asked), attempt, manifest);
            let signed = Signed::sign(ready.clone(), &self.nodes[node].log.key);
            collecting.receive(self.nodes[node].id, signed.as_signed(), self.now).expect("is ready");
            readies.push(ready);
        }
        self.changed(Moment::Reserved);
        let mut releasing = collecting.release(&key(200), self.now).expect("a quorum");
        let context = releasing.ctx_hash();
        let lie = self.lie.filter(|_| number == ROUND);
        if lie != Some(Lie::RegistryNoCharge) {
            let said = if lie == Some(Lie::RegistryContext) { Digest::of(b"another") } else { context };
            let cost = if lie == Some(Lie::RegistryPrice) { PicoRho::new(1) } else { plan.price() };
            self.record(RegistryStep::Charge { attempt, context: said }, spec, spec_hash, cost, &[]);
        }
        let rules = ReleaseRules::new(&manifest.policy, 0, 0, Default::default(), 0);
        let (mut masked_by, mut notes) = (Vec::new(), Vec::new());
        for (node, ready) in readies.into_iter().enumerate() {
            let release = releasing.release_for(self.nodes[node].id).expect("takes part");
            let accepted = NodeRound::prepared(ready)
                .accept(&release, &roster, &rules, self.now)
                .expect("a release that keeps the rules");
            let lies = |lie| self.lies(node, number, lie);
            let (other, none) = (lies(Lie::OtherContext), lies(Lie::NoCharge) || lies(Lie::NoRound));
            let (early, bare, expired) = (lies(Lie::Receipt), lies(Lie::Unmasked), lies(Lie::Expired));
            let now = self.now;
            let own = &mut self.nodes[node];
            let noisy: Vec<i64> =
                (0..plan.dimension() as i64).map(|cell| cell * 7 + node as i64 - 40).collect();
            let before = own.log.position();
            let key_of = (spec.query_id, attempt);
            let mut position =
                Position { size: before.size + 1, root: Digest::of(b"another root of nothing") };
            let cost = own_cost(&own.books, key_of, plan);
            let about = || About { spec_hash, planner: spec.planner.clone(), cost };
            if expired {
                let entry = own.books.round_entry(Step::Expire, now, key_of, about()).expect("reserved");
                own.append(&entry);
            }
            if !none {
                let said = if other { Digest::of(b"another context") } else { accepted.hash() };
                let step = Step::Charge { context: said };
                let entry = own.books.round_entry(step, now, key_of, about()).expect("reserved");
                position = own.append(&entry);
                if node == LIAR {
                    let reserved =
                        own.books.round(spec.query_id, attempt).map_or(0, |round| round.reserved_by);
                    self.places.insert(number, (reserved, position.size - 1));
                }
            }
            if let Some(real) = &own.real {
                let charged = real.charge(spec.query_id, attempt, &accepted, now).expect("reserved");
                assert_eq!(charged.position(), position, "the real ledger has the same tree");
            }
            if early {
                position = before;
            }
            let roots = PairRoots::derive(&roster, own.id, &own.mask_key).expect("its own key");
            let masked = if bare {
                Masked::from_cells(noisy.iter().map(|cell| cell.cast_unsigned()).collect()).expect("cells")
            } else {
                mask(&noisy, &accepted, &roots).expect("its own roots")
            };
            let output = Output {
                ctx_hash: accepted.hash(),
                node: own.id,
                vector_hash: masked.hash(),
                ledger_size: position.size,
                ledger_root: position.root,
            };
            let output = Signed::sign(output, &own.log.key);
            notes.push(self.witnessed(node, number, position));
            releasing.receive(self.nodes[node].id, output.as_signed(), &masked).expect("is right");
            masked_by.push(masked);
        }
        if !publish {
            return;
        }
        let total = releasing.finish().expect("all answered");
        let publication = Publication::new(context, &total.cells, self.now).encode();
        let evidence = v1::Evidence {
            release: Some(v1::Release {
                spec: Some(v1::Signed::new(asked.body.clone(), &asked.signature)),
                context: Some(to_wire(&total.evidence.context)),
                readies: total.evidence.readies.iter().map(to_wire).collect(),
                outputs: total.evidence.outputs.iter().map(to_wire).collect(),
                total: total.cells,
                publication: Some(v1::Signed::new(publication.clone(), &key(200).sign(&publication))),
                checkpoints: notes,
            }),
            masked: masked_by.iter().map(|m| v1::MaskedVector { values: m.cells().to_vec() }).collect(),
        };
        let family = match lie {
            Some(Lie::RegistryFamily) => Digest::of(b"another family"),
            _ => family_of(manifest, plan),
        };
        let bytes = evidence.encode_to_vec();
        let step = RegistryStep::Publish { family, release: Digest::of(&bytes) };
        let cost = if lie == Some(Lie::RegistryPrice) { PicoRho::new(1) } else { plan.price() };
        let place = self.record(step, spec, spec_hash, cost, &bytes);
        self.published.insert(number, place);
        self.releases.insert(place, evidence);
    }

    fn record(
        &mut self,
        step: RegistryStep,
        spec: &Spec,
        spec_hash: Digest,
        cost: PicoRho,
        release: &[u8],
    ) -> u64 {
        let liar = self.lie == Some(Lie::RegistryPlanner) && self.next == ROUND + 1;
        let planner = if liar { name("city") } else { spec.planner.clone() };
        let number = self.registry.position().size;
        let entry = self.accounts.next(step, spec_hash, &planner, cost, self.now);
        let entry = entry.expect("sums fit").expect("is new");
        self.accounts.apply(number, &entry).expect("fits");
        self.registry.push(entry.encode());
        if let Some(real) = &self.real {
            let done = match step {
                RegistryStep::Charge { attempt, context } => {
                    real.charge(spec_hash, (attempt, context), &planner, cost, self.now, b"pending")
                }
                RegistryStep::Publish { family, .. } => {
                    real.publish(family, spec_hash, &planner, cost, self.now, release)
                }
            };
            done.expect("is new");
            assert_eq!(real.position().expect("readable").size, number + 1);
            assert_eq!(real.position().expect("readable"), self.registry.position());
        }
        number
    }
}

fn own_cost(books: &Books, (query, attempt): (QueryId, u32), plan: &Plan) -> PicoRho {
    books.round(query, attempt).map_or(plan.price(), |round| round.cost)
}
