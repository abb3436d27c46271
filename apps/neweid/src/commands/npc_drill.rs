//! `neweid npc drill`: an incident at the size of a country, on a database of its own. The precedent is Estonia in 2017
//! (RECALL-14): two thirds of the holders have cards with a suspected chip, and a little more than half of these are affected.
//! Rows are written without signing each certificate; everything after that is what an incident does: propose, approve,
//! suspend, lists, answers and filter for everybody, and the queue of the reissue. Meanwhile holders report losses and programs fetch
//! lists, at another process of the same CA.

use crate::cli::Drill;
use crate::clock;
use crate::failure::{Failure, Fault};
use crate::figures::{Report, process_time};
use curve::rsa::RsaPrivateKey;
use curve::{SecretBytes, SystemRandom};
use jiff::SignedDuration;
use keys::{SoftwareKeyStore, WrappingKey};
use model::{CardSerial, KeySlot, RocDate, SuspensionCause};
use npc::{
    Carrier, CertificateAuthority, Cohort, DrillLot, IssueRequest, Measure, Npc, NpcConfig, Period,
    QueuePlan, Scope,
};
use status::filter::{Filter, State, key_hash};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::Db;
use x509::ocsp::{BasicResponse, CertId, CertificateStatus, IssuerHashes, build_request};
use x509::{Name, RsaSigner, Serial, Signer, csr};

const SUSPECTED: &str = "NE-0144";
const OTHER: &str = "NE-0256";
/// Every this many certificates are asked about by OCSP.
const ASKED: usize = 1_000;
/// Counters that take part in the reissue.
const OFFICES: u32 = 368;

/// Runs the command.
pub async fn run(arguments: &Drill) -> Result<ExitCode, Failure> {
    let persons = arguments.persons;
    if !(15..=12_000_000).contains(&persons) {
        return Err(wrong());
    }
    let dir = &arguments.dir;
    std::fs::create_dir_all(dir)?;
    let url = match &arguments.database {
        Some(file) => std::fs::read_to_string(file)?.trim().to_owned(),
        None => format!("sqlite:{}/", dir.display()),
    };
    let open = async || -> Result<Npc, Failure> {
        let wrapping = WrappingKey::new(&SecretBytes::new(&[7; 32])).map_err(Failure::from_system)?;
        let store = SoftwareKeyStore::open(&dir.join("keys"), wrapping, Box::new(SystemRandom));
        let store = Arc::new(store.map_err(Failure::from_system)?);
        let db = Db::open(&url, "npc_drill").await.map_err(Failure::from_system)?;
        let config = NpcConfig { partitions: 1_024, ..NpcConfig::default() };
        Npc::open(db, store, config, Box::new(SystemRandom), clock::now()).await.map_err(Failure::from_system)
    };
    let mut report = Report::new(arguments.json);
    let npc = open().await?;
    let began = Instant::now();
    let pattern = pattern(&npc).await?;
    let cards = cards(persons + persons / 2)?;
    let affected = persons as usize * 8 / 15;
    let lot = async |cards: &[CardSerial], chip_model, fingerprint| {
        npc.write_drill_lot(&pattern, DrillLot { cards, chip_model, fingerprint }, clock::now())
            .await
            .map_err(Failure::from_system)
    };
    let mut suspected = lot(&cards[..affected], SUSPECTED, "roca").await?;
    suspected.extend(lot(&cards[affected..persons as usize], SUSPECTED, "100001-1-0").await?);
    let others = lot(&cards[persons as usize..], OTHER, "100001-1-0").await?;
    report.time("population_written", began);
    report.number("certificates", (suspected.len() + others.len() + 1) as f64);

    // As after a restart: everything is read from the database.
    drop(npc);
    let began = Instant::now();
    let npc = Arc::new(open().await?);
    report.time("restart", began);
    let began = Instant::now();
    npc.maintain(clock::now()).await.map_err(Failure::from_system)?;
    report.time("all_lists_and_filter_before", began);

    let cohort = Cohort { chip_model: Some(SUSPECTED.to_owned()), ..Cohort::default() };
    let began = Instant::now();
    let proposed = npc.propose_incident(cohort, Measure::Suspend, "drill-anna", clock::now()).await;
    let proposed = proposed.map_err(Failure::from_system)?;
    report.time("propose", began);
    report.number("cohort", proposed.concerned as f64);
    // As another process: with connections and a memory of its own.
    let desk = open().await?;
    let over = AtomicBool::new(false);
    let (began, used) = (Instant::now(), process_time());
    let work = async {
        let done = npc.approve_incident(proposed.number, "drill-bert", clock::now()).await;
        over.store(true, Ordering::SeqCst);
        done
    };
    let (done, suspended, reports) = tokio::join!(
        work,
        watch(&npc, proposed.number, arguments.json),
        reports(&desk, &cards[..persons as usize], &over)
    );
    let done = done.map_err(Failure::from_system)?;
    report.time("approve_to_public", began);
    report.number("approve_to_public_processor_seconds", (process_time() - used).as_secs_f64());
    report.number("approve_to_all_suspended_seconds", suspended?.duration_since(began).as_secs_f64());
    report.number("suspended", done.changed as f64);
    let mut waits = reports?;
    waits.sort();
    let wait = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64();
    report.number("reports_of_losses_meanwhile", waits.len() as f64);
    report.number("report_median_seconds", wait(0.5));
    report.number("report_longest_seconds", wait(1.0));
    desk.db().close().await;
    drop(desk);

    check(&npc, &suspected, &others, &mut report).await?;
    queue(&npc, proposed.number, &cards[..persons as usize], &mut report).await?;
    npc.db().close().await;
    if arguments.database.is_none() {
        size_of(dir, &mut report);
    }
    report.finish();
    Ok(ExitCode::SUCCESS)
}

/// Tells how far the incident is, until all its batches are done.
async fn watch(npc: &Npc, number: u64, quiet: bool) -> Result<Instant, Failure> {
    let mut told = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let all = npc.incidents().await.map_err(Failure::from_system)?;
        let Some(incident) = all.iter().find(|incident| incident.number == number) else { continue };
        if !quiet && incident.changed >= told + incident.concerned / 10 {
            told = incident.changed;
            say!("  {} / {}", incident.changed, incident.concerned);
        }
        if incident.finished_at.is_some() {
            return Ok(Instant::now());
        }
    }
}

/// Holders who lose their cards and find them again, one after the other, and programs that fetch a list of those affected, until the
/// incident is over: how long each report waits. All of them are of its cohort, so that lists and filter say the same without them.
async fn reports(npc: &Npc, cards: &[CardSerial], over: &AtomicBool) -> Result<Vec<Duration>, Failure> {
    let mut waits = Vec::new();
    for (n, card) in cards.iter().step_by(7).cycle().enumerate() {
        let (now, began) = (clock::now(), Instant::now());
        npc.suspend(*card, SuspensionCause::Loss, "hotline", now).await.map_err(Failure::from_system)?;
        waits.push(began.elapsed());
        if n % 2 == 0 {
            let (now, began) = (clock::now(), Instant::now());
            npc.resume(*card, SuspensionCause::Loss, "hotline", now).await.map_err(Failure::from_system)?;
            waits.push(began.elapsed());
        }
        let list = Scope::Partition((n % 1_024) as u16);
        npc.crl(list, clock::now()).await.map_err(Failure::from_system)?;
        if over.load(Ordering::SeqCst) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(waits)
}

/// The one certificate that is issued in full, after which all others are written.
async fn pattern(npc: &Npc) -> Result<Serial, Failure> {
    let now = clock::now();
    let today = RocDate::in_taipei(now);
    let key = RsaSigner::new(RsaPrivateKey::generate(2048).map_err(Failure::ours)?);
    let subject = Name::builder().country("TW").common_name("drill").build().map_err(Failure::ours)?;
    let csr = csr::build(&subject, key.spki(), key.algorithm(), |info| key.sign(info));
    let request = IssueRequest {
        request_id: store::new_id(now, &mut SystemRandom),
        carrier: Carrier::NewEid,
        card: CardSerial::new("ZZZ", 999_999).map_err(Failure::ours)?,
        chip_model: None,
        slot: KeySlot::SigningRsa,
        csr: csr.map_err(Failure::ours)?,
        subject_name: "演習".to_owned(),
        id_tail: "0000".to_owned(),
        holder_no: npc.holder_number(&[0; 32], now).await.map_err(Failure::from_system)?,
        issue_date: today,
        renewal_date: None,
        period: Period::First,
    };
    Ok(npc.issue(&request, now).await.map_err(Failure::from_system)?.serial)
}

fn cards(count: u32) -> Result<Vec<CardSerial>, Failure> {
    let series =
        |n: u32| format!("D{}{}", char::from(b'A' + (n / 26) as u8), char::from(b'A' + (n % 26) as u8));
    let card = |n: u32| CardSerial::new(&series(n / 900_000), n % 900_000 + 1).map_err(Failure::ours);
    (0..count).map(card).collect()
}

/// What everybody is told: the complete list, OCSP and the filter.
async fn check(npc: &Npc, suspected: &[u128], others: &[u128], report: &mut Report) -> Result<(), Failure> {
    let now = clock::now();
    let list = npc.crl(Scope::Complete, now).await.map_err(Failure::from_system)?;
    let entries = x509::crl::Crl::parse(&list.der).map_err(Failure::ours)?.entries().count();
    report.number("complete_list_entries", entries as f64);
    report.number("complete_list_bytes", list.der.len() as f64);
    let partitions = npc.scopes().into_iter().filter(|scope| matches!(scope, Scope::Partition(_)));
    let (mut lists, mut listed) = (0, 0);
    for scope in partitions {
        let list = npc.crl(scope, now).await.map_err(Failure::from_system)?;
        lists += 1;
        listed += x509::crl::Crl::parse(&list.der).map_err(Failure::ours)?.entries().count();
    }
    report.number("partition_lists", f64::from(lists));
    let document = npc.filter(now).await.map_err(Failure::from_system)?;
    report.number("filter_bytes", document.der.len() as f64);
    let signed = x509::cms::SignedData::parse(&document.der).map_err(Failure::ours)?;
    let content = signed.content().ok_or_else(|| Failure::ours("the filter is empty"))?;
    let filter = Filter::read(content).map_err(Failure::ours)?;
    let key = key_hash(&npc.ca_certificate());
    let is = |serial: &u128, state| filter.state_by_key(&key, *serial) == Some(state);
    let right = suspected.iter().all(|serial| is(serial, State::Suspended))
        && others.iter().all(|serial| is(serial, State::Good));
    if entries != suspected.len() || listed != entries || !right {
        return Err(Failure::ours("list or filter is wrong"));
    }
    let issuer = IssuerHashes::new(&npc.ca_certificate()).map_err(Failure::ours)?;
    let began = Instant::now();
    let mut count = 0;
    for (serials, held) in [(suspected, true), (others, false)] {
        for serial in serials.iter().step_by((serials.len() / ASKED).max(1)) {
            let serial = Serial::from_u128(*serial).ok_or_else(|| Failure::ours("serial"))?;
            let id = CertId::new(&issuer, curve::Hash::Sha256, &serial).map_err(Failure::ours)?;
            let answer = npc.ocsp(&build_request(&[id], None), clock::now()).await;
            let answer = BasicResponse::parse(&answer).map_err(Failure::ours)?;
            let status = answer.answers.first().map(|single| &single.status);
            if matches!(status, Some(CertificateStatus::Revoked { .. })) != held {
                return Err(Failure::ours("an OCSP answer is wrong"));
            }
            count += 1;
        }
    }
    report.rate("ocsp_signed_per_second", count, began.elapsed());
    Ok(())
}

async fn queue(npc: &Npc, incident: u64, cards: &[CardSerial], report: &mut Report) -> Result<(), Failure> {
    let now = clock::now();
    let plan = QueuePlan {
        classes: ["medical", "courts", "everybody"].map(String::from).to_vec(),
        per_day: 60,
        offices: [("online".to_owned(), 20_000)].into(),
        weekdays: vec![1, 2, 3, 4, 5, 6],
        tries: 3,
    };
    let began = Instant::now();
    npc.open_queue(incident, &plan, "drill-anna", now).await.map_err(Failure::from_system)?;
    report.time("queue_filled", began);
    let began = Instant::now();
    let listed: Vec<_> = (0u32..)
        .zip(cards)
        .map(|(n, card)| {
            let class = match n % 100 {
                0..3 => "medical",
                3 => "courts",
                _ => "everybody",
            };
            let office = match n % 5 {
                0 | 1 => format!("office-{:03}", n / 5 % OFFICES),
                _ => "online".to_owned(),
            };
            (*card, class.to_owned(), Some(office))
        })
        .collect();
    let found = npc.assign_queue(incident, &listed, "drill-anna", now).await.map_err(Failure::from_system)?;
    report.time("queue_assigned", began);
    let began = Instant::now();
    let tomorrow = RocDate::in_taipei(now + SignedDuration::from_hours(24));
    let planned =
        npc.plan_queue(incident, tomorrow, "drill-anna", now).await.map_err(Failure::from_system)?;
    report.time("queue_planned", began);
    let began = Instant::now();
    let classes = npc.queue_report(incident).await.map_err(Failure::from_system)?;
    report.time("queue_report", began);
    let waiting: u64 = classes.iter().map(|class| class.waiting).sum();
    report.number("queue_cards", waiting as f64);
    if found != cards.len() as u64 || planned != found || waiting != found {
        return Err(Failure::ours("the queue lacks cards"));
    }
    Ok(())
}

fn size_of(directory: &Path, report: &mut Report) {
    let bytes = std::fs::metadata(directory.join("npc_drill.db")).map_or(0, |file| file.len());
    report.number("database_bytes", bytes as f64);
}

fn wrong() -> Failure {
    Failure::new(
        "NEWEID-E-DRILL",
        Fault::Caller,
        "演習人數須為 15 至 12000000。",
        "A drill has 15 to 12,000,000 persons.",
        "例 Example: --persons 750000 --database url.txt --dir drill",
    )
    .exit(2)
}
