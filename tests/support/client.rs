//! Callers without the command line: a planner, and a coordinator that may lie.

use std::path::PathBuf;

use almoner_api::v1::coordinator_client::CoordinatorClient;
use almoner_api::v1::log_client::LogClient;
use almoner_api::v1::node_client::NodeClient;
use almoner_api::v1::witness_client::WitnessClient;
use almoner_api::{MAX_MESSAGE_BYTES, Refusal, TlsFiles, v1};
use almoner_federation::{QueryId, Role, SigningKey};
use almoner_query::{Plan, Spec, plan};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;
use tonic::Status;
use tonic::transport::Channel;

use super::Federation;

impl Federation {
    /// The signing key of a party, from its folder.
    pub fn signing_key(&self, party: &str) -> SigningKey {
        let text =
            std::fs::read_to_string(self.path(&format!("keys/{party}/signing.key"))).expect("a key file");
        let mut seed = [0; 32];
        hex::decode_to_slice(text.trim(), &mut seed).expect("64 digits");
        SigningKey::from_seed(&seed).expect("a seed")
    }

    fn channel(&self, party: &str, role: Role, server: &str, endpoint: &str) -> Channel {
        let identity = self.manifest.identity(role, &server.parse().expect("a name"));
        let files = TlsFiles::read(&self.path(&format!("keys/{party}"))).expect("a key folder");
        files.channel(endpoint, &identity).expect("an endpoint")
    }

    /// A client of `agency`'s node with the certificate of `party`.
    pub fn node_client(&self, party: &str, agency: &str) -> NodeClient<Channel> {
        let endpoint = &self.manifest.agency_named(&agency.parse().expect("a name")).expect("known").endpoint;
        NodeClient::new(self.channel(party, Role::Agency, agency, endpoint))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// A client of a copy of `agency`'s node: the process `at`, with the certificate of `party`.
    pub fn node_client_of(&self, party: &str, agency: &str, at: &str) -> NodeClient<Channel> {
        let endpoint = format!("https://127.0.0.1:{}", self.port(at));
        NodeClient::new(self.channel(party, Role::Agency, agency, &endpoint))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// A client of the witness at `agency`'s node with the certificate of `party`.
    pub fn witness_client(&self, party: &str, agency: &str) -> WitnessClient<Channel> {
        let endpoint = &self.manifest.agency_named(&agency.parse().expect("a name")).expect("known").endpoint;
        WitnessClient::new(self.channel(party, Role::Agency, agency, endpoint))
    }

    /// A client of the log of `agency`, or of the coordinator, with the certificate of `party`.
    pub fn log_client(&self, party: &str, log: &str) -> LogClient<Channel> {
        let (role, endpoint) = match self.manifest.agency_named(&log.parse().expect("a name")) {
            Some(agency) => (Role::Agency, &agency.endpoint),
            None => (Role::Coordinator, &self.manifest.coordinator.endpoint),
        };
        LogClient::new(self.channel(party, role, log, endpoint))
    }

    /// A client of the coordinator with the certificate of `party`.
    pub fn coordinator_client(&self, party: &str) -> CoordinatorClient<Channel> {
        let endpoint = &self.manifest.coordinator.endpoint;
        CoordinatorClient::new(self.channel(party, Role::Coordinator, "coordinator", endpoint))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// A key folder `keys/folder` with a certificate for the coordinator-role identity `name`, by the
    /// federation's authority (its certificate and key) or by one made for the occasion.
    pub fn forge_certificate(
        &self,
        name: &str,
        folder: &str,
        authority: Option<&(PathBuf, PathBuf)>,
        from: OffsetDateTime,
        until: OffsetDateTime,
    ) {
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a PEM file");
        let key = KeyPair::generate().expect("a key");
        let identity = self.manifest.identity(Role::Coordinator, &name.parse().expect("a name"));
        let mut params = CertificateParams::new(Vec::new()).expect("no names yet");
        params.subject_alt_names = vec![SanType::URI(identity.to_string().try_into().expect("ASCII"))];
        (params.not_before, params.not_after) = (from, until);
        let chain = match authority {
            Some((certificate, secret)) => {
                let secret = KeyPair::from_pem(&read(secret)).expect("the authority's key");
                let issuer = Issuer::from_ca_cert_pem(&read(certificate), secret).expect("the authority");
                params.signed_by(&key, &issuer).expect("signed").pem()
            }
            None => {
                let mut own = CertificateParams::new(Vec::new()).expect("no names");
                own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                let issuer = Issuer::new(own, KeyPair::generate().expect("a key"));
                params.signed_by(&key, &issuer).expect("signed").pem()
            }
        };
        let to = self.path(&format!("keys/{folder}"));
        std::fs::create_dir_all(&to).expect("a folder");
        std::fs::write(to.join("tls.pem"), chain).expect("a file");
        std::fs::write(to.join("tls.key"), key.serialize_pem()).expect("a file");
        std::fs::copy(self.path("keys/coordinator/ca.pem"), to.join("ca.pem")).expect("a file");
    }

    /// A question of `planner` with its plan, not signed yet.
    pub fn question(&self, planner: &str, sql: &str, rho: &str) -> (Spec, Plan) {
        let plan = plan(&self.manifest, sql, rho.parse().expect("a rho")).expect("a plan");
        let mut query_id = [0; 16];
        SystemRandom::new().fill(&mut query_id).expect("randomness");
        let spec = Spec {
            federation: self.manifest.federation.clone(),
            manifest_hash: self.manifest.hash(),
            query_id: QueryId(query_id),
            planner: planner.parse().expect("a name"),
            sql: plan.canonical_sql().to_owned(),
            rho: plan.rho_limit(),
            plan_hash: plan.hash(),
            purpose: String::new(),
            issued_at_s: now_s(),
        };
        (spec, plan)
    }

    /// Signs a question with a party's key.
    pub fn sign(&self, party: &str, spec: &Spec) -> v1::Signed {
        let body = spec.encode();
        let signature = self.signing_key(party).sign(&body);
        v1::Signed::new(body, &signature)
    }

    /// Asks as `planner` and waits for the answer.
    pub async fn ask(&self, planner: &str, sql: &str, rho: &str) -> Result<v1::Answer, Status> {
        let (spec, _) = self.question(planner, sql, rho);
        self.ask_signed(planner, self.sign(planner, &spec), true).await
    }

    /// Sends a signed question and waits for the answer.
    pub async fn ask_signed(
        &self,
        planner: &str,
        spec: v1::Signed,
        fresh: bool,
    ) -> Result<v1::Answer, Status> {
        let mut client = self.coordinator_client(planner);
        wait_for_answer(&mut client, v1::AskRequest { spec: Some(spec), fresh, new_attempt: false }).await
    }
}

/// Sends a question over an open connection and waits for the answer.
pub async fn wait_for_answer(
    client: &mut CoordinatorClient<Channel>,
    request: v1::AskRequest,
) -> Result<v1::Answer, Status> {
    let mut events = client.ask(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        if let Some(v1::ask_event::Event::Answer(answer)) = event.event {
            return Ok(answer);
        }
    }
    Err(Status::unknown("the stream ended without an answer"))
}

/// The refusal that a call ended with.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> Refusal {
    let status = result.expect_err("it should have been refused");
    Refusal::from_status(&status).unwrap_or_else(|| panic!("not a refusal of ours: {status:?}"))
}

/// Seconds since 1970-01-01 UTC.
pub fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A release with its masked vectors, as an auditor fetches it.
pub async fn evidence(client: &mut CoordinatorClient<Channel>, spec_hash: Vec<u8>) -> v1::Evidence {
    let request = v1::GetEvidenceRequest { spec_hash };
    let mut parts = client.get_evidence(request).await.expect("evidence").into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.message().await.expect("a part") {
        bytes.extend(part.data);
    }
    v1::Evidence::decode(bytes.as_slice()).expect("an Evidence message")
}
