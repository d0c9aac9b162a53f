//! Fetches ledgers, registry and releases into a folder. Nothing fetched is believed: the audit of the folder decides.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use almoner_api::v1::coordinator_client::CoordinatorClient;
use almoner_api::v1::log_client::LogClient;
use almoner_api::v1::witness_client::WitnessClient;
use almoner_api::{MAX_MESSAGE_BYTES, TlsFiles, v1};
use almoner_audit::{AskedQuestion, LogFolder, LogWriter, Mirror};
use almoner_federation::checkpoint::{SignedCheckpoint, UnverifiedCheckpoint};
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, Identity, Manifest, Name, Role, SigningKey, VerifyingKey};
use almoner_ledger::{RegistryEntry, RegistryStep};
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Channel;

use crate::cli_error::CliError;
use crate::planner::signing_key;

/// How long one call may take to begin.
const CALL: Duration = Duration::from_secs(20);

/// Entries in one request.
const PAGE: u64 = 10_000;

/// Longest release.
const MAX_RELEASE_BYTES: usize = 1 << 28;

/// An auditor with everything needed to fetch and cosign.
pub(super) struct Auditor {
    manifest: Manifest,
    manifest_text: String,
    tls: TlsFiles,
    key: SigningKey,
    name: KeyName,
}

/// Why one log could not be fetched; the audit goes on with what is there.
enum Missed {
    Call(Status),
    Write(io::Error),
    Note(&'static str),
}

impl From<Status> for Missed {
    fn from(status: Status) -> Self {
        Missed::Call(status)
    }
}

impl From<io::Error> for Missed {
    fn from(error: io::Error) -> Self {
        Missed::Write(error)
    }
}

/// One log at its server.
struct Remote<'a> {
    folder: LogFolder,
    /// Under which its notes are remembered.
    seen: String,
    origin: KeyName,
    key: VerifyingKey,
    client: LogClient<Channel>,
    mirror: &'a Mirror,
}

impl Auditor {
    pub(super) fn open(manifest: &Path, keys: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(manifest)
            .map_err(|source| CliError::Read { path: manifest.to_owned(), source })?;
        let parsed = Manifest::parse(&text, &manifest.display().to_string())?;
        let identity = crate::keys::identity_of(&keys.join("tls.pem"))?;
        if identity.role != Role::Auditor || !parsed.knows(&identity) {
            return Err(CliError::Usage {
                message: format!("{identity} is not an auditor of federation {}", parsed.federation),
                remedy: "give the key folder of an auditor that the manifest names",
            });
        }
        Ok(Auditor {
            manifest: parsed,
            manifest_text: text,
            tls: TlsFiles::read(keys)?,
            key: signing_key(keys, "make one with `almoner keys auditor`")?,
            name: identity.key_name(),
        })
    }

    /// Brings the folder up to date; returns what could not be fetched, in words.
    pub(super) async fn fetch(&self, mirror: &Mirror) -> Result<Vec<String>, CliError> {
        let failed = |source| CliError::Write { path: mirror.root().to_owned(), source };
        mirror.keep_manifest(&self.manifest_text).map_err(failed)?;
        let mut missed = Vec::new();
        let mut note = |what: String, outcome: Result<(), Missed>| match outcome {
            Ok(()) => Ok(()),
            Err(Missed::Write(source)) => Err(failed(source)),
            Err(Missed::Call(status)) => {
                missed.push(format!("{what}: {}", status.message()));
                Ok(())
            }
            Err(Missed::Note(problem)) => {
                missed.push(format!("{what}: {problem}"));
                Ok(())
            }
        };
        // What witnesses remember comes before the ledgers, and releases before both: whatever is named in what was
        // fetched earlier must be in the ledgers that are fetched last.
        for agency in &self.manifest.agencies {
            let outcome = self.remembered(mirror, &agency.name).await;
            note(format!("what {} remembers of others", agency.name), outcome)?;
        }
        note("the registry".into(), self.registry(mirror).await)?;
        for agency in &self.manifest.agencies {
            note(format!("the ledger of {}", agency.name), self.ledger(mirror, &agency.name).await)?;
        }
        Ok(missed)
    }

    /// Adds this auditor's signature to the newest checkpoint of every log in the folder.
    pub(super) async fn cosign(&self, mirror: &Mirror) -> Result<(), CliError> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let mut logs = vec![self.remote_registry(mirror)?];
        for agency in &self.manifest.agencies {
            logs.push(self.remote(mirror, &agency.name)?);
        }
        for mut log in logs {
            let Ok(Some(mut signed)) = log.kept() else { continue };
            let done = signed
                .cosign(&self.name, &self.key, now_s)
                .and_then(|own| signed.add(&own, &self.key.verifying_key()));
            if let Err(error) = done {
                tracing::warn!(%error, "a checkpoint could not be cosigned");
                continue;
            }
            let request = v1::Checkpoint { note: signed.to_string() };
            if let Err(status) = log.client.add_cosignature(request).await {
                tracing::warn!(log = log.seen, message = status.message(), "the cosignature was not taken");
            }
        }
        Ok(())
    }

    fn channel(&self, endpoint: &str, server: &Identity) -> Result<Channel, CliError> {
        Ok(self.tls.channel(endpoint, server)?)
    }

    fn remote<'a>(&self, mirror: &'a Mirror, name: &Name) -> Result<Remote<'a>, CliError> {
        let agency = self.manifest.agency_named(name).expect("called with the manifest's own names");
        let server = self.manifest.identity(Role::Agency, name);
        Ok(Remote {
            folder: mirror.node(name),
            seen: format!("nodes/{name}"),
            origin: server.key_name(),
            key: agency.signing_key,
            client: client(self.channel(&agency.endpoint, &server)?),
            mirror,
        })
    }

    fn remote_registry<'a>(&self, mirror: &'a Mirror) -> Result<Remote<'a>, CliError> {
        let coordinator = &self.manifest.coordinator;
        let server = self.manifest.identity(Role::Coordinator, &coordinator.name);
        Ok(Remote {
            folder: mirror.registry(),
            seen: "registry".into(),
            origin: server.key_name(),
            key: coordinator.signing_key,
            client: client(self.channel(&coordinator.endpoint, &server)?),
            mirror,
        })
    }

    async fn remembered(&self, mirror: &Mirror, name: &Name) -> Result<(), Missed> {
        let agency = self.manifest.agency_named(name).expect("called with the manifest's own names");
        let server = self.manifest.identity(Role::Agency, name);
        let channel = self.channel(&agency.endpoint, &server).map_err(|_| Missed::Note("no TLS"))?;
        let mut witness = WitnessClient::new(channel);
        for other in self.manifest.agencies.iter().filter(|other| other.name != *name) {
            let origin = self.manifest.identity(Role::Agency, &other.name).key_name().to_string();
            let reply = in_time(witness.remembered(v1::RememberedRequest { origin })).await?;
            if !reply.note.is_empty() {
                mirror.keep_remembered(name, &other.name, &reply.note)?;
            }
        }
        Ok(())
    }

    async fn ledger(&self, mirror: &Mirror, name: &Name) -> Result<(), Missed> {
        let mut log = self.remote(mirror, name).map_err(|_| Missed::Note("no TLS"))?;
        let fetched = log.fetch().await?;
        let mut questions = mirror.questions(name)?;
        let mut known: HashSet<Digest> = questions.iter().map(|asked| Digest::of(&asked.body)).collect();
        let request = v1::GetEntriesRequest { from: fetched.0, to: fetched.1 };
        let mut stream = in_time(log.client.get_questions(request)).await?;
        while let Some(asked) = stream.message().await? {
            let Ok(signature) = asked.signature() else {
                return Err(Missed::Note("a question without signature"));
            };
            if known.insert(Digest::of(&asked.body)) {
                questions.push(AskedQuestion { body: asked.body, signature });
            }
        }
        mirror.keep_questions(name, &questions)?;
        Ok(())
    }

    async fn registry(&self, mirror: &Mirror) -> Result<(), Missed> {
        let mut log = self.remote_registry(mirror).map_err(|_| Missed::Note("no TLS"))?;
        log.fetch().await?;
        let Some(signed) = log.kept()? else { return Ok(()) };
        let mut wanted = Vec::new();
        log.folder.entries(signed.checkpoint().size, |number, bytes, _| {
            if let Ok(RegistryEntry { step: RegistryStep::Publish { .. }, spec_hash, .. }) =
                RegistryEntry::decode(bytes)
            {
                wanted.push((number, spec_hash));
            }
            std::ops::ControlFlow::Continue(())
        })?;
        let coordinator = &self.manifest.coordinator;
        let server = self.manifest.identity(Role::Coordinator, &coordinator.name);
        let channel = self.channel(&coordinator.endpoint, &server).map_err(|_| Missed::Note("no TLS"))?;
        let mut client = CoordinatorClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        for (number, spec_hash) in wanted {
            if mirror.release(number)?.is_some() {
                continue;
            }
            let request = v1::GetEvidenceRequest { spec_hash: spec_hash.0.to_vec() };
            let mut parts = in_time(client.get_evidence(request)).await?;
            let mut bytes = Vec::new();
            while let Some(part) = parts.message().await? {
                if bytes.len() + part.data.len() > MAX_RELEASE_BYTES {
                    return Err(Missed::Note("a release is longer than 256 MiB"));
                }
                bytes.extend(part.data);
            }
            mirror.keep_release(number, &bytes)?;
        }
        Ok(())
    }
}

fn client(channel: Channel) -> LogClient<Channel> {
    LogClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// The answer of a call that begins in time.
async fn in_time<T>(call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Status> {
    let answer = timeout(CALL, call).await;
    Ok(answer.map_err(|_| Status::deadline_exceeded("no answer in 20 seconds"))??.into_inner())
}

impl Remote<'_> {
    /// The newest checkpoint in the folder, if the log signed it.
    fn kept(&self) -> io::Result<Option<SignedCheckpoint>> {
        Ok(self.folder.checkpoint()?.and_then(|note| self.verify(&note)))
    }

    fn verify(&self, note: &str) -> Option<SignedCheckpoint> {
        UnverifiedCheckpoint::parse(note).ok()?.verify(&self.origin, &self.key).ok()
    }

    /// Fetches what is new: from which entry to which. A log that does not continue what is in the folder is fetched
    /// whole; its older checkpoints stay, and show what it did.
    async fn fetch(&mut self) -> Result<(u64, u64), Missed> {
        let note = in_time(self.client.get_checkpoint(v1::GetCheckpointRequest {})).await?.note;
        let signed = self.verify(&note).ok_or(Missed::Note("its checkpoint is not signed by it"))?;
        let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
        self.mirror.keep_seen(&self.seen, size, &root, &note)?;
        let before = self.kept()?.map_or(0, |kept| kept.checkpoint().size);
        let resumed = if before <= size { self.folder.writer(before).ok() } else { None };
        let from = if resumed.is_some() { before } else { 0 };
        let mut writer = match resumed {
            Some(writer) => writer,
            None => self.folder.writer(0)?,
        };
        self.entries(&mut writer, from, size).await?;
        if from > 0 && writer.position() != (size, root) {
            writer = self.folder.writer(0)?;
            self.entries(&mut writer, 0, size).await?;
        }
        writer.flush()?;
        self.folder.keep_checkpoint(&note)?;
        Ok((from, size))
    }

    async fn entries(&mut self, writer: &mut LogWriter, from: u64, to: u64) -> Result<(), Missed> {
        let mut at = from;
        while at < to {
            let request = v1::GetEntriesRequest { from: at, to: to.min(at + PAGE) };
            let mut stream = in_time(self.client.get_entries(request)).await?;
            let before = at;
            while let Some(part) = stream.message().await? {
                for entry in part.entries.iter().take((to - at) as usize) {
                    writer.push(entry);
                    at += 1;
                }
            }
            if at == before {
                return Err(Missed::Note("it has fewer entries than its checkpoint says"));
            }
            writer.flush()?;
        }
        Ok(())
    }
}
