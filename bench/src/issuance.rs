//! Durable issuance on PostgreSQL: certificates that stand in the database for good, with state, event and audit entries, beside
//! the bare signatures of the same key on one core in the same run. The server is one of its own with all its guarantees on; the
//! keys of the cards are made before the clock runs.
//!
//! Processor time is told apart by measuring the parts by themselves: proof of possession, lint with rehearsal, signature with its
//! check. What is left of this process's time is the database client and the books.

use crate::Failure;
use crate::figure::Figure;
use crate::measure::typical;
use curve::rsa::RsaPrivateKey;
use curve::{Curve, Hash, SecretKey, SystemRandom};
use jiff::Timestamp;
use keys::{KeyKind, KeyStore, Purpose, SoftwareKeyStore, WrappingKey};
use model::{CardSerial, KeySlot, RocDate};
use npc::{Carrier, CertificateAuthority, IssueRequest, Npc, NpcConfig, Period};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::testkit::OwnServer;
use store::{Db, params};
use uuid::Uuid;
use x509::certificate::{Kind, Rehearsal, TbsCertificate};
use x509::{Certificate, EcSigner, Name, RsaSigner, Signer, csr};

const GROUP: &str = "durable issuance on PostgreSQL";

/// What a quotient is to be.
const NEEDED: f64 = 0.8;

pub(crate) fn run(count: usize, callers: usize) -> Result<Vec<Figure>, Failure> {
    let place = tempfile::tempdir()?;
    let server = OwnServer::durable();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let cards = count.div_ceil(2).max(1);
    // A card has two keys of each kind: RSA-2048 for its first five years, P-521 for the next.
    let rsa = requests(cards, [KeySlot::SigningRsa, KeySlot::EncryptionRsa])?;
    let ec = requests(cards, [KeySlot::SigningEc, KeySlot::EncryptionEc])?;
    let mut figures = Vec::new();
    for key in [KeyKind::Rsa(4096), KeyKind::Ec(Curve::P384)] {
        let bench = runtime.block_on(Bench::open(place.path(), &server, key))?;
        for (name, requests) in [("RSA-2048", &rsa), ("P-521", &ec)] {
            figures.extend(runtime.block_on(bench.measure(name, requests, callers))?);
        }
        figures.push(runtime.block_on(bench.compare())?);
    }
    Ok(figures)
}

/// A CA with one kind of key.
struct Bench<'a> {
    npc: Arc<Npc>,
    signer: Arc<dyn Signer>,
    server: &'a OwnServer,
    key: &'static str,
}

impl<'a> Bench<'a> {
    async fn open(directory: &Path, server: &'a OwnServer, kind: KeyKind) -> Result<Self, Failure> {
        let (key, schema) = match kind {
            KeyKind::Rsa(_) => ("RSA-4096", "npc_rsa"),
            _ => ("P-384", "npc_ec"),
        };
        let wrapping = WrappingKey::new(&curve::SecretBytes::new(&[7; 32]))?;
        let keys = SoftwareKeyStore::open(&directory.join(schema), wrapping, Box::new(SystemRandom))?;
        let keys: Arc<dyn KeyStore> = Arc::new(keys);
        let config = NpcConfig { root_key: KeyKind::Ec(Curve::P384), ca_key: kind, ..NpcConfig::default() };
        let db = Db::open(&server.url(), schema).await?;
        let npc = Npc::open(db, keys.clone(), config, Box::new(SystemRandom), now()).await?;
        let signer = keys.signer("npc-ca", Purpose::CertificateAuthority)?;
        Ok(Self { npc: Arc::new(npc), signer, server, key })
    }

    async fn measure(
        &self,
        card_key: &str,
        cards: &[Vec<IssueRequest>],
        callers: usize,
    ) -> Result<Vec<Figure>, Failure> {
        let cards = self.with_holders(cards).await?;
        // A few by themselves: how long somebody waits who is alone. They also open connections and draw the throw-away key.
        let (alone, rest) = cards.split_at((cards.len() / 10).clamp(1, 10).min(cards.len() - 1));
        let mut waited = Vec::new();
        for request in alone.iter().flatten() {
            let (time, issued) = once_async(self.npc.issue(request, now())).await;
            issued?;
            waited.push(time);
        }
        waited.sort_unstable();
        let message = vec![0x5A; 1_400];
        let raw = typical(if self.key == "P-384" { 5_000 } else { 250 }, || self.signer.sign(&message));
        let raw_rate = 1.0 / raw.as_secs_f64();

        let count = rest.iter().map(Vec::len).sum::<usize>();
        let (own, servers) = (own_time()?, server_time(self.server.process())?);
        let (elapsed, sample) = once_async(self.issue_all(rest, callers)).await;
        let sample = sample?;
        let own = (own_time()? - own).as_secs_f64() / count as f64;
        let servers = (server_time(self.server.process())? - servers).as_secs_f64() / count as f64;
        self.check(cards.iter().map(Vec::len).sum()).await?;

        let rate = count as f64 / elapsed.as_secs_f64();
        let name = format!("{count} certificates over {card_key} keys under {}", self.key);
        let parts = self.parts(&rest[0][0], &sample)?;
        let micros = |seconds: f64| seconds * 1e6;
        let part = |name: &str, seconds: f64| Figure::new(GROUP, name, micros(seconds), "µs");
        let client = (own - parts.iter().map(|(_, time)| time.as_secs_f64()).sum::<f64>()).max(0.0);
        let mut figures = vec![
            Figure::new(GROUP, name, rate, "/s").beside("bare signatures of the key on one core", raw_rate),
            Figure::new(GROUP, "  that quotient", rate / raw_rate, "").beside("required", NEEDED),
            Figure::time(GROUP, "  a request alone, median", waited[waited.len() / 2]),
            part("  processor time of a certificate, this program", own),
        ];
        figures.extend(parts.iter().map(|(name, time)| part(name, time.as_secs_f64())));
        figures.push(part("    database client and books (the rest)", client));
        figures.push(part("  processor time of a certificate, PostgreSQL", servers));
        Ok(figures)
    }

    /// Every RSA key beside every other (NPC-58): processor time with reading the certificates and keeping the products.
    async fn compare(&self) -> Result<Figure, Failure> {
        let before = own_time()?;
        let all = self.npc.check_common_factors("bench", now(), &mut |_| {}).await?;
        let seconds = (own_time()? - before).as_secs_f64();
        if all.found != 0 {
            return Err(format!("{} keys have a factor in common", all.found).into());
        }
        let name = format!("{} RSA-2048 keys, each compared with all others", all.moduli);
        Ok(Figure::new(GROUP, name, all.moduli as f64 / seconds, "/s"))
    }

    /// The requests with holder numbers, which this database has given out.
    async fn with_holders(&self, cards: &[Vec<IssueRequest>]) -> Result<Vec<Vec<IssueRequest>>, Failure> {
        let mut numbers = Vec::new();
        for person in 0..HOLDERS {
            let hash = Hash::Sha256.digest(&person.to_be_bytes()).try_into().map_err(|_| "hash")?;
            numbers.push(self.npc.holder_number(&hash, now()).await?);
        }
        let mut cards = cards.to_vec();
        for (card, number) in cards.iter_mut().zip(numbers.iter().cycle()) {
            card.iter_mut().for_each(|request| request.holder_no.clone_from(number));
        }
        Ok(cards)
    }

    /// As the workers of the management system do: card by card, several at the same time.
    async fn issue_all(&self, cards: &[Vec<IssueRequest>], callers: usize) -> Result<Certificate, Failure> {
        let mut running = tokio::task::JoinSet::new();
        for part in cards.chunks(cards.len().div_ceil(callers.max(1))) {
            let (npc, part) = (self.npc.clone(), part.to_vec());
            running.spawn(async move {
                let mut last = Vec::new();
                for card in &part {
                    for issued in npc.issue_many(card, now()).await {
                        last = issued?.der;
                    }
                }
                Ok::<_, npc::NpcError>(last)
            });
        }
        let mut last = Vec::new();
        while let Some(done) = running.join_next().await {
            last = done??;
        }
        Ok(Certificate::parse(&last)?)
    }

    /// Everything asked for is there, once, and the books agree.
    async fn check(&self, least: usize) -> Result<(), Failure> {
        let sql = "SELECT COUNT(*), COUNT(DISTINCT spki_hash), COUNT(der) FROM certificate";
        let row = self.npc.db().one(sql, params![]).await?;
        let (rows, keys, signed): (usize, usize, usize) = (row.read(0)?, row.read(1)?, row.read(2)?);
        if rows < least || rows != keys || rows != signed {
            return Err(format!("{rows} certificates, {keys} keys, {signed} signed of {least}").into());
        }
        self.npc.verify_audit(None).await?;
        Ok(())
    }

    /// What a certificate costs before the database is asked, part by part.
    fn parts(
        &self,
        request: &IssueRequest,
        issued: &Certificate,
    ) -> Result<[(&'static str, Duration); 3], Failure> {
        let possession = typical(250, || csr::Csr::parse(&request.csr).and_then(|csr| csr.verify()));
        let kind = match request.slot.is_signing() {
            true => Kind::NpcCitizenSigning,
            false => Kind::NpcCitizenEncryption,
        };
        let kind = [kind, Kind::NpcCitizenSigning, Kind::NpcCitizenEncryption];
        let tbs = kind.iter().find_map(|kind| TbsCertificate::from_stored(*kind, issued.tbs()).ok());
        let tbs = tbs.ok_or("a certificate that its own lint refuses")?;
        let rehearsal = Rehearsal::draw(tbs.algorithm(), &mut SystemRandom)?;
        let issuer = x509::certificate::Issuer::new(&self.npc.ca_certificate(), self.signer.as_ref())?;
        rehearsal.inspect(&tbs, Some(&issuer))?;
        let rehearsed = typical(250, || rehearsal.inspect(&tbs, Some(&issuer)));
        let signed = typical(250, || x509::certificate::issue(&tbs, self.signer.as_ref()));
        Ok([
            ("    proof of possession", possession),
            ("    lint and rehearsal", rehearsed),
            ("    signature, checked", signed),
        ])
    }
}

/// As many cards with two requests each, which their keys have signed. All cores make the keys.
fn requests(cards: usize, slots: [KeySlot; 2]) -> Result<Vec<Vec<IssueRequest>>, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let make = |worker: usize| -> Result<Vec<Vec<IssueRequest>>, Failure> {
        let mut made = Vec::new();
        for number in (worker..cards).step_by(threads) {
            let card = CardSerial::new("N5A", number as u32 + 1)?;
            made.push(slots.into_iter().map(|slot| request(card, slot)).collect::<Result<_, _>>()?);
        }
        Ok(made)
    };
    let made = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|worker| scope.spawn(move || make(worker))).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Result<Vec<_>, Failure>>| {
            worker.join().unwrap_or_else(|_| Err("a worker has panicked".into()))
        };
        workers.into_iter().map(join).collect::<Result<Vec<_>, Failure>>()
    })?;
    Ok(made.into_iter().flatten().collect())
}

fn request(card: CardSerial, slot: KeySlot) -> Result<IssueRequest, Failure> {
    let signer: Box<dyn Signer> = if slot.is_rsa() {
        Box::new(RsaSigner::new(RsaPrivateKey::generate(2048)?))
    } else {
        Box::new(EcSigner::new(SecretKey::generate(Curve::P521, &mut SystemRandom)))
    };
    let subject = Name::builder().country("TW").common_name(card.as_str()).build()?;
    let csr = csr::build(&subject, signer.spki(), signer.algorithm(), |info| signer.sign(info))?;
    let number = Hash::Sha256.digest(&[card.as_str().as_bytes(), &[slot.id()]].concat());
    Ok(IssueRequest {
        request_id: Uuid::from_slice(&number[..16])?,
        carrier: Carrier::NewEid,
        card,
        chip_model: Some("NE-0144".into()),
        slot,
        csr,
        subject_name: "測試用王小明".into(),
        id_tail: "6789".into(),
        holder_no: String::new(),
        issue_date: RocDate::in_taipei(now()),
        renewal_date: None,
        period: Period::First,
    })
}

fn now() -> Timestamp {
    crate::country::now()
}

async fn once_async<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let begin = std::time::Instant::now();
    let result = black_box(work.await);
    (begin.elapsed(), result)
}

/// Processor time of this process so far.
fn own_time() -> Result<Duration, Failure> {
    Ok(stat("self")?.1)
}

/// Processor time of a PostgreSQL server so far: the process above, those below it, and those below it that have ended.
fn server_time(above: u32) -> Result<Duration, Failure> {
    let mut sum = Duration::ZERO;
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may have ended since it was listed.
        let Ok((parent, time, of_children)) = stat(&process.to_string()) else { continue };
        if process == above {
            sum += time + of_children;
        } else if parent == above {
            sum += time;
        }
    }
    Ok(sum)
}

/// Parent, time, and time of children that have ended, from proc(5) `stat`, whose ticks are hundredths of a second.
fn stat(process: &str) -> Result<(u32, Duration, Duration), Failure> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name stands in brackets and may have spaces.
    let (_, fields) = text.rsplit_once(") ").ok_or("stat of a process")?;
    let fields: Vec<u64> = fields.split(' ').map(|field| field.trim().parse().unwrap_or(0)).collect();
    let ticks = |first: usize| {
        let ticks = fields.get(first).zip(fields.get(first + 1)).map(|(user, system)| user + system);
        Duration::from_millis(ticks.unwrap_or(0) * 10)
    };
    Ok((fields.get(1).map_or(0, |parent| *parent as u32), ticks(11), ticks(13)))
}

const HOLDERS: u32 = 20;
