//! The steps of production on the card alone, without database and printed face: washing, elliptic-curve keys and requests,
//! four certificates under RSA-4096, security object, personalisation over SCP03, and quality control that reads the finished
//! card as a stranger. The generation of RSA keys, which a real chip does for itself, is left out and shown beside.

use crate::Failure;
use crate::country::{CAN, Country, now, open};
use crate::curves::Operations;
use crate::figure::{Figure, millis};
use crate::measure::{once, typical};
use crate::read::read;
use chip::Flash;
use curve::rsa::RsaPrivateKey;
use curve::{Curve, Hash};
use std::time::Duration;

const GROUP: &str = "making a card, the card's part";

/// The plan's capacity: 45,000 cards a day, in eight hours.
pub(crate) const NEEDED_PER_SECOND: f64 = 45_000.0 / (8.0 * 3_600.0);

/// Cards whose RSA keys are made before the clock runs; all cards are copies of them.
const BLANKS: u32 = 2;

#[derive(Default, Clone, Copy)]
struct Steps {
    wash: Duration,
    certify: Duration,
    package: Duration,
    personalise: Duration,
    control: Duration,
}

pub(crate) fn run(count: usize) -> Result<Vec<Figure>, Failure> {
    let country = Country::new()?;
    let trust = country.trust()?;
    let mut blanks = Vec::new();
    for number in 0..BLANKS {
        let washed = country.delivered(number)?;
        let (wash, result) = once(|| country.wash(&washed));
        result?;
        country.initialise(&washed)?;
        blanks.push((washed, wash));
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (elapsed, results) = once(|| {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|worker| {
                    let (country, trust, blanks) = (&country, &trust, &blanks);
                    scope.spawn(move || {
                        (worker..count)
                            .step_by(threads)
                            .map(|n| card(country, trust, &blanks[n % blanks.len()]))
                            .collect::<Result<Vec<Steps>, Failure>>()
                    })
                })
                .collect();
            workers
                .into_iter()
                .map(|w| w.join().unwrap_or_else(|_| Err("a worker has panicked".into())))
                .collect::<Result<Vec<_>, Failure>>()
        })
    });
    let all: Vec<Steps> = results?.into_iter().flatten().collect();
    let keys = own_keys()?;
    let mean =
        |step: fn(&Steps) -> Duration| all.iter().map(step).sum::<Duration>() / all.len().max(1) as u32;
    // The keys were made before the clock ran; their time is added as if each core had made its share.
    let whole = elapsed + keys * all.len() as u32 / threads as u32;
    let rate = all.len() as f64 / whole.as_secs_f64();
    Ok(vec![
        Figure::new(GROUP, format!("cards per second on {threads} cores"), rate, "/s")
            .beside("45,000 a day in 8 hours (goal: 10)", NEEDED_PER_SECOND),
        Figure::time(GROUP, "  washing", mean(|s| s.wash)),
        Figure::time(GROUP, "  4 curve keys, 4 requests", keys),
        Figure::time(GROUP, "  4 certificates, RSA-4096", mean(|s| s.certify)),
        Figure::time(GROUP, "  security objects", mean(|s| s.package)),
        Figure::time(GROUP, "  personalisation over SCP03", mean(|s| s.personalise)),
        Figure::time(GROUP, "  quality control", mean(|s| s.control)),
        Figure::time(GROUP, "  left out: 2 RSA-2048 key pairs", rsa_keys()?).beside(
            "all other steps",
            millis(keys + mean(|s| s.wash + s.certify + s.package + s.personalise + s.control)),
        ),
    ])
}

/// Everything after the keys of one card.
fn card(
    country: &Country,
    trust: &terminal::TrustStore,
    blank: &(Flash, Duration),
) -> Result<Steps, Failure> {
    let (flash, wash) = (Flash::from_image(blank.0.image()), blank.1);
    // The copy is washed already; a delivered one is washed beside it so that its time is spent.
    let delivered = country.delivered(u32::MAX)?;
    let (again, result) = once(|| country.wash(&delivered));
    result?;
    let initialised = country.initialised(&flash)?;
    let (certify, certificates) = once(|| country.certify(&initialised));
    let certificates = certificates?;
    let (package, files) = once(|| country.package(&initialised, certificates, "national"));
    let files = files?;
    let (personalise, result) = once(|| country.personalise(&flash, &files));
    result?;
    let (control, report) = once(|| open(&flash).and_then(|channel| read(channel, CAN, trust, now())));
    report?;
    Ok(Steps { wash: wash.min(again), certify, package, personalise, control })
}

/// What initialisation does beside making RSA keys: four key pairs on P-521, two requests signed with them and two with RSA.
pub(crate) fn own_keys() -> Result<Duration, Failure> {
    let operations = Operations::measure(Curve::P521, 100);
    let key = RsaPrivateKey::generate(2048)?;
    let digest = Hash::Sha256.digest(b"request");
    let rsa_sign = typical(50, || key.sign_pkcs1(Hash::Sha256, &digest));
    Ok(operations.generate * 4 + operations.sign * 2 + rsa_sign * 2)
}

fn rsa_keys() -> Result<Duration, Failure> {
    RsaPrivateKey::generate(2048)?;
    let (time, keys) = once(|| (0..10).map(|_| RsaPrivateKey::generate(2048)).collect::<Result<Vec<_>, _>>());
    Ok(time * 2 / keys?.len() as u32)
}
